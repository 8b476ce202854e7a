"""What the conversions read of a message, and how they make one: the fields are the same in every library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["CameraInfoFields", "CompressedImageFields", "ImageFields", "MessageTypes", "stamp_of"]


class ImageFields(Protocol):
    """Of sensor_msgs/Image."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any  # a buffer of bytes


class CompressedImageFields(Protocol):
    """Of sensor_msgs/CompressedImage."""

    format: str
    data: Any  # a buffer of bytes


class CameraInfoFields(Protocol):
    """Of sensor_msgs/CameraInfo."""

    height: int
    width: int
    distortion_model: str
    d: Any  # as many numbers as the model has
    k: Any
    r: Any
    p: Any
    binning_x: int
    binning_y: int
    roi: Any


@dataclass(frozen=True)
class MessageTypes:
    """Classes of a library of messages, each called with all fields by name.

    Attributes:
        header: an empty std_msgs/Header.
        image, compressed_image, camera_info, region_of_interest, point_cloud, point_field: of sensor_msgs.
        allocate: a zeroed, writable buffer of so many bytes, of the kind that the library holds in ``data``.
        numbers: floating-point numbers, of the kind that the library holds in a sequence.
    """

    header: Callable[[], Any]
    image: Callable[..., Any]
    compressed_image: Callable[..., Any]
    camera_info: Callable[..., Any]
    region_of_interest: Callable[..., Any]
    point_cloud: Callable[..., Any]
    point_field: Callable[..., Any]
    allocate: Callable[[int], Any]
    numbers: Callable[[Sequence[float]], Any]


def stamp_of(message: Any) -> int:
    """Header stamp in nanoseconds."""
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
