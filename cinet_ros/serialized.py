"""Images and clouds that are filled in the form in which they go over the wire, and are sent so.

`publish` of rclpy copies a message's array into one of C, which the middleware copies again as it serialises it; the
interpreter waits for both. A `SerializedMessage` has its other fields serialised in front of its array, which is filled
in place like that of any message, and `send` hands all of it to ``rcl_publish_serialized_message`` of the C library
that rclpy uses. (rclpy has that for ``bytes``, of which it makes two copies more.) All outputs of a 640x480 frame take
5.7 ms so, and 8.0 as messages (`docs/benchmarks.md`).
"""

from __future__ import annotations

import ctypes
import functools
import os
import struct
from typing import Any

import numpy as np
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image, PointCloud2

from cinet_core.messages.fields import MessageTypes
from cinet_core.roomy_arrays import BEFORE, BEHIND, Bytes, room_around, roomy
from cinet_ros.conversions.ros_types import ROS_TYPES

__all__ = ["SERIALIZED_TYPES", "SerializedMessage", "can_send", "send"]

# A serialised message tells its byte order by its second byte. After these comes the stamp: the header is the first.
_ENCAPSULATION = 4
_MARKER = b"\xa5\x3c\x96\x0f\x69\xf0\xc3\x5a"
# Return codes of rcl.
_OK, _UNSUPPORTED, _PUBLISHER_INVALID = 0, 3, 300


