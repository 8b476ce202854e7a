"""Output messages of one image each that are allocated once and refilled.

Assigning ``data`` copies and, with rclpy's field checks, looks at every element; writing through a NumPy view of the
buffer that the message already holds does neither. The price: a message is the sender's until the next fill. That is
safe where it is serialised before the next one, as ``publisher.publish`` and a bag's writer do; whoever keeps or hands
on the message (a queue, another thread, a test) must copy it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics
from cinet_core.messages.errors import check_size
from cinet_core.messages.fields import MessageTypes
from cinet_core.messages.settings import DEPTH_ENCODINGS

__all__ = ["IS_BIGENDIAN", "ImageBuffer", "camera_info_message"]

IS_BIGENDIAN = sys.byteorder == "big"

_KINDS: dict[str, tuple[type[np.generic], int]] = {
    "32FC1": (np.float32, 1),
    "32FC3": (np.float32, 3),
    "16UC1": (np.uint16, 1),
    "16SC1": (np.int16, 1),
    "mono8": (np.uint8, 1),
    "rgb8": (np.uint8, 3),
}


class ImageBuffer:
    """A sensor_msgs/Image of fixed size and encoding, filled in place.

    Attributes:
        message: what to send. It changes with the next fill.
        array: (H, W) or, of three channels, (H, W, 3) view of ``message.data``, of the encoding's type. Of a message
            that is sent from where its pixels lie it is what was filled in last.
    """

    def __init__(self, types: MessageTypes, encoding: str, height: int, width: int) -> None:
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
        self.message: Any = types.image(
            header=types.header(),
            height=height,
            width=width,
            encoding=encoding,
            is_bigendian=IS_BIGENDIAN,
            step=step,
            data=types.allocate(height * step),
        )
        # Some libraries copy on assignment: the view must be of the buffer that the message holds.
        view: npt.NDArray[np.generic] = np.frombuffer(self.message.data, dtype=dtype)
        self.array = self._own = view.reshape((height, width) if channels == 1 else (height, width, channels))
        self._adopt: Callable[[npt.NDArray[Any]], bool] | None = getattr(self.message, "adopt", None)
        self._metres: npt.NDArray[np.float32] | None = None

    def fill(self, pixels: npt.NDArray[np.generic], header: Any) -> Any:
        """Copy an image in, converting the type (not the range) where it differs; or take it, where the message can.

        Args:
            pixels: the shape of :attr:`array`.
            header: shared with the message, not copied.

        Returns:
            :attr:`message`.
        """
        if not self._taken(pixels):
            np.copyto(self._own, pixels, casting="unsafe")
        self.message.header = header
        return self.message

    def _taken(self, pixels: npt.NDArray[np.generic]) -> bool:
        """Whether the message now is of these pixels; if not, it is of our own array."""
        if self._adopt is None:
            return False
        same = pixels.dtype == self._own.dtype and pixels.shape == self._own.shape
        if same and self._adopt(pixels):
            self.array = pixels
            return True
        if self.array is not self._own:
            self._adopt(self._own)
            self.array = self._own
        return False

    def fill_depth(self, depth: npt.NDArray[np.float32], header: Any) -> Any:
        """Write depth as the encoding has it.

        32FC1 keeps metres; NaN stays. 16UC1 rounds to millimetres: 0 where the depth is not finite or not positive,
        65535 from 65.535 m on; what is nearer than half a millimetre becomes 0, too.

        Args:
            depth: (H, W) float32 metres along z, NaN where invalid.
            header: as for :meth:`fill`.

        Raises:
            ValueError: the encoding is not one of `settings.DEPTH_ENCODINGS`.
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


def camera_info_message(types: MessageTypes, intrinsics: Intrinsics, header: Any) -> Any:
    """The calibration of a published, undistorted image: D = 0 (plumb_bob), R = I, P = [K | 0], no ROI, no binning.

    Args:
        types: that the message is of.
        intrinsics: at the published size.
        header: of the image, shared and not copied.
    """
    k = intrinsics.matrix()
    return types.camera_info(
        header=header,
        height=intrinsics.height,
        width=intrinsics.width,
        distortion_model="plumb_bob",
        d=types.numbers([0.0] * 5),
        k=k.reshape(-1),
        r=np.eye(3).reshape(-1),
        p=np.hstack([k, np.zeros((3, 1))]).reshape(-1),
        binning_x=0,
        binning_y=0,
        roi=types.region_of_interest(x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
    )
