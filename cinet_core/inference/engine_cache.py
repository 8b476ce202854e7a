"""Caches what was built and measured for a graph on this machine for the next start."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from cinet_core.checkpoint import Checkpoint
from cinet_core.inference.choices import INT8
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.measurements import (
    cache_folder,
    digest,
    machine_facts,
    package_version,
    processor_name,
    read_times,
    write_times,
)
from cinet_core.inference.onnx_file import GRAPH_VERSION, OPSET, export_in_child
from cinet_core.inference.quantization import quantize_in_child

__all__ = ["EngineCache", "cache_folder", "device_name", "processor_name"]

# Graphs whose files are kept; one of the lite configuration takes some 13 MB, in 8-bit integers 5 more.
MAX_CACHED_GRAPHS = 8


class EngineCache:
    """The files of one graph of one checkpoint.

    Args:
        folder: of all graphs; None: `cache_folder()`.
        checkpoint: that the graph is of.
        graph: on the device that it will run on.
        precision: "float32", "half" or "int8". The first two read the same ONNX file; what is measured is of one only.
    """

    def __init__(self, folder: Path | None, checkpoint: Checkpoint, graph: DeployableGraph, precision: str) -> None:
        self._checkpoint = checkpoint
        self._graph = graph
        self._in_one_pass = graph.model.image_mean.device.type == "cpu"
        content = {
            "graph": [GRAPH_VERSION, OPSET, package_version("torch")],
            "weights": checkpoint.sha256,
            "model": checkpoint.metadata.config.to_dict(),  # random weights have no digest of their own
            "sizes": [graph.image_size, graph.network_size, graph.output_size],
            "depth": [graph.depth_range, graph.canonical_focal],
            "in_one_pass": self._in_one_pass,
        }
        machine = machine_facts(device_name(graph.model.image_mean.device), precision)
        # A folder for each graph: runtimes keep files of their own beside the ONNX file.
        self._folder = (folder or cache_folder()) / digest(content)
        self._onnx = self._folder / "graph.onnx"
        self._quantized = self._folder / "graph_int8.onnx" if precision == INT8 else None
        self._times = self._folder / f"times-{digest(machine)}.json"

    def onnx(self) -> Path:
        """Return the path of the ONNX file, which is written if it does not exist.

        Raises:
            ExportError: the graph cannot be written as ONNX, or not in this precision.
            OSError: the cache cannot be written.
        """
        if not self._onnx.is_file():
            self._folder.mkdir(parents=True, exist_ok=True)
            export_in_child(self._checkpoint, self._graph, self._onnx, self._in_one_pass)
            self._forget_old()
        if self._quantized is not None and not self._quantized.is_file():
            quantize_in_child(self._onnx, self._quantized)
        os.utime(self._folder)
        return self._quantized or self._onnx

    def measured(self) -> dict[str, float] | None:
        """Return the milliseconds per image of each backend, or None if they were not measured."""
        return read_times(self._times)

    def remember(self, times: dict[str, float]) -> None:
        """Store measurements."""
        write_times(self._times, times)

    def _forget_old(self) -> None:
        """Remove the files of the graphs that were not used for the longest time; nobody else's folders."""
        graphs = [path.parent for path in self._folder.parent.glob(f"*/{self._onnx.name}")]
        newest = sorted(graphs, key=lambda path: path.stat().st_mtime, reverse=True)
        for folder in newest[MAX_CACHED_GRAPHS:]:
            for file in folder.iterdir():
                file.unlink(missing_ok=True)
            folder.rmdir()


def device_name(device: torch.device) -> str:
    """Return the model name of a GPU, or "cpu"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
