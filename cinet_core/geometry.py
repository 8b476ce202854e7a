"""Pinhole geometry: intrinsics and their changes, the canonical camera, unprojection, depth edges.

Coordinates are a camera's (REP 103 "optical"): x to the right, y down, z forward, all in metres. Depth is the
z coordinate of a point, not its distance (REP 118). Pixel (u, v) is column u, row v, its centre at integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

__all__ = [
    "CANONICAL_FOCAL",
    "MIN_NETWORK_SIDE",
    "Intrinsics",
    "depth_edges",
    "fit_network_size",
    "network_focal",
    "project",
    "rigidity_error",
    "to_canonical",
    "to_metric",
    "unproject",
    "without_edges",
]

_Depth = TypeVar("_Depth", float, "npt.NDArray[np.floating]", "torch.Tensor")

CANONICAL_FOCAL = 262.5
"""f_c in pixels of the network's input, whatever its size (spec/method.md, "The canonical camera")."""

MIN_NETWORK_SIDE = 16
"""Pixels: below this the deepest features of a stride-16 encoder are smaller than one position."""


@dataclass(frozen=True)
class Intrinsics:
    """An undistorted pinhole camera: focal lengths and principal point in pixels, for one image size.

    >>> camera = Intrinsics.from_fov(640, 480, 90)
    >>> round(camera.fx), camera.cx, camera.cy
    (320, 319.5, 239.5)
    >>> round(camera.resized(320, 240).fx)
    160

    Raises:
        ValueError: a value is not finite, a focal length is not positive, or a size is below one pixel.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def __post_init__(self) -> None:
        """Refuse what no camera has."""
        for name in ("fx", "fy", "cx", "cy"):
            value = getattr(self, name)
            if not math.isfinite(value):
                raise ValueError(f"{name} is {value}: intrinsics must be finite; calibrate the camera")
        for name in ("fx", "fy"):
            value = getattr(self, name)
            if value <= 0:
                raise ValueError(f"{name} is {value}: a focal length must be above 0 pixels; calibrate the camera")
        for name in ("width", "height"):
            value = getattr(self, name)
            if not value >= 1:  # NaN is not
                raise ValueError(f"{name} is {value}: an image is at least 1 pixel wide and high")

    def matrix(self) -> npt.NDArray[np.float64]:
        """The (3, 3) float64 matrix K that maps camera coordinates to homogeneous pixels."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @classmethod
    def from_matrix(cls, k: npt.ArrayLike, width: int, height: int) -> Intrinsics:
        """Intrinsics from K, given as (3, 3) or as nine values row by row (the layout of CameraInfo.k).

        Raises:
            ValueError: not nine values, or a value out of range.
        """
        values = np.asarray(k, dtype=np.float64)
        if values.size != 9:
            raise ValueError(f"K has shape {values.shape}: nine values, a 3x3 matrix, are needed")
        m = values.reshape(3, 3)
        return cls(float(m[0, 0]), float(m[1, 1]), float(m[0, 2]), float(m[1, 2]), int(width), int(height))

    @classmethod
    def from_fov(cls, width: int, height: int, horizontal_fov_deg: float) -> Intrinsics:
        """A camera with square pixels, a centred principal point and this horizontal field of view.

        Raises:
            ValueError: the field of view is not within 0 and 180 degrees, exclusive.
        """
        if not 0.0 < horizontal_fov_deg < 180.0:
            raise ValueError(f"horizontal field of view is {horizontal_fov_deg} degrees: give one between 0 and 180")
        f = width / (2.0 * math.tan(math.radians(horizontal_fov_deg) / 2.0))
        return cls(f, f, (width - 1) / 2.0, (height - 1) / 2.0, width, height)

    def resized(self, width: int, height: int) -> Intrinsics:
        """Return the camera after its image was resized: values are scaled along their axis, as in image_proc."""
        sx, sy = width / self.width, height / self.height
        return Intrinsics(self.fx * sx, self.fy * sy, self.cx * sx, self.cy * sy, width, height)

    def cropped(self, left: int, top: int, width: int, height: int) -> Intrinsics:
        """Return the camera after its image was cropped to a window whose top left pixel is (left, top)."""
        return replace(self, cx=self.cx - left, cy=self.cy - top, width=width, height=height)

    def flipped(self) -> Intrinsics:
        """Return the camera after its image was flipped horizontally."""
        return replace(self, cx=self.width - 1 - self.cx)

    @property
    def focal(self) -> float:
        """The geometric mean of the two focal lengths, in pixels."""
        return math.sqrt(self.fx * self.fy)


