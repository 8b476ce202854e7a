"""What is minimised: the losses and the second views of images, as read from a configuration file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from cinet_core.losses.recipe import (
    Balance,
    ClassWeighting,
    DepthSpace,
    LossWeights,
    Teacher,
    VarianceStart,
)

__all__ = ["LossSettings", "ViewSettings"]


@dataclass(frozen=True)
class ViewSettings:
    """Two views of one image must give one depth: how often there is a second one, and how it differs.

    A batch with a second view learns from the truth of both, and what the network answers for the second is held
    against what the averaged weights answer for the first, in ln of metric depth (`view_consistency`).

    Attributes:
        every: batches, of which one has a second view; 0: none has.
        weight: of the loss.
        zoom: at most, 1 or above.
        shift: at most, either way, as a share of the input's width and height, beyond what the zoom leaves room for.
        roll: at most, degrees, either way.
        blur: length of motion blur at most, as a share of the width.
        blur_probability: share of the views that are blurred.
    """

    every: int = 0
    weight: float = 1.0
    zoom: float = 1.3
    shift: float = 0.04
    roll: float = 2.0
    blur: float = 0.03
    blur_probability: float = 0.5

    def __post_init__(self) -> None:
        """Raise ValueError, naming value and limit."""
        limits = {
            "every": (0, math.inf),
            "weight": (0.0, math.inf),
            "zoom": (1.0, 4.0),
            "shift": (0.0, 0.5),
            "roll": (0.0, 45.0),
            "blur": (0.0, 0.2),
            "blur_probability": (0.0, 1.0),
        }
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"views {name} is {getattr(self, name)}: it must be from {low:g} to {high:g}")


@dataclass(frozen=True)
class LossSettings:
    """Which losses there are, and how they weigh.

    Attributes:
        weights: of the terms.
        depth_space: "metres" is the paper's; "log" takes BerHu and pairs of log depth, and adds half of SILog: errors
            count by their ratio, so that near surfaces weigh as much as far ones.
        class_weighting: "linear" is the paper's (Eq. 12); "inverse_log" favours rare classes much more.
        class_weight_power: of these weights, 0 to 1: below 1 rare classes are favoured less.
        supervise_attention: the labels teach the attention map, by its loss and by taking its place in stage 1. Without
            it the map is learnt from the tasks alone (paper, Fig. 6).
        consistency: the consistency loss is active in stage 3.
        consistency_start: where its sigma^2 starts: "channels", their count, with which it hardly moves anything, or
            "median" of the features' distances, as the first batches of stage 3 show them. There it has a quarter to a
            half of the gradient at the paper's beta = 5, and labels suffer in short trainings: lower
            `weights.consistency` with it (docs/training.md).
        teacher: what stage 1 learns with. "ideal" is the paper's: the labels' ideal map in place of the predicted one.
            "annealed": it takes that place for a share of the images that falls from all to none, and the attention
            loss is active from the start. "none": stage 1 is as stage 2.
        views: second views of the images, and the loss that holds both together.
        balance: of the tasks' losses: "fixed" weights, or "uncertainty" or "gradients" (see `TaskBalance`).
        sharing_gradient: what of the gradient passes from one task to the other's features through the feature sharing
            modules, 0 to 1; 1 is the paper's. See `FeatureSharing.gradient`.
    """

    weights: LossWeights = field(default_factory=LossWeights)
    depth_space: DepthSpace = "metres"
    class_weighting: ClassWeighting = "linear"
    class_weight_power: float = 1.0
    supervise_attention: bool = True
    consistency: bool = True
    consistency_start: VarianceStart = "channels"
    teacher: Teacher = "ideal"
    balance: Balance = "fixed"
    sharing_gradient: float = 1.0
    views: ViewSettings = field(default_factory=ViewSettings)

    def __post_init__(self) -> None:
        """Raise ValueError, naming value and limit."""
        if not 0 <= self.sharing_gradient <= 1:
            raise ValueError(f"sharing_gradient is {self.sharing_gradient}: it must be from 0 to 1")
        if not 0 <= self.class_weight_power <= 1:
            raise ValueError(f"class_weight_power is {self.class_weight_power}: it must be from 0 to 1")
