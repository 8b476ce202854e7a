"""The planar regions of a frame, by its true depth and labels: each stretch of floor, each wall, each table top."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.evaluation.true_edges import true_depth_edges
from cinet_core.geometry import Intrinsics, unproject
from cinet_core.metrics.planarity import best_plane

__all__ = ["plane_regions"]

LEAST_SHARE = 0.01
"""Of the image's pixels: smaller regions are left out."""

LEAST_EXTENT = 0.03
"""Of a region's distance: one that is narrower (root mean square, along its shorter axis) says nothing of an angle."""

TOLERANCE = 0.015
"""Of a point's distance, by which it may be off its true plane: three times a Kinect's noise at 2 m."""

MARGIN = 3
"""Pixels from a region's border and from depth edges that are left out: `EdgePointMetrics` looks at these."""

MOST_PLANES = 4
"""Of one connected piece of a label: walls that meet in a corner are one piece."""

_TRIALS, _SCORED = 60, 1500


def plane_regions(
    mask: npt.NDArray[np.bool_], depth: npt.NDArray[np.floating], camera: Intrinsics
) -> Iterator[npt.NDArray[np.bool_]]:
    """Divide a mask into planes of the true depth.

    The mask is cut at depth edges and shrunk by `MARGIN`; of each connected piece, the plane with the most points
    within `TOLERANCE` is sought (RANSAC; the random numbers are the same each time), its largest connected part is a
    region, and the rest is looked at again.

    Args:
        mask: (H, W), pixels of one label; may be all.
        depth: (H, W) true metres, 0 where unknown.
        camera: of the frame.

    Yields:
        (H, W) masks of at least `LEAST_SHARE` of the image, without overlap.
    """
    border = np.ones((2 * MARGIN + 1, 2 * MARGIN + 1), np.uint8)
    edges = cv2.dilate(true_depth_edges(depth).astype(np.uint8), border) > 0
    inner = cv2.erode(mask.astype(np.uint8), border, borderType=cv2.BORDER_CONSTANT, borderValue=1) > 0
    left = inner & ~edges & (depth > 0)
    least = LEAST_SHARE * mask.size
    points = unproject(depth, camera)
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(left.astype(np.uint8), connectivity=4)
    random = np.random.default_rng(0)
    for number in range(1, count):
        if stats[number, cv2.CC_STAT_AREA] < least:
            continue
        piece = pieces == number
        for _ in range(MOST_PLANES):
            region = _largest_plane(piece, points, random)
            if region is None or region.sum() < least:
                break
            piece &= ~region
            plane = best_plane(points[region])
            if plane.extent >= LEAST_EXTENT * np.linalg.norm(plane.center):
                yield region


def _largest_plane(
    piece: npt.NDArray[np.bool_], points: npt.NDArray[np.float32], random: np.random.Generator
) -> npt.NDArray[np.bool_] | None:
    """The largest connected part of the plane that most points of a piece lie in; None where there is none."""
    of_piece = points[piece].astype(np.float64)
    if len(of_piece) < 3:
        return None
    scored = of_piece[random.integers(len(of_piece), size=min(_SCORED, len(of_piece)))]
    best: tuple[int, npt.NDArray[np.float64], npt.NDArray[np.float64]] | None = None
    for three in of_piece[random.integers(len(of_piece), size=(_TRIALS, 3))]:
        normal = np.cross(three[1] - three[0], three[2] - three[0])
        length = float(np.linalg.norm(normal))
        if length < 1e-9:
            continue
        found = int(_near(scored, normal / length, three[0]).sum())
        if best is None or found > best[0]:
            best = found, normal / length, three[0]
    if best is None:
        return None
    _, normal, place = best
    for _ in range(2):  # from three points to all of them
        inliers = of_piece[_near(of_piece, normal, place)]
        if len(inliers) < 3:
            return None
        plane = best_plane(inliers)
        normal, place = plane.normal, plane.center
    region = np.zeros(piece.shape, dtype=np.uint8)
    region[piece] = _near(of_piece, normal, place)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(region, connectivity=4)
    if count < 2:
        return None
    return np.asarray(parts == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()))


def _near(
    points: npt.NDArray[np.float64], normal: npt.NDArray[np.float64], place: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """(N,) which points lie in a plane, up to the tolerance at their distance."""
    return np.asarray(np.abs((points - place) @ normal) <= TOLERANCE * np.linalg.norm(points, axis=1))
