"""cv_bridge as the decoder of raw images, where it is installed and can be trusted.

One that was built against another NumPy or OpenCV fails on import, or takes the process with it: it is compared with
`cinet_core.messages.images.decode_image` in a process of its own first, ``python -m cinet_ros.conversions.bridge``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import Image

from cinet_core.messages.encoding import IS_BIGENDIAN
from cinet_core.messages.errors import ConversionError
from cinet_core.messages.images import check_image, decode_image
from cinet_ros.conversions.ros_types import allocate

PIXEL_BYTES = {
    "rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1, "yuv422": 2, "yuv422_yuy2": 2,
    "rgb16": 6, "bgr16": 6, "rgba16": 8, "bgra16": 8, "mono16": 2,
    "bayer_rggb8": 1, "bayer_bggr8": 1, "bayer_gbrg8": 1, "bayer_grbg8": 1,
    "bayer_rggb16": 2, "bayer_bggr16": 2, "bayer_gbrg16": 2, "bayer_grbg16": 2,
}  # fmt: skip
"""Encodings that every release of cv_bridge converts to rgb8; what has another is decoded by `decode_image`."""

AGREES = "cv_bridge agrees"
HEIGHT, WIDTH = 12, 16
TOLERANCE = 2  # grey levels: two OpenCV versions may round YUV and mosaics differently
LIMIT = 60.0  # seconds

Decode = Callable[[Image], npt.NDArray[np.uint8]]


class Decoder(NamedTuple):
    """How images become (H, W, 3) uint8 RGB; `decode` raises ConversionError alone, the reason is for the log."""

    name: str
    reason: str
    decode: Decode


def choose_decoder(preference: str = "auto") -> Decoder:
    """Choose the decoder. Call it once at the start, since checking cv_bridge takes a second.

    Args:
        preference: "numpy" for this package's own; "cv_bridge" to insist on that; "auto" for cv_bridge where it
            passes its check, else "numpy".

    Raises:
        ValueError: another preference.
        ConversionError: "decoder": cv_bridge was asked for and failed its check.
    """
    if preference not in ("auto", "cv_bridge", "numpy"):
        raise ValueError(f"decoder is {preference!r}: one of auto, cv_bridge, numpy is needed")
    finding = "chosen by parameter" if preference == "numpy" else check_cv_bridge()
    if finding == AGREES:
        return Decoder("cv_bridge", finding, cv_bridge_decoder())
    if preference == "cv_bridge":
        raise ConversionError("decoder", f"{finding}; install a cv_bridge that fits, or choose auto or numpy")
    return Decoder("numpy", finding, decode_image)


def check_cv_bridge() -> str:
    """`AGREES`, or what is wrong with cv_bridge, found in a process that it may kill."""
    command = [sys.executable, "-m", "cinet_ros.conversions.bridge"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return f"cv_bridge's check did not end within {LIMIT:g} s"
    if done.returncode < 0:
        return f"importing cv_bridge ends the process with signal {-done.returncode}"
    return (done.stdout or done.stderr).strip().rpartition("\n")[2] or f"cv_bridge's check ended with {done.returncode}"


def cv_bridge_decoder() -> Decode:
    """Decode by cv_bridge what it gets right, and the rest by `decode_image`."""
    import cv_bridge

    convert = cv_bridge.CvBridge().imgmsg_to_cv2

    def decode(msg: Image) -> npt.NDArray[np.uint8]:
        check_image(msg)  # cv_bridge bounds nothing
        # It shears rows whose padding is no whole number of pixels, and fails on a foreign byte order under NumPy 2.
        tight = msg.step == msg.width * PIXEL_BYTES.get(msg.encoding, 0)
        if not tight or (msg.encoding.endswith("16") and bool(msg.is_bigendian) != IS_BIGENDIAN):
            return decode_image(msg)
        try:
            return np.ascontiguousarray(convert(msg, desired_encoding="rgb8"))
        except Exception as error:  # its C++ half raises whatever Boost makes of it
            raise ConversionError("decoder", f"cv_bridge failed on {msg.encoding}: {error}") from error

    return decode


def _compare() -> str:
    """Decode noise of every encoding by both."""
    try:
        decode = cv_bridge_decoder()
        for encoding, size in PIXEL_BYTES.items():
            msg = Image(height=HEIGHT, width=WIDTH, encoding=encoding, is_bigendian=IS_BIGENDIAN, step=WIDTH * size)
            msg.data = allocate(HEIGHT * msg.step)
            np.frombuffer(msg.data, np.uint8)[:] = np.random.default_rng(0).integers(0, 256, len(msg.data))
            difference = np.abs(np.subtract(decode(msg), decode_image(msg), dtype=np.int16)).max()
            if difference > TOLERANCE:
                return f"cv_bridge differs by {difference} grey levels for {encoding}"
    except ModuleNotFoundError as error:
        return "cv_bridge is not installed" if error.name == "cv_bridge" else f"cv_bridge fails on import: {error}"
    except Exception as error:  # an ABI mismatch shows as ImportError, AttributeError, SystemError, ...
        return f"cv_bridge fails: {type(error).__name__} {error}"
    return AGREES


if __name__ == "__main__":
    print(" ".join(_compare().split()))
