"""How time and memory grow with the size of the image and with the number of cameras, and the exponents of that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from cinet_core.checkpoint import random_checkpoint
from cinet_core.figures import write_figure
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.torch_backend import TorchBackend
from scripts.benchmarks.log_plot import Series, log_plots
from scripts.benchmarks.memory import in_fresh_process, peak_increase
from scripts.benchmarks.rows import Row, milliseconds
from scripts.benchmarks.run import BenchmarkBudget, BenchmarkRun
from scripts.benchmarks.timing import time_runs
from scripts.benchmarks.variants import example

CONFIG = "lite"
PLOT = "scaling.png"


@dataclass(frozen=True)
class PowerLaw:
    """y = factor * x ** exponent."""

    factor: float
    exponent: float

    def __call__(self, x: float) -> float:
        """Its value at x."""
        return self.factor * float(x) ** self.exponent


def power_law(x: Sequence[float], y: Sequence[float]) -> PowerLaw:
    """The straight line through (log x, log y), by least squares.

    Raises:
        ValueError: fewer than two different x, or a value that is not above 0.
    """
    if len(set(x)) < 2 or min(*x, *y) <= 0:
        raise ValueError(f"no power law through x = {list(x)}, y = {list(y)}: two x and values above 0 are needed")
    exponent, intercept = np.polyfit(np.log(x), np.log(y), 1)
    return PowerLaw(float(np.exp(intercept)), float(exponent))


def measure(run: BenchmarkRun) -> Iterator[Row]:
    """Rows of each size and of each number of cameras, the exponents, and a plot of all."""
    drawn: list[Series] = []
    for what, points in (
        ("pixels of the image", [(float(h * w), (h, w), 1) for h, w in run.budget.scaled_sizes]),
        ("cameras", [(float(count), run.budget.image_size, count) for count in run.budget.cameras]),
    ):
        times, memory = [], []
        for _, size, cameras in points:
            run.say(f"cost of {cameras} x {size[1]}x{size[0]}")
            arguments = (size, cameras, what == "cameras", run.budget, str(run.device))
            seconds, peak = in_fresh_process(cost, *arguments)
            subject = f"{CONFIG}, {cameras} camera{'s' * (cameras > 1)}"
            times.append(Row.of(f"time against {what}", subject, "ms", milliseconds(seconds), size))
            memory.append(Row.of(f"peak memory against {what}", subject, "MB", [peak], size))
        x = [value for value, _, _ in points]
        for rows in (times, memory):
            yield from rows
            y = [row.median for row in rows]
            law = power_law(x, y)
            yield Row.of(f"exponent of {rows[0].quantity}", CONFIG, "", [law.exponent])
            drawn.append(Series(rows[0].quantity, what, rows[0].unit, x, y, law, f"exponent {law.exponent:.2f}"))
    if run.output is not None:
        write_figure(run.output / PLOT, log_plots(drawn))
        run.notes.append(f"cost as the work grows, drawn: {PLOT}")


def cost(
    size: tuple[int, int], cameras: int, at_trained_size: bool, budget: BenchmarkBudget, device_name: str
) -> tuple[list[float], float]:
    """Seconds of predictions in PyTorch eager, and the memory of the first one in MB.

    Args:
        size: (height, width) of the images.
        cameras: images in a batch.
        at_trained_size: the network's input is as small as in training; else as large as the image.
        budget: bounds the number of runs.
        device_name: to run on.
    """
    checkpoint, device = random_checkpoint(CONFIG), torch.device(device_name)
    camera = checkpoint.metadata.camera
    network_size = (camera.height, camera.width) if at_trained_size else size
    backend = TorchBackend(DeployableGraph(checkpoint.model.to(device), camera, size, network_size))
    images, intrinsics = example(size, cameras)
    peak = peak_increase(lambda: backend.run(images, intrinsics), device)
    return time_runs(lambda: backend.run(images, intrinsics), budget), peak
