"""Sums up what predicted depth says of the geometry of rooms, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from cinet_core.evaluation.geometry_report import PlaneScore, RangeScore, ScaleAtSize
from cinet_core.evaluation.plane_regions import plane_regions
from cinet_core.evaluation.predicted_frames import PredictedFrame
from cinet_core.evaluation.true_edges import true_depth_edges
from cinet_core.geometry import unproject, without_edges
from cinet_core.label_sets import UNLABELLED
from cinet_core.metrics.depth_range import RangeMetrics
from cinet_core.metrics.edge_points import EdgePointMetrics
from cinet_core.metrics.planarity import PlanarityMetrics

__all__ = ["EDGE_FILTER", "PLANE_CLASSES", "UNLABELLED_PLANES", "GeometryStudy", "ScaleOfFrames"]

PLANE_CLASSES = ("floor", "wall", "ceiling", "table", "desk", "counter")
"""Classes whose regions are flat; of a table what is seen of its top."""

UNLABELLED_PLANES = "any plane"
"""Of frames without labels: whatever is flat in the truth."""

EDGE_FILTER = 0.05
"""What docs and launch files give as `cloud_edge_filter`."""


class ScaleOfFrames:
    """The scale of whole frames, with the errors beside it.

    Attributes:
        range: near and far, of the same frames.
    """

    def __init__(self) -> None:
        self.range = RangeMetrics()
        self._log_scales: list[float] = []
        self._errors = self._pixels = 0.0

    def add(self, prediction: torch.Tensor, truth: torch.Tensor) -> None:
        """Add a frame: (H, W) metres each, the truth 0 where it does not count."""
        known = truth > 0
        if not bool(known.any()):
            return
        self.range.update(prediction[None], truth[None])
        true, predicted = truth[known].double(), prediction[known].double()
        self._log_scales.append(math.log(float(np.median(predicted.numpy())) / float(np.median(true.numpy()))))
        self._errors += float(((predicted - true).abs() / true).sum())
        self._pixels += len(true)

    @property
    def frames(self) -> int:
        """How many were added that have truth."""
        return len(self._log_scales)

    def score(self, width: int, height: int) -> ScaleAtSize:
        """The scale of the frames so far; NaN without one.

        Args:
            width, height: of the network's input.
        """
        scales = np.array(self._log_scales)
        none = not self.frames
        return ScaleAtSize(
            width,
            height,
            scale=math.nan if none else math.exp(float(scales.mean())),
            spread=math.nan if none else float(scales.std()),
            abs_rel=math.nan if none else self._errors / self._pixels,
            slope=self.range.compute()["slope"],
        )


class GeometryStudy:
    """Accumulates frames one at a time.

    Args:
        classes: names of the labels, by their ids.
        min_depth, max_depth: metres between which true depth counts, both excluded.
        edge_filter: of the cloud that is looked at beside the whole one, see `without_edges`.

    Raises:
        ValueError: the range does not rise from 0 or more.

    Attributes:
        scale: of whole frames, and near and far.
        edges, filtered_edges: points beside depth edges, of the whole cloud and of the filtered one.
        planes: by `PLANE_CLASSES`, and of frames without labels by `UNLABELLED_PLANES`.
    """

    def __init__(
        self,
        classes: Sequence[str] = (),
        min_depth: float = 0.1,
        max_depth: float = 20.0,
        edge_filter: float = EDGE_FILTER,
    ) -> None:
        if not 0 <= min_depth < max_depth:
            raise ValueError(f"max_depth {max_depth:g} must be above min_depth {min_depth:g}, and that at least 0")
        self.depth_range = (min_depth, max_depth)
        self.edge_filter = edge_filter
        self.scale = ScaleOfFrames()
        self.edges, self.filtered_edges = EdgePointMetrics(), EdgePointMetrics()
        self._ids = {name: classes.index(name) for name in PLANE_CLASSES if name in classes}
        self.planes = {name: PlanarityMetrics() for name in (*self._ids, UNLABELLED_PLANES)}

    def add(self, frame: PredictedFrame) -> None:
        """Add a frame."""
        counted = self.counted(frame.sample.depth)
        self.scale.add(torch.from_numpy(frame.prediction), counted)
        edges = true_depth_edges(frame.sample.depth.numpy())
        self.edges.update(frame.prediction, counted.numpy(), edges)
        self.filtered_edges.update(without_edges(frame.prediction, self.edge_filter), counted.numpy(), edges)
        self._add_planes(frame, counted.numpy())

    def _add_planes(self, frame: PredictedFrame, truth: npt.NDArray[np.float32]) -> None:
        """Every plane of the frame whose label says that it is one; without labels every plane."""
        labels, camera = frame.sample.labels.numpy(), frame.camera
        kinds = {name: labels == number for name, number in self._ids.items()}
        if not frame.sample.has_labels or not bool((labels != UNLABELLED).any()):
            kinds = {UNLABELLED_PLANES: np.ones(truth.shape, dtype=bool)}
        predicted, true = unproject(frame.prediction, camera), unproject(truth, camera)
        for name, mask in kinds.items():
            for region in plane_regions(mask, truth, camera):
                self.planes[name].update(predicted[region], true[region])

    def counted(self, depth: torch.Tensor) -> torch.Tensor:
        """True depth that counts: 0 outside the range."""
        low, high = self.depth_range
        return torch.where((depth > low) & (depth < high), depth, 0.0)

    def plane_scores(self) -> tuple[PlaneScore, ...]:
        """Planes of every kind that there were any of."""
        return tuple(
            PlaneScore(name, found.regions, found.compute()) for name, found in self.planes.items() if found.regions
        )

    def range_score(self) -> RangeScore:
        """Near and far."""
        found = self.scale.range
        return RangeScore(found.compute(), tuple(found.by_true()), tuple(found.by_predicted()))
