"""What a run will do, and what it needs: told before each run, measured by a dry run."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from cinet_core.data.sample import Batch
from cinet_core.process_memory import forget_peak, peak_memory
from cinet_core.training.batch_norm import freeze_as_set
from cinet_core.training.optimization import make_optimizer
from cinet_core.training.preparation import TrainingSetup
from cinet_core.training.run import processes
from cinet_core.training.settings import PlannedStage

__all__ = ["StageOutline", "StepCost", "TrainingPlan", "autocast_type", "plan_of", "step_cost", "training_device"]

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


@dataclass(frozen=True)
class StageOutline:
    """A stage of a run.

    Attributes:
        number: 1 to 3.
        epochs: passes through the training set.
        steps: of the optimiser.
        learning_rate: at its start.
        schedule: of the rate, see `StageSettings`.
        attention: where the attention map comes from: "ideal", "ideal, falling", "predicted" or "none".
        losses: names of the active terms.
        cost: of a step, where it was measured.
        hours: that all steps take then.
    """

    number: int
    epochs: int
    steps: int
    learning_rate: float
    schedule: str
    attention: str
    losses: tuple[str, ...]
    cost: StepCost | None = None
    hours: float | None = None


@dataclass(frozen=True)
class TrainingPlan:
    """What a run will do, and what it needs.

    Attributes:
        name: of the run.
        facts: data, network, steps and output, each a sentence or two.
        warnings: what is likely to be wrong with the data.
        initialisation: what was taken from the checkpoint that it starts from; None where it starts from none.
        stages: in their order.
        device: where a step was measured; None where none was.
    """

    name: str
    facts: Mapping[str, str]
    warnings: tuple[str, ...]
    initialisation: str | None
    stages: tuple[StageOutline, ...]
    device: str | None


def plan_of(preparation: TrainingSetup, measure: bool = False) -> TrainingPlan:
    """The plan of a prepared run.

    Args:
        preparation: of the run.
        measure: take time and memory of a step of each stage; the network's weights are changed by it.

    Raises:
        torch.OutOfMemoryError: with `measure`, a step does not fit this GPU.
    """
    started = preparation.initialisation
    return TrainingPlan(
        name=preparation.recipe.name,
        facts=_facts(preparation),
        warnings=preparation.warnings,
        initialisation=None if started is None else str(started),
        stages=tuple(_outline(preparation, stage, measure) for stage in preparation.plan),
        device=str(training_device(preparation)) if measure else None,
    )


def _facts(preparation: TrainingSetup) -> dict[str, str]:
    recipe, data, module = preparation.recipe, preparation.data, preparation.module
    seen = preparation.statistics
    config = module.model.config
    classes = sum(count > 0 for count in seen.class_pixels)
    millions = sum(parameter.numel() for parameter in module.model.parameters()) / 1e6
    settings, optimizer, count = recipe.data, recipe.optimizer, processes(recipe.run)
    return {
        "data": f"{data.describe()}\n"
        f"{settings.width}x{settings.height}, canonical focal length {settings.canonical_focal:g}, seen "
        f"{seen.focal_range[0]:.0f} to {seen.focal_range[1]:.0f} pixels; {classes} of {len(seen.class_pixels)} classes "
        f"of {data.label_set.name!r} occur; median depth {_metres(seen.median_depth)} (from {seen.samples} samples)",
        "network": f"{config.name} ({config.encoder}), {millions:.1f} M parameters, scene understanding "
        f"{'on' if config.scene_understanding else 'off'}, sharing {config.sharing}",
        "steps": f"{optimizer.batch_size} images a process, {count} process{'es' * (count > 1)}, "
        f"{optimizer.accumulate} batch{'es' * (optimizer.accumulate > 1)} a step, "
        f"{optimizer.algorithm} {optimizer.momentum}, "
        f"weight decay {optimizer.weight_decay:g}, encoder x{optimizer.encoder_factor:g} "
        f"({optimizer.frozen_levels} of {len(module.model.encoder.levels)} levels frozen), "
        f"{recipe.run.precision}, seed {recipe.run.seed}",
        "output": recipe.run.output,
    }


def _outline(preparation: TrainingSetup, stage: PlannedStage, measure: bool) -> StageOutline:
    optimizer = preparation.recipe.optimizer
    steps = preparation.data.steps_per_epoch(processes(preparation.recipe.run)) // optimizer.accumulate
    attentive = bool(preparation.module.model.config.scene_understanding)
    losses = [task.spec.name for task in preparation.module.loss.learnt]
    losses += ["attention"] * stage.losses.attention + ["consistency"] * stage.losses.consistency
    taught = "ideal, falling" if stage.losses.annealed else "ideal"
    settings = stage.settings
    cost = step_cost(preparation, stage) if measure else None
    return StageOutline(
        number=stage.losses.number,
        epochs=settings.epochs,
        steps=settings.epochs * steps,
        learning_rate=settings.learning_rate,
        schedule=settings.schedule,
        attention=taught if stage.losses.ideal_attention else "predicted" if attentive else "none",
        losses=tuple(losses),
        cost=cost,
        hours=None if cost is None else cost.seconds * optimizer.accumulate * steps * settings.epochs / 3600,
    )


def step_cost(preparation: TrainingSetup, stage: PlannedStage) -> StepCost:
    """Run a few real training steps of a stage on the device that would train, on real data.

    The network's weights are changed by it: for dry runs only.
    """
    recipe, module, device = preparation.recipe, preparation.module, training_device(preparation)
    module.to(device).train()
    freeze_as_set(module.model, recipe.optimizer, processes(recipe.run), device)
    batch: Batch = next(iter(preparation.data.train_dataloader())).to(device)
    optimizer = make_optimizer(module.model, module.loss, stage.losses, 1e-9, algorithm=recipe.optimizer.algorithm)
    _reset_peak(device)
    seconds = []
    for _ in range(1 + MEASURED_STEPS):
        start = time.perf_counter()
        module.batch_loss(batch, stage.losses, autocast_type(recipe.run.precision))["total"].backward()
        optimizer.step()
        optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return StepCost(statistics.median(seconds[1:]), _peak(device))


def autocast_type(precision: str) -> torch.dtype | None:
    """What the network computes in at a precision of `RunSettings`; None: in the type of its weights."""
    return {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(precision)


def _metres(depth: float | None) -> str:
    return "unknown" if depth is None else f"{depth:.2f} m"


def training_device(preparation: TrainingSetup) -> torch.device:
    """Where a run would train."""
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
