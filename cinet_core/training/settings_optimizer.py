"""How the weights move, and for how long in each stage, as read from a configuration file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["Algorithm", "OptimizerSettings", "Schedule", "StageSettings", "StagesSettings"]

Algorithm = Literal["sgd", "adamw"]
Schedule = Literal["constant", "poly", "cosine"]


@dataclass(frozen=True)
class StageSettings:
    """How long and how fast a stage learns.

    Attributes:
        epochs: passes through the training set; 0 leaves the stage out.
        learning_rate: of everything but the encoder, which gets `OptimizerSettings.encoder_factor` of it.
        schedule: "constant", "poly": (1 - step / steps) ^ 0.9, or "cosine": (1 + cos(pi step / steps)) / 2, per
            iteration, over the stage.
    """

    epochs: int
    learning_rate: float
    schedule: Schedule = "constant"

    def __post_init__(self) -> None:
        """Raise ValueError, naming the value, unless it can be trained with."""
        if self.epochs < 0:
            raise ValueError(f"epochs is {self.epochs}: a stage has 0 (left out) or more")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate is {self.learning_rate}: it must be above 0")


@dataclass(frozen=True)
class StagesSettings:
    """The three stages of the recipe (paper 4.2), by what is new in each; the defaults are the paper's for NYU.

    Attributes:
        ideal: stage 1, with the labels' ideal attention map in place of the predicted one.
        attention: stage 2, with the predicted map and its loss.
        consistency: stage 3, with all losses.
    """

    ideal: StageSettings = StageSettings(300, 6e-4)
    attention: StageSettings = StageSettings(200, 2e-4)
    consistency: StageSettings = StageSettings(200, 2e-4, "poly")

    def __post_init__(self) -> None:
        """Raise ValueError where there is nothing to do."""
        if not self.ideal.epochs + self.attention.epochs + self.consistency.epochs:
            raise ValueError("all three stages have 0 epochs: give at least one of them some")


@dataclass(frozen=True)
class OptimizerSettings:
    """How the weights move: by default the paper's stochastic gradient descent (4.2).

    Attributes:
        algorithm: "sgd", or "adamw" (weight decay apart from the gradient), whose rates are 10 to 100 times smaller.
        batch_size: images a process takes at once.
        accumulate: batches whose gradients are averaged for one step. Losses are means over a batch. What an epoch
            leaves over for a step is left out.
        momentum: of SGD; of AdamW the decay of its first moment.
        weight_decay: of all weights but the log-sigma of the consistency loss.
        encoder_factor: learning rate of the encoder, relative.
        poly_power: of the "poly" schedule.
        warmup_steps: first steps of each stage, over which the rate rises in a line.
        frozen_levels: feature levels of the encoder (see Encoder.freeze), from the image on, whose weights stay as they
            are: pretrained ones outlive small or artificial training sets so, and a step costs less. Their BatchNorm
            statistics follow `frozen_statistics_below`.
        gradient_clip: limit of the gradient's norm; 0 sets none.
        average_decay: of the exponential average of the weights, which is what is evaluated and exported.
        frozen_statistics_below: BatchNorm statistics stay as they are where fewer images than this are normalised
            together (of all processes on GPUs, of one process on the CPU).
        frozen_statistics: of which part: "encoder", or "network", for a short training from weights that are good
            already: it begins with what they predict, and every mixture of before and after has the same statistics.
    """

    algorithm: Algorithm = "sgd"
    batch_size: int = 8
    accumulate: int = 1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    encoder_factor: float = 0.1
    poly_power: float = 0.9
    warmup_steps: int = 0
    frozen_levels: int = 0
    gradient_clip: float = 0.0
    average_decay: float = 0.999
    frozen_statistics_below: int = 16
    frozen_statistics: Literal["encoder", "network"] = "encoder"

    def __post_init__(self) -> None:
        """Raise ValueError, naming value and limit."""
        for name in ("batch_size", "accumulate"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be at least 1")
        for name in ("momentum", "average_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be from 0 to below 1")
        if not 0 < self.encoder_factor < math.inf:
            raise ValueError(f"encoder_factor is {self.encoder_factor}: it must be above 0")
        for name in (
            "weight_decay",
            "poly_power",
            "warmup_steps",
            "frozen_levels",
            "gradient_clip",
            "frozen_statistics_below",
        ):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be 0 or above")
