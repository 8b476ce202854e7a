"""Arrays with room around their numbers: a message is written around what the network answered, without a copy of it.

Fast DDS takes one stretch of memory. What a backend hands out in such an array can be sent where it lies, with the
other fields of the message in front of it (`cinet_ros.serialized`).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["BEFORE", "BEHIND", "Bytes", "resized_with_room", "room_around", "roomy", "roomy_copy"]

BEFORE, BEHIND = 1024, 16
"""Bytes of room in front of the numbers, and behind them."""

Array = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]


def roomy(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """An array of a shape and type, C-contiguous, whose numbers are whatever was in memory."""
    kind = np.dtype(dtype)
    size = kind.itemsize * int(np.prod(shape))
    buffer = np.empty(BEFORE + size + BEHIND, dtype=np.uint8)
    return buffer[BEFORE : BEFORE + size].view(kind).reshape(shape)


def roomy_copy(values: Array) -> Array:
    """A copy with room around it."""
    copied = roomy(values.shape, values.dtype)
    np.copyto(copied, values)
    return copied


def resized_with_room(values: Array, size: tuple[int, int], way: int) -> Array:
    """``cv2.resize`` of (h, w) or (h, w, channels) to (height, width), with room around it; ``way`` as in OpenCV."""
    return cv2.resize(values, size[::-1], dst=roomy((*size, *values.shape[2:]), values.dtype), interpolation=way)


def room_around(values: Array) -> Bytes | None:
    """The buffer of an array that `roomy` made, or of a view of all of it; None of any other.

    Its numbers are at ``BEFORE``, and nothing else is in it.
    """
    buffer = values.base
    if type(buffer) is not np.ndarray or buffer.nbytes != BEFORE + values.nbytes + BEHIND or buffer.dtype != np.uint8:
        return None
    there = _address(values) == _address(buffer) + BEFORE or not values.size
    return buffer if there and values.flags.c_contiguous else None


def _address(values: Array) -> int:
    return int(values.__array_interface__["data"][0])
