"""What moves the weights (paper 4.2): SGD with its parameter groups, the schedules, and the average of the weights."""

from __future__ import annotations

from typing import Any, get_args

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    PolynomialLR,
    SequentialLR,
)
from torch.optim.swa_utils import AveragedModel

from cinet_core.losses import MultiTaskLoss, Stage
from cinet_core.model.cinet import CINet
from cinet_core.training.settings_optimizer import Algorithm, Schedule

__all__ = [
    "Algorithm",
    "ExponentialAverage",
    "make_optimizer",
    "make_schedule",
    "parameter_groups",
    "unused_parameters",
]

MOMENTUM = 0.9
SECOND_MOMENT = 0.999
WEIGHT_DECAY = 5e-4
ENCODER_FACTOR = 0.1
POLY_POWER = 0.9
AVERAGE_DECAY = 0.999


def unused_parameters(model: CINet, loss: MultiTaskLoss, stage: Stage) -> list[nn.Parameter]:
    """The parameters that a stage freezes: no term of its loss depends on them.

    With the ideal attention map these are the queries and keys of the scene understanding module, without the
    consistency loss its sigma. They stay out of the optimiser: weight decay and momentum would move them all the same.
    DistributedDataParallel waits for a gradient of every parameter, so add 0 times their sum to the loss.
    """
    frozen: list[nn.Parameter] = []
    if stage.ideal_attention and not stage.annealed and model.scene_understanding is not None:
        frozen += [*model.scene_understanding.query.parameters(), *model.scene_understanding.key.parameters()]
    if not (stage.consistency and loss.weights.consistency):
        frozen += loss.feature_variance.parameters()
    return frozen


def parameter_groups(
    model: CINet,
    loss: MultiTaskLoss,
    stage: Stage,
    learning_rate: float,
    weight_decay: float = WEIGHT_DECAY,
    encoder_factor: float = ENCODER_FACTOR,
) -> list[dict[str, Any]]:
    """The groups of an optimiser for one stage; their names appear in the log of the learning rates.

    "encoder" learns at `encoder_factor` times the rate, "rest" (entry, SUM, decoders, heads) at the full rate, and
    "sigma" (the two log-sigmas of the consistency loss, and what balances the tasks) without weight decay, which would
    pull sigma to 1. Biases and
    norms decay as everything else does: the paper names one decay, and plain SGD and every code base of its time
    applied it to all parameters. Parameters without requires_grad and those of `unused_parameters` are in no group.

    Raises:
        ValueError: a number is out of range.
    """
    limits = {"learning_rate": learning_rate, "encoder_factor": encoder_factor}
    for name, value in limits.items():
        if not value > 0:
            raise ValueError(f"{name} is {value!r}: it must be above 0")
    if not weight_decay >= 0:
        raise ValueError(f"weight_decay is {weight_decay!r}: it must not be negative")
    frozen = {id(parameter) for parameter in unused_parameters(model, loss, stage)}
    encoder = {id(parameter) for parameter in model.encoder.parameters()}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in encoder]
    groups: list[dict[str, Any]] = [
        {"name": "encoder", "params": list(model.encoder.parameters()), "lr": encoder_factor * learning_rate},
        {"name": "rest", "params": rest, "lr": learning_rate},
        {"name": "sigma", "params": list(loss.parameters()), "lr": learning_rate, "weight_decay": 0.0},
    ]
    for group in groups:
        group["params"] = [value for value in group["params"] if value.requires_grad and id(value) not in frozen]
    return [{"weight_decay": weight_decay, **group} for group in groups if group["params"]]


def make_optimizer(
    model: CINet,
    loss: MultiTaskLoss,
    stage: Stage,
    learning_rate: float,
    weight_decay: float = WEIGHT_DECAY,
    encoder_factor: float = ENCODER_FACTOR,
    momentum: float = MOMENTUM,
    algorithm: Algorithm = "sgd",
) -> torch.optim.Optimizer:
    """The optimiser of one stage, with empty momentum: weights carry over between stages, the optimiser does not.

    "sgd" is the paper's; of "adamw" the momentum is that of the gradient, and the weight decay is apart from it.

    Raises:
        ValueError: a number is out of range.
    """
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum is {momentum!r}: it must lie in [0, 1)")
    groups = parameter_groups(model, loss, stage, learning_rate, weight_decay, encoder_factor)
    if algorithm == "adamw":
        return torch.optim.AdamW(groups, lr=learning_rate, betas=(momentum, SECOND_MOMENT))
    return torch.optim.SGD(groups, lr=learning_rate, momentum=momentum)


