"""What a run will do, and what it needs: printed before each run, measured by a dry run."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.table import Table

from cinet_core.data.sample import Batch
from cinet_core.process_memory import forget_peak, peak_memory
from cinet_core.training.batch_norm import freeze_statistics
from cinet_core.training.optimization import make_optimizer
from cinet_core.training.preparation import Preparation
from cinet_core.training.run import processes
from cinet_core.training.settings import PlannedStage

MEASURED_STEPS = 3


@dataclass(frozen=True)
class StepCost:
    """What one step of a stage takes on this machine.

    Attributes:
        seconds: median of `MEASURED_STEPS`, after one to warm up; without loading the batch.
        bytes: peak, with weights, gradients, optimiser and activations: of the GPU, or of this process.
    """

    seconds: float
    bytes: int


def print_plan(preparation: Preparation, console: Console, measure: bool) -> None:
    """Print data, network and stages; with `measure`, also time and memory of a step of each stage.

    Raises:
        torch.OutOfMemoryError: with `measure`, a step does not fit this GPU.
    """
    recipe, data, module = preparation.recipe, preparation.data, preparation.module
    seen = preparation.statistics
    config = module.model.config
    classes = sum(count > 0 for count in seen.class_pixels)
    millions = sum(parameter.numel() for parameter in module.model.parameters()) / 1e6
    settings, optimizer, count = recipe.data, recipe.optimizer, processes(recipe.run)
    console.rule(f"[bold]{recipe.name}")
    console.print(
        f"data     {data.describe()}\n"
        f"         {settings.width}x{settings.height}, canonical focal length {settings.focal:g}, seen "
        f"{seen.focal_range[0]:.0f} to {seen.focal_range[1]:.0f} pixels; {classes} of {len(seen.class_pixels)} classes "
        f"of {data.label_set.name!r} occur; median depth {_metres(seen.median_depth)} (from {seen.samples} samples)\n"
        f"network  {config.name} ({config.encoder}), {millions:.1f} M parameters, scene understanding "
        f"{'on' if config.scene_understanding else 'off'}, sharing {config.sharing}\n"
        f"steps    {optimizer.batch_size} images a process, {count} process{'es' * (count > 1)}, "
        f"{optimizer.accumulate} batch{'es' * (optimizer.accumulate > 1)} a step, "
        f"{optimizer.algorithm} {optimizer.momentum}, "
        f"weight decay {optimizer.weight_decay:g}, encoder x{optimizer.encoder_factor:g} "
        f"({optimizer.frozen_levels} of {len(module.model.encoder.levels)} levels frozen), "
        f"{recipe.run.precision}, seed {recipe.run.seed}\noutput   {recipe.run.output}",
        soft_wrap=True,
        highlight=False,
    )
    for warning in preparation.warnings:
        console.print(f"WARNING  {warning}", style="bold red", markup=False, soft_wrap=True, highlight=False)
    if preparation.initialisation is not None:
        console.print(str(preparation.initialisation), soft_wrap=True, highlight=False)
    steps = data.steps_per_epoch(count) // optimizer.accumulate
    table = Table("stage", "epochs", "steps", "learning rate", "attention map", "losses")
    costs: list[StepCost] = []
    if measure:
        table.add_column("s a step", justify="right")
        table.add_column("peak memory", justify="right")
        table.add_column("hours", justify="right")
        costs = [step_cost(preparation, stage) for stage in preparation.plan]
    for index, stage in enumerate(preparation.plan):
        row = _row(stage, steps, bool(config.scene_understanding), config.tasks)
        if measure:
            cost = costs[index]
            hours = cost.seconds * optimizer.accumulate * steps * stage.settings.epochs / 3600
            row += [f"{cost.seconds:.3f}", f"{cost.bytes / 2**20:.0f} MB", f"{hours:.2f}"]
        table.add_row(*row)
    console.print(table)
    if measure:
        console.print(
            f"measured on {_device(preparation)} in one process; loading, validation and checkpoints not included"
        )


def step_cost(preparation: Preparation, stage: PlannedStage) -> StepCost:
    """Run a few real training steps of a stage on the device that would train, on real data.

    The network's weights are changed by it: for dry runs only.
    """
    recipe, module, device = preparation.recipe, preparation.module, _device(preparation)
    module.to(device).train()
    if recipe.optimizer.batch_size * processes(recipe.run) < recipe.optimizer.frozen_statistics_below:
        freeze_statistics(module.model.encoder)
    batch: Batch = next(iter(preparation.data.train_dataloader())).to(device)
    optimizer = make_optimizer(module.model, module.loss, stage.losses, 1e-9, algorithm=recipe.optimizer.algorithm)
    _reset_peak(device)
    seconds = []
    for _ in range(1 + MEASURED_STEPS):
        start = time.perf_counter()
        module.batch_loss(batch, stage.losses, _autocast(recipe.run.precision))["total"].backward()
        optimizer.step()
        optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return StepCost(statistics.median(seconds[1:]), _peak(device))


def _row(stage: PlannedStage, steps: int, attentive: bool, tasks: Sequence[str]) -> list[str]:
    losses = list(tasks)
    losses += ["attention"] * stage.losses.attention + ["consistency"] * stage.losses.consistency
    taught = "ideal, falling" if stage.losses.annealed else "ideal"
    source = taught if stage.losses.ideal_attention else "predicted" if attentive else "none"
    rate = f"{stage.settings.learning_rate:g} {stage.settings.schedule}"
    epochs = stage.settings.epochs
    return [str(stage.losses.number), str(epochs), str(epochs * steps), rate, source, ", ".join(losses)]


def _autocast(precision: str) -> torch.dtype | None:
    return {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(precision)


def _metres(depth: float | None) -> str:
    return "unknown" if depth is None else f"{depth:.2f} m"


def _device(preparation: Preparation) -> torch.device:
    on_gpu = preparation.recipe.run.accelerator != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if on_gpu else "cpu")


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    # On Linux the peak becomes what it is now. Elsewhere that of the whole process is reported: never too little.
    with contextlib.suppress(OSError):
        forget_peak()


def _peak(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_memory()
