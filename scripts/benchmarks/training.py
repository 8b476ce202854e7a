"""Time and memory of a training step, in each stage of the recipe, without loading the batch."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from cinet_core.checkpoint import random_checkpoint
from cinet_core.heap import keep_freed_memory
from cinet_core.losses import STAGES, MultiTaskLoss
from cinet_core.tasks.learning import task_learning
from cinet_core.training.mixed_precision import fast_half_precision
from cinet_core.training.optimization import make_optimizer
from scripts.benchmarks.memory import in_fresh_process, peak_increase
from scripts.benchmarks.rows import Row, milliseconds
from scripts.benchmarks.run import BenchmarkBudget, BenchmarkRun
from scripts.benchmarks.timing import time_runs

# Half precision of a training run.
AUTOCAST = torch.bfloat16
# A ResNet takes half a minute a step on a few cores.
CPU_CONFIGS = ("lite",)


def measure(run: BenchmarkRun) -> Iterator[Row]:
    """A row of time and one of memory for each configuration and stage; a fresh process for each pair."""
    on_cpu = run.device.type == "cpu"
    for name in run.configs:
        if on_cpu and name not in CPU_CONFIGS:
            run.notes.append(f"no training step of {name} on a CPU: it takes half a minute")
            continue
        for half in (False, True):
            for stage in range(len(STAGES)):
                yield from _stage(run, name, stage, half, keep=True)
        if on_cpu:  # where the system's pages cost, and not the device's
            yield from _stage(run, name, len(STAGES) - 1, half=False, keep=False)


def _stage(run: BenchmarkRun, name: str, index: int, half: bool, keep: bool) -> Iterator[Row]:
    number = STAGES[index].number
    run.say(f"training step of {name}, stage {number}")
    size = run.budget.network_sizes[0]
    seconds, peak = in_fresh_process(step_cost, name, index, size, run.budget, str(run.device), half, keep)
    subject = f"{name}, stage {number}"
    columns: dict[str, float | str] = {"images": run.budget.batch, "precision": "bf16-mixed" if half else "32-true"}
    if not keep:
        columns["freed memory"] = "given back"
    yield Row.of("training step", subject, "ms", milliseconds(seconds), size, columns)
    yield Row.of("training step, peak memory", subject, "MB", [peak], size, columns)


def step_cost(
    name: str,
    stage_index: int,
    size: tuple[int, int],
    budget: BenchmarkBudget,
    device_name: str,
    half: bool,
    keep: bool,
) -> tuple[list[float], float]:
    """Seconds of steps of one stage on random images, and the memory of the first one in MB.

    Args:
        name: of the configuration, with random weights.
        stage_index: in `STAGES`.
        size: (height, width) of the images.
        budget: gives the batch, and bounds the number of steps.
        device_name: to train on.
        half: the network in bfloat16, the losses in float32.
        keep: what is freed, as `cinet train` does.
    """
    if keep:
        keep_freed_memory()
    device, stage = torch.device(device_name), STAGES[stage_index]
    model = random_checkpoint(name).model.to(device).train()
    config = model.config
    loss = MultiTaskLoss(task_learning(config.tasks), config.num_classes, config.decoder_channels[-1]).to(device)
    optimizer = make_optimizer(model, loss, stage, 1e-9)
    generator = torch.Generator().manual_seed(0)
    shape = (budget.batch, *size)
    images = torch.randn(budget.batch, 3, *size, generator=generator).to(device)
    depth = (0.5 + 7 * torch.rand(shape, generator=generator)).to(device)
    labels = torch.randint(0, config.num_classes, shape, generator=generator).to(device)

    def step() -> None:
        with torch.autocast(device.type, AUTOCAST, enabled=half), fast_half_precision(device.type):
            output = model(images, teacher_labels=labels if stage.ideal_attention else None)
        loss(output, depth, labels, list(range(budget.batch)), stage)["total"].backward()
        optimizer.step()
        optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    peak = peak_increase(step, device)
    return time_runs(step, budget), peak
