"""One-picture output messages that are allocated once and refilled.

Assigning ``data`` copies and, with field checks, looks at every element; writing through a NumPy view of the array
that the message already holds does neither. The price: a message is the sender's until the next fill. That is safe
with ``publisher.publish(buffer.message)``, which serialises before it returns; whoever keeps or hands on the message
(a queue, another thread, a test) must copy it.
"""

from __future__ import annotations

import array
import sys

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from cinet_ros.conversions.errors import check_size

IS_BIGENDIAN = sys.byteorder == "big"

_KINDS: dict[str, tuple[type[np.generic], int]] = {
    "32FC1": (np.float32, 1),
    "16UC1": (np.uint16, 1),
    "16SC1": (np.int16, 1),
    "mono8": (np.uint8, 1),
    "rgb8": (np.uint8, 3),
}

DEPTH_ENCODINGS = ("32FC1", "16UC1")
"""Metres with NaN for invalid; millimetres with 0 for invalid (REP 118)."""

LABEL_ENCODINGS = ("mono8", "16SC1", "16UC1")
"""Class ids; 255 is unlabelled in each."""


def allocate(length: int) -> array.array[int]:
    """Zeroed bytes of the only type that every distribution assigns to ``data`` without looking at each element."""
    return array.array("B", bytes(length))


class ImageBuffer:
    """A sensor_msgs/Image of fixed size and encoding, filled in place.

    Attributes:
        message: what to publish. It changes with the next fill.
        array: (H, W) or, for rgb8, (H, W, 3) view of ``message.data``, of the encoding's type.
    """

    def __init__(self, encoding: str, height: int, width: int) -> None:
        """Allocate.

        Raises:
            ValueError: an encoding that is not published here.
            ConversionError: "size".
        """
        if encoding not in _KINDS:
            raise ValueError(f"encoding is {encoding!r}: one of {', '.join(_KINDS)} is needed")
        check_size(width, height, f"{encoding} image")
        dtype, channels = _KINDS[encoding]
        step = width * channels * np.dtype(dtype).itemsize
        self.message: Image = Image(height=height, width=width, encoding=encoding, is_bigendian=IS_BIGENDIAN, step=step)
        self.message.data = allocate(height * step)
        # Some distributions copy on assignment: the view must be of the array that the message holds.
        view: npt.NDArray[np.generic] = np.frombuffer(self.message.data, dtype=dtype)
        self.array = view.reshape((height, width) if channels == 1 else (height, width, channels))
        self._metres: npt.NDArray[np.float32] | None = None

    def fill(self, picture: npt.NDArray[np.generic], header: Header) -> Image:
        """Copy a picture in, converting the type (not the range) where it differs.

        Args:
            picture: the shape of :attr:`array`.
            header: shared with the message, not copied.

        Returns:
            :attr:`message`.
        """
        np.copyto(self.array, picture, casting="unsafe")
        self.message.header = header
        return self.message

    def fill_depth(self, depth: npt.NDArray[np.float32], header: Header) -> Image:
        """Write depth as the encoding has it.

        32FC1 keeps metres; NaN stays. 16UC1 rounds to millimetres: 0 where the depth is not finite or not positive,
        65535 from 65.535 m on; what is nearer than half a millimetre becomes 0, too.

        Args:
            depth: (H, W) float32 metres along z, NaN where invalid.
            header: as for :meth:`fill`.

        Raises:
            ValueError: the encoding is not one of :data:`DEPTH_ENCODINGS`.
        """
        encoding = self.message.encoding
        if encoding not in DEPTH_ENCODINGS:
            raise ValueError(f"encoding is {encoding!r}: depth needs one of {', '.join(DEPTH_ENCODINGS)}")
        if encoding == "32FC1":
            return self.fill(depth, header)
        if self._metres is None:
            self._metres = np.empty(self.array.shape, dtype=np.float32)
        scratch = self._metres
        np.clip(depth, np.float32(0.0), np.float32(65.535), out=scratch)  # first, since the product may overflow
        np.multiply(scratch, np.float32(1000.0), out=scratch)
        np.rint(scratch, out=scratch)
        scratch[~((depth > 0) & (depth < np.inf))] = 0.0
        return self.fill(scratch, header)
