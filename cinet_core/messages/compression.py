"""Images as sensor_msgs/CompressedImage, byte for byte what image_transport's plugins would make of them.

Formats as in compressed_image_transport and compressed_depth_image_transport (Humble to Rolling), so that their
subscribers, and all that reads like them, get the raw image back:

=====================  =========================================================================================
``mono8``, ``16UC1``   ``"<encoding>; png compressed "``: the numbers as they are; the trailing space is theirs
``rgb8``               ``"rgb8; png compressed bgr8"`` or ``"rgb8; jpeg compressed bgr8"``
depth, ``32FC1``       ``"32FC1; compressedDepth png"``: inverse depth in 16 bits, see :func:`compress_depth`
depth, ``16UC1``       ``"16UC1; compressedDepth png"``: millimetres as they are
=====================  =========================================================================================
"""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.messages.fields import MessageTypes

__all__ = ["FARTHEST", "compress_depth", "compress_jpeg", "compress_png"]

DEPTH_QUANTISATION = 100.0
"""The plugin's default of ``depth_quantization``: neighbouring values are depth^2 / 10100 metres apart."""

FARTHEST = 1000.0
"""Metres; from here on depth is invalid in the inverse form. The plugin's default is 10, which saves nothing: only the
distance between two values takes bits, and it does not depend on this."""

_INVERSE_DEPTH = 0
_HEADER = struct.Struct("<iff")  # ConfigHeader: what follows, and its parameters a and b
_MOST = 65535


def compress_png(types: MessageTypes, image: Any, pixels: npt.NDArray[Any], level: int) -> Any:
    """An image without loss, of mono8, rgb8, 16UC1 or 16SC1.

    Args:
        types: that the message is of.
        image: sensor_msgs/Image that holds the pixels: gives header and encoding.
        pixels: (H, W), or (H, W, 3) of rgb8, as they are in the image.
        level: of zlib, 0 .. 9.

    Returns:
        sensor_msgs/CompressedImage.
    """
    color = pixels.ndim == 3
    if pixels.dtype == np.int16:
        pixels = pixels.view(np.uint16)  # the same bits; OpenCV would make 8 of 16 signed ones
    data = _encoded(".png", _bgr(pixels), [cv2.IMWRITE_PNG_COMPRESSION, level])
    return _message(types, image, f"{image.encoding}; png compressed {'bgr8' if color else ''}", data)


def compress_jpeg(types: MessageTypes, image: Any, pixels: npt.NDArray[Any], quality: int) -> Any:
    """An image of rgb8 with loss.

    Args:
        types: that the message is of.
        image: sensor_msgs/Image that holds the pixels: gives header and encoding.
        pixels: (H, W, 3) uint8 RGB.
        quality: 1 .. 100.

    Returns:
        sensor_msgs/CompressedImage.
    """
    data = _encoded(".jpg", _bgr(pixels), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return _message(types, image, f"{image.encoding}; jpeg compressed bgr8", data)


def compress_depth(types: MessageTypes, image: Any, pixels: npt.NDArray[Any], level: int) -> Any:
    """A depth image.

    16UC1 is kept as it is. Of 32FC1 the inverse is kept, ``value = floor(a / depth + b)`` with ``a = q (q + 1)``,
    ``b = 1 - a / FARTHEST`` and q = :data:`DEPTH_QUANTISATION`; 0 is invalid. Read back as ``a / (value - b)`` depth is
    too large by at most ``depth^2 / (a - depth)``: 0.4 mm at 2 m, 1 cm at 10 m. Nearer than ``a / (65535 - b)``,
    15.4 cm, it comes back as that (the plugin lets the number overflow); from FARTHEST on it is invalid.

    Args:
        types: that the message is of.
        image: sensor_msgs/Image that holds the pixels: gives header and encoding.
        pixels: (H, W) float32 metres with NaN for invalid, or uint16 millimetres with 0.
        level: of zlib, 0 .. 9.

    Returns:
        sensor_msgs/CompressedImage.
    """
    a = b = np.float32(0.0)
    if pixels.dtype == np.float32:
        a = np.float32(DEPTH_QUANTISATION) * (np.float32(DEPTH_QUANTISATION) + np.float32(1.0))
        b = np.float32(1.0) - a / np.float32(FARTHEST)
        pixels = _inverse(pixels, a, b)
    data = _encoded(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, level])
    header = np.frombuffer(_HEADER.pack(_INVERSE_DEPTH, float(a), float(b)), dtype=np.uint8)
    return _message(types, image, f"{image.encoding}; compressedDepth png", header, data)


def _inverse(depth: npt.NDArray[np.float32], a: np.float32, b: np.float32) -> npt.NDArray[np.uint16]:
    with np.errstate(divide="ignore", over="ignore"):
        value = np.divide(a, depth)
    value += b
    known = (depth > 0) & (depth < np.float32(FARTHEST))  # neither where it is NaN
    value[~known] = 0.0
    return np.minimum(value, np.float32(_MOST), out=value).astype(np.uint16)  # which cuts off, as the plugin does


def _bgr(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)


def _encoded(suffix: str, pixels: npt.NDArray[Any], options: list[int]) -> npt.NDArray[np.uint8]:
    done, data = cv2.imencode(suffix, pixels, options)
    if not done:  # out of memory, or a build of OpenCV without this codec
        raise RuntimeError(f"OpenCV {cv2.__version__} cannot encode {pixels.dtype} {pixels.shape} as {suffix}")
    return np.asarray(data, dtype=np.uint8).reshape(-1)


def _message(types: MessageTypes, image: Any, text: str, *parts: npt.NDArray[np.uint8]) -> Any:
    data = types.allocate(sum(len(part) for part in parts))
    np.concatenate(parts, out=np.frombuffer(data, dtype=np.uint8))
    return types.compressed_image(header=image.header, format=text, data=data)