def make_schedule(
    optimizer: torch.optim.Optimizer,
    kind: Schedule,
    total_steps: int,
    power: float = POLY_POWER,
    warmup_steps: int = 0,
) -> LRScheduler:
    """The learning rate by iteration: call `step` after every step of the optimiser.

    Args:
        optimizer: its rates are those of the first step.
        kind: "constant", "poly": rate * (1 - step / total_steps) ** power, or "cosine": rate * (1 + cos(pi * step /
            total_steps)) / 2; the last two reach 0 after the last step.
        total_steps: of the stage, at least 1.
        power: of "poly".
        warmup_steps: over which the rate first rises in a line, from 1 / warmup_steps of it; the schedule follows on
            what is left. Below total_steps.

    Raises:
        ValueError: no such schedule, no steps, or nothing left after the warm-up.
    """
    if total_steps < 1:
        raise ValueError(f"total_steps is {total_steps}: a stage has at least 1")
    if not 0 <= warmup_steps < total_steps:
        raise ValueError(f"warmup_steps is {warmup_steps}: it must be below the {total_steps} steps of the stage")
    if not warmup_steps:
        return _schedule(optimizer, kind, total_steps, power)
    rise = LinearLR(optimizer, start_factor=1 / warmup_steps, total_iters=warmup_steps)
    rest = _schedule(optimizer, kind, total_steps - warmup_steps, power)
    return SequentialLR(optimizer, [rise, rest], milestones=[warmup_steps])


def _schedule(optimizer: torch.optim.Optimizer, kind: Schedule, steps: int, power: float) -> LRScheduler:
    if kind == "constant":
        return ConstantLR(optimizer, factor=1.0, total_iters=0)
    if kind == "poly":
        return PolynomialLR(optimizer, steps, power)
    if kind == "cosine":
        return CosineAnnealingLR(optimizer, steps)
    raise ValueError(f"schedule is {kind!r}: it must be one of {list(get_args(Schedule))}")


class ExponentialAverage(AveragedModel):
    """A moving average of a network's weights over its steps, for evaluation and export: `module` is that network.

    After n updates the next one keeps min(decay, (1 + n) / (10 + n)) of the average. With 0.999 from the start, 37 % of
    the first weights would still be there after a thousand steps, which is more than a short stage has; this way their
    share is below 1e-6 after 40 and the average covers about the last tenth of the run until that is 1000 steps.

    BatchNorm's running statistics are averaged with the same weights and not copied. They belong to the weights that
    they were measured with: an average of weights that lags 1000 steps needs statistics that lag as much, and those of
    the last few batches are noisy besides. Integer buffers (the count of batches) are copied.

    The average never trains: it takes no gradients and stays in evaluation mode. `state_dict` holds all there is, the
    number of updates included, and brings it back exactly.

    Args:
        model: copied, on its device.
        decay: of the running average, in [0, 1).

    Raises:
        ValueError: the decay is out of range.
    """

    def __init__(self, model: nn.Module, decay: float = AVERAGE_DECAY) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay is {decay!r}: it must lie in [0, 1)")
        self.decay = decay
        super().__init__(model, use_buffers=True)
        # The host's own count, so that no step waits for the device's; None: not known, as after a state was loaded.
        self._updates: int | None = None
        self.register_load_state_dict_post_hook(_forget_count)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> ExponentialAverage:
        """Stay in evaluation mode, also where a module around this one is set to train."""
        super().train(False)
        return self

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take the model's present weights and buffers into the average; the first ones are copied."""
        done = int(self.n_averaged) if self._updates is None else self._updates
        kept = 0.0 if done == 0 else min(self.decay, (1 + done) / (10 + done))
        blended: list[tuple[Tensor, Tensor]] = []
        copied: list[tuple[Tensor, Tensor]] = []
        for pair in zip(_tensors(self.module), _tensors(model), strict=True):
            (blended if kept and pair[0].is_floating_point() else copied).append(pair)
        # All of a kind in a handful of kernels.
        if blended:
            averages, values = (list(tensors) for tensors in zip(*blended, strict=True))
            torch._foreach_lerp_(averages, values, 1 - kept)
        if copied:
            averages, values = (list(tensors) for tensors in zip(*copied, strict=True))
            torch._foreach_copy_(averages, values)
        self.n_averaged += 1
        self._updates = done + 1


def _tensors(module: nn.Module) -> list[Tensor]:
    return [tensor.detach() for tensor in (*module.parameters(), *module.buffers())]


def _forget_count(average: nn.Module, incompatible: Any) -> None:
    average._updates = None  # type: ignore[assignment]
