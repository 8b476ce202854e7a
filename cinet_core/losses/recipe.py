"""What a recipe decides about the losses: their weights, and the stages (4.2) that say which terms are active.

Without PyTorch: recipes are read, and their help is shown, where nothing is trained.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from cinet_core.model.config import DEFAULT_TASKS

__all__ = [
    "STAGES",
    "Balance",
    "ClassWeighting",
    "DepthSpace",
    "LossWeights",
    "Stage",
    "Teacher",
    "VarianceStart",
]

ClassWeighting = Literal["linear", "inverse_log"]
DepthSpace = Literal["metres", "log"]
Teacher = Literal["ideal", "annealed", "none"]
Balance = Literal["fixed", "uncertainty", "gradients"]
VarianceStart = Literal["median", "channels"]


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """The weights of Eq. 11 and 13, with the paper's values; each finite and not negative. What weighs 0 costs nothing.

    Attributes:
        depth: alpha, of the depth loss.
        consistency: beta, of the consistency loss.
        segmentation: gamma, of the segmentation loss.
        pair: lambda, of the pair loss within the depth loss.
        normal: mu, of the normal loss within the depth loss.
        gradient: of the multi-scale gradient loss of log depth (`gradient_loss`) within the depth loss; the paper has
            none.
        tasks: of the losses of further tasks, by the task's name; `TaskLearning.default_weight` where none is given.
    """

    depth: float = 1.0
    consistency: float = 5.0
    segmentation: float = 0.3
    pair: float = 1.0
    normal: float = 5.0
    gradient: float = 0.0
    tasks: dict[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ValueError, naming the weight, unless every one is usable."""
        values = dataclasses.asdict(self)
        for name, value in (values | values.pop("tasks")).items():
            if not math.isfinite(value) or value < 0:
                raise ValueError(f"loss weight {name} is {value!r}: it must be finite and not negative")
        if self.tasks:
            from cinet_core.tasks import task_specs  # takes OpenCV, which help on a recipe does without

            for task in task_specs(self.tasks):
                if task.name in DEFAULT_TASKS:
                    raise ValueError(f"tasks names {task.name!r}: its loss weight is called {task.name} itself")


@dataclasses.dataclass(frozen=True)
class Stage:
    """What a stage of the recipe trains with; the losses of the tasks are always active.

    Attributes:
        number: 1 to 3, as the paper counts them.
        ideal_attention: the labels' ideal map replaces the predicted one; queries and keys are then frozen, unless it
            does so for fewer and fewer images.
        annealed: where `ideal_attention`, for a share of the images that falls from all of them to none.
        attention: the attention loss is active.
        consistency: the consistency loss is active; where it is not, `FeatureVariance` is to be frozen.
    """

    number: int
    ideal_attention: bool = False
    annealed: bool = False
    attention: bool = False
    consistency: bool = False


STAGES = (
    Stage(1, ideal_attention=True),
    Stage(2, attention=True),
    Stage(3, attention=True, consistency=True),
)
