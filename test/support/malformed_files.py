"""Compressed images as broken, misconfigured or hostile publishers send them, and what damages JPEG and PNG files."""

from __future__ import annotations

import array
import functools
import struct
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from hypothesis import strategies as st
from malformed import (
    BYTE,
    HEADER_CHANGES,
    SIZES,
    TEXTS,
    USED,
    Case,
    Change,
    Changes,
    camera_infos,
    images,
    longer,
    setter,
    shorter,
)
from sensor_msgs.msg import CompressedImage


@functools.lru_cache(maxsize=64)
def image_file(extension: str, width: int, height: int) -> bytes:
    """A sound JPEG or PNG, smooth and colourful."""
    v, u = np.mgrid[:height, :width]
    image = np.stack([5 * u, 255 - 4 * v, 60 + 2 * v], axis=-1).clip(0, 255).astype(np.uint8)
    return cv2.imencode(extension, image)[1].tobytes()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _is_png(data: bytes) -> bool:
    return data.startswith(b"\x89PNG")


def with_size(data: bytes, width: int, height: int) -> bytes:
    """The file with another size in its header, checksum included."""
    if _is_png(data):
        return data[:8] + png_chunk(b"IHDR", struct.pack(">II", width, height) + data[24:29]) + data[33:]
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height & 0xFFFF, width & 0xFFFF) + data[at + 4 :]


def with_part(data: bytes, part: bytes) -> bytes:
    """The file with a PNG chunk or a JPEG comment put behind its header."""
    if _is_png(data):
        return data[:33] + png_chunk(part[:4].ljust(4, b"a"), part[4:]) + data[33:]
    return data[:2] + b"\xff\xfe" + struct.pack(">H", len(part) + 2) + part + data[2:]


_PLACE = st.integers(0, 1 << 16)
_NOISE = st.binary(min_size=1, max_size=40)
_CLAIMS = st.sampled_from(((0, 16), (16, 0), (30_000, 30_000), (65_535, 65_535), (32_767, 1), (2**31 - 1, 1)))
_EXTENSIONS = st.sampled_from((".png", ".jpg"))


def _edit(edit: Callable[[bytes, Any], bytes]) -> Change:
    def change(message: Any, draw: Any) -> None:
        message.data = array.array("B", edit(bytes(message.data), draw))

    return change


def _flipped(data: bytes, draw: Any) -> bytes:
    """One bit, where there is one."""
    if not data:
        return data
    at, bit = draw(_PLACE) % len(data), draw(BYTE) % 8
    return data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]


def _overwritten(data: bytes, draw: Any) -> bytes:
    at, noise = draw(_PLACE) % (len(data) + 1), draw(_NOISE)
    return data[:at] + noise + data[at + len(noise) :]


def _claiming(data: bytes, draw: Any) -> bytes:
    """Only where the header is still there: other edits may have gone before."""
    return with_size(data, *draw(_CLAIMS)) if b"\xff\xc0" in data or _is_png(data[:20]) else data


def _repeated(data: bytes, draw: Any) -> bytes:
    """A stretch of the file several times: scans, chunks, whatever it cuts."""
    begin = draw(_PLACE) % (len(data) + 1)
    stretch = data[begin : begin + draw(BYTE)]
    return data[:begin] + stretch * (1 + draw(BYTE)) + data[begin:]


_DAMAGE = {USED, "data", "size", "format", "aspect"}
_FILE_CHANGES = Changes(
    HEADER_CHANGES
    | {
        "flipped bit": (_edit(_flipped), _DAMAGE),
        "overwritten": (_edit(_overwritten), _DAMAGE),
        "claimed size": (_edit(_claiming), _DAMAGE),
        "repeated": (_edit(_repeated), _DAMAGE),
        "part inserted": (_edit(lambda data, draw: with_part(data, draw(_NOISE))), _DAMAGE),
        "cut short": (shorter, _DAMAGE),
        "bytes behind the end": (longer, _DAMAGE),
        "no bytes": (setter("data", st.just(array.array("B"))), {"format"}),
        "other bytes": (setter("data", st.binary(max_size=80).map(lambda data: array.array("B", data))), _DAMAGE),
        "depth": (setter("format", st.just("16UC1; compressedDepth png")), {"compressed_depth"}),
        "format": (setter("format", TEXTS), {USED}),
        "mosaic": (setter("format", st.just("bayer_rggb8; png compressed ")), {USED}),
    }
)


@st.composite
def compressed_images(draw: Any, width: int, height: int) -> Case:
    """sensor_msgs/CompressedImage; sound ones have this size."""
    extension = draw(_EXTENSIONS)
    data = image_file(extension, width, height)
    message = CompressedImage(format=f"bgr8; {extension[1:]} compressed bgr8", data=array.array("B", data))
    return _FILE_CHANGES.applied(draw, message)


_SIZES = st.sampled_from(SIZES)


@st.composite
def frames(draw: Any, compressed: bool) -> tuple[Case, Case]:
    """An image and a camera_info, most often of one size."""
    size, other = draw(_SIZES), draw(_SIZES)
    if draw(BYTE) % 4:
        other = size
    image = draw(compressed_images(*size) if compressed else images(*size))
    info = draw(camera_infos(*other))
    return image, Case(info.message, info.changes, info.outcomes if other == size else info.outcomes | {"aspect"})
