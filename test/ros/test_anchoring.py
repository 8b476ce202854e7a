"""Anchors in the node: messages in, corrected frames out, and no frame that is lost to what comes on their topics."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from nav_msgs.msg import Odometry
from rclpy.node import Node
from room_on_the_wire import quaternion
from sensor_msgs.msg import CameraInfo, Image, Imu, LaserScan, PointCloud2, PointField
from std_msgs.msg import Header

from cinet_core.anchors import SOURCES
from cinet_core.correction.settings import ANCHORS, CorrectionSettings
from cinet_core.correction.statistics import correction_statistics
from cinet_core.geometry import Intrinsics, unproject
from cinet_core.label_sets import NYU40
from cinet_core.messages.colors import LabelPainter
from cinet_core.messages.encoding import ImageBuffer, camera_info_message
from cinet_core.messages.result import Result
from cinet_core.rooms.demo.room import SyntheticRoom
from cinet_ros.anchoring import frame_correction
from cinet_ros.anchoring.frame_correction import FrameCorrection
from cinet_ros.anchoring.inputs import DEPTH, DEPTH_INFO, IMU, ODOMETRY, POINTS, SCAN, AnchorInputs, needed_topics
from cinet_ros.anchoring.state import CorrectionState
from cinet_ros.conversions.ros_types import ROS_TYPES
from cinet_ros.diagnostics import Conditions
from cinet_ros.mapping.transforms import PoseUnavailable
from cinet_ros.msg import PerceptionStats
from cinet_ros.parameters import Settings

SECOND = 1_000_000_000
STEP = SECOND // 10
OPTICAL, BASE, FIXED = "camera_optical_frame", "base_link", "odom"
HERE = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
SAME_FRAMES = {"camera_in_base": HERE, "scan_in_camera": HERE, "depth_in_camera": HERE}
WRONG = 1.3
"""What the prediction is wrong by."""


@pytest.fixture(scope="module")
def room() -> SyntheticRoom:
    return SyntheticRoom(3, 160, 120)


class Rig:
    """The correction of a camera, with the room's depth, too large, for a prediction."""

    def __init__(self, node: Node, room: SyntheticRoom, **parameters: Any) -> None:
        self.settings = Settings(weights="random", **{**SAME_FRAMES, **parameters})
        self.room = room
        self.inputs = AnchorInputs(node, self.settings)
        self.inputs.update(self.settings.correction, wanted=True)
        self.state = CorrectionState()
        self.conditions = Conditions(node.get_logger())
        self.correction = FrameCorrection(self.inputs, NYU40, self.conditions, self.state)
        self.number = 0

    def send(self, topic: str, message: Any) -> None:
        """What rclpy's executor does with a message that it took."""
        self.inputs._callback(topic)(message)

    def header(self, number: int | None = None, frame: str = OPTICAL) -> Header:
        stamp = SECOND + STEP * (self.number if number is None else number)
        header = Header(frame_id=frame)
        header.stamp.sec, header.stamp.nanosec = divmod(stamp, SECOND)
        return header

    def view(self, number: int | None = None) -> Any:
        return self.room.render(self.number if number is None else number, 200)

    def odometry(self, number: int | None = None, **changes: Any) -> Odometry:
        pose = self.view(number).camera_to_world
        message = Odometry(header=self.header(number, FIXED), child_frame_id=BASE)
        at, turn = message.pose.pose.position, message.pose.pose.orientation
        at.x, at.y, at.z = map(float, pose[:3, 3])
        turn.x, turn.y, turn.z, turn.w = quaternion(pose[:3, :3])
        for name, value in changes.items():
            setattr(message, name, value)
        return message

    def frame(self, wrong: float | np.ndarray = WRONG, intrinsics: Intrinsics | None = None) -> Result:
        view = self.view()
        outputs = {
            "depth": (view.depth * wrong).astype(np.float32),
            "labels": view.labels.copy(),
            "confidence": np.full(view.labels.shape, 200, np.uint8),
        }
        camera = intrinsics or self.room.intrinsics
        return Result(self.header(), view.image, outputs, camera, LabelPainter(NYU40.palette))

    def correct(self, **arguments: Any) -> tuple[Result, float]:
        """The next frame, corrected, and its mean relative error."""
        result = self.frame(**arguments)
        truth = self.view().depth
        self.correction.begin(result.image, result.header, result.intrinsics, self.settings)
        time.sleep(0.02 if self.settings.correction.uses("odometry") else 0.0)  # as the network would take
        self.correction.apply(result, self.settings)
        self.number += 1
        return result, float(np.nanmean(np.abs(result.depth / truth - 1)))

    def sparse_depth(self, step: int = 8) -> tuple[Image, CameraInfo]:
        """The room's depth as a sensor of lower resolution has it."""
        depth = self.view().depth[step // 2 :: step, step // 2 :: step].copy()
        k = self.room.intrinsics
        small = Intrinsics(
            k.fx / step,
            k.fy / step,
            (k.cx - step // 2) / step,
            (k.cy - step // 2) / step,
            depth.shape[1],
            depth.shape[0],
        )
        buffer = ImageBuffer(ROS_TYPES, "32FC1", *depth.shape)
        buffer.fill_depth(depth, self.header())
        return buffer.message, camera_info_message(ROS_TYPES, small, self.header())

    def scan(self, **changes: Any) -> LaserScan:
        """One row of the room's depth, as a lidar in the camera has it: angles about its z axis, which looks up."""
        points = unproject(self.view().depth, self.room.intrinsics)[60]
        # The lidar's x is the camera's z, its y the camera's -x.
        angles = np.arctan2(-points[:, 0], points[:, 2])
        ranges = np.hypot(points[:, 0], points[:, 2])
        order = np.linspace(angles.min(), angles.max(), 160)
        message = LaserScan(header=self.header(frame="lidar"), angle_min=float(order[0]))
        message.angle_max, message.angle_increment = float(order[-1]), float(order[1] - order[0])
        message.range_min, message.range_max = 0.05, 30.0
        message.ranges = [float(value) for value in np.interp(order, angles[::-1], ranges[::-1])]
        for name, value in changes.items():
            setattr(message, name, value)
        return message

    def imu(self, number: int | None = None, accelerated: float = 0.0, filtered: bool = True) -> Imu:
        """An inertial unit in the camera: its orientation in the world, or what it feels, pushed along its x axis."""
        pose = self.view(number).camera_to_world
        message = Imu(header=self.header(number))
        turn, felt = message.orientation, 9.81 * pose[2, :3] + [accelerated, 0.0, 0.0]
        turn.x, turn.y, turn.z, turn.w = quaternion(pose[:3, :3])
        if not filtered:
            message.orientation_covariance[0] = -1.0
            turn.x = turn.y = turn.z = turn.w = 0.0
        felt_by = message.linear_acceleration
        felt_by.x, felt_by.y, felt_by.z = map(float, felt)
        return message

    def cloud(self, fields: str = "xyz") -> PointCloud2:
        points = unproject(self.view().depth, self.room.intrinsics)[::10, ::10].reshape(-1, 3)
        names = [PointField(name=name, offset=4 * place, datatype=7, count=1) for place, name in enumerate(fields)]
        message = PointCloud2(header=self.header(), height=1, width=len(points), fields=names, point_step=12)
        message.row_step, message.data = 12 * len(points), points.astype("<f4").tobytes()
        return message


@pytest.fixture
def make_rig(make_node: Callable[..., Node], room: SyntheticRoom, monkeypatch: pytest.MonkeyPatch) -> Any:
    # No network runs meanwhile, which gives tracking its time: its answers are not to depend on the machine's speed.
    monkeypatch.setattr(frame_correction, "TRACKING_WAIT", 10.0)
    rigs: list[Rig] = []

    def build(**parameters: Any) -> Rig:
        rigs.append(Rig(make_node("rig"), room, **parameters))
        return rigs[-1]

    yield build
    for rig in rigs:
        rig.correction.close()


# x forward, y left, z up of the lidar in the optical frame.
LIDAR_IN_CAMERA = (0.0, 0.0, 0.0, *quaternion(np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])))


def test_names_of_anchors_are_those_of_the_library() -> None:
    assert ("none", "auto", *SOURCES) == ANCHORS


@pytest.mark.parametrize(
    ("anchor", "temporal", "topics"),
    [
        ("none", "off", set()),
        ("none", "field", set()),
        ("none", "fused", {ODOMETRY}),
        ("scan", "off", {SCAN}),
        ("scan", "field", {SCAN, ODOMETRY}),
        ("depth", "off", {DEPTH, DEPTH_INFO, POINTS}),
        ("odometry", "off", {ODOMETRY}),
        ("motion", "fused", set()),
        ("auto", "fused", {ODOMETRY, SCAN, DEPTH, DEPTH_INFO, POINTS}),
    ],
)
def test_only_what_is_needed_is_subscribed_to(make_rig: Any, anchor: str, temporal: str, topics: set[str]) -> None:
    correction = CorrectionSettings(anchor, temporal)
    assert needed_topics(correction, odometry=True) == topics
    assert needed_topics(correction, odometry=False) == topics - {ODOMETRY}
    inputs = make_rig(anchor=anchor, temporal=temporal).inputs
    assert set(inputs.values()) == topics
    assert set(inputs.silent()) == {f"/{topic}" for topic in topics}
    inputs.update(correction, wanted=False)
    assert not inputs.values()


def test_nothing_is_done_unless_it_is_asked_for(make_rig: Any) -> None:
    rig = make_rig()
    result = rig.frame()
    depth = result.outputs["depth"]
    assert rig.correction.apply(result, rig.settings) is None
    assert set(result.outputs) == {"depth", "labels", "confidence"}
    assert result.depth is depth
    assert rig.state.values() == {}
    assert correction_statistics(rig.state.latest())["correction"] == "none"


def test_sparse_depth_corrects_and_raw_depth_stays(make_rig: Any) -> None:
    rig = make_rig(anchor="depth", temporal="field")
    for _ in range(5):
        image, info = rig.sparse_depth()
        rig.send(DEPTH, image)
        rig.send(DEPTH_INFO, info)
        rig.send(ODOMETRY, rig.odometry())
        result, error = rig.correct()
    assert error < 0.05
    assert result.outputs["raw_depth"] == pytest.approx(rig.view(rig.number - 1).depth * WRONG, rel=1e-6)
    relative = result.outputs["uncertainty"] / result.depth
    assert 0 < np.nanmedian(relative) < 0.1
    statistics = correction_statistics(rig.state.latest())
    assert statistics["correction"] == "field"
    assert statistics["anchors"] == ["depth"]
    assert statistics["depth_factor"] == pytest.approx(1 / WRONG, rel=0.03)
    assert statistics["anchor_age"] == 0.0
    assert statistics["anchored"] > 0.9
    PerceptionStats(**statistics)  # every field is there, and of its type
    rows = rig.state.values()
    assert rows["depth correction"] == "field"
    assert rows["anchors used"] == "depth"
    # The same sensor as a cloud.
    other = make_rig(anchor="depth", temporal="field")
    for _ in range(3):
        other.send(POINTS, other.cloud())
        _, error = other.correct()
    assert error < 0.05


def test_a_row_of_a_lidar_corrects(make_rig: Any) -> None:
    rig = make_rig(anchor="scan", temporal="field", scan_in_camera=LIDAR_IN_CAMERA)
    errors = []
    for _ in range(6):
        rig.send(SCAN, rig.scan())
        rig.send(ODOMETRY, rig.odometry())
        errors.append(rig.correct()[1])
    assert errors[-1] < 0.12
    assert correction_statistics(rig.state.latest())["anchors"] == ["scan"]


def test_known_motion_corrects(make_rig: Any) -> None:
    rig = make_rig(anchor="odometry", temporal="field")
    errors = []
    for _ in range(14):
        rig.send(ODOMETRY, rig.odometry())
        errors.append(rig.correct()[1])
    assert errors[0] == pytest.approx(WRONG - 1, abs=1e-3)
    assert min(errors) < 0.2
    assert set(rig.state.reasons) <= {
        "tracking_late",
        "odometry, starting",
        "odometry, no_motion",
        "odometry, few_tracks",
    }


@pytest.mark.parametrize(("overtaken", "late"), [(False, 0), (True, 1)])
def test_a_frame_waits_for_its_tracks_while_nothing_else_is_to_be_done(
    make_rig: Any, monkeypatch: pytest.MonkeyPatch, overtaken: bool, late: int
) -> None:
    """On a GPU the network is done long before tracking is."""
    monkeypatch.setattr(frame_correction, "TRACKING_WAIT", 0.0)
    monkeypatch.setattr(frame_correction, "LONGEST_WAIT", 10.0)
    rig = make_rig(anchor="odometry")
    tracked, asked = threading.Event(), []

    def busy(*arguments: Any) -> Any:
        tracked.wait(10.0)
        raise PoseUnavailable("pose_missing", False, "none came")

    def ask() -> bool:
        asked.append(tracked.is_set())
        if len(asked) == 3:
            tracked.set()
        return overtaken

    monkeypatch.setattr(rig.correction._tracker, "_pose", busy)
    monkeypatch.setattr(rig.correction, "_overtaken", ask)
    rig.correct()
    assert rig.state.reasons.get("tracking_late", 0) == late
    assert len(asked) == 1 if overtaken else len(asked) >= 3
    tracked.set()


def test_the_height_of_the_camera_corrects(make_rig: Any, room: SyntheticRoom) -> None:
    pose = room.render(0, 200).camera_to_world
    level = (0.0, 0.0, 0.0, *quaternion(pose[:3, :3]))
    rig = make_rig(anchor="floor", temporal="off", camera_in_base=level, camera_height=float(pose[2, 3]))
    result, error = rig.correct()
    assert correction_statistics(rig.state.latest())["anchors"] == ["floor"], rig.state.reasons
    floor = result.labels == 1
    truth = rig.view(0).depth
    assert np.abs(result.depth / truth - 1)[floor].mean() < 0.1
    assert error < 0.25
    # A base that stands somewhere does not say how high that is.
    blind = make_rig(anchor="floor", camera_in_base=level)
    blind.correct()
    assert set(blind.state.reasons) <= {"floor, no_tf", "floor, extrinsic_missing"}
    assert sum(blind.state.reasons.values()) == 1


@pytest.mark.parametrize("filtered", [True, False])
def test_an_inertial_unit_says_where_up_is(make_rig: Any, room: SyntheticRoom, filtered: bool) -> None:
    """The base is pitched by 12 degrees against what the parameters say of it."""
    view = room.render(0, 200)
    pitched = view.camera_to_world[:3, :3] @ cv2.Rodrigues(np.array([math.radians(12.0), 0.0, 0.0]))[0]
    parameters = {
        "anchor": "floor",
        "camera_in_base": (0.0, 0.0, 0.0, *quaternion(pitched)),
        "camera_height": float(view.camera_to_world[2, 3]),
        "imu_in_camera": HERE,
    }
    errors = {}
    for up in ("fixed", "imu"):
        rig = make_rig(anchor_up=up, **parameters)
        rig.send(IMU, rig.imu(filtered=filtered))
        result, _ = rig.correct()
        floor = result.labels == 1
        errors[up] = float(np.abs(result.depth / view.depth - 1)[floor].mean())
    assert errors["imu"] < 0.1
    assert errors["imu"] < 0.6 * errors["fixed"]


@pytest.mark.fault(
    area="anchors",
    injected="anchor_up = imu: no message, one of a second ago, one that is pushed and not filtered, one of NaN",
    expected="each is counted under its reason, and the frame goes out as predicted",
)
def test_an_inertial_unit_that_does_not_say_costs_no_frame(
    make_rig: Any, room: SyntheticRoom, observed: Callable[[str], None]
) -> None:
    rig = make_rig(anchor="floor", anchor_up="imu", imu_in_camera=HERE, camera_height=1.5)
    broken = rig.imu(4, filtered=False)
    broken.linear_acceleration.x = math.nan
    for message in (None, rig.imu(-10), rig.imu(2, accelerated=6.0, filtered=False), None, broken):
        if message is not None:
            rig.send(IMU, message)
        _, error = rig.correct()
        assert error == pytest.approx(WRONG - 1, abs=1e-3)
    assert rig.state.reasons["floor, no_imu"] >= 2
    assert rig.state.reasons["anchor/imu, data"] >= 2
    assert "imu_filter_madgwick" in str(rig.conditions.current())
    observed(", ".join(sorted(rig.state.reasons)))


def test_an_inertial_unit_is_subscribed_to_where_it_is_asked_for(make_rig: Any) -> None:
    for anchor, wanted in (("floor", {IMU, ODOMETRY}), ("scan", {SCAN, ODOMETRY})):
        correction = CorrectionSettings(anchor, "field")
        assert needed_topics(correction, odometry=True, imu=True) == wanted
        inputs = make_rig(anchor=anchor, temporal="field", anchor_up="imu").inputs
        inputs.update(correction, wanted=True, imu=True)
        assert set(inputs.values()) == wanted


def test_the_image_alone_tells_the_motion(make_rig: Any) -> None:
    rig = make_rig(anchor="motion", temporal="fused")
    used, agreed = 0, 0
    for _ in range(16):
        _, error = rig.correct()
        statistics = correction_statistics(rig.state.latest())
        used += statistics["anchors"] == ["motion"]
        agreed += statistics["agreement"] > 0.8
    assert agreed >= 8, rig.state.reasons
    assert error < 1.5 * (WRONG - 1), "it does not know the metres"
    assert used or "motion, no_motion" in rig.state.reasons
    assert rig.state.reasons["error"] == 0


def test_fused_frames_flicker_less(make_rig: Any) -> None:
    random = np.random.default_rng(0)
    rig = make_rig(temporal="fused")
    raw, fused = [], []
    for _ in range(10):
        noise = cv2.resize(np.exp(0.03 * random.standard_normal((12, 16))), (160, 120)).astype(np.float32)
        rig.send(ODOMETRY, rig.odometry())
        result, _ = rig.correct(wrong=noise)
        truth = rig.view(rig.number - 1).depth
        raw.append(np.median(np.abs(result.outputs["raw_depth"] / truth - 1)))
        fused.append(np.median(np.abs(result.depth / truth - 1)))
    assert np.mean(fused[3:]) < 0.75 * np.mean(raw[3:])
    assert "uncertainty" not in result.outputs
    statistics = correction_statistics(rig.state.latest())
    assert statistics["correction"] == "none"
    assert statistics["agreement"] > 0.8
    assert math.isnan(statistics["depth_factor"])
    PerceptionStats(**statistics)
    assert not rig.state.reasons


def test_limits_hold_after_correction(make_rig: Any) -> None:
    rig = make_rig(anchor="depth", temporal="off", depth_max=2.5, label_min_confidence=0.9)
    image, info = rig.sparse_depth()
    rig.send(DEPTH, image)
    rig.send(DEPTH_INFO, info)
    result, _ = rig.correct()
    assert np.nanmax(result.depth) <= 2.5
    assert np.isfinite(result.depth).mean() > 0.1
    assert (result.labels == 255).all()


def test_switches_take_effect_at_once(make_rig: Any) -> None:
    rig = make_rig(anchor="depth", temporal="field")
    image, info = rig.sparse_depth()
    rig.send(DEPTH, image)
    rig.send(DEPTH_INFO, info)
    assert rig.correct()[1] < 0.1
    rig.settings = replace(rig.settings, anchor="none", temporal="off")
    assert rig.correct()[1] == pytest.approx(WRONG - 1, abs=1e-3)
    assert rig.state.latest() is None
    rig.settings = replace(rig.settings, anchor="depth")
    result, error = rig.correct()
    assert error == pytest.approx(WRONG - 1, abs=1e-3), "nothing is left of the frames before"
    assert "uncertainty" in result.outputs


FAULTS: dict[str, tuple[str, Callable[[Rig], Any], str, str]] = {
    "no pose": ("none", lambda rig: None, ODOMETRY, "pose_missing"),
    "pose too late": ("none", lambda rig: rig.odometry(rig.number - 1), ODOMETRY, "pose_late"),
    "pose of another frame": (
        "none", lambda rig: rig.odometry(header=rig.header(frame="map")), ODOMETRY, "pose_late",
    ),
    "no scan": ("scan", lambda rig: None, SCAN, f"no {SCAN}"),
    "scan of another time": ("scan", lambda rig: rig.scan(header=rig.header(90)), SCAN, f"no {SCAN}"),
    "scan without angles": ("scan", lambda rig: rig.scan(angle_increment=math.nan), SCAN, f"{SCAN}, data"),
    "scan without values": (
        "scan", lambda rig: rig.scan(ranges=[math.nan, math.inf, -1.0, 0.0] * 40), SCAN, "scan, no_values",
    ),
    "scan beside the image": (
        "scan", lambda rig: rig.scan(angle_min=math.pi, angle_increment=1e-4), SCAN, "scan, not_in_view",
    ),
    "depth without camera_info": ("depth", lambda rig: rig.sparse_depth()[0], DEPTH, f"{DEPTH}, no_intrinsics"),
    "cloud without z": ("depth", lambda rig: rig.cloud("xyw"), POINTS, f"{POINTS}, encoding"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_counted_and_costs_no_frame(make_rig: Any, fault: str) -> None:
    anchor, make, topic, reason = FAULTS[fault]
    rig = make_rig(anchor=anchor, temporal="fused", scan_in_camera=LIDAR_IN_CAMERA)
    if topic == ODOMETRY and fault != "no pose":
        rig.send(ODOMETRY, rig.odometry())
        rig.correct()
    message = make(rig)
    if topic != ODOMETRY:
        rig.send(ODOMETRY, rig.odometry())
    if message is not None:
        rig.send(topic, message)
    result, error = rig.correct()
    assert rig.state.reasons[reason] == 1, rig.state.reasons
    assert error == pytest.approx(WRONG - 1, abs=1e-3)
    assert np.isfinite(result.depth).all()
    assert f"anchor: {reason}" in rig.state.values()


def test_a_frame_that_cannot_be_corrected_goes_out_as_it_was(make_rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = make_rig(anchor="depth", temporal="fused")

    def broken(*arguments: Any, **options: Any) -> Any:
        raise ArithmeticError("no numbers today")

    monkeypatch.setattr(rig.correction._corrector, "correct", broken)
    _, error = rig.correct()
    assert error == pytest.approx(WRONG - 1, abs=1e-3)
    assert rig.state.reasons["error"] == 1
    (condition,) = rig.conditions.current()
    assert "no numbers today" in condition.text
    assert rig.state.latest() is None


def test_without_intrinsics_nothing_is_corrected(make_rig: Any) -> None:
    rig = make_rig(anchor="auto", temporal="fused")
    result = replace(rig.frame(), intrinsics=None)
    rig.correction.begin(result.image, result.header, None, rig.settings)
    rig.correction.apply(result, rig.settings)
    assert rig.state.reasons == {"no_intrinsics": 1}
    assert result.depth is result.outputs["raw_depth"]


@pytest.mark.parametrize("step", [0, -5, 400])
def test_stamps_that_do_not_go_on_start_anew(make_rig: Any, step: int) -> None:
    rig = make_rig(temporal="fused")
    for _ in range(3):
        rig.send(ODOMETRY, rig.odometry())
        rig.correct()
    rig.number = rig.number - 1 + step
    rig.send(ODOMETRY, rig.odometry())
    rig.correct()
    assert rig.state.reasons["time_gap"] == 1
    assert correction_statistics(rig.state.latest())["agreement"] != 0.0


def test_a_jump_of_the_poses_is_no_motion(make_rig: Any) -> None:
    rig = make_rig(temporal="fused")
    for number in range(4):
        message = rig.odometry()
        if number >= 2:
            message.pose.pose.position.x += 5.0  # a relocalisation
        rig.send(ODOMETRY, message)
        rig.correct()
    assert rig.state.reasons == {"pose_jump": 1}


def test_old_sensor_messages_need_the_motion_since(make_rig: Any) -> None:
    rig = make_rig(anchor="depth", temporal="field")
    image, info = rig.sparse_depth()
    rig.send(DEPTH, image)
    rig.send(DEPTH_INFO, info)
    for number in range(5):
        rig.send(ODOMETRY, rig.odometry(number))
    rig.number = 4
    assert rig.correct()[1] < 0.1, "four frames later, carried along the motion"
    blind = make_rig(anchor="depth", temporal="field")
    blind.send(DEPTH, image)
    blind.send(DEPTH_INFO, info)
    blind.number = 4
    blind.correct()
    assert blind.state.reasons[f"{DEPTH}, too_old"] == 1


def test_a_message_is_used_once(make_rig: Any) -> None:
    rig = make_rig(anchor="depth", temporal="field")
    image, info = rig.sparse_depth()
    rig.send(DEPTH, image)
    rig.send(DEPTH_INFO, info)
    rig.send(ODOMETRY, rig.odometry())
    rig.correct()
    rig.send(ODOMETRY, rig.odometry())
    _, error = rig.correct()
    assert rig.state.reasons[f"no {DEPTH}"] == 1
    assert error < 0.1, "the field is carried"
    assert correction_statistics(rig.state.latest())["anchors"] == []


def test_tf_without_tf2_is_a_reason_like_any_other(make_rig: Any) -> None:
    try:
        import tf2_ros  # noqa: F401
    except ImportError:
        expected = "no_tf"
    else:
        expected = "pose_late"
    rig = make_rig(temporal="fused", anchor_poses="tf")
    _, error = rig.correct()
    assert rig.state.reasons[expected] == 1
    assert error == pytest.approx(WRONG - 1, abs=1e-3)


@pytest.mark.parametrize("seed", range(2))
def test_hostile_messages_do_no_harm(make_rig: Any, seed: int) -> None:
    random = np.random.default_rng(seed)
    rig = make_rig(anchor="auto", temporal="fused", scan_in_camera=LIDAR_IN_CAMERA)
    wild = [0.0, -1.0, math.nan, math.inf, -math.inf, 1e-30, 1e30, 3.0]
    for _ in range(12):
        odometry = rig.odometry()
        setattr(odometry.pose.pose.position, random.choice(["x", "y", "z"]), float(random.choice(wild)))
        setattr(odometry.pose.pose.orientation, random.choice(["x", "w"]), float(random.choice(wild)))
        scan = rig.scan(ranges=[float(value) for value in random.choice(wild, random.integers(0, 300))])
        setattr(scan, random.choice(["angle_min", "angle_increment", "range_max"]), float(random.choice(wild)))
        image, info = rig.sparse_depth()
        image.data = random.integers(0, 256, random.choice([0, len(image.data)]), np.uint8).tobytes()
        info.k[random.integers(9)] = float(random.choice(wild))
        cloud = rig.cloud()
        cloud.point_step = int(random.choice([0, 4, 12, 2**31]))
        cloud.data = random.integers(0, 256, len(cloud.data), np.uint8).tobytes()
        for topic, message in ((ODOMETRY, odometry), (SCAN, scan), (DEPTH, image), (DEPTH_INFO, info), (POINTS, cloud)):
            if random.random() < 0.8:
                rig.send(topic, message)
        result, _ = rig.correct()
        assert result.depth.shape == (120, 160)
        assert (result.depth > 0).mean() > 0.95
    assert rig.state.reasons["error"] == 0, [item.text for item in rig.conditions.current()]
