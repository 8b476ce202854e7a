"""Decodes one-channel images: depth, raw or compressed, and labels."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.label_sets import UNLABELLED
from cinet_core.messages.containers import PNG_MAGIC, corrupted, inspect
from cinet_core.messages.errors import ConversionError, check_size, quoted
from cinet_core.messages.fields import CompressedImageFields, ImageFields

__all__ = [
    "DEPTH_TYPES",
    "QUANTISATION_BYTES",
    "read_compressed_depth",
    "read_compressed_labels",
    "read_depth",
    "read_labels",
    "read_plane",
]

MILLIMETRE = np.float32(0.001)

DEPTH_TYPES = {"32FC1": "f4", "16UC1": "u2", "mono16": "u2"}
"""Encodings of depth; some drivers call millimetres mono16."""

LABEL_TYPES = {"mono8": "u1", "8UC1": "u1", "16SC1": "i2", "16UC1": "u2"}

_QUANTISATION = struct.Struct("<iff")  # of compressed_depth_image_transport, before the PNG
QUANTISATION_BYTES = _QUANTISATION.size


def read_depth(msg: ImageFields) -> npt.NDArray[np.float32]:
    """(H, W) metres, NaN where invalid, of 32FC1 (metres) or 16UC1 (millimetres, 0 invalid), as REP 118 has them.

    Raises:
        ConversionError: "encoding", "size" or "data".
    """
    return _metres(read_plane(msg, DEPTH_TYPES, "depth"))


def read_compressed_depth(msg: CompressedImageFields) -> npt.NDArray[np.float32]:
    """(H, W) metres, NaN where invalid, of depth in a PNG: millimetres, or as compressed_depth_image_transport has it.

    Read are "16UC1; compressedDepth png" and "32FC1; compressedDepth png", whose PNG lies behind 12 bytes; and
    "16UC1; png compressed " and other 16-bit grey PNG, as compressed_image_transport makes them of 16UC1 and mono16.
    The second kind comes as quantised inverse depth: ``depth = a / (value - b)`` with a and b in the 12 bytes.

    Raises:
        ConversionError: "format" (no depth, or not in a PNG), "size" or "data".
    """
    encoding, _, codec = msg.format.partition(";")
    data = bytes(msg.data)
    behind = QUANTISATION_BYTES if "compresseddepth" in codec.lower() else 0
    container = inspect(data[behind:])
    if container is None or not container.data.startswith(PNG_MAGIC):
        raise ConversionError(
            "format",
            f"format is {quoted(msg.format)}: of compressed depth only PNG is read ('16UC1; compressedDepth png', "
            "'32FC1; compressedDepth png', '16UC1; png compressed '); record the raw depth images",
        )
    if (container.channels, container.bits) != (1, 16):
        raise corrupted(data, f"no 16-bit grey PNG: it has {container.channels} channels of {container.bits} bits")
    try:
        stored = cv2.imdecode(np.frombuffer(container.data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise corrupted(data, str(error)) from error
    if stored is None or stored.ndim != 2 or stored.dtype != np.uint16:
        raise corrupted(data, "it is no 16-bit grey PNG")
    if not behind or encoding.strip() != "32FC1":
        return _metres(stored)
    _, a, b = _QUANTISATION.unpack_from(data)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.float32(a) / (stored.astype(np.float32) - np.float32(b))
    depth[stored == 0] = np.nan
    return _metres(depth)


def read_labels(msg: ImageFields) -> npt.NDArray[np.uint8]:
    """(H, W) class ids, 255 where there is none; whatever does not fit in 8 bits is none.

    Raises:
        ConversionError: "encoding", "size" or "data".
    """
    return _ids(read_plane(msg, LABEL_TYPES, "label"))


def read_compressed_labels(msg: CompressedImageFields) -> npt.NDArray[np.uint8]:
    """(H, W) class ids, 255 where there is none, of a grey PNG of 8 or 16 bits, as ``semantic/image_raw/compressed``.

    Raises:
        ConversionError: "format" (no PNG of one channel), "size" or "data".
    """
    data = bytes(msg.data)
    container = inspect(data)
    if container is None or "jpeg" in msg.format.lower():
        raise ConversionError(
            "format",
            f"format is {quoted(msg.format)}: labels are read of a grey PNG only, since JPEG blends numbers of classes",
        )
    try:
        stored = cv2.imdecode(np.frombuffer(container.data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise corrupted(data, str(error)) from error
    if stored is None or stored.ndim != 2:
        raise corrupted(data, "it is no grey PNG")
    return _ids(stored)


def read_plane(msg: ImageFields, types: Mapping[str, str], what: str) -> npt.NDArray[Any]:
    """(H, W) of a one-channel image in this machine's byte order: a view where possible, rows ``step`` bytes apart.

    Args:
        msg: the image.
        types: encodings that are taken, and NumPy's names of their numbers.
        what: how errors call it.

    Raises:
        ConversionError: "encoding", "size" or "data".
    """
    if msg.encoding not in types:
        raise ConversionError(
            "encoding", f"{what} image has the encoding {quoted(msg.encoding)}; publish one of {', '.join(types)}"
        )
    check_size(msg.width, msg.height, f"{what} image")
    itemsize = np.dtype(types[msg.encoding]).itemsize
    if msg.step < msg.width * itemsize or len(msg.data) < msg.height * msg.step:
        raise ConversionError(
            "data",
            f"{what} image of {msg.width}x{msg.height} {msg.encoding} has step {msg.step} and {len(msg.data)} bytes: "
            f"{msg.width * itemsize} bytes a row and {msg.height} rows of step bytes are needed; look at the publisher",
        )
    order = ">" if msg.is_bigendian else "<"
    stored: npt.NDArray[Any] = np.ndarray(
        (msg.height, msg.width), np.dtype(f"{order}{types[msg.encoding]}"), msg.data, strides=(msg.step, itemsize)
    )
    return stored.astype(stored.dtype.newbyteorder("="), copy=False)


def _ids(stored: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    if stored.dtype == np.uint8:
        return stored
    return np.where((stored >= 0) & (stored < UNLABELLED), stored, UNLABELLED).astype(np.uint8)


def _metres(stored: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """A copy in metres: whole numbers are millimetres; NaN where it is no depth."""
    depth = stored.astype(np.float32)
    if stored.dtype.kind == "u":
        depth *= MILLIMETRE
    depth[~((depth > 0) & (depth < np.inf))] = np.nan
    return depth