class SerializedMessage:
    """A message whose array can be filled, and whose header can be changed, until it is sent; and then again.

    Args:
        kind: a message class with ``header`` first and an array of bytes, ``data``.
        data: an array of `SERIALIZED_TYPES.allocate`.
        fields: all others, by name; they are read as those of a message.

    Attributes:
        data: (n,) uint8, to be filled in place.
    """

    def __init__(self, kind: type, data: Bytes, **fields: Any) -> None:
        buffer = room_around(data)
        assert buffer is not None, "data is not of SERIALIZED_TYPES.allocate"
        self.data, self._buffer = data, buffer
        self._kind, self._fields = kind, fields
        self._frame_id: str | None = None
        self._before = self._behind = np.empty(0, dtype=np.uint8)
        self._stamp = struct.Struct("<iI")

    def __getattr__(self, name: str) -> Any:
        """A field other than ``data``."""
        try:
            return self.__dict__["_fields"][name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def header(self) -> Any:
        """std_msgs/Header."""
        return self._fields["header"]

    @header.setter
    def header(self, header: Any) -> None:
        self._fields["header"] = header

    def adopt(self, values: Any) -> bool:
        """Send these numbers, from where they lie, in place of `data`; False where there is no room around them.

        Args:
            values: an array of any type, of as many bytes as `data` has; it must not change until it is sent.
        """
        buffer = room_around(values)
        if buffer is None or values.nbytes != len(self.data):
            return False
        self._buffer, self.data = buffer, buffer[BEFORE : BEFORE + values.nbytes]
        return True

    def message(self) -> Any:
        """The message that it stands for, with an array of its own."""
        return self._with(self.data)

    def serialized(self) -> Bytes | None:
        """All bytes as they go over the wire, until the next change; None where ``frame_id`` is too long for that."""
        header = self.header
        if header.frame_id != self._frame_id:
            self._lay_out()
        begin, end = BEFORE - len(self._before), BEFORE + len(self.data)
        if begin < 0:
            return None
        self._buffer[begin:BEFORE] = self._before
        self._buffer[end : end + len(self._behind)] = self._behind
        stamp = self._stamp.pack(header.stamp.sec, header.stamp.nanosec)
        at = begin + _ENCAPSULATION
        self._buffer[at : at + len(stamp)] = np.frombuffer(stamp, dtype=np.uint8)
        return self._buffer[begin : end + len(self._behind)]

    def _with(self, data: Any) -> Any:
        message = self._kind(**self._fields)
        message.data.frombytes(data)
        return message

    def _lay_out(self) -> None:
        """Find what goes before the array and behind it: as in a message of a short array that rclpy serialises."""
        length = len(self.data)
        # Of equal length but for words of 8 bytes: what some middlewares pad at the end is the same then.
        marker = (2 * _MARKER)[: len(_MARKER) + length % len(_MARKER)]
        example = serialize_message(self._with(marker))
        before, behind = example.rsplit(marker, 1)
        assert len(behind) <= BEHIND
        order = "<" if example[1] & 1 else ">"
        self._before = np.frombuffer(before[:-4] + struct.pack(f"{order}I", length), dtype=np.uint8)
        self._behind = np.frombuffer(behind, dtype=np.uint8)
        self._frame_id, self._stamp = self.header.frame_id, struct.Struct(f"{order}iI")


def _allocate(length: int) -> Bytes:
    data = roomy((length,), np.uint8)
    data.fill(0)
    return data


SERIALIZED_TYPES = MessageTypes(
    header=ROS_TYPES.header,
    image=functools.partial(SerializedMessage, Image),
    compressed_image=ROS_TYPES.compressed_image,
    camera_info=ROS_TYPES.camera_info,
    region_of_interest=ROS_TYPES.region_of_interest,
    point_cloud=functools.partial(SerializedMessage, PointCloud2),
    point_field=ROS_TYPES.point_field,
    allocate=_allocate,
    numbers=ROS_TYPES.numbers,
)
"""rclpy's classes of messages, but images and clouds are `SerializedMessage`: for what is published by `send` alone."""


class _SerializedBytes(ctypes.Structure):
    """``rcl_serialized_message_t``: bytes, how many, and an allocator, which who publishes does not use."""

    _fields_ = (
        ("buffer", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("capacity", ctypes.c_size_t),
        ("allocator", ctypes.c_void_p * 5),
    )


class _ErrorText(ctypes.Structure):
    """``rcutils_error_string_t``."""

    _fields_ = (("text", ctypes.c_char * 1024),)


@functools.cache
def _libraries() -> tuple[Any, Any] | None:
    """``rcl_publish_serialized_message`` and the library of its errors; None where they are not to be had.

    Only of libraries that rclpy has loaded: others of the same name would not know its publishers.
    """
    try:
        rcl, rcutils = (ctypes.CDLL(f"lib{name}.so", os.RTLD_NOLOAD | os.RTLD_NOW) for name in ("rcl", "rcutils"))
        publish, rcutils.rcutils_get_error_string.restype = rcl.rcl_publish_serialized_message, _ErrorText
        rclpy_implementation.Publisher.pointer  # noqa: B018  # it has to tell where its publishers are
    except (OSError, AttributeError):
        return None
    publish.argtypes = (ctypes.c_void_p, ctypes.POINTER(_SerializedBytes), ctypes.c_void_p)
    publish.restype = ctypes.c_int
    return publish, rcutils


def can_send() -> bool:
    """Whether `send` sends a `SerializedMessage` as it is: rclpy's libraries are found by their names."""
    return _libraries() is not None


def send(publisher: Any, message: Any) -> None:
    """Publish a message of rclpy, or a `SerializedMessage`; the latter as a message where it cannot be sent as it is.

    Args:
        publisher: of rclpy, of the message's class.
        message: it may be changed once this returns.

    Raises:
        RuntimeError: the middleware does not take it.
    """
    if not isinstance(message, SerializedMessage):
        publisher.publish(message)
    elif not _send_bytes(publisher, message.serialized()):
        publisher.publish(message.message())


def _send_bytes(publisher: Any, content: Bytes | None) -> bool:
    """Whether these bytes were sent; not where there is no way for them, or the publisher is not valid."""
    libraries = _libraries()
    if content is None or libraries is None:
        return False
    publish, rcutils = libraries
    given = _SerializedBytes(content.ctypes.data, len(content), len(content))
    handle = publisher.handle
    with handle:  # it is not destroyed meanwhile
        code = publish(handle.pointer, ctypes.byref(given), None)
    if code == _OK:
        return True
    text = rcutils.rcutils_get_error_string().text.decode(errors="replace")
    rcutils.rcutils_reset_error()
    if code in (_UNSUPPORTED, _PUBLISHER_INVALID):  # rclpy knows whether all ends, of which it says nothing
        return False
    raise RuntimeError(f"{publisher.topic_name}: rcl_publish_serialized_message returned {code}: {text}")
