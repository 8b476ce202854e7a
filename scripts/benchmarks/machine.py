"""The machine: what it is, and what it can do at best, measured in the same run as everything else."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from cinet_core.inference.engine_cache import device_name, processor_name
from scripts.benchmarks.rows import Row
from scripts.benchmarks.run import BenchmarkRun
from scripts.benchmarks.timing import time_runs

_PACKAGES = ("torch", "numpy", "opencv-python", "openvino", "onnxruntime", "onnxruntime-gpu", "timm", "ros-rclpy")
CUDA_MATRIX = 8192
# A copy reads and writes each byte; what is copied is larger than any cache.
COPIED_BYTES = {"cpu": 2**28, "cuda": 2**30}


def machine_facts(device: torch.device) -> dict[str, Any]:
    """What a reader needs to judge the measurements: processor, cores, memory, versions, and how busy it was."""
    known = {
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "processor": processor_name(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch_threads": torch.get_num_threads(),
        "load_before": round(os.getloadavg()[0], 2),
        "device": device_name(device),
        **({"cuda": torch.version.cuda} if device.type == "cuda" else {}),
    }
    return known | {package: version for package in _PACKAGES if (version := _version(package)) is not None}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Limits:
    """What a device does at best: operations a second in a matrix product, bytes a second in a copy."""

    operations: float
    bytes: float


def measure_limits(run: BenchmarkRun, dtype: torch.dtype = torch.float32) -> tuple[Limits, list[Row]]:
    """The limits of a run's device, and their rows.

    Args:
        run: gives device and effort.
        dtype: of the matrices.
    """
    operations, bandwidth = _matrix_throughput(run, dtype), _bandwidth(run)
    name = str(dtype).removeprefix("torch.")
    rows = [
        Row.of("matrix throughput", name, "GFLOP/s", [value / 1e9 for value in operations]),
        Row.of("memory bandwidth", "copy", "GB/s", [value / 1e9 for value in bandwidth]),
    ]
    return Limits(statistics.median(operations), statistics.median(bandwidth)), rows


def _matrix_throughput(run: BenchmarkRun, dtype: torch.dtype) -> list[float]:
    """Operations a second, one value a run; a product of N x N matrices is 2 N^3 of them."""
    count = run.budget.matrix if run.device.type == "cpu" else CUDA_MATRIX
    one, other, product = (torch.ones(count, count, dtype=dtype, device=run.device) for _ in range(3))

    def multiply() -> None:
        if dtype == torch.int8:
            torch._int_mm(one, other)  # the only one of torch's that sums bytes in wider integers
        else:
            torch.mm(one, other, out=product)
        run.synchronise()

    with torch.inference_mode(), _same_precision_as_convolutions():
        return [2 * count**3 / seconds for seconds in time_runs(multiply, run.budget)]


@contextmanager
def _same_precision_as_convolutions() -> Iterator[None]:
    """Convolutions in float32 use a GPU's TF32 by default, products of matrices do not: the limit has to be of one."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def _bandwidth(run: BenchmarkRun) -> list[float]:
    source = torch.zeros(COPIED_BYTES[run.device.type], dtype=torch.uint8, device=run.device)
    target = torch.zeros_like(source)

    def copy() -> None:
        target.copy_(source)
        run.synchronise()

    return [2 * len(source) / seconds for seconds in time_runs(copy, run.budget)]
