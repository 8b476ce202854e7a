"""Anchor *depth*: a low-resolution, low-rate or holey depth image, or a cloud, brought into the image's camera.

Points that another one stands before are dropped: where two cameras stand apart, the second sees past an edge what the
first cannot, and such a point would put a far depth onto a near surface (z-buffer on coarse cells).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cinet_core.anchors.measurement import AnchorGap, AnchorMeasurement, AnchorSource, nothing
from cinet_core.geometry import Intrinsics

__all__ = ["MAX_POINTS", "measure_cloud", "measure_depth_image"]

MAX_POINTS = 3000
"""More points say little more about a smooth field, and cost time: they are thinned evenly."""

CELL = 8
"""Pixels of an image 640 wide: side of a cell of the z-buffer."""

HIDDEN = 0.1
"""A point is hidden where its cell holds one that is nearer by more than this part of its depth."""

MAX_DEPTH = 1000.0
"""Metres: beyond, a value is no measurement of a room."""


def measure_cloud(
    points: npt.NDArray[np.floating],
    intrinsics: Intrinsics,
    transform: npt.NDArray[np.floating] | None = None,
    relative_sigma: float = 0.03,
    sigma: float = 0.01,
    source: AnchorSource = "depth",
    memory: float = 0.0,
) -> AnchorMeasurement:
    """Depth of points of a cloud, in the image of a camera.

    The variance of ln depth is ``relative_sigma^2 + (sigma / z)^2``.

    Args:
        points: (..., 3) metres in their own frame; NaN, infinite or all 0 where there is none.
        intrinsics: of the image.
        transform: (4, 4), the points' frame to the optical frame; None where they are in it.
        relative_sigma: standard deviation of a depth, as a part of it.
        sigma: the same in metres, which is added in quadrature.
        source: what is to be named as the source.
        memory: see `AnchorMeasurement.memory`.

    Returns:
        The points that fall into the image and are not hidden by others, at most `MAX_POINTS`; none, with the reason,
        where there are no such.

    Raises:
        ValueError: the points are not (..., 3), the transform is not (4, 4) and finite, or a sigma is not above 0.
    """
    size = (intrinsics.width, intrinsics.height)
    if points.shape[-1:] != (3,):
        raise ValueError(f"points have shape {points.shape}: (..., 3) is needed")
    if not (0 < relative_sigma < 1 and 0 <= sigma < np.inf):
        raise ValueError(f"relative_sigma is {relative_sigma}, sigma {sigma}: above 0 and below 1, and 0 or above")
    flat = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    flat = flat[np.isfinite(flat).all(axis=1) & (flat != 0).any(axis=1) & (np.abs(flat) < MAX_DEPTH).all(axis=1)]
    if not len(flat):
        return nothing(source, AnchorGap.NO_VALUES, size)
    if transform is not None:
        matrix = _rigid(transform)
        flat = flat @ matrix[:3, :3].T + matrix[:3, 3]
    flat = flat[(flat[:, 2] > 0.01) & (flat[:, 2] < MAX_DEPTH)]
    u = intrinsics.fx * flat[:, 0] / flat[:, 2] + intrinsics.cx
    v = intrinsics.fy * flat[:, 1] / flat[:, 2] + intrinsics.cy
    inside = (u >= 0) & (u <= size[0] - 1) & (v >= 0) & (v <= size[1] - 1)
    pixels, z = np.stack([u[inside], v[inside]], axis=1), flat[inside, 2]
    if not len(z):
        return nothing(source, AnchorGap.NOT_IN_VIEW, size)
    if transform is not None:
        seen = _not_hidden(pixels, z, size)
        pixels, z = pixels[seen], z[seen]
    if len(z) > MAX_POINTS:
        chosen = np.linspace(0, len(z) - 1, MAX_POINTS).astype(np.intp)
        pixels, z = pixels[chosen], z[chosen]
    variance = relative_sigma**2 + (sigma / z) ** 2
    return AnchorMeasurement(source, size, pixels, z, variance, memory=memory)


def measure_depth_image(
    depth: npt.NDArray[np.floating],
    depth_intrinsics: Intrinsics,
    intrinsics: Intrinsics,
    transform: npt.NDArray[np.floating] | None = None,
    relative_sigma: float = 0.03,
    sigma: float = 0.01,
) -> AnchorMeasurement:
    """Depth of another camera's depth image, in the image of this one. Arguments and errors as `measure_cloud`.

    Args:
        depth: (h, w) metres along z; NaN, infinite, 0 or below where unknown.
        depth_intrinsics: of the depth image, at its size.
        intrinsics: of the image.
        transform: (4, 4), the depth camera's optical frame to the image's; None where they are one.
        relative_sigma: of a depth.
        sigma: metres.

    Raises:
        ValueError: as `measure_cloud`; the depth is not (h, w) of the intrinsics' size.
    """
    if depth.shape != (depth_intrinsics.height, depth_intrinsics.width):
        raise ValueError(
            f"depth has shape {depth.shape} but its intrinsics are for {depth_intrinsics.width}x"
            f"{depth_intrinsics.height}: use intrinsics.resized()"
        )
    with np.errstate(invalid="ignore"):
        v, u = np.nonzero((depth > 0) & (depth < MAX_DEPTH))
    if len(u) > 4 * MAX_POINTS:  # evenly over the image, before anything is computed
        step = int(np.ceil(np.sqrt(depth.size / MAX_POINTS)))
        kept = (u % step == step // 2) & (v % step == step // 2)
        u, v = u[kept], v[kept]
    z = depth[v, u].astype(np.float64)
    k = depth_intrinsics
    points = np.stack([(u - k.cx) / k.fx * z, (v - k.cy) / k.fy * z, z], axis=1)
    return measure_cloud(points, intrinsics, transform, relative_sigma, sigma)


def _rigid(transform: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    matrix = np.asarray(transform, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise ValueError(f"transform has shape {matrix.shape} or is not finite: a rigid (4, 4) matrix is needed")
    return matrix


def _not_hidden(
    pixels: npt.NDArray[np.float64], z: npt.NDArray[np.float64], size: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    """Which points no other one of their cell or its neighbours stands before."""
    side = max(CELL * size[0] / 640.0, 1.0)
    column, row = (pixels / side).astype(np.intp).T
    columns, rows = int(size[0] / side) + 1, int(size[1] / side) + 1
    nearest = np.full((rows + 2, columns + 2), np.inf)
    np.minimum.at(nearest, (row + 1, column + 1), z)
    around = nearest.copy()
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            np.minimum(around, np.roll(nearest, (down, right), axis=(0, 1)), out=around)
    return z <= (1.0 + HIDDEN) * around[row + 1, column + 1]
