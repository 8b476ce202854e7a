"""``cinet export``: the graph of a checkpoint as an ONNX file, for one image size or for all."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cinet_core.cli.commands import UsageError
from cinet_core.inference.choices import FLOAT32, INT8

DEFAULT_IMAGE_SIZE = (640, 480)


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = argparse.ArgumentParser(prog)
    parser.description = (
        "Writes the whole graph, from camera image and intrinsics to metric depth, labels and confidence, as ONNX for "
        "one image size, with the checkpoint's metadata inside; or, with --any-size, the network as a file that runs "
        "here without PyTorch, at every size, in place of the checkpoint. Exit status: 0 written, 2 not."
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a .safetensors file")
    parser.add_argument("output", type=Path, metavar="FILE", help="the .onnx file")
    parser.add_argument(
        "--any-size",
        action="store_true",
        help="the network for every image size, to be given as weights on a machine without PyTorch",
    )
    for name, default, text in (
        ("--image-size", None, "of the camera (640 480)"),
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
    """Export; returns the exit status.

    Raises:
        UsageError: options do not go together.
    """
    from cinet_core.inference.export import export, export_any_size
    from cinet_core.inference.onnx_file import ExportError
    from cinet_core.model_metadata import CheckpointError

    sizes_given = any((options.image_size, options.network_size, options.output_size))
    if options.any_size and (sizes_given or options.precision != FLOAT32):
        raise UsageError("--any-size goes with no other size, and with float32: what runs the graph decides on them")
    try:
        if options.any_size:
            core = export_any_size(options.checkpoint, options.output)
            print(f"{core.path}: every size, {core.bytes / 1e6:.1f} MB, of the checkpoint {core.sha256[:12]}")
            return 0
        graph = export(
            options.checkpoint,
            options.output,
            image_size=_height_first(options.image_size or DEFAULT_IMAGE_SIZE),
            network_size=options.network_size and _height_first(options.network_size),
            output_size=options.output_size and _height_first(options.output_size),
            precision=options.precision,
        )
    except (CheckpointError, ExportError, ValueError, OSError) as error:
        print(f"cinet export: {error}", file=sys.stderr)
        return 2
    sizes = [f"{width}x{height}" for height, width in (graph.image_size, graph.network_size, graph.output_size)]
    print(f"{options.output}: image {sizes[0]}, network {sizes[1]}, output {sizes[2]}")
    return 0


def _height_first(size: Sequence[int]) -> tuple[int, int]:
    return size[1], size[0]
