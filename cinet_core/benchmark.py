"""Speed and memory of the network on this machine: `make bench`, or `python -m cinet_core.benchmark --output FILE`.

Every measurement is one row of one JSON file, beside the facts of the machine it was taken on.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import multiprocessing
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from cinet_core.checkpoint import random_checkpoint
from cinet_core.geometry import fit_network_size
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.selection import RUNTIMES, TORCH, lacking, select
from cinet_core.model import CONFIGS, build_model, get_config
from cinet_core.model.encoder import FEATURE_STRIDE
from cinet_core.model.scene_understanding import SceneUnderstanding

SIZES = ((240, 320), (480, 640))
MEMORY_SIZE = (480, 640)
IMAGE_SIZE = (480, 640)
MEMORY_CONFIG = "lite"
WARMUP_RUNS = 2
MIN_RUNS = 5
MAX_RUNS = 30
# A row stops here once it has MIN_RUNS.
ROW_SECONDS = 10.0


@dataclasses.dataclass(frozen=True)
class Row:
    """One measurement: median, and the 10th and 90th percentile of its runs.

    Attributes:
        quantity: what was measured, for example "forward time".
        subject: of what, for example "lite".
        size: (height, width) of the image.
        unit: "ms", "MB" (2^20 bytes), or "x" for a ratio.
        median, low, high: in that unit.
        runs: how many.
    """

    quantity: str
    subject: str
    size: tuple[int, int]
    unit: str
    median: float
    low: float
    high: float
    runs: int

    @classmethod
    def of(cls, quantity: str, subject: str, size: tuple[int, int], unit: str, values: Sequence[float]) -> Row:
        """The row for these values, one a run."""
        low, high = np.percentile(values, (10, 90))
        return cls(quantity, subject, size, unit, statistics.median(values), float(low), float(high), len(values))


def machine_facts() -> dict[str, Any]:
    """What a reader needs to judge the figures: processor, cores, memory, versions, and how busy it was."""
    processor = next(
        (line.split(":", 1)[1].strip() for line in _read_lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    return {
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "processor": processor,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "load_before": os.getloadavg()[0],
    }


def forward_times(config_name: str, size: tuple[int, int]) -> Row:
    """Time of the network's forward pass in PyTorch eager on the CPU, one image."""
    model = build_model(get_config(config_name), seed=0).eval()
    image = _image(size)
    return Row.of("forward time", config_name, size, "ms", [1000 * t for t in _time(lambda: model(image))])


def backend_times(config_name: str, size: tuple[int, int], folder: Path) -> list[Row]:
    """Time of the deployable graph, camera image to predictions at its size, in every backend that is installed.

    All take turns, so that whatever else the machine does meets each of them, and the ratios are of pairs.

    Args:
        config_name: of the network, with random weights.
        size: (height, width) of the image; the network's is the one it is trained at.
        folder: for what is exported.
    """
    checkpoint = random_checkpoint(config_name)
    camera = checkpoint.metadata.camera
    network = fit_network_size(size[1], size[0], camera.width, camera.height)
    graph = DeployableGraph(checkpoint.model, camera, size, network)
    names = [TORCH, *(name for name in RUNTIMES if lacking(name, torch.device("cpu")) is None)]
    backends = {name: select(name, checkpoint, graph, folder=folder) for name in names}
    images = np.random.default_rng(0).integers(0, 256, (1, *size, 3), dtype=np.uint8)
    intrinsics = np.array([[size[1], size[1], size[1] / 2, size[0] / 2]], dtype=np.float32)
    times: dict[str, list[float]] = {name: [] for name in names}
    for run in range(WARMUP_RUNS + MAX_RUNS):
        for name, backend in backends.items():
            start = time.perf_counter()
            backend.run(images, intrinsics)
            if run >= WARMUP_RUNS:
                times[name].append(time.perf_counter() - start)
    subject = f"{config_name} at {network[1]}x{network[0]}"
    rows = [
        Row.of("image to predictions", f"{subject}, {name}", size, "ms", [1000 * value for value in times[name]])
        for name in names
    ]
    for name in names[1:]:
        ratios = [slow / fast for slow, fast in zip(times[TORCH], times[name], strict=True)]
        rows.append(Row.of("image to predictions", f"{subject}, {TORCH} / {name}", size, "x", ratios))
    return rows


