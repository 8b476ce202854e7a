"""Where and how a run is computed, as read from a configuration file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["LoggerName", "Precision", "RunSettings", "Score"]

Precision = Literal["32-true", "bf16-mixed", "16-mixed", "64-true"]
Score = Literal["joint", "delta1", "abs_rel", "mean_iou"]
LoggerName = Literal["tensorboard", "csv", "wandb"]


@dataclass(frozen=True)
class RunSettings:
    """Where and how a run is computed. Of this, seed, precision and the number of processes change what is learnt.

    Attributes:
        output: folder for checkpoints, figures and the loggers' files.
        seed: of weights, order, augmentation and pixel pairs.
        accelerator: "auto", "cpu" or "gpu".
        devices: how many, or "auto" for all: each gets `batch_size` images, so that N take steps of N times the batch.
        nodes: machines of a multi-node run; they must share the folder `output`.
        precision: "32-true", "bf16-mixed" or "16-mixed" (in which the attention can overflow above 240x320); "64-true"
            to check that two runs are the same, whose rounding training otherwise magnifies without limit.
        compile: the network through `torch.compile`: minutes at the start, then fewer and larger kernels on a GPU.
        recompute: keep of each stage of encoder and decoders only its input, and compute the rest again in the backward
            pass: less memory for a third more time. Not together with `compile`, which does so by itself.
        deterministic: use deterministic algorithms only, on a GPU too, where it costs speed.
        checkpoint_minutes: time between two `last.ckpt`; each stage's end writes one as well.
        validate_every: epochs between two validations; the end of each stage is always validated.
        score: what the best checkpoint is best at: "joint" (the geometric mean of delta1 and mean IoU, or the one that
            can be measured), delta1, mean_iou or abs_rel, on the validation split of the training set.
        pictures: validation images shown in TensorBoard.
        log_every: steps between two entries of the loss curves.
        loggers: what these go to, any of tensorboard, csv (metrics.csv, a line each: step, name, value) and wandb
            (Weights & Biases, where it is installed; WANDB_MODE=offline keeps them in `output`).
    """

    output: str = "runs/cinet"
    seed: int = 0
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int | Literal["auto"] = 1
    nodes: int = 1
    precision: Precision = "32-true"
    compile: bool = False
    recompute: bool = False
    deterministic: bool = False
    checkpoint_minutes: float = 3.0
    validate_every: int = 1
    score: Score = "joint"
    pictures: int = 4
    log_every: int = 10
    loggers: tuple[LoggerName, ...] = ("tensorboard",)

    def __post_init__(self) -> None:
        """Raise ValueError, naming value and limit."""
        unknown = [name for name in self.loggers if name not in get_args(LoggerName)]
        if unknown or len(set(self.loggers)) != len(self.loggers):
            raise ValueError(
                f"loggers are {list(self.loggers)}: give any of {', '.join(get_args(LoggerName))}, each once"
            )
        for name, least in (("seed", 0), ("nodes", 1), ("validate_every", 1), ("pictures", 0), ("log_every", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be at least {least}")
        if self.compile and self.recompute:
            raise ValueError("run.recompute and run.compile are both set: a compiled network needs no recompute")
        if self.devices != "auto" and self.devices < 1:
            raise ValueError(f"devices is {self.devices}: it must be at least 1, or auto")
        if not 0 <= self.checkpoint_minutes < math.inf:
            raise ValueError(f"checkpoint_minutes is {self.checkpoint_minutes}: it must be 0 (each step) or above")
