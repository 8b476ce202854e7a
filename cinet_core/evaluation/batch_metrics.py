"""Figures of training batches: light enough for every validation, at the network's size."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch

from cinet_core.data.sample import Batch
from cinet_core.evaluation.metrics import DepthMetrics, SegmentationMetrics
from cinet_core.evaluation.protocols import FULL, predicted_labels
from cinet_core.model.cinet import CINetOutput

PROTOCOL = replace(FULL, name="batch")


class BatchMetrics:
    """Depth in metric metres and labels of batches, every pixel of the network's input with a truth.

    These are figures to choose a checkpoint by. `evaluate` gives those to report.

    Args:
        num_classes: C.
        canonical_focal: f_c, pixels.
    """

    def __init__(self, num_classes: int, canonical_focal: float) -> None:
        self.canonical_focal = canonical_focal
        self._depth = DepthMetrics(PROTOCOL)
        self._segmentation = SegmentationMetrics(num_classes)

    def update(self, output: CINetOutput, batch: Batch) -> None:
        """Add a batch.

        Args:
            output: of the network for `batch.images`.
            batch: its truth; pixels, and samples, without depth or labels are passed over.

        Raises:
            ValueError: the network's depth is not finite and positive where there is a truth.
        """
        scale = (batch.focal / self.canonical_focal).reshape(-1, 1, 1)
        self._depth.update(output.depth.squeeze(1).float() * scale, batch.depth * scale)
        height, width = batch.labels.shape[-2:]
        self._segmentation.update(predicted_labels(output.logits, height, width), batch.labels)

    def all_reduced(self, device: torch.device | str = "cpu") -> BatchMetrics:
        """A copy that has seen what all processes saw; see `SummedMetric.all_reduced`."""
        reduced = copy.copy(self)
        reduced._depth = self._depth.all_reduced(device)
        reduced._segmentation = self._segmentation.all_reduced(device)
        return reduced

    def compute(self) -> dict[str, float]:
        """The figures of `DepthMetrics` and `SegmentationMetrics`; those of a task without any truth are left out."""
        figures: dict[str, float] = {}
        if self._depth.images:
            figures |= self._depth.compute()
        if self._segmentation.sums.any():
            figures |= self._segmentation.compute()
        return figures

    def reset(self) -> None:
        """Forget everything that was seen."""
        self._depth.reset()
        self._segmentation.reset()
