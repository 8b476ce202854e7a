"""Anchors on the real wire: odometry, scan and sparse depth in; corrected and raw depth and uncertainty out."""

from __future__ import annotations

import functools
import itertools
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from nav_msgs.msg import Odometry
from output_arrays import pixels
from rcl_interfaces.srv import GetParameters
from sensor_msgs.msg import CameraInfo, Image, LaserScan, PointCloud2

from cinet_core.messages.encoding import ImageBuffer
from cinet_ros.conversions.ros_types import ROS_TYPES
from cinet_ros.msg import PerceptionStats

NODE = "/perception"
WIDTH, HEIGHT = 80, 60
DEPTH, RAW, UNCERTAINTY = "depth_registered/image_rect", "depth_registered/raw", "depth_registered/uncertainty"
SENSOR, SENSOR_INFO = "anchor/depth/image", "anchor/depth/camera_info"
HERE = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
METRES = 3.0
"""What the sensor measures everywhere."""

OFF = {"anchor": "none", "temporal": "off"}

fault = functools.partial(pytest.mark.fault, area="anchors")


@pytest.fixture(scope="module", autouse=True)
def node(start_for_module: Callable[..., Any], tiny_weights: Any) -> Any:
    """The node with a network that answers in milliseconds: what it predicts does not matter."""
    same = {"camera_in_base": HERE, "depth_in_camera": HERE, "scan_in_camera": HERE}
    parameters = {"weights": str(tiny_weights), "network_width": 80, "network_height": 64, **same}
    return start_for_module("perception_node", parameters, until="configured")


@pytest.fixture(autouse=True)
def _off_again(wire: Any) -> Iterator[None]:
    yield
    wire.set_parameters(NODE, **OFF)


_STAMPS = itertools.count(time.time_ns(), 100_000_000)
"""Ten images a second by their stamps, however long they take."""


class Robot:
    """Sends what a robot sends, all with the stamp of the next image."""

    def __init__(self, wire: Any, make_image: Callable[..., Image], make_info: Callable[..., CameraInfo]) -> None:
        self._wire, self._make_image, self._make_info = wire, make_image, make_info
        coarse = np.random.default_rng(2).integers(30, 226, (4, 5, 3), dtype=np.uint8)
        self._rgb = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)

    def switch(self, **values: str | float) -> None:
        """Set parameters."""
        for result in self._wire.set_parameters(NODE, **values):
            assert result.successful, result.reason

    def ask(self, *topics: str, anchors: tuple[str, ...] = (), change: Callable[[Any], None] | None = None) -> Any:
        """Send an image with messages of some anchors, and return what comes back."""
        for topic in topics:
            if topic == "stats":
                self._wire.subscribe_stats()
            else:
                self._wire.subscribe(topic, Image)
        image = self._make_image(self._rgb)
        now = next(_STAMPS)
        image.header.stamp.sec, image.header.stamp.nanosec = divmod(now, 1_000_000_000)
        for topic in anchors:
            publisher, message = self._wire.publisher(topic, KINDS[topic]), MAKE[topic](image.header)
            if change is not None:
                change(message)
            self._wire.settle(publisher)
            publisher.publish(message)
        self._wire.spin_for(0.1)  # topics are not ordered against each other
        return self._wire.exchange(image, self._make_info(image, WIDTH, HEIGHT, fx=70.0), list(topics))


@pytest.fixture
def robot(wire: Any, make_image: Callable[..., Image], make_info: Callable[..., CameraInfo]) -> Robot:
    return Robot(wire, make_image, make_info)


def odometry(header: Any) -> Odometry:
    message = Odometry(child_frame_id="base_link")
    message.header.stamp, message.header.frame_id = header.stamp, "odom"
    message.pose.pose.orientation.w = 1.0
    return message


def scan(header: Any) -> LaserScan:
    """In the optical frame, whose x and y are the image's: what it hits is beside the camera."""
    message = LaserScan(header=header, angle_min=0.0, angle_increment=0.01, range_min=0.1, range_max=20.0)
    message.ranges = [2.0] * 100
    return message


def sensor(header: Any) -> Image:
    buffer = ImageBuffer(ROS_TYPES, "32FC1", 15, 20)
    buffer.fill_depth(np.full((15, 20), METRES, np.float32), header)
    return buffer.message


