"""Compressed images: what image_transport's subscribers make of them, and what our own readers do."""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from cinet_core.messages.compressed import decode_compressed
from cinet_core.messages.compression import FARTHEST, compress_depth, compress_jpeg, compress_png
from cinet_core.messages.encoding import ImageBuffer
from cinet_core.messages.errors import ConversionError
from cinet_core.messages.planes import read_compressed_depth, read_compressed_labels
from cinet_ros.conversions.ros_types import ROS_TYPES

HEIGHT, WIDTH = 48, 64
HEADER = Header(frame_id="camera_optical_frame")
HEADER.stamp.sec = 7
# Of the plugin's default depth_quantization, and of the depth_max in the header.
A = 100.0 * 101.0
B = 1.0 - A / FARTHEST


def filled(encoding: str, pixels: np.ndarray) -> ImageBuffer:
    """The raw message, as the node fills it."""
    buffer = ImageBuffer(ROS_TYPES, encoding, *pixels.shape[:2])
    if encoding in ("32FC1", "16UC1") and pixels.dtype == np.float32:
        buffer.fill_depth(pixels, HEADER)
    else:
        buffer.fill(pixels, HEADER)
    return buffer


def compressed(compress: Any, encoding: str, pixels: np.ndarray, effort: int = 1) -> tuple[CompressedImage, np.ndarray]:
    """The compressed message, and the raw pixels that it is of."""
    buffer = filled(encoding, pixels)
    message = compress(ROS_TYPES, buffer.message, buffer.array, effort)
    assert message.header == HEADER
    return message, buffer.array


def subscribed(message: CompressedImage) -> Image:
    """What compressed_image_transport's subscriber hands on, by its own rules (Humble to Rolling)."""
    pixels = cv2.imdecode(np.frombuffer(bytes(message.data), np.uint8), cv2.IMREAD_UNCHANGED)
    encoding = message.format[: message.format.index(";")]
    if encoding == "rgb8":
        assert "compressed bgr" in message.format
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return Image(
        header=message.header,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        step=pixels[0].nbytes,
        data=pixels.tobytes(),
    )


