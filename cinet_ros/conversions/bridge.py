"""cv_bridge, where it can be trusted.

A cv_bridge that was built against another NumPy or OpenCV fails on import, or takes the whole process with it; so
it is imported and compared with :func:`~cinet_core.messages.images.decode_image` in a process of its own first.
``python -m cinet_ros.conversions.bridge`` is that process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import Image

from cinet_core.messages.encoding import IS_BIGENDIAN
from cinet_core.messages.errors import ConversionError
from cinet_core.messages.images import check_image, decode_image
from cinet_ros.conversions.ros_types import allocate

COMPARED = {
    "rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1, "yuv422": 2, "yuv422_yuy2": 2,
    "rgb16": 6, "bgr16": 6, "rgba16": 8, "bgra16": 8, "mono16": 2,
    "bayer_rggb8": 1, "bayer_bggr8": 1, "bayer_gbrg8": 1, "bayer_grbg8": 1,
    "bayer_rggb16": 2, "bayer_bggr16": 2, "bayer_gbrg16": 2, "bayer_grbg16": 2,
}  # fmt: skip
"""Encodings that go to cv_bridge, and bytes a pixel: those that every release converts to rgb8."""

PREFERENCES = ("auto", "cv_bridge", "numpy")

_PROBE_SIZE = (12, 16)
_TOLERANCE = 2  # grey levels: two OpenCV versions may round YUV and mosaics differently
_PROBE_SECONDS = 60.0
_AGREES = "cv_bridge agrees"


@dataclass(frozen=True)
class Decoder:
    """How images are decoded.

    Attributes:
        name: "cv_bridge" or "numpy".
        reason: why that one, for the log.
        decode: sensor_msgs/Image to (H, W, 3) uint8 RGB; raises ConversionError and nothing else.
    """

    name: str
    reason: str
    decode: Callable[[Image], npt.NDArray[np.uint8]]


def choose_decoder(preference: str = "auto") -> Decoder:
    """The decoder to use; decide once, at start: the check takes a second where cv_bridge is installed.

    Args:
        preference: "numpy" for this package's own; "cv_bridge" to insist on that; "auto" for cv_bridge where it
            imports and gives the same pictures, else "numpy".

    Raises:
        ValueError: another preference.
        ConversionError: "decoder": cv_bridge was asked for and failed its check.
    """
    if preference not in PREFERENCES:
        raise ValueError(f"decoder is {preference!r}: one of {', '.join(PREFERENCES)} is needed")
    if preference == "numpy":
        return Decoder("numpy", "chosen by parameter", decode_image)
    finding = probe_cv_bridge()
    if finding == _AGREES:
        return Decoder("cv_bridge", finding, _cv_bridge_decode())
    if preference == "cv_bridge":
        raise ConversionError("decoder", f"{finding}; install a cv_bridge that fits, or choose auto or numpy")
    return Decoder("numpy", finding, decode_image)


def probe_cv_bridge() -> str:
    """Import cv_bridge and compare it, in a process that it may kill: what was found, in a few words."""
    search_path = os.pathsep.join(entry for entry in sys.path if entry)
    try:
        outcome = subprocess.run(
            [sys.executable, "-m", "cinet_ros.conversions.bridge"],
            env={**os.environ, "PYTHONPATH": search_path},
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"cv_bridge's check did not end within {_PROBE_SECONDS:g} s"
    if outcome.returncode < 0:
        return f"importing cv_bridge ends the process with signal {-outcome.returncode}"
    last_line = (outcome.stdout.strip() or outcome.stderr.strip()).rpartition("\n")[2]
    return last_line or f"cv_bridge's check exited with {outcome.returncode}"


def _cv_bridge_decode() -> Callable[[Image], npt.NDArray[np.uint8]]:
    """Decoding by cv_bridge of what was compared, and by decode_image of the rest."""
    import cv_bridge

    convert = cv_bridge.CvBridge().imgmsg_to_cv2

    def decode(msg: Image) -> npt.NDArray[np.uint8]:
        check_image(msg)  # cv_bridge bounds nothing
        # It shears rows whose padding is no whole number of pixels, and fails on a foreign byte order under NumPy 2.
        tight = msg.step == msg.width * COMPARED.get(msg.encoding, 0)
        native = bool(msg.is_bigendian) == IS_BIGENDIAN or not msg.encoding.endswith("16")
        if not (tight and native):
            return decode_image(msg)
        try:
            return np.ascontiguousarray(convert(msg, desired_encoding="rgb8"))
        except Exception as error:  # its C++ half raises whatever Boost makes of it
            raise ConversionError("decoder", f"cv_bridge failed on {msg.encoding}: {error}") from error

    return decode


def _probe_message(encoding: str, bytes_per_pixel: int) -> Image:
    """A small picture of reproducible noise."""
    height, width = _PROBE_SIZE
    step = width * bytes_per_pixel
    msg = Image(height=height, width=width, encoding=encoding, is_bigendian=IS_BIGENDIAN, step=step)
    msg.data = allocate(height * step)
    noise = np.random.default_rng(len(encoding)).integers(0, 256, height * step, dtype=np.uint8)
    np.frombuffer(msg.data, dtype=np.uint8)[:] = noise
    return msg


def _compare() -> str:
    """What choose_decoder wants to know: agreement, or the first reason against cv_bridge."""
    try:
        decode = _cv_bridge_decode()
    except ModuleNotFoundError as error:
        if error.name == "cv_bridge":
            return "cv_bridge is not installed"
        return f"cv_bridge fails on import: {error}"
    except Exception as error:  # an ABI mismatch shows as ImportError, AttributeError, SystemError, ...
        return f"cv_bridge fails on import: {type(error).__name__} {error}"
    for encoding, bytes_per_pixel in COMPARED.items():
        msg = _probe_message(encoding, bytes_per_pixel)
        try:
            theirs = decode(msg)
        except ConversionError as error:
            return str(error)
        ours = decode_image(msg)
        if theirs.shape != ours.shape or theirs.dtype != ours.dtype:
            return f"cv_bridge gives {theirs.dtype} {theirs.shape} for {encoding}, not {ours.dtype} {ours.shape}"
        difference = int(np.abs(theirs.astype(np.int16) - ours).max())
        if difference > _TOLERANCE:
            return f"cv_bridge differs by {difference} grey levels for {encoding}"
    return _AGREES


if __name__ == "__main__":
    print(" ".join(_compare().split()))