def network_focal(intrinsics: Intrinsics, net_width: int, net_height: int) -> float:
    """Focal length in pixels of the network's input: ``f_net = sqrt(fx sx fy sy)``.

    >>> round(network_focal(Intrinsics.from_fov(640, 480, 90), 320, 240))
    160
    """
    return intrinsics.resized(net_width, net_height).focal


def to_canonical(depth: _Depth, f_net: float, f_c: float) -> _Depth:
    """Convert metric depth to canonical depth, ``depth * f_c / f_net``. Takes an array, a tensor or a number.

    >>> to_canonical(2.0, f_net=160.0, f_c=240.0)  # as a longer lens would have seen it
    3.0
    """
    return depth * (f_c / f_net)


def to_metric(canonical: _Depth, f_net: float, f_c: float) -> _Depth:
    """Convert canonical depth, as the network predicts it, to metres: ``canonical * f_net / f_c``.

    >>> to_metric(3.0, f_net=160.0, f_c=240.0)
    2.0
    """
    return canonical * (f_net / f_c)


def unproject(depth: npt.NDArray[np.floating], intrinsics: Intrinsics) -> npt.NDArray[np.float32]:
    """Convert a depth image to 3D points in the optical frame.

    >>> camera = Intrinsics(2.0, 2.0, 1.0, 0.0, width=3, height=1)
    >>> unproject(np.array([[4.0, 4.0, np.nan]]), camera).tolist()
    [[[-2.0, 0.0, 4.0], [0.0, 0.0, 4.0], [nan, nan, nan]]]

    Args:
        depth: (H, W) metres along z; NaN, infinite or not positive where unknown.
        intrinsics: of this image; their size must be the image's.

    Returns:
        (H, W, 3) float32 metres, x right, y down, z forward; NaN where the depth is unknown.

    Raises:
        ValueError: the depth is not (H, W), or the intrinsics are for another size.
    """
    if depth.ndim != 2:
        raise ValueError(f"depth has shape {depth.shape}: (H, W) is needed")
    if depth.shape != (intrinsics.height, intrinsics.width):
        raise ValueError(
            f"depth is {depth.shape[1]}x{depth.shape[0]} but the intrinsics are for "
            f"{intrinsics.width}x{intrinsics.height}: use intrinsics.resized() or cropped()"
        )
    z = _valid_or_nan(depth)
    ray_x = ((np.arange(intrinsics.width) - intrinsics.cx) / intrinsics.fx).astype(np.float32)
    ray_y = ((np.arange(intrinsics.height) - intrinsics.cy) / intrinsics.fy).astype(np.float32)
    points = np.empty((*z.shape, 3), dtype=np.float32)
    np.multiply(z, ray_x[None, :], out=points[..., 0])
    np.multiply(z, ray_y[:, None], out=points[..., 1])
    points[..., 2] = z
    return points


def project(points: npt.NDArray[np.floating], intrinsics: Intrinsics) -> npt.NDArray[np.float64]:
    """Project camera points (..., 3) to pixels (..., 2) as (u, v). Points behind the camera give NaN.

    >>> camera = Intrinsics(2.0, 2.0, 1.0, 0.0, width=3, height=1)
    >>> project(np.array([-2.0, 0.0, 4.0]), camera).tolist()
    [0.0, 0.0]
    """
    points = np.asarray(points, dtype=np.float64)
    if points.shape[-1:] != (3,):
        raise ValueError(f"points have shape {points.shape}: (..., 3) is needed")
    z = np.where(points[..., 2] > 0, points[..., 2], np.nan)
    u = intrinsics.fx * points[..., 0] / z + intrinsics.cx
    v = intrinsics.fy * points[..., 1] / z + intrinsics.cy
    return np.stack([u, v], axis=-1)


