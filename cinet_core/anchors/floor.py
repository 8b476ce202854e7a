"""Anchor *floor*: where the image shows floor, depth follows from the height of the camera and the up direction.

A pixel with the ray ``r = (x, y, 1)`` sees the floor at the depth ``z = h / -(up . r)`` for a camera at the height h.
The errors of height and of the direction are errors of all pixels alike, in known ways: ``dz / z = dh / h`` and ``dz
/ z = -(dup . r) / (up . r)``, which grows towards the horizon. So it is with pitch on a slope or over a threshold: a
floor pixel near the robot is worth more than a far one.

It holds on the floor alone. What stands on it is corrected by as much as the field says that errors there go
together.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.anchors.grid import Array
from cinet_core.anchors.measurement import AnchorGap, AnchorMeasurement, nothing
from cinet_core.geometry import Intrinsics

__all__ = ["measure_floor", "plane_agrees"]

MAX_POINTS = 400
MIN_POINTS = 30
MIN_SHARE = 0.02
"""Of the image's lattice that must be floor."""

MARGIN = 0.015
"""Of the image's width, by which the area of the floor is narrowed: its border is where the network errs."""

HORIZON = 0.06
"""Least ``-(up . r) / |r|``: within 3.4 degrees of the horizon the floor's depth is not known."""

MIN_INLIERS = 0.5
"""Of the floor's pixels whose predicted depth must lie on some plane at the given inclination."""

FIT = 0.12
"""ln depth within which predicted depth counts as on the floor's plane, once its factor is taken out."""


def measure_floor(
    floor: npt.NDArray[np.bool_],
    depth: npt.NDArray[np.floating],
    intrinsics: Intrinsics,
    height: float,
    up: npt.ArrayLike,
    height_sigma: float = 0.01,
    up_sigma: float = 0.01,
    sigma: float = 0.02,
) -> AnchorMeasurement:
    """Depth of the floor, from the height of the camera.

    Args:
        floor: (H, W) bool, pixels of class floor.
        depth: (H, W) predicted metres of the same image: pixels that do not lie on the floor's plane, whatever its
            factor, are something else than floor (a step, a rug's edge, a wrong label).
        intrinsics: of both.
        height: of the camera above the floor, metres.
        up: (3,) direction away from the floor in the optical frame.
        height_sigma: standard deviation of the height, metres.
        up_sigma: of the direction, radians, about each axis.
        sigma: of ln depth, of each pixel: floors are not quite flat.

    Returns:
        Points on the floor; none, with the reason, where too little of it is seen.

    Raises:
        ValueError: floor and depth are not of the intrinsics' size, or a sigma is not above 0.
    """
    size = (intrinsics.width, intrinsics.height)
    for name, values in (("floor", floor), ("depth", depth)):
        if values.shape != (intrinsics.height, intrinsics.width):
            raise ValueError(f"{name} has shape {values.shape}: the intrinsics are for {size[0]}x{size[1]}")
    if not (height_sigma > 0 and up_sigma > 0 and sigma > 0):
        raise ValueError(f"height_sigma {height_sigma}, up_sigma {up_sigma}, sigma {sigma}: all must be above 0")
    direction = np.asarray(up, dtype=np.float64)
    length = float(np.linalg.norm(direction)) if direction.shape == (3,) else math.nan
    if not (1e-6 < length < math.inf and 0.02 < height < 100.0):
        return nothing("floor", AnchorGap.NO_UP, size)
    direction = direction / length
    side = 2 * round(MARGIN * intrinsics.width) + 1
    inner = cv2.erode(floor.astype(np.uint8), np.ones((side, side), np.uint8), borderValue=1)
    step = max(1, math.ceil(math.sqrt(max(int(inner.sum()), 1) / MAX_POINTS)))
    v, u = np.nonzero(inner[step // 2 :: step, step // 2 :: step])
    u, v = u * step + step // 2, v * step + step // 2
    rays = np.stack([(u - intrinsics.cx) / intrinsics.fx, (v - intrinsics.cy) / intrinsics.fy, np.ones(len(u))], axis=1)
    below = -(rays @ direction)
    predicted = depth[v, u].astype(np.float64)
    with np.errstate(invalid="ignore"):
        usable = (below > HORIZON * np.linalg.norm(rays, axis=1)) & (predicted > 0) & np.isfinite(predicted)
    lattice = (floor.shape[0] / step) * (floor.shape[1] / step)
    if usable.sum() < max(MIN_POINTS, MIN_SHARE * lattice):
        return nothing("floor", AnchorGap.NO_FLOOR, size)
    u, v, rays, below, predicted = (values[usable] for values in (u, v, rays, below, predicted))
    z = height / below
    on_plane = plane_agrees(predicted, z)
    if on_plane.mean() < MIN_INLIERS or on_plane.sum() < MIN_POINTS:
        return nothing("floor", AnchorGap.NO_FLOOR, size)
    modes = np.column_stack([np.full(len(z), height_sigma / height), *_tilts(rays, direction, below, up_sigma)])
    kept = on_plane & (np.linalg.norm(modes, axis=1) < 0.3) & (z < 50.0)
    if kept.sum() < MIN_POINTS:
        return nothing("floor", AnchorGap.NO_FLOOR, size)
    return AnchorMeasurement(
        "floor",
        size,
        np.stack([u, v], axis=1)[kept].astype(np.float64),
        z[kept],
        np.full(int(kept.sum()), sigma**2),
        modes[kept],
        memory=1.0,
        shared_memory=5.0,
        exact=False,
    )


def plane_agrees(predicted: Array, expected: Array) -> npt.NDArray[np.bool_]:
    """(N,) which pixels lie on the plane but for one factor: within `FIT` of the median of ln ratios."""
    ratio = np.log(predicted / expected)
    return np.abs(ratio - np.median(ratio)) < FIT


def _tilts(rays: Array, up: Array, below: Array, sigma: float) -> tuple[Array, Array]:
    """Errors of ln depth by turning the up direction about two axes across it."""
    first = np.cross(up, [0.0, 0.0, 1.0] if abs(up[2]) < 0.9 else [1.0, 0.0, 0.0])
    first /= np.linalg.norm(first)
    second = np.cross(up, first)
    return sigma * (rays @ first) / below, sigma * (rays @ second) / below
