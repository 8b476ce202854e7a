"""Selects the backend: the fastest that works on this machine, which is measured once and cached."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import torch

from cinet_core.checkpoint import Checkpoint
from cinet_core.inference.agreement import check_answer
from cinet_core.inference.availability import COMPILED, TORCH, check_backend, missing_requirement, resolve_precision
from cinet_core.inference.backend import CHOSEN, Backend
from cinet_core.inference.choices import AUTO
from cinet_core.inference.engine_cache import EngineCache
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.measurements import fastest, in_words, measured_times
from cinet_core.inference.runtimes import RUNTIMES, OnnxBackend
from cinet_core.inference.torch_backend import CompiledTorchBackend, TorchBackend

__all__ = ["CANDIDATES", "needs_preparation", "select"]

# What `auto` tries. Not torch.compile on a CPU, where it takes a minute for less than the others give (`make bench`).
CANDIDATES = {"cpu": ("openvino", "onnxruntime"), "cuda": (COMPILED, "tensorrt", "onnxruntime")}

# One export or measurement at a time in a process.
_PREPARING = threading.Lock()
_log = logging.getLogger(__name__)


def select(
    name: str, checkpoint: Checkpoint, graph: DeployableGraph, precision: str = AUTO, folder: Path | None = None
) -> Backend:
    """Build a backend for a graph, on the device where its weights are.

    "auto" times every one that is installed against PyTorch the first time, and remembers the fastest, beside the ONNX
    file that it reads, for these weights, sizes, versions and this machine: the next start loads that.

    Args:
        name: one of `choices.BACKENDS`.
        checkpoint: that the graph is of.
        graph: to be run.
        precision: one of `choices.PRECISIONS`; see `resolve_precision`.
        folder: of the cache; None: `engine_cache.cache_folder()`.

    Raises:
        ValueError: as `check_backend`.
        ExportError: the graph cannot be written as ONNX, or not in this precision.
        OSError: the cache cannot be written.
        RuntimeError: the backend does not take the graph, or answers otherwise than PyTorch.
    """
    device = graph.model.image_mean.device
    check_backend(name, precision, device)
    precision = resolve_precision(precision, device)
    without = _without_preparation(name, checkpoint, device, precision)
    if without is not None:
        return TorchBackend(graph, precision, without)
    with _PREPARING:
        cache = EngineCache(folder, checkpoint, graph, precision)
        if name == AUTO:
            return _fastest(cache, graph, precision)
        backend = _build(name, cache, graph, precision)
        check_answer(backend, graph, precision)
        return backend


def needs_preparation(name: str, checkpoint: Checkpoint, graph: DeployableGraph, precision: str = AUTO) -> bool:
    """Return whether `select` may take long, as with all backends but PyTorch's eager one."""
    device = graph.model.image_mean.device
    return _without_preparation(name, checkpoint, device, resolve_precision(precision, device)) is None


def _without_preparation(name: str, checkpoint: Checkpoint, device: torch.device, precision: str) -> str | None:
    """Why PyTorch runs the graph, where that is known at once."""
    if name == TORCH:
        return CHOSEN
    if name == AUTO and checkpoint.metadata.random_weights:
        return "random weights are not worth the preparation of another one"
    if name == AUTO and not _candidates(device, precision):
        return "; ".join(str(missing_requirement(other, device, precision)) for other in CANDIDATES[device.type])
    return None


def _candidates(device: torch.device, precision: str) -> list[str]:
    return [name for name in CANDIDATES[device.type] if missing_requirement(name, device, precision) is None]


def _build(
    name: str, cache: EngineCache, graph: DeployableGraph, precision: str, reason: str = CHOSEN
) -> TorchBackend | OnnxBackend:
    if name == TORCH:
        return TorchBackend(graph, precision, reason)
    if name == COMPILED:
        return CompiledTorchBackend(graph, precision, reason)
    return RUNTIMES[name](cache.onnx(), graph.model.image_mean.device, precision, reason)


def _fastest(cache: EngineCache, graph: DeployableGraph, precision: str) -> Backend:
    """The backend that was the fastest when they were measured, which is now or was at an earlier start."""
    candidates = _candidates(graph.model.image_mean.device, precision)
    known = cache.measured()
    if known is not None and TORCH in known and known.keys() <= {TORCH, *candidates}:
        return _build(fastest(known), cache, graph, precision, f"fastest here when measured: {in_words(known)}")
    backends: dict[str, TorchBackend | OnnxBackend] = {TORCH: TorchBackend(graph, precision)}
    for name in candidates:
        try:
            backend = _build(name, cache, graph, precision)
            check_answer(backend, graph, precision)
        except Exception as error:  # whatever it has against this machine, the others are still there
            _log.warning("backend %s does not work here: %s", name, error)
            continue
        backends[name] = backend
    times = measured_times(backends, graph.image_size)
    cache.remember(times)
    name = fastest(times)
    for other in backends.keys() - {name}:
        backends[other].close()
    backends[name].reason = f"fastest here: {in_words(times)}"
    return backends[name]
