"""JPEG and PNG files read without decoding: their size, whether they are whole, and whether decoding would ever end.

A file of a few bytes can make a decoder allocate gigabytes or work for minutes: by the size in its header, by a chunk
that claims to be long, by thousands of scans, by compressed texts beside the image. Here each is refused or left out
before OpenCV sees the file.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from cinet_core.messages.errors import ConversionError, check_size

__all__ = ["JPEG_MAGIC", "MAX_CHUNKS", "MAX_SCANS", "PNG_MAGIC", "Container", "corrupted", "inspect"]

MAX_SCANS = 64
"""Scans of a progressive JPEG, each a pass over the whole image: encoders write 10 or so, a bomb thousands."""

MAX_CHUNKS = 1 << 16
"""Chunks of a PNG: at 8 KiB each, as encoders cut them, half a gigabyte."""

JPEG_MAGIC = b"\xff\xd8\xff"
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"

_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by the colour type of IHDR

_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset(range(0xD0, 0xD9)) | {0x01}
_SCAN = b"\xff\xda"
_END = b"\xff\xd9"
_SCAN_OR_END = frozenset({0xDA, 0xD9})
_STUFFED = 0x00  # no marker: libjpeg skips it, and so a length behind it must not hide a frame header


class Container(NamedTuple):
    """A file that can be handed to a decoder.

    Attributes:
        width: pixels, by its header.
        height: likewise.
        data: the file, without what no image needs (of a PNG: texts, profiles, animation).
        channels: of a pixel, by its header: 1 grey, 2 grey with alpha, 3 colour (also by a palette), 4 with alpha.
        bits: of a channel, by its header.
    """

    width: int
    height: int
    data: bytes
    channels: int
    bits: int


def inspect(data: bytes) -> Container | None:
    """What the file says of itself; None where it is neither JPEG nor PNG.

    Raises:
        ConversionError: "size" (out of bounds) or "data" (truncated, corrupted, or made to exhaust a decoder).
    """
    if data.startswith(JPEG_MAGIC):
        return _jpeg(data)
    if data.startswith(PNG_MAGIC):
        return _png(data)
    return None


def corrupted(data: bytes, detail: str) -> ConversionError:
    """The error for a file that cannot be decoded."""
    return ConversionError(
        "data",
        f"the compressed image of {len(data)} bytes is truncated or corrupted: {detail}; "
        "look for lost packets or a full disk at the camera or bag",
    )


def _jpeg(data: bytes) -> Container:
    """A JPEG from its frame header (SOF) to its end (EOI); JPEG has no checksum: damage between goes unnoticed."""
    width, height, channels, bits, position = _jpeg_frame(data)
    check_size(width, height, "compressed image")
    scans = data.count(_SCAN, position)  # image data never holds this: there 0xFF is followed by 0
    if scans > MAX_SCANS:
        raise ConversionError(
            "data",
            f"the JPEG has {scans} scans: at most {MAX_SCANS} are decoded, since each passes over all "
            f"{width}x{height} pixels; publish baseline JPEG",
        )
    if data.rfind(_END, position) < 0:
        raise corrupted(data, "its end is missing")
    return Container(width, height, data, channels, bits)


def _jpeg_frame(data: bytes) -> tuple[int, int, int, int, int]:
    """Width, height, channels, bits, and where the image may start: the segments up to SOF.

    Thumbnails lie inside a segment.
    """
    position = 2
    while True:
        position = data.find(b"\xff", position) + 1
        while position and position < len(data) and data[position] == 0xFF:  # fill bytes
            position += 1
        segment = data[position : position + 8]
        if not position or len(segment) < 8 or segment[0] in _SCAN_OR_END:
            raise corrupted(data, "it has no frame header")
        if segment[0] in _FRAME_HEADERS:
            bits, height, width = struct.unpack(">BHH", segment[3:8])
            return width, height, data[position + 8] if len(data) > position + 8 else 3, bits, position + 8
        position += 1
        if segment[0] not in _WITHOUT_LENGTH and segment[0] != _STUFFED:
            position += max(2, int.from_bytes(segment[1:3], "big"))


def _png(data: bytes) -> Container:
    """A PNG of its critical chunks only, from IHDR, which comes first, to IEND."""
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise corrupted(data, "it has no IHDR chunk")
    width, height = struct.unpack(">II", data[16:24])
    check_size(width, height, "compressed image")
    kept, position = [PNG_MAGIC], len(PNG_MAGIC)
    for _ in range(MAX_CHUNKS):
        kind = data[position + 4 : position + 8]
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        if end > len(data):
            raise corrupted(data, f"chunk {kind!r} ends {end - len(data)} bytes after it")
        if kind[:1].isupper():  # critical: what an image cannot be decoded without
            kept.append(data[position:end])
        if kind == b"IEND":
            return Container(width, height, b"".join(kept), _PNG_CHANNELS.get(data[25], 3), data[24])
        position = end
    raise ConversionError(
        "data", f"the PNG has more than {MAX_CHUNKS} chunks: that is no image that an encoder wrote; publish another"
    )
