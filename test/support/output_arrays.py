"""Output messages as arrays, read by their own description as a foreign subscriber would."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import Image, PointCloud2, PointField

IMAGE_TYPES = {"32FC1": "<f4", "16UC1": "<u2", "16SC1": "<i2", "mono8": "u1", "rgb8": "u1"}
FIELD_TYPES = {PointField.FLOAT32: "<f4", PointField.UINT32: "<u4"}


def pixels(message: Image) -> np.ndarray:
    """(H, W), or (H, W, 3) for rgb8."""
    channels = 3 if message.encoding == "rgb8" else 1
    values = np.frombuffer(bytes(message.data), IMAGE_TYPES[message.encoding])
    assert message.step == message.width * channels * values.itemsize
    return values.reshape((message.height, message.width, channels)).squeeze(2 if channels == 1 else ())


def points(message: PointCloud2) -> np.ndarray:
    """(H, W) of a structured type with the cloud's fields."""
    dtype = np.dtype(
        {
            "names": [field.name for field in message.fields],
            "formats": [FIELD_TYPES[field.datatype] for field in message.fields],
            "offsets": [field.offset for field in message.fields],
            "itemsize": message.point_step,
        }
    )
    return np.frombuffer(bytes(message.data), dtype).reshape(message.height, message.width)


def distances(cloud: np.ndarray) -> np.ndarray:
    """(H, W) metres of `points` from the optical centre, NaN where there is none."""
    return np.linalg.norm([cloud["x"], cloud["y"], cloud["z"]], axis=0)


def colors(cloud: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 of `points`."""
    packed = cloud["rgb"].copy().view("<u4")
    return np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], axis=-1).astype(np.uint8)
