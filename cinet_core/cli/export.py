"""Arguments of ``cinet export``; what it takes to run is imported when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from cinet_core.inference.choices import FLOAT32, INT8

DEFAULT_IMAGE_SIZE = (640, 480)


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command that writes an ONNX file."""
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


def run_export(options: argparse.Namespace) -> int:
    """Export; returns the exit status."""
    from cinet_core.cli.export_run import run_export as run

    return run(options)
