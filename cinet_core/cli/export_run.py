"""``cinet export``: the deployable graph of a checkpoint as an ONNX file."""

from __future__ import annotations

import argparse
import sys

from cinet_core.checkpoint import CheckpointError
from cinet_core.inference.export import export
from cinet_core.inference.onnx_file import ExportError


def run_export(options: argparse.Namespace) -> int:
    """Export; returns the exit status."""
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
