"""The tasks that a network can have: one `TaskSpec` each, without PyTorch; `tasks.learning` trains them.

>>> [task.name for task in TASKS[:2]]
['depth', 'segmentation']
>>> output_names(("depth", "segmentation"))
('depth', 'labels', 'confidence')
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.tasks.boundaries import BOUNDARIES
from cinet_core.tasks.depth import DEPTH
from cinet_core.tasks.normals import NORMALS
from cinet_core.tasks.segmentation import SEGMENTATION
from cinet_core.tasks.spec import (
    HeadSpec,
    ImageFile,
    ImageTopic,
    MetricSpec,
    OutputSpec,
    RenderSettings,
    TaskSpec,
    Tile,
)
from cinet_core.tasks.uncertainty import UNCERTAINTY

__all__ = [
    "BOUNDARIES",
    "DEPTH",
    "NORMALS",
    "SEGMENTATION",
    "TASKS",
    "UNCERTAINTY",
    "HeadSpec",
    "ImageFile",
    "ImageTopic",
    "MetricSpec",
    "OutputSpec",
    "RenderSettings",
    "TaskSpec",
    "Tile",
    "erase",
    "get_task",
    "output_names",
    "output_specs",
    "task_specs",
]

TASKS: tuple[TaskSpec, ...] = (DEPTH, SEGMENTATION, NORMALS, BOUNDARIES, UNCERTAINTY)
"""All tasks. Their order is that of outputs, losses, tables and topics everywhere."""

_OUTPUTS = {output.name: output for task in TASKS for output in task.outputs}


def get_task(name: str) -> TaskSpec:
    """The task called `name`.

    Raises:
        ValueError: there is no such task; a close match is named.
    """
    known = {task.name: task for task in TASKS}
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"there is no task {name!r}: there are {', '.join(known)}{hint}")
    return known[name]


def erase(outputs: Mapping[str, npt.NDArray[Any]], pixels: npt.NDArray[np.bool_]) -> None:
    """Make pixels of one image invalid in all its outputs, in place.

    Args:
        outputs: by name, (H, W) or (H, W, channels) each.
        pixels: (H, W), True where there shall be no prediction.
    """
    for name, values in outputs.items():
        values[pixels] = _OUTPUTS[name].invalid


def task_specs(names: Iterable[str]) -> tuple[TaskSpec, ...]:
    """The tasks of these names, in the order of `TASKS`.

    Raises:
        ValueError: as `get_task`.
    """
    chosen = {get_task(name).name for name in names}
    return tuple(task for task in TASKS if task.name in chosen)


def output_specs(names: Iterable[str]) -> tuple[OutputSpec, ...]:
    """The outputs of a deployable graph with these tasks, in their order there."""
    return tuple(output for task in task_specs(names) for output in task.outputs)


def output_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names of `output_specs`."""
    return tuple(output.name for output in output_specs(names))
