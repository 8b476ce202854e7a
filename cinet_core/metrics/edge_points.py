"""Points of the cloud beside depth edges: how many are off, and how many fly between two surfaces."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt
import torch

from cinet_core.metrics.summed import SummedMetric

__all__ = ["EDGE_DISTANCE", "OFF_METRES", "OFF_PART", "EdgePointMetrics"]

EDGE_DISTANCE = 3
"""Pixels from an edge within which a point is beside it."""

OFF_PART, OFF_METRES = 0.05, 0.10
"""A point is off by more than both: this part of its true depth, and this many metres."""


class EdgePointMetrics(SummedMetric):
    """Share of the cloud's points that are off, beside depth edges and away from them, over all points of a set.

    A point of true depth z, predicted at p, is *off* where ``|p - z| > max(0.05 z, 0.10 m)``. It is beside an edge
    where an edge pixel lies within 3 pixels. *Aligned* means that p was multiplied by the median of z / p of its image
    first, so that the scale of the frame does not make all of its points wrong. A point beside an edge *flies* where
    its aligned depth is between the nearest and the farthest true depth within 3 pixels (in a square), and off from
    every one of them: it hangs in free space between two surfaces.

    Attributes:
        sums: counts, beside edges: points, off, off when aligned, flying; away from edges: points, off, off when
            aligned.
    """

    def __init__(self) -> None:
        self.sums = torch.zeros(7, dtype=torch.float64)

    def update(
        self,
        prediction: npt.NDArray[np.floating],
        truth: npt.NDArray[np.floating],
        edges: npt.NDArray[np.bool_],
    ) -> None:
        """Add an image.

        Args:
            prediction: (H, W) metres; NaN where the cloud has no point.
            truth: (H, W) metres; 0, NaN or infinite where unknown. What has no truth does not count.
            edges: (H, W), the true depth edges.

        Raises:
            ValueError: the shapes differ.
        """
        if not prediction.shape == truth.shape == edges.shape or prediction.ndim != 2:
            raise ValueError(
                f"prediction {prediction.shape}, truth {truth.shape} and edges {edges.shape} must all be (H, W)"
            )
        known = np.isfinite(truth) & (truth > 0)
        counted = known & np.isfinite(prediction)
        if not counted.any():
            return
        true = np.where(known, truth, np.nan).astype(np.float64)
        predicted = np.where(counted, prediction, np.nan).astype(np.float64)
        aligned = predicted * float(np.median(true[counted] / predicted[counted]))
        beside = _within(edges, EDGE_DISTANCE)
        off, off_aligned = _off(predicted, true), _off(aligned, true)
        near, away = beside & counted, counted & ~beside
        counts = (
            *(near.sum(), (near & off).sum(), (near & off_aligned).sum(), _flying(aligned, true, near & off_aligned)),
            *(away.sum(), (away & off).sum(), (away & off_aligned).sum()),
        )
        self.sums += torch.tensor([float(count) for count in counts], dtype=torch.float64)

    def compute(self) -> dict[str, float]:
        """Shares in 0..1, NaN where there are no such points.

        Returns:
            `off`, `off_aligned` and `flying`, of the points beside edges; `away_off` and `away_off_aligned`, of the
            others, for comparison; `beside`, the part of all points that is beside an edge.
        """
        near, off, off_aligned, flying, away, away_off, away_off_aligned = self.sums.tolist()
        return {
            "off": off / near if near else math.nan,
            "off_aligned": off_aligned / near if near else math.nan,
            "flying": flying / near if near else math.nan,
            "away_off": away_off / away if away else math.nan,
            "away_off_aligned": away_off_aligned / away if away else math.nan,
            "beside": near / (near + away) if near + away else math.nan,
        }


def _within(mask: npt.NDArray[np.bool_], distance: float) -> npt.NDArray[np.bool_]:
    """(H, W), where the mask is no farther than this many pixels."""
    if not mask.any():
        return np.zeros(mask.shape, dtype=bool)
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= distance)


def _off(predicted: npt.NDArray[np.float64], true: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Where a depth is off from a true one; False where one of them is NaN."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(predicted - true) > np.maximum(OFF_PART * true, OFF_METRES))


def _flying(
    predicted: npt.NDArray[np.float64], true: npt.NDArray[np.float64], candidates: npt.NDArray[np.bool_]
) -> int:
    """How many of the candidates are between the true depths of the square around them, and off from each."""
    rows, columns = np.nonzero(candidates)
    reach = EDGE_DISTANCE
    padded = np.pad(true, reach, constant_values=np.nan)
    steps = range(2 * reach + 1)
    around = np.stack([padded[rows + down, columns + right] for down in steps for right in steps])
    here = predicted[rows, columns]
    between = (here > np.nanmin(around, axis=0)) & (here < np.nanmax(around, axis=0)) if rows.size else here > 0
    return int((between & (_off(here, around) | np.isnan(around)).all(axis=0)).sum())
