"""Reads points from a sensor_msgs/PointCloud2 with the fields of the topic `points`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import PointCloud2, PointField

from cinet_core.label_sets import UNLABELLED
from cinet_core.messages.errors import ConversionError

_TYPES = {
    PointField.INT8: "i1",
    PointField.UINT8: "u1",
    PointField.INT16: "i2",
    PointField.UINT16: "u2",
    PointField.INT32: "i4",
    PointField.UINT32: "u4",
    PointField.FLOAT32: "f4",
    PointField.FLOAT64: "f8",
}
_NEEDED = ("x", "y", "z", "label")


def read_points(msg: PointCloud2, most: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Return coordinates and classes of the valid points, decimated to at most ``most`` points.

    Returns:
        (N, 3) float32 metres in the message's frame; (N,) uint8 class ids, 255 where the label does not fit in 8 bits.

    Raises:
        ConversionError: "encoding" (a field is missing or of no number's type), or "data" (too short for its size).
    """
    points = _structured(msg, _NEEDED)
    points = points[:: max(1, math.ceil(points.size / most))]
    xyz = np.stack([points[axis].astype(np.float32) for axis in "xyz"], axis=1)
    stored = points["label"]
    labels = np.where((stored >= 0) & (stored < UNLABELLED), stored, UNLABELLED).astype(np.uint8)
    valid = np.isfinite(xyz).all(axis=1)
    return xyz[valid], labels[valid]


def read_positions(msg: PointCloud2) -> npt.NDArray[np.float32]:
    """Return the coordinates of all points of any cloud.

    Returns:
        (N, 3) float32 metres in the message's frame, as they are stored: NaN where there is no point.

    Raises:
        ConversionError: as `read_points`.
    """
    points = _structured(msg, ("x", "y", "z"))
    return np.stack([points[axis].astype(np.float32) for axis in "xyz"], axis=1)


def _structured(msg: PointCloud2, needed: tuple[str, ...]) -> npt.NDArray[Any]:
    """(N,) of the needed fields, in this machine's memory order."""
    fields = {field.name: field for field in msg.fields if field.datatype in _TYPES}
    missing = [name for name in needed if name not in fields]
    if missing:
        raise ConversionError(
            "encoding", f"the cloud has no field {' and no field '.join(missing)}: send those of `points` (README)"
        )
    order = ">" if msg.is_bigendian else "<"
    formats = [f"{order}{_TYPES[fields[name].datatype]}" for name in needed]
    offsets = [fields[name].offset for name in needed]
    ends = [offset + np.dtype(form).itemsize for offset, form in zip(offsets, formats, strict=True)]
    if max(ends) > msg.point_step or msg.row_step < msg.width * msg.point_step:
        raise ConversionError(
            "data",
            f"the cloud has point_step {msg.point_step} and row_step {msg.row_step}: its fields need {max(ends)} bytes "
            f"a point and {msg.width} points a row; look at the publisher",
        )
    if len(msg.data) < msg.height * msg.row_step:
        raise ConversionError(
            "data", f"the cloud has {len(msg.data)} bytes: {msg.height} rows of {msg.row_step} are more; it was cut off"
        )
    layout = np.dtype({"names": needed, "formats": formats, "offsets": offsets, "itemsize": msg.point_step})
    rows = np.ndarray((msg.height, msg.width), layout, msg.data, strides=(msg.row_step, msg.point_step))
    return rows.reshape(-1)