def rgb_image() -> np.ndarray:
    """Smooth (H, W, 3), with a red left half, so that swapped channels show."""
    coarse = np.random.default_rng(0).integers(30, 226, (3, 4, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    smooth[:, : WIDTH // 2] = (220, 30, 10)
    return smooth


def labels() -> np.ndarray:
    return np.random.default_rng(1).choice(np.array([0, 7, 39, 255], np.uint8), (HEIGHT, WIDTH))


@pytest.mark.parametrize("encoding", ["mono8", "16SC1", "16UC1"])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_labels_come_back_bit_for_bit_in_every_encoding(encoding: str, level: int) -> None:
    message, raw = compressed(compress_png, encoding, labels(), level)
    assert message.format == f"{encoding}; png compressed "
    got = subscribed(message)
    assert (got.encoding, got.step, bytes(got.data)) == (encoding, raw[0].nbytes, raw.tobytes())
    np.testing.assert_array_equal(read_compressed_labels(message), labels())


def test_labels_in_a_jpeg_are_refused() -> None:
    message, _ = compressed(compress_jpeg, "rgb8", rgb_image())
    with pytest.raises(ConversionError, match="JPEG blends") as caught:
        read_compressed_labels(message)
    assert caught.value.reason == "format"


def test_colours_of_classes_come_back_exactly() -> None:
    message, raw = compressed(compress_png, "rgb8", rgb_image())
    assert message.format == "rgb8; png compressed bgr8"
    np.testing.assert_array_equal(decode_compressed(message), raw)
    assert bytes(subscribed(message).data) == raw.tobytes()


def test_jpeg_keeps_the_order_of_the_channels_and_quality_decides_on_size() -> None:
    message, raw = compressed(compress_jpeg, "rgb8", rgb_image(), 90)
    assert message.format == "rgb8; jpeg compressed bgr8"
    got = decode_compressed(message)
    assert np.abs(got[:, : WIDTH // 2 - 16].astype(int) - raw[:, : WIDTH // 2 - 16]).max() <= 3
    assert np.abs(got.astype(int) - raw).mean() < 5.0
    assert bytes(subscribed(message).data) == got.tobytes()
    poor, _ = compressed(compress_jpeg, "rgb8", rgb_image(), 10)
    assert len(poor.data) < 0.9 * len(message.data), "the headers alone are 600 bytes"


def depths() -> np.ndarray:
    """(H, W) float32 metres from 16 cm to 60 m, with everything that is none."""
    depth = np.geomspace(0.16, 60.0, HEIGHT * WIDTH).astype(np.float32).reshape(HEIGHT, WIDTH)
    depth[0, :5] = (np.nan, np.inf, -np.inf, 0.0, -1.0)
    return depth


def test_depth_in_metres_is_the_plugin_s_inverse_depth() -> None:
    depth = depths()
    message, _ = compressed(compress_depth, "32FC1", depth)
    assert message.format == "32FC1; compressedDepth png"
    data = bytes(message.data)
    kind, a, b = struct.unpack_from("<iff", data)
    assert (kind, a, b) == (0, A, pytest.approx(B, rel=1e-6))
    stored = cv2.imdecode(np.frombuffer(data[12:], np.uint8), cv2.IMREAD_UNCHANGED)
    assert stored.dtype == np.uint16
    # `*itDepthImg < depthMax ? depthQuantA / *itDepthImg + depthQuantB : 0`, in floats, cut off to unsigned short
    valid = np.isfinite(depth) & (depth > 0)
    expected = [int(np.float32(np.float32(a) / one) + np.float32(b)) for one in depth[valid]]
    assert stored[valid].tolist() == expected
    assert not stored[~valid].any()


def test_the_error_of_depth_is_that_of_the_quantisation() -> None:
    depth = depths()
    message, _ = compressed(compress_depth, "32FC1", depth)
    got = read_compressed_depth(message)
    valid = np.isfinite(depth) & (depth > 0)
    np.testing.assert_array_equal(np.isfinite(got), valid)
    error, true = (got[valid] - depth[valid]).astype(np.float64), depth[valid].astype(np.float64)
    assert (error >= -1e-6 * true).all(), "the number is cut off, so that depth is never too small"
    assert (error <= true**2 / (A - true) + 1e-5 * true).all()
    assert error.max() > 0.2, "and at 60 m that is some decimetres, so the bound is one"
    assert error[true < 2.0].max() < 0.0005


@pytest.mark.parametrize(("depth", "read"), [(0.05, A / (65535 - B)), (0.1, A / (65535 - B)), (999.0, 1000.0)])
def test_depth_out_of_reach_is_the_nearest_that_can_be_said(depth: float, read: float) -> None:
    message, _ = compressed(compress_depth, "32FC1", np.full((2, 2), depth, np.float32))
    assert read_compressed_depth(message) == pytest.approx(read, rel=0.12)


@pytest.mark.parametrize("depth", [1000.0, 5000.0, 3e38])
def test_depth_beyond_the_farthest_is_invalid(depth: float) -> None:
    message, _ = compressed(compress_depth, "32FC1", np.full((2, 2), depth, np.float32))
    assert np.isnan(read_compressed_depth(message)).all()


def test_millimetres_come_back_as_they_are() -> None:
    message, raw = compressed(compress_depth, "16UC1", depths())
    assert message.format == "16UC1; compressedDepth png"
    stored = cv2.imdecode(np.frombuffer(bytes(message.data)[12:], np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(stored, raw)
    expected = np.where(raw == 0, np.nan, raw.astype(np.float32) / 1000)
    np.testing.assert_allclose(read_compressed_depth(message), expected, rtol=1e-6)
