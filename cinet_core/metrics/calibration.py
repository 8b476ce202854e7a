"""Is a confidence of 80 % right in 80 % of its pixels? The expected calibration error of labels."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cinet_core.metrics.summed import SummedMetric

__all__ = ["BINS", "ConfidenceMetrics"]

BINS = 15


class ConfidenceMetrics(SummedMetric):
    """Expected calibration error (Guo 2017, Eq. 3): confidence against accuracy in `BINS` equal bins of confidence.

    Attributes:
        sums: (3, BINS): pixels, their confidence, and how many of them are right.
    """

    def __init__(self) -> None:
        self.sums = torch.zeros(3, BINS, dtype=torch.float64)

    def update(self, confidence: Tensor, right: Tensor) -> None:
        """Add pixels.

        Args:
            confidence: (N,) 0..1.
            right: (N,) bool.

        Raises:
            ValueError: the shapes differ, or a confidence is out of range.
        """
        if confidence.shape != right.shape or confidence.dim() != 1:
            raise ValueError(f"confidence {tuple(confidence.shape)} and right {tuple(right.shape)} must both be (N,)")
        if ((confidence < 0) | (confidence > 1)).any():
            raise ValueError("a confidence lies outside of 0..1: it is a probability")
        values = confidence.double().cpu()
        bins = (values * BINS).long().clamp(max=BINS - 1)
        for row, terms in enumerate((torch.ones_like(values), values, right.double().cpu())):
            self.sums[row].index_add_(0, bins, terms)

    def compute(self) -> dict[str, float]:
        """`calibration_error`, `mean_confidence` and `accuracy`, each 0..1. NaN where nothing was seen.

        >>> metric = ConfidenceMetrics()
        >>> metric.update(torch.full((10,), 0.8), torch.arange(10) < 6)  # 60 % right
        >>> round(metric.compute()["calibration_error"], 4)
        0.2
        """
        count = self.sums[0].sum()
        if not count:
            return dict.fromkeys(("calibration_error", "mean_confidence", "accuracy"), math.nan)
        return {
            "calibration_error": ((self.sums[1] - self.sums[2]).abs().sum() / count).item(),
            "mean_confidence": (self.sums[1].sum() / count).item(),
            "accuracy": (self.sums[2].sum() / count).item(),
        }