def sensor_info(header: Any) -> CameraInfo:
    k = [17.5, 0.0, 9.5, 0.0, 17.5, 7.0, 0.0, 0.0, 1.0]
    p = [17.5, 0.0, 9.5, 0.0, 0.0, 17.5, 7.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    return CameraInfo(header=header, width=20, height=15, k=k, p=p, distortion_model="plumb_bob", d=[0.0] * 5)


KINDS = {
    "anchor/odom": Odometry,
    "anchor/scan": LaserScan,
    "anchor/points": PointCloud2,
    SENSOR: Image,
    SENSOR_INFO: CameraInfo,
}
MAKE = {"anchor/odom": odometry, "anchor/scan": scan, SENSOR: sensor, SENSOR_INFO: sensor_info}
BOTH = (SENSOR_INFO, SENSOR)


def camera_values(wire: Any) -> tuple[DiagnosticStatus, dict[str, str]]:
    row = wire.diagnosis("perception: camera")
    return row, {item.key: item.value for item in row.values}


def test_by_default_depth_is_as_it_was_predicted(robot: Robot, wire: Any) -> None:
    got = robot.ask(DEPTH, RAW, "stats")
    assert (pixels(got[DEPTH]) == pixels(got[RAW])).all()
    assert (got["stats"].correction, got["stats"].anchors) == ("none", [])
    assert math.isnan(got["stats"].depth_factor)
    subscribed = {name for name, _ in wire.node.get_subscriber_names_and_types_by_node("perception", "/")}
    assert not [name for name in subscribed if "anchor" in name]
    _, values = camera_values(wire)
    assert "anchor" not in values


def test_sparse_depth_corrects_and_is_told_of(robot: Robot, wire: Any) -> None:
    robot.switch(anchor="depth", temporal="field")
    for _ in range(3):
        got = robot.ask(DEPTH, RAW, UNCERTAINTY, "stats", anchors=BOTH)
    depth, raw, uncertainty = (pixels(got[topic]) for topic in (DEPTH, RAW, UNCERTAINTY))
    assert np.nanmedian(np.abs(depth / METRES - 1)) < 0.1
    assert np.nanmedian(np.abs(depth / METRES - 1)) < 0.5 * np.nanmedian(np.abs(raw / METRES - 1))
    assert (got[UNCERTAINTY].encoding, got[RAW].encoding) == ("32FC1", "32FC1")
    assert (np.isnan(uncertainty) == np.isnan(depth)).all()
    assert 0 < np.nanmedian(uncertainty / depth) < 0.2
    for topic in (RAW, UNCERTAINTY):
        assert got[topic].header == got[DEPTH].header
    stats: PerceptionStats = got["stats"]
    assert stats.correction in ("field", "factor")
    assert list(stats.anchors) == ["depth"]
    assert stats.anchor_age == 0.0
    assert stats.anchored > 0.5
    assert 0 < stats.depth_factor_sigma < 0.2
    assert "correct" in {stage.stage for stage in stats.stages}
    _, values = camera_values(wire)
    assert values["anchor"] == "depth"
    assert values["depth correction"] == stats.correction
    assert values[SENSOR].startswith("3 received")
    # And off again, with the next frame.
    robot.switch(**OFF)
    got = robot.ask(DEPTH, RAW, "stats")
    assert (pixels(got[DEPTH]) == pixels(got[RAW])).all()
    assert got["stats"].correction == "none"


def test_frames_are_fused_along_the_odometry(robot: Robot) -> None:
    robot.switch(temporal="fused")
    for number in range(3):
        got = robot.ask(DEPTH, "stats", anchors=("anchor/odom",))
        assert math.isnan(got["stats"].agreement) == (number == 0)
    assert got["stats"].agreement == 1.0
    assert got["stats"].correction == "none"


def test_limits_of_anchors_change_while_the_node_runs(robot: Robot, wire: Any) -> None:
    """The values of `test_anchoring.py`, where each has its effect, reach the node and are checked there."""
    changed = {"camera_height": 0.4, "anchor_pose_timeout": 0.1, "anchor_max_age": 0.5}
    request = GetParameters.Request(names=list(changed))
    before = [item.double_value for item in wire.call(GetParameters, f"{NODE}/get_parameters", request).values]
    for result in wire.set_parameters(NODE, **changed):
        assert result.successful, result.reason
    found = [item.double_value for item in wire.call(GetParameters, f"{NODE}/get_parameters", request).values]
    assert found == list(changed.values())
    (result,) = wire.set_parameters(NODE, anchor_max_age=-1.0)
    assert not result.successful
    assert "anchor_max_age" in result.reason
    robot.switch(**dict(zip(changed, before, strict=True)))


def test_temporal_off_is_a_text_for_the_command_line(robot: Robot, wire: Any) -> None:
    """`ros2 param set /perception temporal off`: YAML reads off as false."""
    robot.switch(temporal="fused")
    (result,) = wire.set_parameters(NODE, temporal=False)
    assert result.successful, result.reason
    (result,) = wire.set_parameters(NODE, temporal="sometimes")
    assert not result.successful
    assert "off, field, fused" in result.reason


def test_where_up_comes_from_changes_while_the_node_runs(robot: Robot, wire: Any) -> None:
    """With `imu` the node listens to it, and with `fixed` no more."""

    def listeners() -> int:
        return int(wire.node.count_subscribers("/anchor/imu"))

    assert listeners() == 0
    robot.switch(anchor="floor", camera_height=0.4, anchor_up="imu")
    robot.ask(DEPTH)
    assert listeners() == 1
    robot.switch(anchor_up="fixed", camera_height=0.0)
    robot.ask(DEPTH)
    wire.spin_until(lambda: listeners() == 0, "the node listens no more")
    (result,) = wire.set_parameters(NODE, anchor_up="gyro")
    assert not result.successful
    assert "anchor_up" in result.reason


@fault(
    fault="the one anchor that is demanded has no publisher",
    injected="anchor = scan, and nobody publishes anchor/scan",
    expected="frames go out as predicted, /diagnostics warns and names the topic and the remedy",
)
def test_a_missing_sensor_is_told_of(robot: Robot, wire: Any, observed: Callable[[str], None]) -> None:
    robot.switch(anchor="scan")
    got = robot.ask(DEPTH, RAW, "stats")
    assert got["stats"].correction == "raw"
    assert got["stats"].correction_reason
    assert pixels(got[DEPTH]) == pytest.approx(pixels(got[RAW]), rel=1e-5, nan_ok=True)
    deadline = time.monotonic() + 10
    row = wire.diagnosis("perception: model")
    while "anchor/scan" not in row.message and time.monotonic() < deadline:
        row = wire.diagnosis("perception: model")
    assert row.level == DiagnosticStatus.WARN
    assert "nobody publishes /anchor/scan" in row.message
    observed(f"the frame is published as predicted; WARN: {row.message[:60]}...")


@fault(
    fault="broken messages on the topics of anchors",
    injected="NaN poses, a scan without angles, a cut depth image, a stamp of 0, each with an image",
    expected="each is counted under its reason, and every frame goes out",
)
def test_broken_messages_cost_no_frame(robot: Robot, wire: Any, observed: Callable[[str], None]) -> None:
    robot.switch(anchor="auto", temporal="fused")

    def no_number(message: Odometry) -> None:
        message.pose.pose.position.x = math.nan

    def no_angles(message: LaserScan) -> None:
        message.angle_increment = math.nan

    def cut(message: Any) -> None:
        if isinstance(message, Image):
            message.data = message.data[:10]

    def no_time(message: Any) -> None:
        message.header.stamp.sec = message.header.stamp.nanosec = 0

    for topics, change in (
        (("anchor/odom",), no_number),
        (("anchor/scan",), no_angles),
        (BOTH, cut),
        (("anchor/odom", "anchor/scan"), no_time),
    ):
        got = robot.ask(DEPTH, RAW, "stats", anchors=topics, change=change)
        assert np.isfinite(pixels(got[DEPTH])).any()
        assert got["stats"].correction == "raw"
    _, values = camera_values(wire)
    counted = {name for name in values if name.startswith("anchor: ")}
    assert {"anchor: anchor/scan, data", f"anchor: {SENSOR}, data"} <= counted
    assert any(name.startswith("anchor: pose_") for name in counted)
    assert "refused" in values["anchor/odom"]
    assert values.get("anchor: error") is None
    observed(", ".join(sorted(name.removeprefix("anchor: ") for name in counted)))
