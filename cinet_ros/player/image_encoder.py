"""Encodes RGB images as `sensor_msgs` images of any common encoding, as a camera driver would send them.

A message is allocated once for a size and filled through NumPy: assigning `data` copies, or checks every element.
"""

from __future__ import annotations

import array
from collections.abc import Callable

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

# ITU-R BT.601, limited range: what OpenCV and camera drivers mean by YUV. Rows: Y, U, V of (R, G, B, 1), all 0..255.
_BT601 = np.array(
    [
        [65.481 / 255, 128.553 / 255, 24.966 / 255, 16.0],
        [-37.797 / 255, -74.203 / 255, 112.0 / 255, 128.0],
        [112.0 / 255, -93.786 / 255, -18.214 / 255, 128.0],
    ]
)
# Channel (R 0, G 1, B 2) at each place of the 2 x 2 mosaic, left to right, top to bottom.
_BAYER = {
    f"bayer_{pattern}8": tuple("rgb".index(letter) for letter in pattern)
    for pattern in ("rggb", "bggr", "gbrg", "grbg")
}
_CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "yuv422": 2, "yuv422_yuy2": 2}
_PLANAR = ("nv12", "nv21")

RAW_ENCODINGS = (*_CHANNELS, "mono8", "mono16", *_BAYER, *_PLANAR)


class ImageEncoder:
    """Encodes RGB images into one reused `Image` message.

    Args:
        encoding: one of `RAW_ENCODINGS`.
        step_padding: bytes after the pixels of each row.
        big_endian: byte order of the 16-bit encoding.

    Raises:
        ValueError: unknown encoding.
    """

    def __init__(self, encoding: str, step_padding: int = 0, big_endian: bool = False) -> None:
        if encoding not in RAW_ENCODINGS:
            raise ValueError(f"encoding {encoding!r} is not one of {', '.join(RAW_ENCODINGS)}")
        self.encoding = encoding
        self._padding = step_padding
        self._big_endian = big_endian
        self._message = Image(encoding=encoding, is_bigendian=int(big_endian))

    def encode(self, rgb: np.ndarray) -> Image:
        """Return an (H, W, 3) uint8 RGB image as a message: always the same object, whose header is not changed.

        Raises:
            ValueError: the encoding shares colour between pixels and the size is odd.
        """
        height, width = rgb.shape[:2]
        self._allocate(height, width)
        if self.encoding in _BAYER:
            self._fill_bayer(rgb)
        elif self.encoding in _PLANAR:
            self._fill_planar(rgb)
        elif self.encoding.startswith("yuv422"):
            self._fill_yuv422(rgb)
        elif self.encoding == "mono16":
            # 257 = 65535 / 255 maps full scale to full scale
            np.multiply(_gray(rgb), np.uint16(257), out=self._pixels(16), casting="unsafe")
        else:
            self._pixels()[...] = _PACKED[self.encoding](rgb)
        return self._message

    def _allocate(self, height: int, width: int) -> None:
        message = self._message
        if (message.height, message.width) == (height, width):
            return
        if width % 2 and (self.encoding in _PLANAR or self.encoding.startswith("yuv422")):
            raise ValueError(f"{self.encoding} needs an even width, and this image is {width} wide; use rgb8")
        if height % 2 and self.encoding in _PLANAR:
            raise ValueError(f"{self.encoding} needs an even height, and this image is {height} high; use rgb8")
        bytes_per_pixel = 2 if self.encoding == "mono16" else _CHANNELS.get(self.encoding, 1)
        rows = height * 3 // 2 if self.encoding in _PLANAR else height
        message.height, message.width = height, width
        message.step = width * bytes_per_pixel + self._padding
        message.data = array.array("B", bytes(rows * message.step))

    def _pixels(self, bits: int = 8) -> np.ndarray:
        """View (rows, W[, C]) of the message's data without the padding."""
        message, channels = self._message, _CHANNELS.get(self.encoding, 1)
        dtype = np.dtype(f"{'>' if self._big_endian else '<'}u{bits // 8}")
        rows = len(message.data) // message.step
        view = np.ndarray(
            (rows, message.width, channels),
            dtype,
            buffer=message.data,
            strides=(message.step, channels * dtype.itemsize, dtype.itemsize),
        )
        return view[:, :, 0] if channels == 1 else view

    def _fill_bayer(self, rgb: np.ndarray) -> None:
        mosaic = self._pixels()
        for place, channel in enumerate(_BAYER[self.encoding]):
            rows, columns = slice(place // 2, None, 2), slice(place % 2, None, 2)
            mosaic[rows, columns] = rgb[rows, columns, channel]

    def _fill_yuv422(self, rgb: np.ndarray) -> None:
        height, width = rgb.shape[:2]
        yuv = cv2.transform(rgb, _BT601)
        chroma = cv2.resize(yuv[:, :, 1:], (width // 2, height), interpolation=cv2.INTER_AREA)
        luma_at, chroma_at = (1, 0) if self.encoding == "yuv422" else (0, 1)
        pixels = self._pixels()
        pixels[:, :, luma_at] = yuv[:, :, 0]
        pixels[:, 0::2, chroma_at] = chroma[:, :, 0]
        pixels[:, 1::2, chroma_at] = chroma[:, :, 1]

    def _fill_planar(self, rgb: np.ndarray) -> None:
        height, width = rgb.shape[:2]
        yuv = cv2.transform(rgb, _BT601)
        chroma = cv2.resize(yuv[:, :, 1:], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        planes = self._pixels()
        planes[:height] = yuv[:, :, 0]
        u_at, v_at = (0, 1) if self.encoding == "nv12" else (1, 0)
        planes[height:, u_at::2] = chroma[:, :, 0]
        planes[height:, v_at::2] = chroma[:, :, 1]


class CompressedEncoder:
    """Encodes RGB images into one reused `CompressedImage` message.

    Args:
        kind: ``jpeg`` or ``png``.
        jpeg_quality: 1..100.

    Raises:
        ValueError: unknown kind.
    """

    def __init__(self, kind: str = "jpeg", jpeg_quality: int = 90) -> None:
        if kind not in ("jpeg", "png"):
            raise ValueError(f"compressed format {kind!r} is not one of jpeg, png")
        self._suffix = f".{kind}"
        self._options = [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality] if kind == "jpeg" else []
        # the form image_transport writes: encoding of the source; what is in the data
        self._message = CompressedImage(format=f"rgb8; {kind} compressed bgr8")

    def encode(self, rgb: np.ndarray) -> CompressedImage:
        """Return an (H, W, 3) uint8 RGB image as a message: always the same object, whose header is not changed."""
        _, data = cv2.imencode(self._suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), self._options)
        # an array.array is taken as it is on every distribution
        self._message.data = array.array("B", data.tobytes())
        return self._message


def _gray(rgb: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)


def _convert(code: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda rgb: cv2.cvtColor(rgb, code)


_PACKED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "rgb8": lambda rgb: rgb,
    "bgr8": _convert(cv2.COLOR_RGB2BGR),
    "rgba8": _convert(cv2.COLOR_RGB2RGBA),
    "bgra8": _convert(cv2.COLOR_RGB2BGRA),
    "mono8": _gray,
}