def depth_edges(depth: npt.NDArray[np.floating], relative_jump: float) -> npt.NDArray[np.bool_]:
    """Find pixels at depth discontinuities, where the smooth edges of a network produce "flying" points in free space.

    A pixel is marked where its depth and that of one of its four neighbours differ by more than
    ``relative_jump`` times the nearer of the two. Pixels of unknown depth are never marked and mark no other:
    they have no point.

    >>> depth_edges(np.array([[1.0, 1.01, 3.0, 3.0]]), relative_jump=0.05).tolist()
    [[False, True, True, False]]

    Args:
        depth: (H, W) metres; NaN, infinite or not positive where unknown.
        relative_jump: for example 0.05; smaller drops more, and from steep surfaces too.

    Returns:
        (H, W) bool, True for a pixel to drop.

    Raises:
        ValueError: relative_jump is not above 0.
    """
    if not relative_jump > 0:
        raise ValueError(f"relative_jump is {relative_jump}: it must be above 0, for example 0.05")
    z = _valid_or_nan(depth)
    limit = np.float32(1.0 + relative_jump)
    marked = np.zeros(z.shape, dtype=bool)
    for first, second in (
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
    ):
        a, b = z[first], z[second]
        jump = (a > limit * b) | (b > limit * a)  # comparisons with NaN are False
        marked[first] |= jump
        marked[second] |= jump
    return marked


def without_edges(depth: npt.NDArray[np.float32], relative_jump: float) -> npt.NDArray[np.float32]:
    """Return the depth with NaN at `depth_edges`, for fusion or drawing. A ``relative_jump`` of 0 changes nothing.

    Raises:
        ValueError: as `depth_edges`, but for 0.
    """
    if relative_jump == 0:
        return depth
    return np.where(depth_edges(depth, relative_jump), np.float32(np.nan), depth)


def fit_network_size(
    image_width: int, image_height: int, train_width: int, train_height: int, multiple: int = 8
) -> tuple[int, int]:
    """Return the network input size with the aspect of an image and about the number of pixels used in training.

    >>> fit_network_size(1280, 720, train_width=320, train_height=240)
    (208, 368)

    Returns:
        (height, width), multiples of ``multiple``, at least 16; the trained size for its own aspect.

    Raises:
        ValueError: a size or ``multiple`` is below 1.
    """
    sizes = (image_width, image_height, train_width, train_height, multiple)
    if min(sizes) < 1:
        raise ValueError(f"image, training size and multiple are {sizes}: each must be at least 1")
    aspect = image_width / image_height
    exact_height = math.sqrt(train_width * train_height / aspect)

    def rounded(pixels: float) -> int:
        return max(math.ceil(MIN_NETWORK_SIDE / multiple), round(pixels / multiple)) * multiple

    height = rounded(exact_height)
    return height, rounded(height * aspect)


def _valid_or_nan(depth: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """A float32 copy in which every depth that is not finite and positive is NaN."""
    z = np.array(depth, dtype=np.float32)
    z[~((z > 0) & (z < np.inf))] = np.nan
    return z


def rigidity_error(pose: npt.NDArray[np.float64], limit: float) -> str | None:
    """Return why a finite (4, 4) matrix is no rigid transform, or None if it is one.

    Args:
        pose: [R t; 0 1].
        limit: that no element of R R^T may be further off the identity than.
    """
    rotation = pose[:3, :3]
    error = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
    if error <= limit and np.linalg.det(rotation) > 0 and (pose[3] == (0, 0, 0, 1)).all():
        return None
    return (
        f"no rigid motion: R R^T is off the identity by {error:.3g} (limit {limit:g}), det R is "
        f"{np.linalg.det(rotation):.3g}, the last row is {pose[3].tolist()}"
    )
