"""The mapping node on the wire: a room goes in as the perception node and odometry publish it, a map comes out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from managed import ACTIVATE, DEACTIVATE, Managed
from nav_msgs.msg import OccupancyGrid
from output_arrays import colors, points
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from robot_on_the_wire import Robot, counts_of
from room_on_the_wire import (
    CAMERA_IN_BASE,
    INTERVAL,
    LABEL_SET,
    MAP_FRAME,
    MESSAGE_TYPES,
    VIEWS,
    RoomOnTheWire,
)
from scipy.spatial import cKDTree
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import Marker, MarkerArray

from cinet_core.mapping.semantic_map import SemanticMap
from cinet_core.messages.cloud import CloudBuffer
from cinet_ros.conversions.ros_types import ROS_TYPES

VOXEL = 0.05
CELL = 0.1
POSE_TIMEOUT = 0.5
# Seconds until an answer that waits for one frame only, on a machine where other tests run.
PROMPT = 5.0
OUTPUTS = {"map/points": PointCloud2, "map/occupancy": OccupancyGrid, "map/markers": MarkerArray}


@dataclass(frozen=True)
class Mapped:
    """The map of the room as somebody gets it who subscribes when all is done."""

    cloud: PointCloud2
    grid: OccupancyGrid
    markers: MarkerArray

    @property
    def points(self) -> np.ndarray:
        return points(self.cloud)[0]

    @property
    def xyz(self) -> np.ndarray:
        return np.stack([self.points[axis] for axis in "xyz"], axis=1)


@pytest.fixture(scope="module")
def node(start_for_module: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    # Here 24 frames come within a second or two, and none may be lost.
    depths: dict[str, Any] = {f"qos_overrides./{topic}.subscription.depth": VIEWS for topic in MESSAGE_TYPES}
    parameters = depths | {
        "camera_in_base": list(CAMERA_IN_BASE),
        "voxel_size": VOXEL,
        "max_depth": 6.0,
        "min_weight": 1.0,
        "grid_resolution": CELL,
        "pose_timeout": POSE_TIMEOUT,
        "publish_rate": 5.0,
        "max_waiting": 2 * VIEWS,
        "save_path": str(tmp_path_factory.mktemp("map") / "room"),
    }
    return start_for_module("mapping_node", parameters, until="configured")


@pytest.fixture(scope="module")
def robot(wire: Any, node: Any) -> Robot:
    robot = Robot(wire)
    robot.connect()
    return robot


@pytest.fixture(scope="module")
def mapped(wire: Any, robot: Robot) -> Mapped:
    # Odometry at twice the rate and half a step off, so that no image has a pose of its own stamp.
    first = robot.room.start - INTERVAL // 4
    robot.send_odometry(*(first + step * (INTERVAL // 2) for step in range(2 * VIEWS + 1)))
    for index in range(VIEWS):
        robot.send_view(index)
        wire.spin_for(0.02)
    robot.wait_for(robot.frames, "used", VIEWS)
    for topic, kind in OUTPUTS.items():
        wire.subscribe(topic, kind, latched=True)
    last = robot.room.messages(robot.room.views[-1])["semantic/image_raw"].header.stamp
    wire.spin_until(
        lambda: all(any(stamp_of_map(item) == last for item in wire.messages[topic]) for topic in OUTPUTS),
        "map with the last frame on every topic",
    )
    latest = [wire.messages[topic][-1] for topic in OUTPUTS]
    return Mapped(*latest)


def stamp_of_map(message: Any) -> Any:
    return (message.markers[0] if isinstance(message, MarkerArray) else message).header.stamp


# --- the map ---


def test_points_have_the_fields_of_the_perception_node(mapped: Mapped) -> None:
    ours, theirs = mapped.cloud, CloudBuffer(ROS_TYPES, 1, 1).message
    assert ours.fields == theirs.fields
    assert (ours.point_step, ours.is_bigendian, ours.height) == (theirs.point_step, theirs.is_bigendian, 1)
    assert ours.row_step == ours.width * ours.point_step == len(ours.data)
    assert ours.is_dense
    assert np.isfinite(mapped.xyz).all()


def test_points_lie_on_the_room_and_cover_it(mapped: Mapped, robot: Robot) -> None:
    exact, labels = robot.room.surface()
    distance, nearest = cKDTree(exact).query(mapped.xyz)
    assert np.median(distance) < VOXEL / 2
    assert np.percentile(distance, 95) < 1.5 * VOXEL
    seen, _ = robot.room.surface(every=8)
    gap, _ = cKDTree(mapped.xyz).query(seen)
    assert np.percentile(gap, 90) < 1.5 * VOXEL
    # at the edge between two classes either is right
    assert (mapped.points["label"] == labels[nearest]).mean() > 0.9


def test_points_have_the_colour_of_their_class_and_a_confidence(mapped: Mapped) -> None:
    cloud = mapped.points
    assert np.array_equal(colors(cloud[None])[0], LABEL_SET.palette[cloud["label"]])
    assert cloud["confidence"].min() >= 0.0
    assert cloud["confidence"].max() == pytest.approx(1.0)
    assert np.median(cloud["confidence"]) > 0.8  # equal votes from every side


def test_everything_is_in_the_frame_of_the_odometry(mapped: Mapped) -> None:
    headers = [mapped.cloud.header, mapped.grid.header, *(marker.header for marker in mapped.markers.markers)]
    assert {header.frame_id for header in headers} == {MAP_FRAME}


def test_outputs_are_reliable_and_latched(wire: Any, node: Any) -> None:
    for topic, kind in OUTPUTS.items():
        wire.subscribe(topic, kind, latched=True)
        (publisher,) = wire.node.get_publishers_info_by_topic(f"/{topic}")
        assert publisher.qos_profile.reliability == ReliabilityPolicy.RELIABLE, topic
        assert publisher.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL, topic


def cell_values(grid: OccupancyGrid, xy: np.ndarray) -> np.ndarray:
    """Occupancy at map points (N, 2)."""
    cells = np.array(grid.data, dtype=np.int8).reshape(grid.info.height, grid.info.width)
    column, row = np.floor((xy - [grid.info.origin.position.x, grid.info.origin.position.y]) / grid.info.resolution).T
    return cells[row.astype(int).clip(0, grid.info.height - 1), column.astype(int).clip(0, grid.info.width - 1)]


def test_the_floor_is_free_and_what_stands_on_it_is_occupied(mapped: Mapped, robot: Robot) -> None:
    assert mapped.grid.info.resolution == pytest.approx(CELL)
    assert abs(mapped.grid.info.origin.position.z) < VOXEL
    turn = mapped.grid.info.origin.orientation
    assert (turn.x, turn.y, turn.z, turn.w) == pytest.approx((0, 0, 0, 1))
    exact, labels = robot.room.surface(every=4)
    in_the_way = (exact[:, 2] > 0.15) & (exact[:, 2] < 0.9) & np.isin(
        labels, LABEL_SET.ids(["wall", "sofa", "table", "chair", "cabinet", "dresser", "bookshelf"])
    )  # fmt: skip
    assert (cell_values(mapped.grid, exact[in_the_way][:, :2]) == 100).mean() > 0.95
    standing = cKDTree(exact[(exact[:, 2] > 0.05) & (exact[:, 2] < 1.1)][:, :2])
    floor = exact[np.isin(labels, LABEL_SET.ids(["floor", "floor mat"]))][:, :2]
    open_floor = floor[standing.query(floor)[0] > 0.25]
    assert len(open_floor) > 100
    on_floor = cell_values(mapped.grid, open_floor)
    assert (on_floor == 100).mean() < 0.02
    assert (on_floor == 0).mean() > 0.75  # the rest was seen too seldom to be known


def test_things_have_a_box_and_their_name(mapped: Mapped) -> None:
    first, *markers = mapped.markers.markers
    assert first.action == Marker.DELETEALL
    boxes = {marker.id: marker for marker in markers if marker.type == Marker.CUBE}
    names = {marker.id: marker for marker in markers if marker.type == Marker.TEXT_VIEW_FACING}
    assert boxes.keys() == names.keys()
    (table,) = (number for number, marker in names.items() if marker.text == "table")
    place, size = boxes[table].pose.position, boxes[table].scale
    # the table in the middle of the room: 1.5 x 0.84 x 0.74 m
    assert (place.x, place.y) == pytest.approx((3.0, 2.5), abs=0.15)
    assert (size.x, size.y) == pytest.approx((1.5, 0.84), abs=0.3)  # six voxels
    assert names[table].pose.position.z > place.z
    color = LABEL_SET.colors[LABEL_SET.ids(["table"])[0]] / 255.0
    assert (boxes[table].color.r, boxes[table].color.g, boxes[table].color.b) == pytest.approx(tuple(color))
    assert {"chair", "sofa", "bookshelf"} <= {marker.text for marker in names.values()}


# --- what is skipped ---


@pytest.mark.usefixtures("mapped")
def test_frames_without_a_sound_pose_are_counted_by_reason_and_never_fused(wire: Any, robot: Robot) -> None:
    before, poses_before, fused = robot.frames(), robot.poses(), in_the_map(wire)
    start = robot.later()
    robot.send_odometry(start, start + INTERVAL)
    robot.send_view(0, start - INTERVAL)  # between this pose and one a minute ago
    robot.send_view(1, start + 2 * INTERVAL)  # no pose ever comes
    robot.wait_for(robot.frames, "dropped: pose_late", before.get("dropped: pose_late", 0) + 1)
    jump = robot.later()
    robot.send_odometry(jump)
    robot.send_odometry(jump + INTERVAL, moved=5.0)
    robot.send_view(2, jump + INTERVAL // 2)
    now = robot.wait_for(robot.frames, "dropped: pose_jump", before.get("dropped: pose_jump", 0) + 1)
    assert now["dropped: pose_gap"] == before.get("dropped: pose_gap", 0) + 1
    assert now["received"] == before["received"] + 3
    assert now["used"] == before["used"]
    assert in_the_map(wire) == fused
    assert robot.poses()["jumped"] == poses_before.get("jumped", 0) + 1


def in_the_map(wire: Any) -> int:
    """Frames that were fused."""
    return counts_of(wire.diagnosis("mapping: map"))["frames in the map"]


@pytest.mark.usefixtures("mapped")
def test_a_pose_that_comes_late_is_waited_for(wire: Any, robot: Robot) -> None:
    used = robot.frames()["used"]
    start = robot.later()
    robot.send_odometry(start)
    robot.send_view(3, start + INTERVAL // 2)
    wire.spin_for(POSE_TIMEOUT / 3)
    robot.send_odometry(start + INTERVAL)
    robot.wait_for(robot.frames, "used", used + 1)


@pytest.mark.usefixtures("mapped")
def test_poses_in_another_frame_or_of_no_rotation_are_refused(robot: Robot) -> None:
    before = robot.poses()
    odometry = robot.room.odometry(robot.later())
    odometry.header.frame_id = "map"
    robot.send({"odom": odometry})
    odometry = robot.room.odometry(robot.later())
    odometry.pose.pose.orientation.w = odometry.pose.pose.orientation.z = float("nan")
    robot.send({"odom": odometry})
    now = robot.wait_for(robot.poses, "invalid", before.get("invalid", 0) + 1)
    assert now["other_frame"] == before.get("other_frame", 0) + 1
    assert now["received"] == before["received"] + 2


@pytest.mark.usefixtures("mapped")
def test_frames_that_cannot_be_read_are_counted_by_reason(robot: Robot) -> None:
    before = robot.frames()
    start = robot.later()
    robot.send_odometry(start)
    broken = robot.room.messages(robot.room.views[0], start)
    broken["semantic/image_raw"].encoding = "rgb8"
    robot.send(broken)
    robot.send_view(1, 0)  # a zero stamp
    incomplete = robot.room.messages(robot.room.views[0], start + 1)
    robot.send({topic: message for topic, message in incomplete.items() if topic != "semantic/confidence"})
    robot.wait_for(robot.frames, "dropped: encoding", before.get("dropped: encoding", 0) + 1)
    now = robot.wait_for(robot.frames, "dropped: zero_stamp", before.get("dropped: zero_stamp", 0) + 1)
    assert now["used"] == before["used"]
    assert now["waiting"] == 0


# --- services ---


@pytest.mark.usefixtures("mapped")  # before the reset
def test_save_reset_and_a_full_disk(wire: Any, robot: Robot, node: Any, tmp_path: Path) -> None:
    start = robot.later()
    robot.send_odometry(start)
    used = robot.frames()["used"]
    robot.send_view(5, start)  # there is something to save, whatever ran before
    robot.wait_for(robot.frames, "used", used + 1)
    assert wire.set_parameters("/mapping", save_path=str(tmp_path / "kept"))[0].successful
    answer = robot.call("save")
    assert answer.success, answer.message
    saved, ply = tmp_path / "kept.npz", tmp_path / "kept.ply"
    assert str(saved) in answer.message
    assert str(ply) in answer.message
    loaded = SemanticMap.load(saved)
    count = len(loaded.surface(1.0))
    assert count > 100
    assert f"element vertex {count}\n".encode() in ply.read_bytes()[:500]

    # a disk without space, played by the kernel's limit on the size of the node's files
    kept = saved.read_bytes()
    process = psutil.Process(node.process.pid)
    soft, hard = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (10_000, hard))
    try:
        answer = robot.call("save")
    finally:
        process.rlimit(psutil.RLIMIT_FSIZE, (soft, hard))
    assert not answer.success
    assert "kept.npz" in answer.message
    assert saved.read_bytes() == kept
    assert sorted(item.name for item in tmp_path.iterdir()) == ["kept.npz", "kept.ply"]

    assert wire.set_parameters("/mapping", save_path=str(tmp_path / "absent" / "map"))[0].successful
    assert "absent" in robot.call("save").message

    answer = robot.call("reset")
    assert answer.success, answer.message
    for topic, kind in OUTPUTS.items():
        wire.subscribe(topic, kind, latched=True)
    wire.spin_until(lambda: any(cloud.width == 0 for cloud in wire.messages["map/points"]), "empty cloud")
    wire.spin_until(lambda: any(grid.info.width == 0 for grid in wire.messages["map/occupancy"]), "empty grid")
    wire.spin_until(lambda: any(len(array.markers) == 1 for array in wire.messages["map/markers"]), "no markers")
    assert not robot.call("save").success


@pytest.mark.usefixtures("mapped")
def test_save_is_answered_while_frames_wait_for_the_worker(wire: Any, robot: Robot, tmp_path: Path) -> None:
    before, used = in_the_map(wire), robot.frames().get("used", 0)
    larger = RoomOnTheWire(start=robot.later(), width=320)
    frames = [larger.messages(view) for view in larger.views]
    assert wire.set_parameters("/mapping", save_path=str(tmp_path / "busy"))[0].successful
    for view in larger.views:
        robot.send({"odom": larger.odometry(view.stamp)})
    for messages in frames:  # faster than they can be fused
        robot.send(messages)
    begun = time.monotonic()
    answer = robot.call("save")
    assert answer.success, answer.message
    assert time.monotonic() - begun < PROMPT
    assert SemanticMap.load(tmp_path / "busy.npz").frames < before + VIEWS, "it did not wait for all of them"
    robot.wait_for(robot.frames, "used", used + VIEWS)
    assert in_the_map(wire) == before + VIEWS


@pytest.mark.usefixtures("mapped")
def test_the_map_outlives_a_deactivation(wire: Any, robot: Robot) -> None:
    before = in_the_map(wire)
    managed = Managed(wire, "/mapping")
    assert managed.change(DEACTIVATE)
    answer = robot.call("save")
    assert not answer.success
    assert "activate" in answer.message
    assert managed.change(ACTIVATE)
    robot.connect()
    assert in_the_map(wire) == before
    start = robot.later()
    robot.send_odometry(start)
    robot.send_view(0, start)
    robot.wait_for(robot.frames, "used", 1)
