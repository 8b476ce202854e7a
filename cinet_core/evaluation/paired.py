"""Paired gains over seeds, with confidence intervals by Student's t distribution."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["CONFIDENCE", "PairedGain", "paired_gain"]

CONFIDENCE = 0.95
"""Of the intervals: so many of them, over repeated experiments, hold the true gain."""


@dataclass(frozen=True)
class PairedGain:
    """How much better one row is than another with the same seed.

    Attributes:
        mean: over the common seeds, in the metric's unit; positive is better, whatever the metric's direction.
        low, high: of the two-sided interval; NaN for fewer than two seeds, of which nothing can be said.
        seeds: how many.
    """

    mean: float
    low: float
    high: float
    seeds: int

    @property
    def decided(self) -> bool:
        """The interval does not hold 0."""
        return self.low > 0 or self.high < 0


def paired_gain(
    row: Mapping[int, float], baseline: Mapping[int, float], sign: int, confidence: float = CONFIDENCE
) -> PairedGain:
    """The mean of the paired differences, and ``mean ± t(1 - (1 - confidence) / 2; n - 1) s / sqrt(n)``.

    What all rows share with a seed (order of the data, first weights) cancels out within a pair. With few seeds the
    t quantile is far from the normal distribution's 1.96: 4.30 for three seeds, 2.57 for six.

    Args:
        row, baseline: values of a metric by seed; at least one seed in common.
        sign: 1 where more is better, -1 where less is.
        confidence: of the interval, between 0 and 1.

    Raises:
        ValueError: no seed is common to both.
    """
    gains = [sign * (row[seed] - baseline[seed]) for seed in sorted(row.keys() & baseline.keys())]
    if not gains:
        raise ValueError(f"no seed in common: {sorted(row)} and {sorted(baseline)}; train both with the same seeds")
    mean = statistics.fmean(gains)
    if len(gains) < 2:
        return PairedGain(mean, math.nan, math.nan, len(gains))
    from scipy.stats import t  # of the extra `train`, which trains what is compared here

    half = float(t.ppf((1 + confidence) / 2, len(gains) - 1)) * statistics.stdev(gains) / math.sqrt(len(gains))
    return PairedGain(mean, mean - half, mean + half, len(gains))
