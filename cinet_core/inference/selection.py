"""Which backend runs the network: the fastest that works on this machine, found out once and remembered."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import statistics
import threading
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from cinet_core.checkpoint import Checkpoint
from cinet_core.inference.backend import CHOSEN, Backend, BackendOutput
from cinet_core.inference.choices import AUTO, BACKENDS, FLOAT32, HALF, INT8, PRECISIONS
from cinet_core.inference.engine_cache import EngineCache
from cinet_core.inference.example_rooms import COMPARISON, example_rooms
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.onnx_file import PACKAGES
from cinet_core.inference.runtimes import (
    RUNTIMES,
    OnnxBackend,
    OnnxRuntimeBackend,
    OpenVinoBackend,
    openvino_has_bfloat16,
)
from cinet_core.inference.torch_backend import CompiledTorchBackend, TorchBackend
from cinet_core.tasks import TASKS, OutputSpec

TORCH, COMPILED = TorchBackend.name, CompiledTorchBackend.name
# What `auto` tries. Not torch.compile on a CPU, where it takes a minute for less than the others give (`make bench`).
CANDIDATES = {"cpu": ("openvino", "onnxruntime"), "cuda": (COMPILED, "tensorrt", "onnxruntime")}


class Tolerance(NamedTuple):
    """How a backend may differ from PyTorch in float32; one that differs more is not taken.

    Attributes:
        error: of numbers, as `difference` gives it.
        percentile: of the pixels, by which numbers are judged.
        equal: least share of equal ids.
        rooms: pictures that are looked at.
    """

    error: float
    percentile: float
    equal: float
    rooms: int


EXACT = Tolerance(1e-3, 100, 0.999, 1)
FLOAT16 = Tolerance(5e-2, 99, 0.97, 1)
# It has 8 bits, and depth of a whole room may move by some per cent: this is to find a runtime that computes something
# else, not to judge the rounding (docs/benchmarks.md). More rooms, so that none decides by itself.
BFLOAT16 = Tolerance(3e-2, 50, 0.93, 4)
# Integers of 8 bits, judged in the same way, are nearer: 0.7 to 1.1 %, 97 to 98 % (94 % at 160x120).
INTEGERS = Tolerance(2e-2, 50, 0.93, 4)

# Not measured for the README, only to choose: the first runs are slower.
WARM_UP_RUNS, TIMED_RUNS = 2, 15

# One export or measurement at a time in a process.
_PREPARING = threading.Lock()
_log = logging.getLogger(__name__)


def check_backend(name: str, precision: str, device: torch.device) -> None:
    """Raise ValueError unless there is such a backend, and what it needs is here."""
    for what, value, known in (("backend", name, BACKENDS), ("precision", precision, PRECISIONS)):
        if value not in known:
            raise ValueError(f"{what} is {value!r}: it must be one of {', '.join(known)}")
    if precision == INT8 and device.type != "cpu":
        raise ValueError(f"precision is {INT8}, which is for a CPU, but the device is {device}: set it to half or auto")
    needed = lacking(name, device, resolve_precision(precision, device))
    if needed is not None:
        raise ValueError(f"{needed}; or take auto, which does with what is there")


def resolve_precision(precision: str, device: torch.device) -> str:
    """What "auto" is: half on a GPU, where it costs nothing that is seen, and float32 on a CPU."""
    if precision != AUTO:
        return precision
    return HALF if device.type == "cuda" else FLOAT32


def lacking(name: str, device: torch.device, precision: str = FLOAT32) -> str | None:
    """Why a backend cannot be had, as a sentence with the remedy; None where nothing is missing.

    Args:
        name: one of `choices.BACKENDS`.
        device: to run on.
        precision: one of `choices.PRECISIONS`, but not "auto".
    """
    if name in (TORCH, COMPILED) and precision == INT8:
        return f"backend {name} has no {INT8}: set precision to float32, or backend to openvino"
    if name == COMPILED:
        return _lacking_compiler(device)
    if name not in RUNTIMES:
        return None
    kind = RUNTIMES[name]
    if device.type not in kind.precisions:
        return f"backend {name} does not run on {device}: choose another device or backend"
    if precision not in kind.precisions[device.type]:
        return f"backend {name} has no precision {precision} on {device}: set precision to float32"
    package = "onnxruntime" if issubclass(kind, OnnxRuntimeBackend) else name
    # ONNX Runtime is also what quantises.
    needed = dict.fromkeys((package, *PACKAGES, *(("onnxruntime",) if precision == INT8 else ())))
    missing = [one for one in needed if importlib.util.find_spec(one) is None]
    if missing:
        gpu = "-gpu" if device.type == "cuda" else ""
        names = [one + gpu if one == "onnxruntime" else one for one in missing]
        return f"backend {name} needs: pip install {' '.join(names)}"
    if precision == HALF and kind is OpenVinoBackend and not openvino_has_bfloat16():
        return f"backend {name}: this processor has no bfloat16 instructions: set precision to float32"
    if device.type == "cuda" and issubclass(kind, OnnxRuntimeBackend):
        return _lacking_provider(name, kind.provider("cuda"))
    return None


def _lacking_compiler(device: torch.device) -> str | None:
    if device.type == "cpu" and shutil.which(os.environ.get("CXX", "g++")) is None:
        return f"backend {COMPILED} needs a C++ compiler on the CPU: apt install g++"
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        return f"backend {COMPILED} needs Triton on a GPU: pip install triton"
    return None


def _lacking_provider(name: str, provider: str) -> str | None:
    import onnxruntime

    if provider in onnxruntime.get_available_providers():
        return None
    return f"backend {name} needs an ONNX Runtime with {provider}: pip install onnxruntime-gpu in place of onnxruntime"


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
        _check_answer(backend, graph, precision)
        return backend


def needs_preparation(name: str, checkpoint: Checkpoint, graph: DeployableGraph, precision: str = AUTO) -> bool:
    """Whether `select` may take long: with another backend than PyTorch's eager one."""
    device = graph.model.image_mean.device
    return _without_preparation(name, checkpoint, device, resolve_precision(precision, device)) is None


