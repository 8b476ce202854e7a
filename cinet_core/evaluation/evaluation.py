"""Results of an evaluation as plain values, for JSON and tables."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cinet_core.evaluation.views import PLAIN
from cinet_core.metrics.protocols import LabelOrder

__all__ = ["BrokenFrame", "DepthScore", "Evaluation", "LabelScore", "SampleCounts", "StabilityScore", "TaskScore"]


@dataclass(frozen=True)
class BrokenFrame:
    """A frame that was skipped since it could not be read: its name and the reason."""

    name: str
    reason: str


@dataclass(frozen=True)
class SampleCounts:
    """The number of frames that were evaluated.

    Attributes:
        frames: read and predicted.
        with_depth, with_labels, with_camera: of these, those that come with a depth map, labels, intrinsics. The
            others are passed over for the metric in question; an unknown camera is taken to be the canonical one.
        available: frames of the split, scored or not.
    """

    frames: int
    with_depth: int
    with_labels: int
    with_camera: int
    available: int


@dataclass(frozen=True)
class DepthScore:
    """The depth metrics under one protocol.

    Attributes:
        protocol: name of the protocol.
        rules: its line, to be printed with the metrics.
        aligned: every image was given the true median first: the scale is not judged.
        images: with at least one pixel that counts.
        metrics: see `DepthMetrics.compute`.
    """

    protocol: str
    rules: str
    aligned: bool
    images: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class LabelScore:
    """The segmentation metrics, from one confusion matrix over the set, at the size of the ground truth.

    Attributes:
        order: "resize-argmax", as metrics are reported, or "argmax-resize", as deployed.
        metrics: see `SegmentationMetrics.compute`.
        class_iou: by class name; None for classes that do not occur in the truth.
        class_recall: the same of the share of a class's pixels that were found.
    """

    order: LabelOrder
    metrics: Mapping[str, float]
    class_iou: Mapping[str, float | None]
    class_recall: Mapping[str, float | None]


@dataclass(frozen=True)
class TaskScore:
    """A further task, at the size of its truth.

    Attributes:
        task: its name.
        metrics: by the names of its `TaskSpec.metrics`, and perhaps others.
    """

    task: str
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class StabilityScore:
    """The temporal stability of predicted depth.

    Attributes:
        pairs: of consecutive frames that share a point; 0 where none was scored: the metrics are NaN.
        points: that both frames of a pair see, over all pairs.
        metrics: see stability.py.
    """

    pairs: int
    points: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Evaluation:
    """Metrics of a network on a split of a data set.

    Attributes:
        dataset, split: what was scored; the data set by its `DatasetMeta.name`.
        benchmark: the published benchmark that the data set is, see `DatasetMeta.benchmark`; None for other data.
        label_set: name of the network's label set, whose classes the metrics are over.
        own_label_set: name of the data set's label set, from which labels were mapped if it differs.
        counts: number of frames that were evaluated.
        network_sizes: (width, height) that the network ran at, all that occurred.
        backends: what ran it, for each of these: "torch", or the backend and precision that were asked for.
        depth: one entry a protocol and alignment; none where no frame has depth.
        labels: the reported order first; none where no frame has labels; a backend decides itself, as deployed.
        stability: None where the data set knows no poses.
        attention: see `AttentionMetrics.compute`; None where the network has no SUM, no frame has labels, or a backend
            ran it that gives predictions only.
        broken: frames that could not be read.
        tasks: one entry for each further task of the network that a frame has a truth for.
        tta: test-time augmentation, the views that depth and labels were averaged over; see `Views`.
    """

    dataset: str
    benchmark: str | None
    split: str
    label_set: str
    own_label_set: str
    counts: SampleCounts
    network_sizes: tuple[tuple[int, int], ...]
    backends: tuple[str, ...]
    depth: tuple[DepthScore, ...]
    labels: tuple[LabelScore, ...]
    stability: StabilityScore | None
    attention: Mapping[str, float] | None
    broken: tuple[BrokenFrame, ...]
    tasks: tuple[TaskScore, ...] = ()
    tta: str = str(PLAIN)

    @property
    def complete(self) -> bool:
        """Whether every frame of the split was evaluated."""
        return self.counts.frames == self.counts.available

    def to_dict(self) -> dict[str, Any]:
        """Return the content as JSON types. Metrics that are not defined are None."""
        return _plain(dataclasses.asdict(self)) | {"complete": self.complete}

    def metrics(self) -> dict[str, float]:
        """The reported metrics by name: depth with its metric scale, labels, further tasks, stability, attention.

        Depth metrics are called "<protocol>/<metric>", the last two "stability/<metric>" and "attention/<metric>".
        """
        found: dict[str, float] = {}
        for score in self.depth:
            if not score.aligned:
                found |= {f"{score.protocol}/{name}": value for name, value in score.metrics.items()}
        if self.labels:
            found |= self.labels[0].metrics
        for task in self.tasks:
            found |= task.metrics
        if self.stability is not None and self.stability.pairs:
            found |= {f"stability/{name}": value for name, value in self.stability.metrics.items()}
        if self.attention is not None:
            found |= {f"attention/{name}": value for name, value in self.attention.items()}
        return found


def _plain(value: Any) -> Any:
    """Tuples as lists, and None for what JSON has no number for."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
