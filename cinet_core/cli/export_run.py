"""``cinet export``: the deployable graph of a checkpoint as an ONNX file."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from cinet_core.checkpoint import CheckpointError, load_checkpoint
from cinet_core.geometry import fit_network_size
from cinet_core.inference.choices import INT8
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.onnx_file import ExportError, export_onnx
from cinet_core.inference.quantization import quantize_in_child
from cinet_core.model.cinet import MIN_IMAGE_SIZE


def run_export(options: argparse.Namespace) -> int:
    """Export; returns the exit status."""
    try:
        image = _size(options, "image_size", MIN_IMAGE_SIZE)
        assert image is not None
        checkpoint = load_checkpoint(options.checkpoint)
        camera = checkpoint.metadata.camera
        network = _size(options, "network_size", MIN_IMAGE_SIZE)
        graph = DeployableGraph(
            checkpoint.model,
            camera,
            image,
            network or fit_network_size(image[1], image[0], camera.width, camera.height),
            _size(options, "output_size", 1),
            checkpoint.metadata.depth_range,
        )
        with tempfile.TemporaryDirectory() as folder:
            quantized = options.precision == INT8
            exact = Path(folder) / "graph.onnx" if quantized else options.output
            if quantized:  # for CPUs alone
                graph = graph.in_one_pass()
            export_onnx(graph, checkpoint.metadata, checkpoint.sha256, exact)
            if quantized:
                quantize_in_child(exact, options.output)
    except (CheckpointError, ExportError, ValueError, OSError) as error:
        print(f"cinet export: {error}", file=sys.stderr)
        return 2
    sizes = [f"{width}x{height}" for height, width in (graph.image_size, graph.network_size, graph.output_size)]
    print(f"{options.output}: image {sizes[0]}, network {sizes[1]}, output {sizes[2]}")
    return 0


def _size(options: argparse.Namespace, name: str, least: int) -> tuple[int, int] | None:
    """(height, width) that was given, or None. Raises ValueError on one that is too small."""
    given = getattr(options, name)
    if given is None:
        return None
    width, height = given
    if min(width, height) < least:
        raise ValueError(f"{name} is {width}x{height}: both sides must be at least {least}")
    return height, width
