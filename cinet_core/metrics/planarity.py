"""Whether what is flat is predicted flat, and as it lies: predicted points of a plane against their own best plane."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["BestPlane", "PlanarityMetrics", "angle_between", "best_plane"]

Points = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class BestPlane:
    """The plane n . X = n . center with the least sum of squared distances to some points.

    Attributes:
        normal: (3,) of length 1, towards the origin, which is the camera.
        center: (3,) mean of the points, metres.
        rms: root mean square of the distances to the plane, metres.
        extent: root mean square of the points along the shorter of the plane's two principal axes, metres.
    """

    normal: npt.NDArray[np.float64]
    center: npt.NDArray[np.float64]
    rms: float
    extent: float


def best_plane(points: Points) -> BestPlane:
    """Fit a plane by total least squares: its normal is the direction in which the points vary least.

    >>> plane = best_plane(np.array([[0.0, 0, 2], [1, 0, 2], [0, 1, 2], [1, 1, 2]]))
    >>> float(plane.normal[2]), plane.rms
    (-1.0, 0.0)

    Args:
        points: (N, 3) metres.

    Raises:
        ValueError: there are fewer than three points.
    """
    if points.ndim != 2 or points.shape[1] != 3 or len(points) < 3:
        raise ValueError(f"points of shape {points.shape}: a plane needs (N, 3) with N of at least 3")
    center = points.mean(axis=0, dtype=np.float64)
    centred = points.astype(np.float64) - center
    variances, axes = np.linalg.eigh(centred.T @ centred / len(points))
    rms, extent = np.sqrt(np.maximum(variances[:2], 0.0)).tolist()
    normal = axes[:, 0] if axes[:, 0] @ center <= 0 else -axes[:, 0]
    return BestPlane(normal, center, rms, extent)


def angle_between(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    """Degrees between two planes, given their normals: 0..90; exact at small angles too."""
    return math.degrees(math.atan2(float(np.linalg.norm(np.cross(first, second))), abs(float(first @ second))))


class PlanarityMetrics:
    """How flat planar regions are predicted, as means over the regions of a kind.

    Of a region with predicted points P and true points Z, each with its own best plane:

    - ``rms``: root mean square distance of P to its plane, as a share of the mean of ``|P|``: free of any scale;
    - ``true_rms``: the same of Z, which the truth's own noise puts there;
    - ``angle``: degrees between the two planes, 0..90.
    """

    def __init__(self) -> None:
        self._regions: list[tuple[float, float, float]] = []

    def update(self, predicted: Points, true: Points) -> None:
        """Add a region: its predicted and its true points, (N, 3) metres each.

        Raises:
            ValueError: as `best_plane`.
        """
        planes = best_plane(predicted), best_plane(true)
        rms, true_rms = (
            plane.rms / float(np.linalg.norm(points.astype(np.float64), axis=1).mean())
            for plane, points in zip(planes, (predicted, true), strict=True)
        )
        self._regions.append((rms, true_rms, angle_between(planes[0].normal, planes[1].normal)))

    @property
    def regions(self) -> int:
        """How many were added."""
        return len(self._regions)

    def compute(self) -> dict[str, float]:
        """`rms`, `true_rms` and `angle`, means over the regions, and `rms_median` and `angle_median`; else NaN."""
        if not self._regions:
            return dict.fromkeys(("rms", "rms_median", "true_rms", "angle", "angle_median"), math.nan)
        rms, true_rms, angle = np.array(self._regions).T
        return {
            "rms": float(rms.mean()),
            "rms_median": float(np.median(rms)),
            "true_rms": float(true_rms.mean()),
            "angle": float(angle.mean()),
            "angle_median": float(np.median(angle)),
        }
