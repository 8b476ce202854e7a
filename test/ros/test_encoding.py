"""Output images: bytes as a plain encoder would write them, and memory that is really reused."""

import struct

import numpy as np
import pytest
from std_msgs.msg import Header

from cinet_core.messages.colors import LabelPainter, pack_rgb, unpack_rgb
from cinet_core.messages.encoding import ImageBuffer
from cinet_core.messages.errors import ConversionError
from cinet_core.messages.images import decode_image
from cinet_ros.conversions.ros_types import ROS_TYPES


def header(seconds=3):
    value = Header(frame_id="camera_optical")
    value.stamp.sec = seconds
    return value


@pytest.mark.parametrize(
    ("encoding", "code", "channels"),
    [("mono8", "B", 1), ("16SC1", "h", 1), ("16UC1", "H", 1), ("32FC1", "f", 1), ("rgb8", "B", 3)],
)
def test_bytes_of_each_encoding(encoding, code, channels):
    height, width = 3, 5
    buffer = ImageBuffer(ROS_TYPES, encoding, height, width)
    numbers = np.arange(height * width * channels) * 5
    msg = buffer.fill(numbers.reshape(buffer.array.shape), header())
    assert msg is buffer.message
    assert bytes(msg.data) == struct.pack(f"={numbers.size}{code}", *numbers.tolist())
    assert (msg.height, msg.width, msg.encoding) == (height, width, encoding)
    assert msg.step == width * channels * struct.calcsize(code)
    assert msg.is_bigendian == (struct.pack("=H", 1) == b"\0\1")
    assert (msg.header.frame_id, msg.header.stamp.sec) == ("camera_optical", 3)


def test_the_message_is_reused_and_the_array_writes_into_it():
    buffer = ImageBuffer(ROS_TYPES, "mono8", 4, 4)
    data = buffer.message.data
    buffer.fill(np.full((4, 4), 7, np.uint8), header(1))
    buffer.array[0, 1] = 200
    buffer.message.header = header(2)
    assert buffer.message.data is data
    assert list(data[:3]) == [7, 200, 7]
    assert np.shares_memory(np.frombuffer(buffer.message.data, np.uint8), buffer.array)


def test_rgb_survives_the_way_back():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decode_image(ImageBuffer(ROS_TYPES, "rgb8", 5, 7).fill(image, header())), image)


def test_label_255_stays_255_in_every_label_encoding():
    labels = np.array([[0, 39, 255]], dtype=np.uint8)
    for encoding in ("mono8", "16SC1", "16UC1"):
        buffer = ImageBuffer(ROS_TYPES, encoding, 1, 3)
        buffer.fill(labels, header())
        assert buffer.array.tolist() == [[0, 39, 255]]


DEPTHS = [1.0, np.nan, 0.0, -2.0, np.inf, -np.inf, 0.0004, 0.0006, 1.2346, 65.535, 65.6, 1e30]


def test_depth_in_metres_keeps_nan():
    depth = np.array([DEPTHS], dtype=np.float32)
    buffer = ImageBuffer(ROS_TYPES, "32FC1", 1, len(DEPTHS))
    buffer.fill_depth(depth, header())
    np.testing.assert_array_equal(buffer.array, depth)


def test_depth_in_millimetres():
    buffer = ImageBuffer(ROS_TYPES, "16UC1", 1, len(DEPTHS))
    depth = np.array([DEPTHS], dtype=np.float32)
    for _ in range(2):  # the second time in used memory
        buffer.fill_depth(depth, header())
        assert buffer.array.tolist() == [[1000, 0, 0, 0, 0, 0, 0, 1, 1235, 65535, 65535, 65535]]
    np.testing.assert_array_equal(depth, np.array([DEPTHS], dtype=np.float32))  # the input is not touched


def test_refusals():
    with pytest.raises(ValueError, match="32FC1"):
        ImageBuffer(ROS_TYPES, "64FC1", 4, 4)
    with pytest.raises(ConversionError, match="0x4"):
        ImageBuffer(ROS_TYPES, "mono8", 4, 0)
    with pytest.raises(ValueError, match="mono8"):
        ImageBuffer(ROS_TYPES, "mono8", 1, 1).fill_depth(np.ones((1, 1), np.float32), header())
    with pytest.raises(ValueError, match="broadcast"):
        ImageBuffer(ROS_TYPES, "mono8", 2, 3).fill(np.zeros((3, 2), np.uint8), header())


def test_packed_colors():
    rgb = np.random.default_rng(1).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    packed = pack_rgb(rgb)
    for v in range(3):
        for u in range(4):
            r, g, b = (int(value) for value in rgb[v, u])
            assert packed[v, u] == (r << 16) | (g << 8) | b
    out = np.zeros_like(rgb)
    assert unpack_rgb(packed, out) is out
    np.testing.assert_array_equal(out, rgb)


def test_painted_labels_have_the_palette_s_exact_colors():
    palette = np.random.default_rng(2).integers(0, 256, (256, 3), dtype=np.uint8)
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    buffer = ImageBuffer(ROS_TYPES, "rgb8", 16, 16)
    unpack_rgb(LabelPainter(palette).packed(labels), buffer.array)
    np.testing.assert_array_equal(buffer.array, palette[labels])
    assert bytes(buffer.message.data) == palette.tobytes()
    with pytest.raises(ValueError, match="256"):
        LabelPainter(palette[:40])
