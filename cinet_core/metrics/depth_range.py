"""Whether near things are predicted near and far things far: the ratio predicted / true by depth, and the slope."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor

from cinet_core.metrics.summed import SummedMetric

__all__ = ["RANGE_EDGES", "RangeBin", "RangeMetrics"]

RANGE_EDGES = (0.3, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 12.0)
"""Metres between which the ratio is told; a bin holds its lower edge."""

_RATIO_BINS, _RATIO_WIDTH = 2000, 2e-3
"""ln(predicted / true) is counted from -2 to 2; what is off by more than a factor 7.4 counts in the outermost bin."""

_MOMENTS = 8


class RangeBin(NamedTuple):
    """The pixels whose depth is within a bin.

    Attributes:
        low, high: metres, of the true or of the predicted depth.
        share: of all pixels that count, 0..1.
        ratio: median of predicted / true, to 0.1 %; NaN where no pixel lies in the bin.
    """

    low: float
    high: float
    share: float
    ratio: float


class RangeMetrics(SummedMetric):
    """How the range of predicted depth compares with that of the truth, over all pixels of a set.

    With x = ln true and y = ln predicted over the N pixels of the set, means of the set with a bar::

        slope        = sum (x - mean x)(y - mean y) / sum (x - mean x)^2
        within_slope = the same with each image's own means: what the scale of whole images leaves out

    1 is right, below 1 the range is compressed, and 0 is a network that answers one depth everywhere. Stretching a
    compressed prediction mends its bins by true depth, and spoils those by predicted depth: read both.

    >>> truth = torch.linspace(0.6, 7.9, 400).reshape(1, 20, 20)
    >>> metrics = RangeMetrics()
    >>> metrics.update(truth.sqrt(), truth)  # half the range, in logarithms
    >>> round(metrics.compute()["slope"], 6)
    0.5
    >>> [round(found.ratio, 2) for found in metrics.by_true()[1:3]]  # at a median of 0.8 and of 1.25 m
    [1.12, 0.89]

    Args:
        edges: of the bins, metres, rising.

    Raises:
        ValueError: the edges do not rise from above 0, or are fewer than two.

    Attributes:
        sums: float64: N and the sums of x, y, x^2, x y, y^2; the sums of (x - own mean)^2 and of
            (x - own mean)(y - own mean) of each image; then, for each bin by true and for each by predicted depth, a
            histogram of y - x.
    """

    def __init__(self, edges: tuple[float, ...] = RANGE_EDGES) -> None:
        if len(edges) < 2 or not all(0 < low < high < math.inf for low, high in itertools.pairwise(edges)):
            raise ValueError(f"edges are {edges}: give at least two rising depths above 0 metres")
        self.edges = edges
        self.sums = torch.zeros(_MOMENTS + 2 * (len(edges) - 1) * _RATIO_BINS, dtype=torch.float64)

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        """Add images.

        Args:
            prediction: (B, H, W) metres.
            truth: (B, H, W) metres; 0, NaN and infinite where unknown. A pixel counts where both are known.

        Raises:
            ValueError: the shapes differ.
        """
        if prediction.shape != truth.shape or prediction.dim() != 3:
            raise ValueError(
                f"prediction {tuple(prediction.shape)} and truth {tuple(truth.shape)} must both be (B, H, W)"
            )
        prediction, truth = prediction.detach().cpu().double(), truth.detach().cpu().double()
        for predicted, true in zip(prediction, truth, strict=True):
            known = torch.isfinite(true) & (true > 0) & torch.isfinite(predicted) & (predicted > 0)
            if known.any():
                self._add(predicted[known], true[known])

    def _add(self, predicted: Tensor, true: Tensor) -> None:
        """Add the pixels of an image: (P,) metres above 0 each."""
        x, y = true.log(), predicted.log()
        own_x, own_y = x - x.mean(), y - y.mean()
        moments = (x.new_tensor(len(x)), x.sum(), y.sum(), x @ x, x @ y, y @ y, own_x @ own_x, own_x @ own_y)
        self.sums[:_MOMENTS] += torch.stack(moments)
        place = ((y - x) / _RATIO_WIDTH).floor().long() + _RATIO_BINS // 2
        place = place.clamp(0, _RATIO_BINS - 1)
        bins = len(self.edges) - 1
        edges = torch.tensor(self.edges, dtype=torch.float64)
        histograms = self.sums[_MOMENTS:].view(2, bins * _RATIO_BINS)
        for counts, depth in zip(histograms, (true, predicted), strict=True):
            number = torch.bucketize(depth, edges, right=True) - 1
            inside = (number >= 0) & (number < bins)
            counts += torch.bincount((number * _RATIO_BINS + place)[inside], minlength=bins * _RATIO_BINS)

    def compute(self) -> dict[str, float]:
        """Return the metrics; NaN for an empty set, slopes also where all truth is at one depth.

        Returns:
            `slope` and `within_slope`, see the class; `ln_deviation` and `true_ln_deviation`, standard deviations of y
            and of x over all pixels: a range that shrinks shows in the first; `correlation` of x and y.
        """
        count, x, y, xx, xy, yy, own_xx, own_xy = self.sums[:_MOMENTS].tolist()
        if count == 0:
            names = ("slope", "within_slope", "ln_deviation", "true_ln_deviation", "correlation")
            return dict.fromkeys(names, math.nan)
        var_x, var_y = max(0.0, xx / count - (x / count) ** 2), max(0.0, yy / count - (y / count) ** 2)
        covariance = xy / count - x * y / count**2
        return {
            "slope": _ratio(covariance, var_x),
            "within_slope": _ratio(own_xy / count, own_xx / count),
            "ln_deviation": math.sqrt(var_y),
            "true_ln_deviation": math.sqrt(var_x),
            "correlation": _ratio(covariance, math.sqrt(var_x * var_y)),
        }

    def by_true(self) -> list[RangeBin]:
        """The ratio by true depth: is what lies there predicted there?"""
        return self._bins(0)

    def by_predicted(self) -> list[RangeBin]:
        """The ratio by predicted depth: does what is predicted there lie there?"""
        return self._bins(1)

    def _bins(self, which: int) -> list[RangeBin]:
        histograms = self.sums[_MOMENTS:].view(2, len(self.edges) - 1, _RATIO_BINS)[which]
        total = self.sums[0].item()
        return [
            RangeBin(low, high, _ratio(counts.sum().item(), total), _median_ratio(counts))
            for (low, high), counts in zip(itertools.pairwise(self.edges), histograms, strict=True)
        ]


def _median_ratio(counts: Tensor) -> float:
    """exp of the median of a histogram of logarithms, interpolated within its bin."""
    total = counts.sum().item()
    if total == 0:
        return math.nan
    below = counts.cumsum(0)
    number = int((below < total / 2).sum())
    before = below[number - 1].item() if number else 0.0
    part = (total / 2 - before) / counts[number].item()
    return math.exp((number + part - _RATIO_BINS / 2) * _RATIO_WIDTH)


def _ratio(value: float, by: float) -> float:
    """value / by; NaN where there is nothing to divide by."""
    return value / by if by > 1e-12 else math.nan