def peak_memory(size: tuple[int, int]) -> list[Row]:
    """Memory of one forward pass, of the SUM alone and of the network, with and without the N x N map."""
    rows = []
    for subject in ("scene understanding", "network"):
        peaks = {}
        for keep_attention in (False, True):
            values = [_in_fresh_process(_peak_of_forward, subject, size, keep_attention) for _ in range(3)]
            peaks[keep_attention] = values
            label = f"{MEMORY_CONFIG} {subject}, map {'kept' if keep_attention else 'not made'}"
            rows.append(Row.of("peak memory", label, size, "MB", values))
        saved = [kept - blocked for kept, blocked in zip(peaks[True], peaks[False], strict=True)]
        rows.append(Row.of("peak memory", f"{MEMORY_CONFIG} {subject}, difference", size, "MB", saved))
    return rows


def _peak_of_forward(subject: str, size: tuple[int, int], keep_attention: bool) -> float:
    """Memory in MB that one forward pass needs at its peak, on top of what the process held before."""
    config = get_config(MEMORY_CONFIG)
    module: nn.Module
    if subject == "network":
        module, value = build_model(config, seed=0).eval(), _image(size)
    else:
        module = SceneUnderstanding(config.feature_channels, config.query_channels, config.num_classes).eval()
        value = torch.zeros(1, config.feature_channels, *(-(-length // FEATURE_STRIDE) for length in size))
    with torch.inference_mode():
        return peak_increase(lambda: module(value, keep_attention=keep_attention))


def peak_increase(function: Callable[[], object]) -> float:
    """Memory in MB by which a call raises this process's peak above what it held before."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the kernel's way to forget an earlier peak
    before = _resident_mb("VmRSS")
    function()
    return _resident_mb("VmHWM") - before


def _resident_mb(field: str) -> float:
    # Not getrusage: its maximum survives exec, so a child would start with its parent's.
    line = next(line for line in _read_lines("/proc/self/status") if line.startswith(field))
    return int(line.split()[1]) / 1024


def _time(forward: Callable[[], object]) -> list[float]:
    """Seconds of each run, after the warm-up."""
    seconds: list[float] = []
    with torch.inference_mode():
        for _ in range(WARMUP_RUNS):
            forward()
        while len(seconds) < MIN_RUNS or (len(seconds) < MAX_RUNS and sum(seconds) < ROW_SECONDS):
            start = time.perf_counter()
            forward()
            seconds.append(time.perf_counter() - start)
    return seconds


def _in_fresh_process(function: Callable[..., float], *arguments: object) -> float:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


def _image(size: tuple[int, int]) -> torch.Tensor:
    return torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))


def _read_lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()


def _print(console: Console, machine: dict[str, Any], rows: list[Row]) -> None:
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()))
    table = Table("quantity", "of", "image", "median", "10 % .. 90 %", "runs")
    for row in rows:
        height, width = row.size
        spread = f"{row.low:.1f} .. {row.high:.1f}"
        table.add_row(
            row.quantity, row.subject, f"{width}x{height}", f"{row.median:.1f} {row.unit}", spread, str(row.runs)
        )
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, and write the JSON file where one is asked for."""
    parser = argparse.ArgumentParser(prog="python -m cinet_core.benchmark", description=__doc__)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--configs", nargs="+", choices=sorted(CONFIGS), default=list(CONFIGS), metavar="NAME")
    options = parser.parse_args(arguments)
    console = Console()
    machine = machine_facts()
    with console.status("measuring; nothing else should run") as status:
        rows = peak_memory(MEMORY_SIZE)
        for config_name in options.configs:
            for size in SIZES:
                status.update(f"forward time: {config_name} at {size[1]}x{size[0]}")
                rows.append(forward_times(config_name, size))
        with tempfile.TemporaryDirectory() as folder:
            for config_name in options.configs:
                status.update(f"backends: {config_name}")
                rows += backend_times(config_name, IMAGE_SIZE, Path(folder))
    _print(console, machine, rows)
    if options.output is not None:
        report = {"machine": machine, "rows": [dataclasses.asdict(row) for row in rows]}
        options.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        console.print(f"wrote {options.output}")


if __name__ == "__main__":
    main()
