"""Anchor *scan*: the ranges of a planar laser scanner, brought into the image.

A ray of the scanner is one point of the image where the camera sees it. Glass and mirrors give a range behind what the
image shows, or none; such points disagree with their neighbours and weigh less in the estimator, a scan that disagrees
as a whole is held back there.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from cinet_core.anchors.measurement import AnchorMeasurement
from cinet_core.anchors.sparse_depth import measure_cloud
from cinet_core.geometry import Intrinsics

__all__ = ["measure_scan", "scan_points"]


def scan_points(
    ranges: npt.NDArray[np.floating],
    angle_min: float,
    angle_increment: float,
    range_min: float = 0.0,
    range_max: float = math.inf,
) -> npt.NDArray[np.float64]:
    """The points of a scan in the scanner's frame: x forward, y to the left, z up (REP 103).

    >>> scan_points(np.array([1.0, 2.0]), 0.0, math.pi / 2).round(6).tolist()
    [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]]

    Args:
        ranges: (N,) metres; those that are NaN, infinite or outside the range are left out.
        angle_min: of the first ray, radians, counted from x towards y.
        angle_increment: from one ray to the next.
        range_min, range_max: metres between which a range is one (sensor_msgs/LaserScan).

    Raises:
        ValueError: the ranges are not (N,), or an angle is not finite.
    """
    values = np.asarray(ranges, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"ranges have shape {values.shape}: (N,) is needed")
    if not (math.isfinite(angle_min) and math.isfinite(angle_increment)):
        raise ValueError(f"angle_min is {angle_min}, angle_increment {angle_increment}: both must be finite")
    good = np.isfinite(values) & (values > max(range_min, 0.0)) & (values <= range_max)
    angles = angle_min + angle_increment * np.nonzero(good)[0]
    return np.stack([values[good] * np.cos(angles), values[good] * np.sin(angles), np.zeros(len(angles))], axis=1)


def measure_scan(
    ranges: npt.NDArray[np.floating],
    angle_min: float,
    angle_increment: float,
    transform: npt.NDArray[np.floating],
    intrinsics: Intrinsics,
    range_min: float = 0.0,
    range_max: float = math.inf,
    sigma: float = 0.02,
) -> AnchorMeasurement:
    """Depth along a laser scan, in the image of a camera.

    Args:
        ranges, angle_min, angle_increment, range_min, range_max: see `scan_points`.
        transform: (4, 4), the scanner's frame to the optical frame, at the stamp of the image.
        intrinsics: of the image.
        sigma: standard deviation of a range, metres, and of where the beam meets an edge.

    Raises:
        ValueError: as `scan_points` and `measure_cloud`.
    """
    points = scan_points(ranges, angle_min, angle_increment, range_min, range_max)
    return measure_cloud(points, intrinsics, transform, 0.01, sigma, "scan")
