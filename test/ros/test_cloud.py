"""The point cloud, read back byte by byte as a foreign subscriber would."""

import math
import struct

import numpy as np
import pytest
from sensor_msgs.msg import PointField
from std_msgs.msg import Header

from cinet_core.geometry import Intrinsics
from cinet_core.messages.cloud import CloudBuffer
from cinet_core.messages.colors import pack_rgb
from cinet_ros.conversions.ros_types import ROS_TYPES

HEIGHT, WIDTH = 5, 7
CAMERA = Intrinsics(6.0, 5.0, 3.2, 1.9, WIDTH, HEIGHT)


def frame():
    random = np.random.default_rng(4)
    depth = random.uniform(0.5, 4.0, (HEIGHT, WIDTH)).astype(np.float32)
    depth[0, 0], depth[1, 2], depth[2, 3], depth[4, 6] = np.nan, 0.0, np.inf, -1.0
    rgb = random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    labels = random.integers(0, 40, (HEIGHT, WIDTH), dtype=np.uint8)
    labels[3, 3] = 255
    return depth, rgb, labels, random.integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)


def points(msg):
    """Every point as a dictionary, unpacked by the message's own description; rgb as its bits."""
    codes = {PointField.FLOAT32: "f", PointField.UINT32: "I"}
    out = []
    for row in range(msg.height):
        for column in range(msg.width):
            start = row * msg.row_step + column * msg.point_step
            point = {}
            for field in msg.fields:
                code = "I" if field.name == "rgb" else codes[field.datatype]
                point[field.name] = struct.unpack_from(f"={code}", msg.data, start + field.offset)[0]
            out.append(point)
    return np.array(out, dtype=object).reshape(msg.height, msg.width)


def expected(depth, rgb, labels, confidence, v, u, wanted=True):
    z = float(depth[v, u])
    if not (wanted and math.isfinite(z) and z > 0):
        z = math.nan
    return {
        "x": (u - CAMERA.cx) / CAMERA.fx * z,
        "y": (v - CAMERA.cy) / CAMERA.fy * z,
        "z": z,
        "rgb": int(rgb[v, u, 0]) << 16 | int(rgb[v, u, 1]) << 8 | int(rgb[v, u, 2]),
        "label": int(labels[v, u]),
        "confidence": float(confidence[v, u]) / 255.0,
    }


def test_layout_of_the_contract():
    msg = CloudBuffer(ROS_TYPES, HEIGHT, WIDTH).message
    layout = [(field.name, field.offset, field.datatype, field.count) for field in msg.fields]
    f, u = PointField.FLOAT32, PointField.UINT32
    assert layout == [
        ("x", 0, f, 1), ("y", 4, f, 1), ("z", 8, f, 1), ("rgb", 16, f, 1), ("label", 20, u, 1), ("confidence", 24, f, 1)
    ]  # fmt: skip
    assert (msg.height, msg.width, msg.point_step, msg.row_step) == (HEIGHT, WIDTH, 32, WIDTH * 32)
    assert len(msg.data) == HEIGHT * WIDTH * 32
    assert not msg.is_dense
    assert msg.is_bigendian == (struct.pack("=H", 1) == b"\0\1")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("decimation", [1, 2, 3, 9])
def test_every_point_of_every_field(decimation, packed):
    depth, rgb, labels, confidence = frame()
    buffer = CloudBuffer(ROS_TYPES, HEIGHT, WIDTH, decimation)
    data = buffer.message.data
    header = Header(frame_id="camera_optical")
    for _ in range(2):  # the second time over what the first wrote
        msg = buffer.fill(depth, CAMERA, pack_rgb(rgb) if packed else rgb, labels, confidence, header)
    assert msg is buffer.message
    assert msg.data is data
    assert msg.header.frame_id == "camera_optical"
    found = points(msg)
    assert found.shape == (math.ceil(HEIGHT / decimation), math.ceil(WIDTH / decimation))
    for row in range(msg.height):
        for column in range(msg.width):
            reference = expected(depth, rgb, labels, confidence, row * decimation, column * decimation)
            assert found[row, column] == pytest.approx(reference, rel=1e-6, nan_ok=True)


def test_a_nan_point_does_not_come_back_in_the_next_frame():
    depth, rgb, labels, confidence = frame()
    buffer = CloudBuffer(ROS_TYPES, HEIGHT, WIDTH)
    buffer.fill(np.full_like(depth, 2.0), CAMERA, rgb, labels, confidence, Header())
    found = points(buffer.fill(np.full_like(depth, np.nan), CAMERA, rgb, labels, confidence, Header()))
    assert all(math.isnan(point[axis]) for point in found.flat for axis in "xyz")


