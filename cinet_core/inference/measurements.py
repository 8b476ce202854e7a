"""What was measured of backends on this machine, for the next start."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cinet_core.atomic_file import atomic_write_bytes
from cinet_core.inference.backend import Backend
from cinet_core.inference.example_rooms import COMPARISON, example_rooms
from cinet_core.threads import threads

__all__ = [
    "cache_folder",
    "digest",
    "fastest",
    "in_words",
    "machine_facts",
    "measured_times",
    "package_version",
    "processor_name",
    "read_times",
    "write_times",
]

# Not measured for the README, only to choose: the first runs are slower.
WARM_UP_RUNS, TIMED_RUNS = 2, 15
# Whatever computes: another version of one of them may be faster, slower, or read another file.
_PACKAGES = ("torch", "openvino", "onnxruntime", "onnxruntime-gpu")


def cache_folder() -> Path:
    """Return the folder of cached files: `$XDG_CACHE_HOME/cinet` or `~/.cache/cinet`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cinet"


def machine_facts(device: str, precision: str) -> dict[str, Any]:
    """What times depend on beside the graph: versions, processor, number of threads, device and precision."""
    return {
        "versions": [package_version(name) for name in _PACKAGES],
        "cores": threads(),
        "processor": processor_name(),
        "device": device,
        "precision": precision,
    }


def processor_name() -> str:
    """Return the model name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def package_version(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def digest(facts: Mapping[str, Any]) -> str:
    """Return the name under which something with these facts, JSON types, is kept."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]


def read_times(path: Path) -> dict[str, float] | None:
    """Return the milliseconds per image of each backend, or None if they were not measured."""
    try:
        times = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): float(value) for name, value in times.items()}
    except (OSError, ValueError, AttributeError, TypeError):  # absent, or not what we wrote: measured anew
        return None


def write_times(path: Path, times: Mapping[str, float]) -> None:
    """Store measurements. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_bytes(path, json.dumps(dict(times)).encode())


def measured_times(backends: Mapping[str, Backend], image_size: tuple[int, int]) -> dict[str, float]:
    """Median milliseconds of an image by name, taken in turns, so that other load meets all of them."""
    images, intrinsics = example_rooms(image_size, COMPARISON[:1])
    times: dict[str, list[float]] = {name: [] for name in backends}
    for turn in range(WARM_UP_RUNS + TIMED_RUNS):
        for name, backend in backends.items():
            start = time.perf_counter()
            backend.run(images, intrinsics)
            if turn >= WARM_UP_RUNS:
                times[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def fastest(times: Mapping[str, float]) -> str:
    """Return the name of the fastest backend."""
    return min(times, key=lambda name: times[name])


def in_words(times: Mapping[str, float]) -> str:
    """Return the times as text, the fastest first."""
    return ", ".join(f"{name} {times[name]:.0f} ms" for name in sorted(times, key=lambda one: times[one]))
