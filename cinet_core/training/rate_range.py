"""Learning-rate range test (Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, section 3.3)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from cinet_core.data.sample import Batch
from cinet_core.training.batch_norm import freeze_as_set
from cinet_core.training.optimization import make_optimizer
from cinet_core.training.plan import autocast_type, training_device
from cinet_core.training.preparation import TrainingSetup
from cinet_core.training.run import processes

__all__ = ["RateRange", "measure_rates"]

# Of the running mean of the loss, by which single batches do not decide.
SMOOTHING = 0.9
# The test ends where the loss is so many times its least.
DIVERGED = 4.0
# The loss is least where the rate is already about to be too high.
SAFETY = 10.0


@dataclass(frozen=True)
class RateRange:
    """The loss as the learning rate grows.

    Attributes:
        rates: of everything but the encoder, one a step, each a constant factor above the one before.
        losses: running mean of the total loss before each of these steps, corrected for its start at 0.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def suggested(self) -> float:
        """A tenth of the rate at which the running mean is least: the largest that a run can be expected to bear."""
        return self.rates[min(range(len(self.losses)), key=self.losses.__getitem__)] / SAFETY


def measure_rates(
    preparation: TrainingSetup, lowest: float = 1e-5, highest: float = 1.0, steps: int = 200
) -> RateRange:
    """Train by the first stage of a prepared run while the learning rate grows from lowest to highest.

    The network's weights are changed by it. It ends early where the loss diverges.

    Raises:
        ValueError: the rates are not in order and above 0, or there are fewer than two steps.
    """
    if not 0 < lowest < highest < math.inf or steps < 2:
        raise ValueError(f"rates {lowest:g} to {highest:g} in {steps} steps: give 0 < lowest < highest, and 2 or more")
    recipe, module, device = preparation.recipe, preparation.module, training_device(preparation)
    settings, stage = recipe.optimizer, preparation.plan[0].losses
    module.to(device).train()
    freeze_as_set(module.model, settings, processes(recipe.run), device)
    optimizer = make_optimizer(
        module.model,
        module.loss,
        stage,
        lowest,
        settings.weight_decay,
        settings.encoder_factor,
        settings.momentum,
        settings.algorithm,
    )
    factor = (highest / lowest) ** (1 / (steps - 1))
    rates, losses, mean = list[float](), list[float](), 0.0
    for step, batch in zip(range(steps), _batches(preparation, device), strict=False):
        total = module.batch_loss(batch, stage, autocast_type(recipe.run.precision))["total"]
        mean = SMOOTHING * mean + (1 - SMOOTHING) * total.item()
        corrected = mean / (1 - SMOOTHING ** (step + 1))
        if not math.isfinite(corrected) or (losses and corrected > DIVERGED * min(losses)):
            break
        rates.append(lowest * factor**step)
        losses.append(corrected)
        optimizer.zero_grad()
        total.backward()
        if settings.gradient_clip:
            torch.nn.utils.clip_grad_norm_(module.parameters(), settings.gradient_clip)
        optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] *= factor
    return RateRange(tuple(rates), tuple(losses))


def _batches(preparation: TrainingSetup, device: torch.device) -> Iterator[Batch]:
    """Training batches without an end."""
    epoch = 0
    while True:
        preparation.data.resume_at(epoch)
        for batch in preparation.data.train_dataloader():
            moved: Batch = batch.to(device)
            yield moved
        epoch += 1
