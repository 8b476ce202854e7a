"""Caches what was built and measured for a graph on this machine for the next start."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

import torch

from cinet_core.atomic_file import atomic_write_bytes
from cinet_core.checkpoint import Checkpoint
from cinet_core.inference.choices import INT8
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.onnx_file import GRAPH_VERSION, OPSET, export_in_child
from cinet_core.inference.quantization import quantize_in_child
from cinet_core.threads import threads

__all__ = ["EngineCache", "cache_folder", "device_name", "processor_name"]

# Graphs whose files are kept; one of the lite configuration takes some 13 MB, in 8-bit integers 5 more.
MAX_CACHED_GRAPHS = 8
# Whatever computes: another version of one of them may be faster, slower, or read another file.
_PACKAGES = ("torch", "openvino", "onnxruntime", "onnxruntime-gpu")


def cache_folder() -> Path:
    """Return the folder of cached files: `$XDG_CACHE_HOME/cinet` or `~/.cache/cinet`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cinet"


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
            "graph": [GRAPH_VERSION, OPSET, _version("torch")],
            "weights": checkpoint.sha256,
            "model": checkpoint.metadata.config.to_dict(),  # random weights have no digest of their own
            "sizes": [graph.image_size, graph.network_size, graph.output_size],
            "depth": [graph.depth_range, graph.canonical_focal],
            "in_one_pass": self._in_one_pass,
        }
        machine = {
            "versions": [_version(name) for name in _PACKAGES],
            "cores": threads(),
            "processor": processor_name(),
            "device": device_name(graph.model.image_mean.device),
            "precision": precision,
        }
        # A folder for each graph: runtimes keep files of their own beside the ONNX file.
        self._folder = (folder or cache_folder()) / _digest(content)
        self._onnx = self._folder / "graph.onnx"
        self._quantized = self._folder / "graph_int8.onnx" if precision == INT8 else None
        self._times = self._folder / f"times-{_digest(machine)}.json"

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
        try:
            times = json.loads(self._times.read_text(encoding="utf-8"))
            return {str(name): float(value) for name, value in times.items()}
        except (OSError, ValueError, AttributeError, TypeError):  # absent, or not what we wrote: measured anew
            return None

    def remember(self, times: dict[str, float]) -> None:
        """Store measurements."""
        self._folder.mkdir(parents=True, exist_ok=True)
        atomic_write_bytes(self._times, json.dumps(times).encode())

    def _forget_old(self) -> None:
        """Remove the files of the graphs that were not used for the longest time; nobody else's folders."""
        graphs = [path.parent for path in self._folder.parent.glob(f"*/{self._onnx.name}")]
        newest = sorted(graphs, key=lambda path: path.stat().st_mtime, reverse=True)
        for folder in newest[MAX_CACHED_GRAPHS:]:
            for file in folder.iterdir():
                file.unlink(missing_ok=True)
            folder.rmdir()


def processor_name() -> str:
    """Return the model name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def device_name(device: torch.device) -> str:
    """Return the model name of a GPU, or "cpu"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _digest(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
