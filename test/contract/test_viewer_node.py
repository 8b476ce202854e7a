"""The viewer's process, fed with real messages: what it recorded is read back with the library's own reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rerun", reason="the extra viewer (rerun-sdk) is not installed")

from nav_msgs.msg import Odometry
from recorded import Recorded  # test/support
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_msgs.msg import Header

from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40
from cinet_ros.msg import PerceptionStats, SemanticClass, SemanticClasses, StageTime
from cinet_ros.publishers import LATCHED_QOS

WIDTH, HEIGHT, FRAMES = 64, 48, 3
CAMERA = Intrinsics.from_fov(WIDTH, HEIGHT, 60.0)
# Optical frame in the base: 0.2 m ahead of it and 0.3 m above, looking ahead.
CAMERA_IN_BASE = [0.2, 0.0, 0.3, -0.5, 0.5, -0.5, 0.5]
DEPTH, LABELS, COLOR = "depth_registered/image_rect", "semantic/image_raw", "rgb/image_rect"
MAP_POINTS = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], dtype=np.float32)


def header_of(number: int) -> Header:
    header = Header(frame_id="camera_optical_frame")
    header.stamp.sec, header.stamp.nanosec = 1_700_000_000, 1 + number * 66_666_667
    return header


def image_of(pixels: np.ndarray, encoding: str, header: Header) -> Image:
    height, width = pixels.shape[:2]
    return Image(
        header=header, height=height, width=width, encoding=encoding, step=pixels[0].nbytes, data=pixels.tobytes()
    )


def frame_of(number: int) -> dict[str, Any]:
    """What the perception node publishes for an image, but for the camera_info, which comes before."""
    header = header_of(number)
    return {
        DEPTH: image_of(np.full((HEIGHT, WIDTH), 1.0 + number, dtype=np.float32), "32FC1", header),
        LABELS: image_of(np.full((HEIGHT, WIDTH), number, dtype=np.uint8), "mono8", header),
        COLOR: image_of(np.full((HEIGHT, WIDTH, 3), (40 * number, 100, 200), dtype=np.uint8), "rgb8", header),
        "stats": PerceptionStats(
            header=header,
            latency=0.1,
            rate_in=30.0,
            rate_out=5.0,
            stages=[StageTime(stage="network", seconds=0.05)],
        ),
    }


def camera_info_of(number: int) -> CameraInfo:
    k = CAMERA.matrix()
    info = CameraInfo(header=header_of(number), width=WIDTH, height=HEIGHT, distortion_model="plumb_bob", d=[0.0] * 5)
    info.k, info.r, info.p = k.ravel(), np.eye(3).ravel(), np.hstack([k, np.zeros((3, 1))]).ravel()
    return info


def map_of(points: np.ndarray, labels: list[int]) -> PointCloud2:
    """With the fields of `points`, byte by byte as the README has them."""
    offsets = {"x": 0, "y": 4, "z": 8, "rgb": 16, "label": 20, "confidence": 24}
    kinds = {"label": PointField.UINT32}
    cloud = np.zeros(
        len(points), {"names": ["xyz", "label"], "formats": ["3<f4", "<u4"], "offsets": [0, 20], "itemsize": 32}
    )
    cloud["xyz"], cloud["label"] = points, labels
    return PointCloud2(
        header=header_of(FRAMES),
        height=1,
        width=len(points),
        fields=[
            PointField(name=name, offset=offset, datatype=kinds.get(name, PointField.FLOAT32), count=1)
            for name, offset in offsets.items()
        ],
        point_step=32,
        row_step=32 * len(points),
        data=cloud.tobytes(),
    )


def classes() -> SemanticClasses:
    named = [SemanticClass(id=number, name=name) for number, name in enumerate(NYU40.classes)]
    return SemanticClasses(label_set="nyu40", classes=named)


def odometry_of(number: int) -> Odometry:
    """The base, `number` metres along x."""
    message = Odometry(header=header_of(number), child_frame_id="base_link")
    message.pose.pose.position.x = float(number)
    message.pose.pose.orientation.w = 1.0
    return message


@pytest.fixture(scope="module")
def outcome(
    start_for_module: Callable[..., Any], wire: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Recorded, str]:
    """What the node recorded and said of three frames with odometry, of a map, and of messages that are no good."""
    path: Path = tmp_path_factory.mktemp("viewer") / "walk.rrd"
    parameters = {
        "serve": False,
        "file": str(path),
        "max_rate": 100.0,
        "camera_in_base": CAMERA_IN_BASE,
        "input_reliability": "reliable",
    }
    node = start_for_module("viewer_node", parameters, until="recording into")
    kinds = {
        DEPTH: Image,
        LABELS: Image,
        COLOR: Image,
        "stats": PerceptionStats,
        "depth_registered/camera_info": CameraInfo,
        "odom": Odometry,
    }
    publishers = {topic: wire.publisher(topic, kind) for topic, kind in kinds.items()}
    publishers["classes"] = wire.node.create_publisher(SemanticClasses, "semantic/classes", LATCHED_QOS)
    publishers["map"] = wire.node.create_publisher(PointCloud2, "map/points", LATCHED_QOS)
    for topic, publisher in publishers.items():
        wire.spin_until(lambda publisher=publisher: publisher.get_subscription_count() > 0, f"subscriber of {topic}")
    wire.spin_for(0.3)
    publishers["classes"].publish(classes())
    for number in range(FRAMES):
        publishers["odom"].publish(odometry_of(number))
        publishers["depth_registered/camera_info"].publish(camera_info_of(number))
        wire.spin_for(0.1)
        for topic, message in frame_of(number).items():
            publishers[topic].publish(message)
        wire.spin_for(0.3)
    spoil(publishers)
    wire.spin_for(0.3)
    publishers["map"].publish(map_of(MAP_POINTS, [7, 255]))
    wire.spin_for(0.5)
    assert node.stop() == 0
    return Recorded(path), node.output()


@pytest.fixture
def recorded(outcome: tuple[Recorded, str]) -> Recorded:
    return outcome[0]


@pytest.fixture
def log(outcome: tuple[Recorded, str]) -> str:
    return outcome[1]


def spoil(publishers: dict[str, Any]) -> None:
    """Messages that cannot be shown: each is told of, and none ends the node."""
    broken = frame_of(FRAMES)
    broken[DEPTH].encoding = "64FC1"
    for topic, message in broken.items():
        publishers[topic].publish(message)
    lost = odometry_of(FRAMES)
    lost.pose.pose.orientation.w = 0.0
    publishers["odom"].publish(lost)
    publishers["map"].publish(PointCloud2(height=1, width=1, point_step=16, row_step=16, data=bytes(16)))


def stamps() -> list[int]:
    return [1_700_000_000 * 10**9 + 1 + number * 66_666_667 for number in range(FRAMES)]


def test_frames_are_recorded_at_their_exact_stamps(recorded: Recorded) -> None:
    assert str(recorded.clocks["stamp"]) == "timestamp[ns]"
    for name in ("rgb", "labels", "depth"):
        rows = sorted(recorded.rows[f"/world/camera/image/{name}"], key=lambda row: row["frame"])
        assert [row["stamp"] for row in rows] == stamps(), name
    labels = recorded.images("/world/camera/image/labels", "SegmentationImage", "u1")
    depths = recorded.images("/world/camera/image/depth", "DepthImage", "<f2")
    for number, photograph in enumerate(recorded.photographs("/world/camera/image/rgb")):
        assert np.abs(photograph.astype(int) - [40 * number, 100, 200]).max() <= 3
        assert (labels[number] == number).all()
        assert (depths[number] == 1.0 + number).all()


def test_the_cloud_needs_camera_info_and_has_it(recorded: Recorded) -> None:
    clouds = recorded.values("/world/camera/cloud", "Points3D:positions")
    assert [set(np.array(cloud)[:, 2]) for cloud in clouds] == [{1.0}, {2.0}, {3.0}]
    (matrix,) = recorded.values("/world/camera/image", "Pinhole:image_from_camera")[0]
    np.testing.assert_allclose(np.reshape(matrix, (3, 3)).T, CAMERA.matrix(), rtol=1e-6)


def test_the_camera_moves_with_the_odometry_of_its_base(recorded: Recorded) -> None:
    places = [value[0] for value in recorded.values("/world/camera", "Transform3D:translation")]
    np.testing.assert_allclose(places, [(number + 0.2, 0.0, 0.3) for number in range(FRAMES)], atol=1e-6)
    rotation = np.reshape(recorded.values("/world/camera", "Transform3D:mat3x3")[0][0], (3, 3)).T
    np.testing.assert_allclose(rotation, [[0, 0, 1], [-1, 0, 0], [0, -1, 0]], atol=1e-6)
    assert len(recorded.rows["/world/trajectory"]) == FRAMES - 1


def test_the_map_and_the_plots(recorded: Recorded) -> None:
    (positions,) = recorded.values("/world/map", "Points3D:positions")
    np.testing.assert_array_equal(positions, MAP_POINTS)
    assert recorded.values("/world/map", "Points3D:class_ids") == [[7, 255]]
    assert recorded.values("/hertz/in", "Scalars:scalars")[0] == [30.0]
    assert recorded.values("/milliseconds/latency", "Scalars:scalars")[0] == pytest.approx([100.0])
    assert recorded.values("/milliseconds/network", "Scalars:scalars")[0] == pytest.approx([50.0])


def test_what_cannot_be_shown_is_said_and_counted(log: str) -> None:
    for text in ("64FC1", "the cloud has no field x", "a pose is no rigid motion"):
        assert text in log
    assert "showed 3 of 4 frames (1 encoding)" in log
