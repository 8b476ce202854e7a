"""What is summed up over the frames of a data set for each task: one scorer a task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from cinet_core.data.sample import Sample
from cinet_core.evaluation.evaluation import DepthScore, LabelScore, TaskScore
from cinet_core.evaluation.stability import PosedPrediction
from cinet_core.metrics.depth import DepthMetrics
from cinet_core.metrics.protocols import DepthProtocol, LabelOrder, predicted_labels, resized_labels
from cinet_core.metrics.segmentation import SegmentationMetrics
from cinet_core.tasks.learning.base import TaskLearning

__all__ = ["DEPLOYED", "LABEL_ORDERS", "DepthScorer", "LabelScorer", "Predicted", "ScoredFrame", "Scorer", "TaskScorer"]

DEPLOYED: LabelOrder = "argmax-resize"
LABEL_ORDERS: tuple[LabelOrder, ...] = ("resize-argmax", DEPLOYED)


class ScoredFrame:
    """A sample, its place in the data set, and its other depth map and the camera's pose where these are known."""

    def __init__(
        self, number: int, sample: Sample, raw: Sample | None, pose: npt.NDArray[np.float64] | None, world: str = ""
    ) -> None:
        self.number, self.sample, self.pose, self.world = number, sample, pose, world
        self._raw = raw

    def true_depth(self, protocol: DepthProtocol) -> Tensor:
        """(H, W) metres, 0 where unknown; what the protocol reads, as `evaluate_model` has seen to."""
        return self._raw.depth if protocol.truth == "raw" and self._raw is not None else self.sample.depth

    def posed(self, prediction: Tensor) -> PosedPrediction | None:
        """With what was predicted for it; None where it is not known what the camera saw, or from where."""
        sample = self.sample
        if self.pose is None or sample.intrinsics is None or not sample.has_depth:
            return None
        return PosedPrediction(self.number, prediction, sample.depth, sample.intrinsics, self.pose, self.world)


class Predicted(NamedTuple):
    """What was predicted for one frame, at the network's size.

    Attributes:
        outputs: of the deployable graph by name, (1, h, w) or (1, h, w, channels) each, on the CPU; depth not masked.
        logits: (1, C, h, w), where PyTorch ran the network here; a backend gives its labels only.
    """

    outputs: Mapping[str, Tensor]
    logits: Tensor | None


class Scorer(Protocol):
    """Sums up how good a task is."""

    def add(self, predicted: Predicted, frame: ScoredFrame) -> None:
        """Add a frame; one without a truth for the task is passed over."""


class DepthScorer:
    """Depth under each of the protocols, with and without alignment."""

    def __init__(self, protocols: Sequence[DepthProtocol]) -> None:
        self._metrics = [DepthMetrics(protocol, aligned) for protocol in protocols for aligned in (False, True)]

    def add(self, predicted: Predicted, frame: ScoredFrame) -> None:
        """See `Scorer.add`."""
        if not frame.sample.has_depth:
            return
        for metric in self._metrics:
            metric.update(predicted.outputs["depth"], frame.true_depth(metric.protocol)[None])

    def scores(self) -> tuple[DepthScore, ...]:
        """One for each protocol and alignment; none where no frame has depth."""
        return tuple(
            DepthScore(metric.protocol.name, str(metric.protocol), metric.align_median, metric.images, metric.compute())
            for metric in self._metrics
            if metric.images
        )


class LabelScorer:
    """Labels in each order of resizing and deciding.

    Args:
        classes: names of the C classes.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = classes
        self._metrics = {order: SegmentationMetrics(len(classes)) for order in LABEL_ORDERS}

    def add(self, predicted: Predicted, frame: ScoredFrame) -> None:
        """See `Scorer.add`."""
        if not frame.sample.has_labels:
            return
        truth = frame.sample.labels
        height, width = truth.shape
        if predicted.logits is None:
            labels = resized_labels(predicted.outputs["labels"], height, width)
            self._metrics[DEPLOYED].update(labels[0], truth)
            return
        for order, metric in self._metrics.items():
            metric.update(predicted_labels(predicted.logits, height, width, order)[0], truth)

    def scores(self) -> tuple[LabelScore, ...]:
        """One for each order, the reported first; none where no frame has labels."""
        return tuple(self._score(order) for order in LABEL_ORDERS if not self._metrics[order].is_empty)

    def _score(self, order: LabelOrder) -> LabelScore:
        metric = self._metrics[order]
        recall = metric.sums.diagonal() / metric.sums.sum(dim=1)
        return LabelScore(order, metric.compute(), self._by_class(metric.class_iou()), self._by_class(recall))

    def _by_class(self, values: Tensor) -> dict[str, float | None]:
        found = [None if math.isnan(value) else value for value in values.tolist()]
        return dict(zip(self._classes, found, strict=True))


class TaskScorer:
    """Any further task, by its own metric."""

    def __init__(self, task: TaskLearning, num_classes: int) -> None:
        self._task = task
        self._metric = task.metric(num_classes)

    def add(self, predicted: Predicted, frame: ScoredFrame) -> None:
        """See `Scorer.add`."""
        self._task.update_on_frame(self._metric, predicted.outputs, frame.sample)

    def scores(self) -> tuple[TaskScore, ...]:
        """One; none where no frame has a truth."""
        return () if self._metric.is_empty else (TaskScore(self._task.spec.name, self._metric.compute()),)
