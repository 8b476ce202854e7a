"""``cinet export``: the deployable graph of a checkpoint as an ONNX file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cinet_core.inference.choices import FLOAT32, INT8

DEFAULT_IMAGE_SIZE = (640, 480)


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = argparse.ArgumentParser(prog)
    parser.description = (
        "Writes the whole graph, from camera image and intrinsics to metric depth, labels and confidence, as ONNX for "
        "one image size, with the checkpoint's metadata inside. Exit status: 0 written, 2 not."
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a .safetensors file")
    parser.add_argument("output", type=Path, metavar="FILE", help="the .onnx file")
    for name, default, text in (
        ("--image-size", DEFAULT_IMAGE_SIZE, "of the camera (640 480)"),
        ("--network-size", None, "of the network's input (as trained, at the image's aspect)"),
        ("--output-size", None, "of what is predicted (the image's)"),
    ):
        parser.add_argument(name, nargs=2, type=int, default=default, metavar=("W", "H"), help=text)
    parser.add_argument(
        "--precision",
        choices=(FLOAT32, INT8),
        default=FLOAT32,
        help="of the network: float32, or 8-bit integers for a CPU, which costs some accuracy (%(default)s)",
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Export; returns the exit status."""
    from cinet_core.checkpoint import CheckpointError
    from cinet_core.inference.export import export
    from cinet_core.inference.onnx_file import ExportError

    try:
        graph = export(
            options.checkpoint,
            options.output,
            image_size=(options.image_size[1], options.image_size[0]),
            network_size=_height_first(options.network_size),
            output_size=_height_first(options.output_size),
            precision=options.precision,
        )
    except (CheckpointError, ExportError, ValueError, OSError) as error:
        print(f"cinet export: {error}", file=sys.stderr)
        return 2
    sizes = [f"{width}x{height}" for height, width in (graph.image_size, graph.network_size, graph.output_size)]
    print(f"{options.output}: image {sizes[0]}, network {sizes[1]}, output {sizes[2]}")
    return 0


def _height_first(size: tuple[int, int] | None) -> tuple[int, int] | None:
    return None if size is None else (size[1], size[0])
