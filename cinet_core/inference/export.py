"""Exports the graph of a checkpoint to an ONNX file: for one image size, or as a core graph for all of them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from cinet_core.checkpoint import load_checkpoint
from cinet_core.geometry import fit_network_size
from cinet_core.inference.choices import FLOAT32, INT8
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.onnx_file import export_onnx
from cinet_core.inference.quantization import quantize_in_child
from cinet_core.model.cinet import MIN_IMAGE_SIZE
from cinet_core.model_metadata import is_graph

__all__ = ["EXPORT_PRECISIONS", "ExportedCore", "ExportedGraph", "export", "export_any_size"]

EXPORT_PRECISIONS = (FLOAT32, INT8)


@dataclass(frozen=True)
class ExportedGraph:
    """Describes an ONNX file that was written.

    Attributes:
        path: of the ONNX file.
        image_size: (height, width) of the images that it takes.
        network_size: (height, width) that the network runs at.
        output_size: (height, width) of its predictions.
        precision: of the network, "float32" or "int8".
        sha256: of the checkpoint.
    """

    path: Path
    image_size: tuple[int, int]
    network_size: tuple[int, int]
    output_size: tuple[int, int]
    precision: str
    sha256: str


@dataclass(frozen=True)
class ExportedCore:
    """Describes the file of a core graph that was written.

    Attributes:
        path: of the ONNX file.
        bytes: of it.
        sha256: of the checkpoint.
    """

    path: Path
    bytes: int
    sha256: str


def export_any_size(weights: str | Path, path: str | Path) -> ExportedCore:
    """Export a checkpoint as a core graph: a file of its network for every image size, which runs without PyTorch.

    Give the file wherever weights are asked for, on a machine with the light runtime (`scripts/install.sh --runtime`).
    What runs it is checked against answers of PyTorch that the file holds (`core_graph`).

    Args:
        weights: a checkpoint, or "default".
        path: of the file, which ends in .onnx.

    Raises:
        CheckpointError: the weights cannot be read.
        ExportError: a package is missing, or the graph cannot be written as ONNX.
        ValueError: the name of the file does not end in .onnx.
        OSError: the file cannot be written.
    """
    from cinet_core.inference.core_export import export_core_graph

    path = Path(path)
    if not is_graph(path):
        raise ValueError(f"{path} does not end in .onnx, by which a core graph is known: name it so")
    checkpoint = load_checkpoint(weights)
    export_core_graph(checkpoint, path)
    return ExportedCore(path, path.stat().st_size, checkpoint.sha256)


def export(
    weights: str | Path,
    path: str | Path,
    *,
    image_size: tuple[int, int] = (480, 640),
    network_size: tuple[int, int] | None = None,
    output_size: tuple[int, int] | None = None,
    precision: str = FLOAT32,
) -> ExportedGraph:
    """Export the whole graph of a checkpoint to ONNX.

    The graph maps an image and its intrinsics to metric depth, labels and confidence.

    Inputs, outputs and metadata of the file are those of `onnx_file.export_onnx`.

    Args:
        weights: a checkpoint, or "default".
        path: of the .onnx file.
        image_size: (height, width) of the camera's images.
        network_size: (height, width) of the network's input; None = as trained, at the image's aspect.
        output_size: (height, width) of what is predicted; None = the image's.
        precision: of the network: "float32", or "int8" for a CPU, which costs some accuracy.

    Raises:
        CheckpointError: the weights cannot be read.
        ExportError: a package is missing, or the graph cannot be written as ONNX.
        ValueError: a size that is too small, or an unknown precision.
        OSError: the file cannot be written.
    """
    if precision not in EXPORT_PRECISIONS:
        raise ValueError(f"precision is {precision!r}: it must be one of {', '.join(EXPORT_PRECISIONS)}")
    _check_size("image_size", image_size, MIN_IMAGE_SIZE)
    checkpoint = load_checkpoint(weights)
    camera = checkpoint.metadata.camera
    _check_size("network_size", network_size, MIN_IMAGE_SIZE)
    _check_size("output_size", output_size, 1)
    graph = DeployableGraph(
        checkpoint.model,
        camera,
        image_size,
        network_size or fit_network_size(image_size[1], image_size[0], camera.width, camera.height),
        output_size,
        checkpoint.metadata.depth_range,
    )
    path = Path(path)
    with tempfile.TemporaryDirectory() as folder:
        quantized = precision == INT8
        exact = Path(folder) / "graph.onnx" if quantized else path
        if quantized:  # for CPUs alone
            graph = graph.in_one_pass()
        export_onnx(graph, checkpoint.metadata, checkpoint.sha256, exact)
        if quantized:
            quantize_in_child(exact, path)
    return ExportedGraph(path, graph.image_size, graph.network_size, graph.output_size, precision, checkpoint.sha256)


def _check_size(name: str, size: tuple[int, int] | None, least: int) -> None:
    if size is not None and min(size) < least:
        raise ValueError(f"{name} is {size[1]}x{size[0]}: both sides must be at least {least}")
