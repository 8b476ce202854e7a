"""The semantic cloud in fewer points: one of each cube of space, without invalid ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics
from cinet_core.messages.cloud import POINT_STEP, Rays, point_fields, ray_grid, usable
from cinet_core.messages.encoding import IS_BIGENDIAN
from cinet_core.messages.fields import MessageTypes

__all__ = ["DownsampledCloud"]

# Bits of a cube's number along each axis: with the smallest cube they reach 5 km to either side.
_BITS = 21
_REACH = 1 << (_BITS - 1)
# Slots of the table in which cubes meet: more than there are cubes in a room, few enough for a processor's cache.
_SLOT_BITS = 17
# Of Fibonacci hashing: 2^64 over the golden ratio.
_FACTOR = 0x9E3779B97F4A7C15

# Red, green and blue as `pack_rgb` has them; OpenCV, which it uses, takes no empty array.
_SHIFTS = np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)

_POINT = np.dtype(
    {
        "names": ["x", "y", "z", "rgb", "label", "confidence"],
        "formats": ["f4", "f4", "f4", "u4", "u4", "f4"],
        "offsets": [0, 4, 8, 16, 20, 24],
        "itemsize": POINT_STEP,
    }
)


class DownsampledCloud:
    """Makes PointCloud2 messages of images of one size: unorganised, dense, with the fields of the organised cloud.

    Every point is one of the organised cloud, not a mean: its label and its colour are those of a pixel. Of each cube
    it is the first in the order of rows and columns, and in this order the points stand.

    Args:
        types: that the messages are of.
        height: rows of the depth image.
        width: its columns.
        decimation: every how many rows and columns are looked at, as in the organised cloud.
    """

    def __init__(self, types: MessageTypes, height: int, width: int, decimation: int = 1) -> None:
        self._types = types
        self._shape, self._decimation = (height, width), decimation
        self._fields = point_fields(types)
        self._table = np.zeros(1 << _SLOT_BITS, dtype=np.int32)
        self._rays: tuple[Intrinsics, Rays] | None = None

    def message(
        self,
        depth: npt.NDArray[np.float32],
        intrinsics: Intrinsics,
        rgb: npt.NDArray[np.uint8] | npt.NDArray[np.uint32],
        labels: npt.NDArray[np.integer],
        confidence: npt.NDArray[np.uint8],
        header: Any,
        voxel_size: float,
        min_range: float = 0.0,
        max_range: float = math.inf,
        drop: npt.NDArray[np.bool_] | None = None,
    ) -> Any:
        """The message of one frame, the caller's own.

        Args:
            depth: as for :meth:`cinet_core.messages.cloud.CloudBuffer.fill`, and so are all but the next.
            intrinsics: of the depth image.
            rgb: (H, W, 3) uint8, or (H, W) uint32 packed.
            labels: (H, W) class ids.
            confidence: (H, W) uint8.
            header: shared with the message.
            voxel_size: edge of a cube, metres, above 0.
            min_range: metres from the optical centre; nearer points are left out.
            max_range: likewise, farther ones.
            drop: (H, W) bool, True for pixels that get no point.
        """
        every = (slice(None, None, self._decimation),) * 2
        depth = np.ascontiguousarray(depth[every], dtype=np.float32)
        rays = self._ray_grid(intrinsics)
        mask = usable(depth, rays[2], min_range, max_range, None if drop is None else drop[every])
        kept = self._one_a_cube(depth, rays, mask, voxel_size)
        row, column = np.divmod(kept, depth.shape[1])
        data = self._types.allocate(len(kept) * POINT_STEP)
        points: npt.NDArray[Any] = np.ndarray(len(kept), _POINT, data)
        z = depth.reshape(-1)[kept]
        points["x"], points["y"], points["z"] = z * rays[0][0, column], z * rays[1][row, 0], z
        chosen = rgb[every][row, column]
        points["rgb"] = chosen if rgb.dtype == np.uint32 else chosen.astype(np.uint32) @ _SHIFTS
        points["label"] = labels[every][row, column]
        points["confidence"] = confidence[every][row, column] * np.float32(1.0 / 255.0)
        return self._types.point_cloud(
            header=header,
            height=1,
            width=len(kept),
            fields=self._fields,
            is_bigendian=IS_BIGENDIAN,
            point_step=POINT_STEP,
            row_step=len(data),
            data=data,
            is_dense=True,
        )

    def _one_a_cube(
        self, depth: npt.NDArray[np.float32], rays: Rays, mask: npt.NDArray[np.uint8], voxel_size: float
    ) -> npt.NDArray[np.intp]:
        """Flat indices of the first usable pixel of each cube, ascending."""
        scaled = np.where(mask, depth, np.float32(0.0))  # a number everywhere; the mask takes these out again below
        scaled = np.minimum(scaled, np.float32(_REACH * voxel_size)) * np.float32(1.0 / voxel_size)
        key = _whole(scaled)
        key <<= _BITS
        key |= _whole(scaled * rays[1])
        key <<= _BITS
        key |= _whole(scaled * rays[0])
        # A neighbour in the same cube needs no table: that leaves few of a cloud's pixels.
        new = mask.astype(bool)
        new[:, 1:] &= (key[:, 1:] != key[:, :-1]) | ~new[:, :-1]
        candidates = np.flatnonzero(new)
        return candidates[self._firsts(key.reshape(-1)[candidates])]

    def _firsts(self, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
        """Ascending indices of the first of each number among them, in linear time.

        All are written into a table at their hash, backwards, so that the first one stays. Those that then find another
        number in their place, whose hash is the same, go through it once more under another hash.
        """
        found = []
        left = np.arange(len(keys) - 1, -1, -1, dtype=np.int32)
        factor = _FACTOR
        while len(left):
            values = keys[left]
            slots = ((values.view(np.uint64) * np.uint64(factor)) >> np.uint64(64 - _SLOT_BITS)).astype(np.intp)
            self._table[slots] = left
            winners = self._table[slots]
            found.append(left[winners == left])
            left = left[keys[winners] != values]
            factor = factor * _FACTOR % (1 << 64)  # odd as before
        return np.sort(np.concatenate(found)) if found else np.empty(0, dtype=np.intp)

    def _ray_grid(self, intrinsics: Intrinsics) -> Rays:
        if self._rays is None or self._rays[0] != intrinsics:
            self._rays = intrinsics, ray_grid(*self._shape, self._decimation, intrinsics)
        return self._rays[1]


def _whole(scaled: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Number of the cube along one axis, from 0; what lies beyond their reach is in the last one."""
    lower = np.floor(scaled)
    np.clip(lower, -_REACH, _REACH - 1, out=lower)
    return lower.astype(np.int64) + _REACH
