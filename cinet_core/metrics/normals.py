"""Metrics of surface normals: angles to the true ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cinet_core.metrics.summed import SummedMetric

__all__ = ["NormalMetrics"]

BINS_A_DEGREE = 20
SHARES = {"within_11.25": 11.25, "within_22.5": 22.5, "within_30": 30.0}


class NormalMetrics(SummedMetric):
    """Angles between predicted and true normals, over all pixels of a set, as they are published since Fouhey (2013).

    Attributes:
        sums: the sum of all angles, and counts of angles: below each limit of `SHARES`, and in bins of 1/20 degree,
            from which the median is read.
    """

    def __init__(self) -> None:
        self.sums = torch.zeros(1 + len(SHARES) + 180 * BINS_A_DEGREE, dtype=torch.float64)

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        """Add images.

        Args:
            prediction: (B, 3, H, W), of any length above 0; NaN is an error of 90 degrees.
            truth: (B, 3, H, W) unit normals, (0, 0, 0) where unknown: these pixels are passed over.

        Raises:
            ValueError: the shapes differ.
        """
        if prediction.shape != truth.shape:
            raise ValueError(f"prediction {tuple(prediction.shape)} and truth {tuple(truth.shape)} must agree in shape")
        truth = truth.detach().cpu().double()
        valid = truth.abs().sum(dim=1) > 0
        first = prediction.detach().cpu().double().movedim(1, -1)[valid].nan_to_num(nan=0.0)
        second = truth.movedim(1, -1)[valid]
        # atan2 is exact at small angles too, where arccos loses half of the digits.
        cross = torch.linalg.cross(first, second).norm(dim=-1)
        angles = torch.rad2deg(torch.atan2(cross, (first * second).sum(dim=-1)))
        angles = torch.where(first.norm(dim=-1) > 0, angles, 90.0)
        within = [(angles < limit).sum().double() for limit in SHARES.values()]
        bins = (angles * BINS_A_DEGREE).long().clamp(max=180 * BINS_A_DEGREE - 1)
        histogram = torch.bincount(bins, minlength=180 * BINS_A_DEGREE).double()
        self.sums += torch.cat((torch.stack((angles.sum(), *within)), histogram))

    def compute(self) -> dict[str, float]:
        """`angle_mean` and `angle_median` in degrees (the latter to 1/20), and the shares of `SHARES` in 0..1."""
        histogram = self.sums[1 + len(SHARES) :]
        count = histogram.sum()
        if count == 0:
            return dict.fromkeys(("angle_mean", "angle_median", *SHARES), math.nan)
        middle = int((histogram.cumsum(0) < count / 2).sum())
        return {
            "angle_mean": (self.sums[0] / count).item(),
            "angle_median": (middle + 0.5) / BINS_A_DEGREE,
            **dict(zip(SHARES, (self.sums[1 : 1 + len(SHARES)] / count).tolist(), strict=True)),
        }
