"""The cloud of fewer points: one of each cube, each of them a point of the organised cloud."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.lib.recfunctions import repack_fields
from output_arrays import points
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from cinet_core.geometry import Intrinsics
from cinet_core.messages import downsampled_cloud
from cinet_core.messages.cloud import CloudBuffer
from cinet_core.messages.colors import pack_rgb
from cinet_core.messages.downsampled_cloud import DownsampledCloud
from cinet_ros.conversions.ros_types import ROS_TYPES

HEIGHT, WIDTH = 48, 64
CAMERA = Intrinsics(52.5, 52.5, 31.5, 23.5, WIDTH, HEIGHT)


def frame(seed: int = 0, rough: bool = False) -> dict[str, Any]:
    """A slanted wall with holes, or depth of noise."""
    random = np.random.default_rng(seed)
    depth = np.linspace(1.0, 6.0, HEIGHT, dtype=np.float32)[:, None].repeat(WIDTH, axis=1)
    if rough:
        depth = random.uniform(0.3, 8.0, (HEIGHT, WIDTH)).astype(np.float32)
    depth[5:9, 10:20], depth[0, 0], depth[1, 1], depth[2, 2] = np.nan, np.inf, 0.0, -1.0
    return {
        "depth": depth,
        "intrinsics": CAMERA,
        "rgb": random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8),
        "labels": random.integers(0, 40, (HEIGHT, WIDTH), dtype=np.uint8),
        "confidence": random.integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8),
        "header": Header(frame_id="camera_optical_frame"),
    }


def both(content: dict[str, Any], voxel: float, decimation: int = 1, **limits: Any) -> tuple[PointCloud2, np.ndarray]:
    """The message, and the valid points of the organised cloud of the same frame in their order."""
    organised = CloudBuffer(ROS_TYPES, HEIGHT, WIDTH, decimation).fill(**content, **limits)
    cloud = DownsampledCloud(ROS_TYPES, HEIGHT, WIDTH, decimation).message(**content, voxel_size=voxel, **limits)
    every = points(organised).reshape(-1)
    return cloud, every[np.isfinite(every["z"])]


def cubes(found: np.ndarray, voxel: float) -> np.ndarray:
    """(N, 3) numbers of the cubes of points, in float32 as they are computed."""
    scale = np.float32(1.0 / voxel)
    return np.floor(np.stack([found[name] * scale for name in "xyz"], axis=1)).astype(int)


def packed(found: np.ndarray) -> np.ndarray:
    """(N,) bytes of each point, without the padding, of which a copy in NumPy holds anything."""
    return repack_fields(found).view("V24")


@pytest.mark.parametrize("rough", [False, True])
@pytest.mark.parametrize("voxel", [0.01, 0.05, 0.3, 10.0])
def test_it_holds_the_first_point_of_every_cube_that_has_one(rough: bool, voxel: float) -> None:
    cloud, every = both(frame(rough=rough), voxel)
    _, first = np.unique(cubes(every, voxel), axis=0, return_index=True)
    expected = every[np.sort(first)]
    got = points(cloud).reshape(-1)
    # A point that rounds to the edge of a cube may be counted to either side of it.
    assert abs(len(got) - len(expected)) <= 2
    assert np.isin(packed(got), packed(expected)).sum() >= len(got) - 2
    assert np.isin(packed(got), packed(every)).all(), "bit for bit a point of the organised cloud"


def test_layout_is_that_of_the_organised_cloud_but_in_one_row_without_holes() -> None:
    content = frame()
    cloud, _ = both(content, 0.2)
    organised = CloudBuffer(ROS_TYPES, HEIGHT, WIDTH).fill(**content)
    assert cloud.fields == organised.fields
    assert (cloud.point_step, cloud.is_bigendian) == (organised.point_step, organised.is_bigendian)
    assert (cloud.height, cloud.row_step, cloud.is_dense) == (1, 32 * cloud.width, True)
    assert len(cloud.data) == cloud.row_step
    assert cloud.header is content["header"]
    assert 0 < cloud.width < organised.width * organised.height / 4


def test_range_edges_and_decimation_count_as_for_the_organised_cloud() -> None:
    content = frame()
    drop = np.zeros((HEIGHT, WIDTH), dtype=bool)
    drop[:, ::2] = True
    cloud, every = both(content, 0.005, 3, min_range=2.0, max_range=4.0, drop=drop)
    assert len(every) > 50
    np.testing.assert_array_equal(packed(points(cloud).reshape(-1)), packed(every))


def test_packed_colours_are_taken_as_they_are() -> None:
    content = frame()
    packed = {**content, "rgb": pack_rgb(content["rgb"])}
    assert both(content, 0.1)[0].data == both(packed, 0.1)[0].data


@pytest.mark.parametrize("depth", [np.nan, 3e38])
def test_no_point_and_points_at_the_end_of_the_world_are_no_errors(depth: float) -> None:
    content = frame()
    content["depth"][:] = depth
    cloud, every = both(content, 0.1)
    assert (cloud.width == 0) == (len(every) == 0)
    assert len(cloud.data) == 32 * cloud.width


def test_cubes_that_share_a_slot_of_the_table_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    expected, _ = both(frame(rough=True), 0.05)
    monkeypatch.setattr(downsampled_cloud, "_SLOT_BITS", 4)
    assert both(frame(rough=True), 0.05)[0].data == expected.data


def test_frames_leave_nothing_to_the_next() -> None:
    maker = DownsampledCloud(ROS_TYPES, HEIGHT, WIDTH)
    first = maker.message(**frame(), voxel_size=0.1)
    maker.message(**frame(1, rough=True), voxel_size=0.1)
    again = maker.message(**frame(), voxel_size=0.1)
    assert again.data == first.data
