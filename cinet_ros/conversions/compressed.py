"""sensor_msgs/CompressedImage (JPEG, PNG) to RGB, with the size checked before anything is decompressed."""

from __future__ import annotations

import struct
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CompressedImage

from cinet_ros.conversions.errors import ConversionError, check_size
from cinet_ros.conversions.images import ENCODINGS, convert_color, mosaic_to_rgb, scale_to_8_bit

_JPEG_MAGIC = b"\xff\xd8\xff"
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_JPEG_END = b"\xff\xd9"
_PNG_END = b"IEND"

_JPEG_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_WITHOUT_LENGTH = frozenset(range(0xD0, 0xD9)) | {0x01}
_JPEG_SCAN_OR_END = frozenset({0xD9, 0xDA})

_CHANNELS_TO_RGB = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}
_COLOR_ENCODINGS = frozenset({"rgb8", "rgba8", "rgb16", "rgba16", "bgr8", "bgra8", "bgr16", "bgra16"})


class _Header(NamedTuple):
    """What the file says of itself."""

    width: int
    height: int
    end: int  # offset of the byte after the size
    end_marker: bytes


def decode_compressed(msg: CompressedImage) -> npt.NDArray[np.uint8]:
    """The colour picture in a JPEG or PNG message.

    The bytes say which of the two it is. ``format`` ("jpeg", "rgb8; jpeg compressed bgr8", ...) is read as
    compressed_image_transport's subscriber does: for the order of the channels and for raw Bayer mosaics. An EXIF
    orientation is ignored: a rotated picture would no longer fit its camera_info.

    Returns:
        (H, W, 3) uint8 RGB, C-contiguous, the caller's own; 16-bit PNG scaled as in
        :func:`~cinet_ros.conversions.images.decode_image`.

    Raises:
        ConversionError: "compressed_depth" (a depth image), "format" (neither JPEG nor PNG), "size" (out of bounds
            by its header, before decoding) or "data" (truncated or corrupted).
    """
    if "compresseddepth" in msg.format.lower():
        raise ConversionError(
            "compressed_depth",
            f"format is {msg.format!r}: that is a depth image; subscribe to the camera's colour image",
        )
    data = bytes(msg.data)
    if data.startswith(_JPEG_MAGIC):
        header = _jpeg_header(data)
    elif data.startswith(_PNG_MAGIC):
        header = _png_header(data)
    else:
        raise ConversionError(
            "format",
            f"format is {msg.format!r} and the {len(data)} bytes begin with '{data[:4].hex(' ')}': "
            "neither JPEG nor PNG; publish one of these",
        )
    check_size(header.width, header.height, "compressed image")
    if data.rfind(header.end_marker, header.end) < 0:
        raise _corrupted(data, "its end is missing")
    return _to_rgb(_decode(data, header), msg.format)


def _jpeg_header(data: bytes) -> _Header:
    """Walk the segments up to the frame header (SOF), which holds the size. Thumbnails lie inside a segment."""
    position = 2
    while True:
        position = data.find(b"\xff", position) + 1
        while position and position < len(data) and data[position] == 0xFF:  # fill bytes
            position += 1
        segment = data[position : position + 8]
        if not position or len(segment) < 8 or segment[0] in _JPEG_SCAN_OR_END:
            raise _corrupted(data, "it has no frame header")
        if segment[0] in _JPEG_FRAME_HEADERS:
            height, width = struct.unpack(">HH", segment[4:8])
            return _Header(width, height, position + 8, _JPEG_END)
        position += 1
        if segment[0] not in _JPEG_WITHOUT_LENGTH:
            position += max(2, int.from_bytes(segment[1:3], "big"))


def _png_header(data: bytes) -> _Header:
    """The size in IHDR, which is the first chunk of every PNG."""
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise _corrupted(data, "it has no IHDR chunk")
    width, height = struct.unpack(">II", data[16:24])
    return _Header(width, height, 33, _PNG_END)


def _decode(data: bytes, header: _Header) -> npt.NDArray[np.integer]:
    """(H, W), (H, W, 3) BGR or (H, W, 4) BGRA, uint8 or uint16, as the file has it."""
    try:
        pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise _corrupted(data, str(error)) from error
    if pixels is None:
        raise _corrupted(data, "OpenCV cannot decode it")
    if pixels.shape[:2] != (header.height, header.width) or pixels.dtype not in (np.uint8, np.uint16):
        raise _corrupted(
            data,
            f"it decodes to {pixels.dtype} {pixels.shape} but its header says {header.width}x{header.height}",
        )
    return pixels


def _to_rgb(pixels: npt.NDArray[np.integer], message_format: str) -> npt.NDArray[np.uint8]:
    """RGB of what the file held, by what ``format`` says of it: "<original encoding>; <codec> compressed <order>"."""
    original, _, codec = message_format.partition(";")
    original = original.strip()
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if channels == 1 and original.startswith("bayer_") and original in ENCODINGS and min(pixels.shape) >= 3:
        return mosaic_to_rgb(pixels, original)
    pixels = scale_to_8_bit(pixels)
    if original in _COLOR_ENCODINGS and "compressed bgr" not in codec and channels == 3:
        return pixels  # an early publisher: it handed RGB to an encoder that takes BGR
    return convert_color(pixels, _CHANNELS_TO_RGB[channels])


def _corrupted(data: bytes, detail: str) -> ConversionError:
    return ConversionError(
        "data",
        f"the compressed image of {len(data)} bytes is truncated or corrupted: {detail}; "
        "look for lost packets or a full disk at the camera or bag",
    )