def test_range_limits_are_distances_and_drop_removes():
    depth, rgb, labels, confidence = frame()
    drop = np.zeros((HEIGHT, WIDTH), dtype=bool)
    drop[:, 4] = True
    buffer = CloudBuffer(ROS_TYPES, HEIGHT, WIDTH)
    msg = buffer.fill(depth, CAMERA, rgb, labels, confidence, Header(), min_range=1.0, max_range=3.0, drop=drop)
    found = points(msg)
    kept = 0
    for v in range(HEIGHT):
        for u in range(WIDTH):
            ray = math.hypot((u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, 1.0)
            wanted = 1.0 <= ray * float(depth[v, u]) <= 3.0 and u != 4
            reference = expected(depth, rgb, labels, confidence, v, u, wanted)
            assert found[v, u] == pytest.approx(reference, rel=1e-6, nan_ok=True)
            kept += wanted
    assert 5 < kept < HEIGHT * WIDTH - 5


def test_other_intrinsics_replace_the_ray_grid():
    depth, rgb, labels, confidence = frame()
    depth[:] = 2.0
    buffer = CloudBuffer(ROS_TYPES, HEIGHT, WIDTH)
    buffer.fill(depth, CAMERA, rgb, labels, confidence, Header())
    zoomed = Intrinsics(12.0, 10.0, 3.2, 1.9, WIDTH, HEIGHT)
    found = points(buffer.fill(depth, zoomed, rgb, labels, confidence, Header()))
    assert found[4, 6]["x"] == pytest.approx((6 - 3.2) / 12.0 * 2.0)
    assert found[4, 6]["y"] == pytest.approx((4 - 1.9) / 10.0 * 2.0)


def test_a_cuboid_s_corners_within_a_millimetre():
    """Corners that fall on pixel centres of a 640x480 camera: the cloud has each where it is."""
    camera = Intrinsics(500.0, 500.0, 320.0, 240.0, 640, 480)
    corners = np.array([[x, y, z] for z in (2.0, 2.5) for x in (-0.4, 0.4) for y in (-0.3, 0.3)])
    u, v = np.rint(corners[:, :2].T * 500.0 / corners[:, 2] + [[320.0], [240.0]]).astype(int)
    depth = np.full((480, 640), np.nan, dtype=np.float32)
    depth[v, u] = corners[:, 2]
    blank = np.zeros((480, 640), np.uint8)
    msg = CloudBuffer(ROS_TYPES, 480, 640).fill(depth, camera, np.dstack([blank] * 3), blank, blank, Header())
    xyz = np.frombuffer(msg.data, np.float32).reshape(480, 640, 8)[..., :3]
    assert np.isfinite(xyz).all(axis=2).sum() == len(corners)
    assert np.abs(xyz[v, u] - corners).max() < 1e-3


def test_refusals():
    depth, rgb, labels, confidence = frame()
    with pytest.raises(ValueError, match="decimation is 0"):
        CloudBuffer(ROS_TYPES, HEIGHT, WIDTH, 0)
    buffer = CloudBuffer(ROS_TYPES, HEIGHT, WIDTH)
    with pytest.raises(ValueError, match="labels has shape"):
        buffer.fill(depth, CAMERA, rgb, labels[1:], confidence, Header())
    with pytest.raises(ValueError, match="uint8"):
        buffer.fill(depth, CAMERA, labels, labels, confidence, Header())
    with pytest.raises(ValueError, match="intrinsics are for"):
        buffer.fill(depth, CAMERA.resized(14, 10), rgb, labels, confidence, Header())


def test_two_threads_write_what_one_writes(monkeypatch):
    height, width = 301, 219  # more than POINTS_FOR_TWO, and rows that cannot be halved
    random = np.random.default_rng(5)
    depth = random.uniform(-0.5, 4.0, (height, width)).astype(np.float32)
    rgb = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    labels, confidence = random.integers(0, 256, (2, height, width), dtype=np.uint8)
    drop = random.random((height, width)) < 0.1
    camera = Intrinsics(250.0, 260.0, 110.0, 150.0, width, height)
    filled = []
    for least in (1, height * width + 1):
        monkeypatch.setattr("cinet_core.messages.cloud.POINTS_FOR_TWO", least)
        buffer = CloudBuffer(ROS_TYPES, height, width)
        msg = buffer.fill(depth, camera, rgb, labels, confidence, Header(), 1.0, 3.0, drop)
        filled.append(bytes(msg.data))
    assert filled[0] == filled[1]
    assert filled[0][-32:] != bytes(32)
