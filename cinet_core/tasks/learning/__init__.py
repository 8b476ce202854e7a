"""How the tasks are learnt, scored and deployed: one `TaskLearning` for each `TaskSpec` of `cinet_core.tasks`."""

from __future__ import annotations

from collections.abc import Iterable

from cinet_core.tasks import get_task
from cinet_core.tasks.learning.base import GraphContext, TaskLearning
from cinet_core.tasks.learning.boundaries import BoundariesLearning
from cinet_core.tasks.learning.depth import DepthLearning
from cinet_core.tasks.learning.normals import NormalsLearning
from cinet_core.tasks.learning.segmentation import SegmentationLearning
from cinet_core.tasks.learning.uncertainty import UncertaintyLearning

__all__ = ["LEARNING", "GraphContext", "TaskLearning", "task_learning"]

LEARNING: tuple[TaskLearning, ...] = (
    DepthLearning(),
    SegmentationLearning(),
    NormalsLearning(),
    BoundariesLearning(),
    UncertaintyLearning(),
)
"""One for each of `cinet_core.tasks.TASKS`, in that order."""


def task_learning(names: Iterable[str]) -> tuple[TaskLearning, ...]:
    """The learning halves of these tasks, such as `ModelConfig.tasks`, in the order of `LEARNING`.

    Raises:
        ValueError: there is no such task.
    """
    chosen = {get_task(name).name for name in names}
    return tuple(task for task in LEARNING if task.spec.name in chosen)
