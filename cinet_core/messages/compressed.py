"""sensor_msgs/CompressedImage (JPEG, PNG) to RGB, with the size checked before anything is decompressed."""

from __future__ import annotations

import re

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.messages.containers import Container, corrupted, inspect
from cinet_core.messages.errors import ConversionError, quoted
from cinet_core.messages.fields import CompressedImageFields
from cinet_core.messages.images import ENCODINGS, convert_color, mosaic_to_rgb, scale_to_8_bit

__all__ = ["decode_compressed", "is_compressed_depth", "swaps_red_and_blue"]

_CHANNELS_TO_RGB = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}
_NUMBERS = re.compile(r"(16|32|64)[SUF]C[0-9]+")
"""Encodings of measurements: what decode_image refuses as a raw image is refused in a PNG, too."""

_COLOR_ENCODINGS = frozenset({"rgb8", "rgba8", "rgb16", "rgba16", "bgr8", "bgra8", "bgr16", "bgra16"})


def decode_compressed(msg: CompressedImageFields) -> npt.NDArray[np.uint8]:
    """Decode a JPEG or PNG message to an (H, W, 3) uint8 RGB image.

    The bytes say which of the two it is. ``format`` is read as compressed_image_transport's subscriber does: only
    behind "<encoding>; " does it say anything of the order of the channels or of a raw Bayer mosaic. So "bgr8", "rgb8",
    "jpeg" or nothing is an ordinary file, and "rgb8; jpeg compressed bgr8" as well; in "rgb8; png compressed " and
    "rgb8; jpeg compressed rgb8" red and blue are in each other's place. An EXIF orientation is ignored: a rotated
    image would no longer fit its camera_info. JPEG has no checksum: one that is damaged between its headers and its
    end may come out as a garbled image.

    Returns:
        (H, W, 3) uint8 RGB, C-contiguous, the caller's own; 16-bit PNG scaled as in
        :func:`~cinet_core.messages.images.decode_image`.

    Raises:
        ConversionError: "compressed_depth" (compressedDepth, or numbers as "16UC1; png compressed "), "format" (neither
            JPEG nor PNG), "size" (out of bounds by its header, before decoding) or "data" (truncated, corrupted, or
            made to exhaust the decoder).
    """
    if is_compressed_depth(msg.format):
        raise ConversionError(
            "compressed_depth",
            f"format is {quoted(msg.format)}: that is a depth image; subscribe to the camera's colour image",
        )
    data = bytes(msg.data)
    container = inspect(data)
    if container is None:
        raise ConversionError(
            "format",
            f"format is {quoted(msg.format)} and the {len(data)} bytes begin with '{data[:4].hex(' ')}': "
            "neither JPEG nor PNG; publish one of these",
        )
    return _to_rgb(_decode(container), msg.format)


def is_compressed_depth(message_format: str) -> bool:
    """Whether the ``format`` of a CompressedImage names depth, or other numbers that are no colours."""
    original = message_format.partition(";")[0].strip()
    return "compresseddepth" in message_format.lower() or _NUMBERS.fullmatch(original) is not None


def swaps_red_and_blue(message_format: str) -> bool:
    """Whether the file holds red in the place of blue: an early publisher handed RGB to an encoder that takes BGR."""
    original, separator, codec = message_format.partition(";")
    return bool(separator) and original in _COLOR_ENCODINGS and "compressed bgr" not in codec


def _decode(container: Container) -> npt.NDArray[np.integer]:
    """(H, W), (H, W, 3) BGR or (H, W, 4) BGRA, uint8 or uint16, as the file has it."""
    data, size = container.data, (container.height, container.width)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise corrupted(data, str(error)) from error
    if pixels is None:
        raise corrupted(data, "OpenCV cannot decode it")
    if pixels.shape[:2] != size or pixels.dtype not in (np.uint8, np.uint16):
        raise corrupted(
            data,
            f"it decodes to {pixels.dtype} {pixels.shape} but its header says {container.width}x{container.height}",
        )
    return pixels


def _to_rgb(pixels: npt.NDArray[np.integer], message_format: str) -> npt.NDArray[np.uint8]:
    """RGB of what the file held, by what ``format`` says of it: "<original encoding>; <codec> compressed <order>"."""
    original, separator, _ = message_format.partition(";")
    if not separator:
        original = ""  # an older publisher, or a driver's own: the subscriber takes the file as it is
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if channels == 1 and original.startswith("bayer_") and original in ENCODINGS and min(pixels.shape) >= 3:
        return mosaic_to_rgb(pixels, original)
    pixels = scale_to_8_bit(pixels)
    if channels == 3 and swaps_red_and_blue(message_format):
        return pixels
    return convert_color(pixels, _CHANNELS_TO_RGB[channels])
