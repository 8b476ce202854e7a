"""Metrics of training batches: light enough for every validation, at the network's size."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from cinet_core.data.sample import Batch
from cinet_core.model.cinet import CINetOutput

if TYPE_CHECKING:
    from cinet_core.tasks.learning.base import TaskLearning

__all__ = ["BatchMetrics"]


class BatchMetrics:
    """The metrics of all tasks over batches: every pixel of the network's input with a truth, depth in metric metres.

    These are metrics to choose a checkpoint by. `evaluate` gives those to report.

    Args:
        tasks: what is scored: `task_learning(config.tasks)`.
        num_classes: C.
        canonical_focal: f_c, pixels.
    """

    def __init__(self, tasks: Sequence[TaskLearning], num_classes: int, canonical_focal: float) -> None:
        self.canonical_focal = canonical_focal
        self._metrics = [(task, task.metric(num_classes)) for task in tasks]

    def update(self, output: CINetOutput, batch: Batch) -> None:
        """Add a batch.

        Args:
            output: of the network for `batch.images`.
            batch: its truth; pixels, and samples, without depth or labels are passed over.

        Raises:
            ValueError: the network's depth is not finite and positive where there is a truth.
        """
        scale = (batch.focal / self.canonical_focal).reshape(-1, 1, 1)
        for task, metric in self._metrics:
            task.update_on_batch(metric, output, batch, scale)

    def all_reduced(self, device: torch.device | str = "cpu") -> BatchMetrics:
        """Return a copy that is summed over all processes, see `SummedMetric.all_reduced`."""
        reduced = copy.copy(self)
        reduced._metrics = [(task, metric.all_reduced(device)) for task, metric in self._metrics]
        return reduced

    def compute(self) -> dict[str, float]:
        """The metrics of all metrics by name; those of a task without any truth are left out."""
        metrics: dict[str, float] = {}
        for _, metric in self._metrics:
            if not metric.is_empty:
                metrics |= metric.compute()
        return metrics

    def reset(self) -> None:
        """Reset the accumulated sums."""
        for _, metric in self._metrics:
            metric.reset()