def _without_preparation(name: str, checkpoint: Checkpoint, device: torch.device, precision: str) -> str | None:
    """Why PyTorch runs the graph, where that is known at once."""
    if name == TORCH:
        return CHOSEN
    if name == AUTO and checkpoint.metadata.random_weights:
        return "random weights are not worth the preparation of another one"
    if name == AUTO and not _candidates(device, precision):
        return "; ".join(str(lacking(other, device, precision)) for other in CANDIDATES[device.type])
    return None


def _candidates(device: torch.device, precision: str) -> list[str]:
    return [name for name in CANDIDATES[device.type] if lacking(name, device, precision) is None]


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
        return _build(_best(known), cache, graph, precision, f"fastest here when measured: {_in_words(known)}")
    backends: dict[str, TorchBackend | OnnxBackend] = {TORCH: TorchBackend(graph, precision)}
    for name in candidates:
        try:
            backend = _build(name, cache, graph, precision)
            _check_answer(backend, graph, precision)
        except Exception as error:  # whatever it has against this machine, the others are still there
            _log.warning("backend %s does not work here: %s", name, error)
            continue
        backends[name] = backend
    times = _times(backends, graph)
    cache.remember(times)
    name = _best(times)
    for other in backends.keys() - {name}:
        backends[other].close()
    backends[name].reason = f"fastest here: {_in_words(times)}"
    return backends[name]


def _times(backends: Mapping[str, Backend], graph: DeployableGraph) -> dict[str, float]:
    """Median milliseconds of an image by name, taken in turns, so that other load meets all of them."""
    images, intrinsics = example_rooms(graph.image_size, COMPARISON[:1])
    times: dict[str, list[float]] = {name: [] for name in backends}
    for turn in range(WARM_UP_RUNS + TIMED_RUNS):
        for name, backend in backends.items():
            start = time.perf_counter()
            backend.run(images, intrinsics)
            if turn >= WARM_UP_RUNS:
                times[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def _check_answer(backend: Backend, graph: DeployableGraph, precision: str) -> None:
    """Raise RuntimeError where a backend does not answer as PyTorch does in float32."""
    in_half = BFLOAT16 if graph.model.image_mean.device.type == "cpu" else FLOAT16
    tolerance = {FLOAT32: EXACT, HALF: in_half, INT8: INTEGERS}[precision]
    images, intrinsics = example_rooms(graph.image_size, COMPARISON[: tolerance.rooms])
    got, expected = backend.run(images, intrinsics), TorchBackend(graph).run(images, intrinsics)
    found = difference(got, expected, tolerance.percentile)
    good, words = True, []
    for spec in _compared(found):
        value = found[spec.name]
        if spec.agreement == "equal":
            good &= value >= tolerance.equal
            words.append(f"{100 * value:.2f} % of {spec.name} are equal")
        else:
            good &= value <= tolerance.error
            pixels = f"{tolerance.percentile:g} of 100 pixels"
            words.append(f"{spec.name} differs by up to {100 * value:.2g} % in {pixels}")
    if not good:
        raise RuntimeError(f"it answers otherwise than PyTorch: {', '.join(words)}")


def difference(one: BackendOutput, other: BackendOutput, percentile: float = 100) -> dict[str, float]:
    """How two backends differ in each output that `OutputSpec.agreement` does not ignore, by name.

    Of ids it is the share of equal ones. Of numbers it is the relative, or absolute, difference from `other`, 1 being
    all of it: a percentile over the pixels that both hold valid. Where more than one pixel in a hundred is valid for
    one only, it is 1: rounding decides on which side of the depth range a pixel at its very end is, not more.
    """
    return {
        spec.name: float((one[spec.name] == other[spec.name]).mean())
        if spec.agreement == "equal"
        else _error(spec, one[spec.name], other[spec.name], percentile)
        for spec in _compared(other.outputs)
    }


def _compared(names: Collection[str]) -> list[OutputSpec]:
    specs = (spec for task in TASKS for spec in task.outputs)
    return [spec for spec in specs if spec.name in names and spec.agreement != "ignored"]


def _error(spec: OutputSpec, one: npt.NDArray[Any], other: npt.NDArray[Any], percentile: float) -> float:
    full = 255.0 if other.dtype == np.uint8 else 1.0
    one, other = one / np.float32(full), other / np.float32(full)
    valid = np.isfinite(one) & np.isfinite(other)
    if (np.isfinite(one) ^ np.isfinite(other)).mean() > 0.01:
        return 1.0
    if not valid.any():
        return 0.0
    errors = np.abs(one[valid] - other[valid])
    if spec.agreement == "relative":
        errors /= other[valid]
    return float(np.percentile(errors, percentile))


def _best(times: dict[str, float]) -> str:
    return min(times, key=lambda name: times[name])


def _in_words(times: dict[str, float]) -> str:
    return ", ".join(f"{name} {times[name]:.0f} ms" for name in sorted(times, key=lambda one: times[one]))
