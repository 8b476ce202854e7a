"""The semantic point cloud: an organised sensor_msgs/PointCloud2, allocated once and refilled in place."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics, unproject
from cinet_core.messages.colors import pack_rgb
from cinet_core.messages.encoding import IS_BIGENDIAN
from cinet_core.messages.errors import check_size
from cinet_core.messages.fields import MessageTypes

__all__ = ["POINT_STEP", "CloudBuffer", "Rays", "point_fields", "ray_grid", "usable"]

POINT_STEP = 32
"""Bytes of a point: x y z @0 4 8, rgb @16, label @20, confidence @24; 12 and 28 are padding, as PCL aligns them."""

POINTS_FOR_TWO = 65536
"""From so many points on the lower half of the rows is written by a second thread, which takes longer to wake below."""

_LEAST, _MOST = (float(limit) for limit in (np.finfo(np.float32).tiny, np.finfo(np.float32).max))
"""What is between them is a depth; NaN, infinity and 0 are not."""

Rays = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]

_UINT32, _FLOAT32 = 6, 7  # of sensor_msgs/PointField
_OFFSETS = {"x": 0, "y": 4, "z": 8, "rgb": 16, "label": 20, "confidence": 24}


class CloudBuffer:
    """A PointCloud2 for images of one size; as for :class:`~cinet_core.messages.encoding.ImageBuffer`, send
    the message before the next fill and copy it to keep it.

    Attributes:
        message: what to send: ``ceil(height / decimation)`` rows of ``ceil(width / decimation)`` points. Invalid
            points have NaN coordinates and keep colour, label and confidence, so that index and pixel agree.
    """

    def __init__(self, types: MessageTypes, height: int, width: int, decimation: int = 1) -> None:
        """Allocate.

        Args:
            types: that the message is of.
            height: rows of the depth image.
            width: its columns.
            decimation: every how many rows and columns become a point, from the first of each on.

        Raises:
            ValueError: a decimation below 1.
            ConversionError: "size".
        """
        if decimation < 1:
            raise ValueError(f"decimation is {decimation}: it must be at least 1, which keeps every pixel")
        check_size(width, height, "cloud")
        self.height, self.width, self.decimation = height, width, decimation
        rows, columns = -(-height // decimation), -(-width // decimation)
        self.message: Any = types.point_cloud(
            header=types.header(),
            height=rows,
            width=columns,
            fields=point_fields(types),
            is_bigendian=IS_BIGENDIAN,
            point_step=POINT_STEP,
            row_step=columns * POINT_STEP,
            data=types.allocate(rows * columns * POINT_STEP),
            is_dense=False,
        )
        self._points = np.frombuffer(self.message.data, dtype=np.int32).reshape(rows, columns, -1)
        # One plane a word, contiguous and so fast to compute; OpenCV interleaves them in one go.
        self._planes = np.zeros((POINT_STEP // 4, rows, columns), np.int32)
        alone = rows * columns < POINTS_FOR_TWO or os.cpu_count() == 1
        self._second = None if alone else ThreadPoolExecutor(1, thread_name_prefix="cloud")
        self._rays: tuple[Intrinsics, Rays] | None = None

    def fill(
        self,
        depth: npt.NDArray[np.float32],
        intrinsics: Intrinsics,
        rgb: npt.NDArray[np.uint8] | npt.NDArray[np.uint32],
        labels: npt.NDArray[np.integer],
        confidence: npt.NDArray[np.uint8],
        header: Any,
        min_range: float = 0.0,
        max_range: float = math.inf,
        drop: npt.NDArray[np.bool_] | None = None,
    ) -> Any:
        """Write one frame; everything is at the depth image's size, decimation happens here.

        Args:
            depth: (H, W) float32 metres along z; NaN, infinite or not positive where invalid.
            intrinsics: of the depth image.
            rgb: (H, W, 3) uint8, or (H, W) uint32 packed: ``LabelPainter.packed(labels)`` for the classes' colours.
            labels: (H, W) class ids, 255 unlabelled.
            confidence: (H, W) uint8, written as 0..1.
            header: shared with the message, not copied.
            min_range: metres from the optical centre (not along z); nearer points become invalid.
            max_range: likewise, farther ones.
            drop: (H, W) bool, True for pixels that get no point, such as
                :func:`~cinet_core.geometry.depth_edges` finds.

        Returns:
            :attr:`message`.

        Raises:
            ValueError: an array or the intrinsics are of another size.
        """
        self._check_shapes(depth=depth, rgb=rgb, labels=labels, confidence=confidence, drop=drop)
        if rgb.shape[2:] != (() if rgb.dtype == np.uint32 else (3,)):
            raise ValueError(f"rgb is {rgb.dtype} {rgb.shape}: (H, W, 3) uint8 or packed (H, W) uint32 is needed")
        every = (slice(None, None, self.decimation),) * 2
        parts: list[npt.NDArray[Any]] = [part[every] for part in (depth, rgb, labels, confidence)]
        if drop is not None:
            parts.append(drop[every])
        x, y, distance = self._ray_grid(intrinsics)

        def fill_rows(rows: slice) -> None:
            self._fill_rows(rows, (x, y[rows], distance[rows]), (min_range, max_range), *(part[rows] for part in parts))

        if self._second is None:
            fill_rows(slice(None))
        else:
            middle = len(self._points) // 2
            lower = self._second.submit(fill_rows, slice(middle, None))
            fill_rows(slice(middle))
            lower.result()
        self.message.header = header
        return self.message

    def _fill_rows(
        self,
        rows: slice,
        rays: Rays,
        limits: tuple[float, float],
        depth: npt.NDArray[Any],
        rgb: npt.NDArray[Any],
        labels: npt.NDArray[Any],
        confidence: npt.NDArray[Any],
        drop: npt.NDArray[Any] | None = None,
    ) -> None:
        """`fill` for some rows of the cloud, with these rows of what it is given, decimated already."""
        planes = self._planes[:, rows]
        field = {name: planes[offset // 4] for name, offset in _OFFSETS.items()}
        x, y, z, share = (field[name].view(np.float32) for name in ("x", "y", "z", "confidence"))
        depth = np.ascontiguousarray(depth, dtype=np.float32)
        z.fill(np.nan)
        cv2.copyTo(depth, usable(depth, rays[2], *limits, drop), z)
        np.multiply(z, rays[0], out=x)
        np.multiply(z, rays[1], out=y)
        if rgb.dtype == np.uint32:
            np.copyto(field["rgb"].view(np.uint32), rgb)
        else:
            pack_rgb(rgb, field["rgb"].view(np.uint32))
        np.copyto(field["label"], labels, casting="unsafe")
        np.multiply(confidence, np.float32(1.0 / 255.0), out=share)
        cv2.merge(list(planes), self._points[rows])

    def _ray_grid(self, intrinsics: Intrinsics) -> Rays:
        if self._rays is None or self._rays[0] != intrinsics:
            self._rays = intrinsics, ray_grid(self.height, self.width, self.decimation, intrinsics)
        return self._rays[1]

    def _check_shapes(self, **arrays: npt.NDArray[np.generic] | None) -> None:
        for name, values in arrays.items():
            if values is not None and values.shape[:2] != (self.height, self.width):
                raise ValueError(
                    f"{name} has shape {values.shape}: the cloud was made for {self.height} rows of "
                    f"{self.width} pixels; make one for this size"
                )


def point_fields(types: MessageTypes) -> list[Any]:
    """The fields of a point, of :data:`POINT_STEP` bytes."""
    return [
        types.point_field(name=name, offset=offset, datatype=_UINT32 if name == "label" else _FLOAT32, count=1)
        for name, offset in _OFFSETS.items()
    ]


def ray_grid(height: int, width: int, decimation: int, intrinsics: Intrinsics) -> Rays:
    """x / z of the columns (1, C), y / z of the rows (R, 1), and the distance (R, C) of a point one metre ahead."""
    wall = unproject(np.ones((height, width), dtype=np.float32), intrinsics)[::decimation, ::decimation]
    return wall[:1, :, 0].copy(), wall[:, :1, 1].copy(), np.linalg.norm(wall, axis=2)


def usable(
    depth: npt.NDArray[np.float32],
    distance: npt.NDArray[np.float32],
    min_range: float,
    max_range: float,
    drop: npt.NDArray[np.bool_] | None,
) -> npt.NDArray[np.uint8]:
    """Mask of depths that are known, in the range limits and not dropped; ``distance`` is of points one metre ahead."""
    usable = np.asarray(cv2.inRange(depth, _LEAST, _MOST), dtype=np.uint8)
    if min_range > 0.0 or max_range < math.inf:
        away = depth * distance
        usable[~((away >= min_range) & (away <= max_range))] = 0
    if drop is not None:
        usable[drop] = 0
    return usable
