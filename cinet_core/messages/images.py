"""Decodes sensor_msgs/Image to RGB.

The results equal those of ``cv_bridge``'s ``imgmsg_to_cv2(msg, "rgb8")`` for every encoding that it knows; nv12,
nv21 and the 8UC kinds come on top.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.messages.errors import ConversionError, check_size, quoted
from cinet_core.messages.fields import ImageFields

__all__ = ["ENCODINGS", "check_image", "convert_color", "decode_image", "mosaic_to_rgb", "scale_to_8_bit"]

IDENTITY = -1
"""Colour code of pixels that are RGB already."""


@dataclass(frozen=True)
class _Layout:
    """How an encoding lies in ``data``: a row has ``width * channels`` numbers of ``itemsize`` bytes."""

    itemsize: int
    channels: int
    code: int  # of cv2.cvtColor, to RGB; or IDENTITY
    block: tuple[int, int] = (1, 1)  # width and height must be multiples of it
    smallest: int = 1  # width and height must reach it
    chroma: bool = False  # half as many rows again follow, with the interleaved colour of 2x2 pixels

    @property
    def mosaic(self) -> bool:
        """One colour a pixel, interpolated at full bit depth."""
        return self.smallest > 1

    def rows(self, height: int) -> int:
        """Rows of ``step`` bytes in ``data``."""
        return height + height // 2 if self.chroma else height


def _bayer(itemsize: int, code: int) -> _Layout:
    # OpenCV names a pattern by its second row, ROS by its first; below 3x3 nothing can be interpolated.
    return _Layout(itemsize, 1, code, smallest=3)


_LAYOUTS: dict[str, _Layout] = {
    "rgb8": _Layout(1, 3, IDENTITY),
    "bgr8": _Layout(1, 3, cv2.COLOR_BGR2RGB),
    "rgba8": _Layout(1, 4, cv2.COLOR_RGBA2RGB),
    "bgra8": _Layout(1, 4, cv2.COLOR_BGRA2RGB),
    "mono8": _Layout(1, 1, cv2.COLOR_GRAY2RGB),
    "rgb16": _Layout(2, 3, IDENTITY),
    "bgr16": _Layout(2, 3, cv2.COLOR_BGR2RGB),
    "rgba16": _Layout(2, 4, cv2.COLOR_RGBA2RGB),
    "bgra16": _Layout(2, 4, cv2.COLOR_BGRA2RGB),
    "mono16": _Layout(2, 1, cv2.COLOR_GRAY2RGB),
    # Unnamed channels: OpenCV's own order, which cv_bridge writes when it is given no encoding.
    "8UC1": _Layout(1, 1, cv2.COLOR_GRAY2RGB),
    "8UC3": _Layout(1, 3, cv2.COLOR_BGR2RGB),
    "8UC4": _Layout(1, 4, cv2.COLOR_BGRA2RGB),
    "bayer_rggb8": _bayer(1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": _bayer(1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": _bayer(1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": _bayer(1, cv2.COLOR_BayerGB2RGB),
    "bayer_rggb16": _bayer(2, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr16": _bayer(2, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg16": _bayer(2, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg16": _bayer(2, cv2.COLOR_BayerGB2RGB),
    "yuv422": _Layout(1, 2, cv2.COLOR_YUV2RGB_UYVY, block=(2, 1)),
    "uyvy": _Layout(1, 2, cv2.COLOR_YUV2RGB_UYVY, block=(2, 1)),
    "yuv422_yuy2": _Layout(1, 2, cv2.COLOR_YUV2RGB_YUY2, block=(2, 1)),
    "yuyv": _Layout(1, 2, cv2.COLOR_YUV2RGB_YUY2, block=(2, 1)),
    "nv12": _Layout(1, 1, cv2.COLOR_YUV2RGB_NV12, block=(2, 2), chroma=True),
    "nv21": _Layout(1, 1, cv2.COLOR_YUV2RGB_NV21, block=(2, 2), chroma=True),
}

ENCODINGS: tuple[str, ...] = tuple(_LAYOUTS)
"""Every encoding that :func:`decode_image` takes."""


def decode_image(msg: ImageFields) -> npt.NDArray[np.uint8]:
    """Decode a message to an (H, W, 3) uint8 RGB image.

    16-bit values are scaled by 255 / 65535 and rounded, as cv_bridge does; alpha is ignored; YUV is BT.601 with
    limited range, as OpenCV has it; Bayer mosaics are interpolated bilinearly.

    Returns:
        (H, W, 3) uint8 RGB, C-contiguous. For tightly packed rgb8 a view of ``msg.data``: keep the message, and
        do not write into the array.

    Raises:
        ConversionError: as :func:`check_image`.
    """
    check_image(msg)
    layout = _LAYOUTS[msg.encoding]
    pixels = _pixels(msg, layout)
    if layout.mosaic:
        return mosaic_to_rgb(pixels, msg.encoding)
    narrow = scale_to_8_bit(pixels)
    return np.ascontiguousarray(narrow) if layout.code == IDENTITY else convert_color(narrow, layout.code)


def check_image(msg: ImageFields) -> None:
    """Raise ConversionError if a message cannot be decoded by :func:`decode_image`.

    Raises:
        ConversionError: "encoding" (not one of :data:`ENCODINGS`), "size" (empty, too large, or odd where the
            encoding needs pairs of pixels) or "data" (``step`` or ``data`` too short; longer ones are fine).
    """
    layout = _LAYOUTS.get(msg.encoding)
    if layout is None:
        raise ConversionError(
            "encoding",
            f"image encoding {quoted(msg.encoding)} is not a colour image that can be decoded; "
            f"publish one of {', '.join(ENCODINGS)}",
        )
    _check_dimensions(msg, layout)
    row_bytes = msg.width * layout.channels * layout.itemsize
    if msg.step < row_bytes:
        raise ConversionError(
            "data",
            f"step is {msg.step}: a row of {msg.width} {msg.encoding} pixels has {row_bytes} bytes; "
            "the publisher must set step to the bytes from one row to the next",
        )
    needed = layout.rows(msg.height) * msg.step
    if len(msg.data) < needed:
        raise ConversionError(
            "data",
            f"data has {len(msg.data)} bytes: {msg.width}x{msg.height} {msg.encoding} with step {msg.step} has "
            f"{needed}; the message was truncated or its step is wrong",
        )


def mosaic_to_rgb(mosaic: npt.NDArray[np.integer], encoding: str) -> npt.NDArray[np.uint8]:
    """Interpolate the missing colours of a Bayer mosaic, then scale to 8 bits.

    Args:
        mosaic: (H, W) uint8 or uint16, at least 3x3.
        encoding: for example "bayer_rggb8"; only the pattern counts, the depth is the array's.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ConversionError: "size".
    """
    return scale_to_8_bit(convert_color(mosaic, _LAYOUTS[encoding].code))


def convert_color(pixels: npt.NDArray[np.integer], code: int) -> npt.NDArray[Any]:
    """``cv2.cvtColor``, whose refusals (OpenCV 4.5 takes no 1x1 BGR image) become a ConversionError, "size"."""
    try:
        return cv2.cvtColor(pixels, code)
    except cv2.error as error:
        raise ConversionError(
            "size", f"OpenCV {cv2.__version__} cannot convert an image of shape {pixels.shape}: {error}"
        ) from error


def scale_to_8_bit(pixels: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    """``round(v * 255 / 65535)`` for uint16 of any shape; uint8 is returned as it is."""
    if pixels.dtype == np.uint8:
        return pixels  # type: ignore[return-value]
    scaled = cv2.convertScaleAbs(pixels, alpha=255.0 / 65535.0)
    return scaled.reshape(pixels.shape)


def _check_dimensions(msg: ImageFields, layout: _Layout) -> None:
    """Refuse sizes that are out of bounds or that the encoding cannot have."""
    check_size(msg.width, msg.height, f"{msg.encoding} image")
    across, down = layout.block
    if msg.width % across or msg.height % down:
        raise ConversionError(
            "size",
            f"{msg.encoding} image is {msg.width}x{msg.height}: its width must be a multiple of {across} and its "
            f"height of {down}, since neighbouring pixels share their colour",
        )
    if min(msg.width, msg.height) < layout.smallest:
        raise ConversionError(
            "size",
            f"{msg.encoding} image is {msg.width}x{msg.height}: a mosaic needs at least "
            f"{layout.smallest}x{layout.smallest} pixels to be interpolated",
        )


def _pixels(msg: ImageFields, layout: _Layout) -> npt.NDArray[np.integer]:
    """The numbers in ``data`` in this machine's byte order: (rows, W) or (rows, W, channels), a view if possible.

    Rows are ``step`` bytes apart, whatever that is: padding need not be a multiple of the pixel or item size.
    """
    shape: tuple[int, ...] = (layout.rows(msg.height), msg.width)
    strides: tuple[int, ...] = (msg.step, layout.channels * layout.itemsize)
    if layout.channels > 1:
        shape, strides = (*shape, layout.channels), (*strides, layout.itemsize)
    if layout.itemsize == 1:
        return np.ndarray(shape, np.uint8, msg.data, strides=strides)
    order = ">" if msg.is_bigendian else "<"
    stored: npt.NDArray[np.uint16] = np.ndarray(shape, np.dtype(f"{order}u2"), msg.data, strides=strides)
    return np.require(stored, np.uint16, ["C", "A"])
