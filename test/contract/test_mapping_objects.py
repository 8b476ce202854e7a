"""`mapping/objects` on the wire: the mapping node with vision_msgs, a robot in a room, and who listens."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

import message_stand_ins
import numpy as np
import pytest
from fork_server import ForkServer
from node_in_process import values_of
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from robot_on_the_wire import Robot
from room_on_the_wire import CAMERA_IN_BASE, INTERVAL, LABEL_SET, MAP_FRAME, MESSAGE_TYPES, VIEWS, time_of
from visualization_msgs.msg import Marker, MarkerArray

from cinet_ros.mapping.parameters import MappingSettings

NODE = "/mapping"
DEFAULTS = {field.name: field.default for field in dataclasses.fields(MappingSettings)}
MARKERS, DETECTIONS = "mapping/objects/markers", "mapping/objects"
ATTEMPTS = 20

# vision_msgs is there in a process that has had its variables from its start.
LISTEN = """
import json, sys, time
import rclpy
from vision_msgs.msg import Detection3DArray

def heard(message):
    print(json.dumps([message.header.frame_id, message.header.stamp.sec, message.header.stamp.nanosec, [
        [one.id, one.results[0].hypothesis.class_id, one.results[0].hypothesis.score, one.header.frame_id,
         one.bbox.center.position.x, one.bbox.center.position.y, one.bbox.center.position.z,
         one.bbox.size.x, one.bbox.size.y, one.bbox.size.z] for one in message.detections]]), flush=True)

rclpy.init()
node = rclpy.create_node("listener")
node.create_subscription(Detection3DArray, "mapping/objects", heard, 20)
print("listening", flush=True)
rclpy.spin(node)
"""


@pytest.fixture(scope="module")
def node_server(equipped_server: ForkServer) -> ForkServer:
    """In place of the one of all tests: this node has vision_msgs."""
    return equipped_server


@pytest.fixture(scope="module", autouse=True)
def node(start_for_module: Callable[..., Any]) -> Any:
    depths: dict[str, Any] = {f"qos_overrides./{topic}.subscription.depth": VIEWS for topic in MESSAGE_TYPES}
    parameters = depths | {
        "camera_in_base": list(CAMERA_IN_BASE),
        "voxel_size": 0.05,
        "max_depth": 6.0,
        "max_waiting": 4 * VIEWS,
        "max_frame_age": 0.0,
    }
    return start_for_module("mapping_node", parameters, until="configured")


@pytest.fixture(scope="module")
def robot(wire: Any, node: Any) -> Robot:
    robot = Robot(wire)
    robot.connect()
    robot.send_odometry(*(robot.room.start + step * (INTERVAL // 2) for step in range(-1, 2 * VIEWS + 1)))
    return robot


def stand(robot: Robot, view: int, stamp: int) -> None:
    """Be where a view is, around a stamp."""
    pose = robot.room.odometry(robot.room.views[view].stamp)
    for shift in (-INTERVAL // 20, INTERVAL // 20):
        pose.header.stamp = time_of(stamp + shift)
        robot.send({"odom": pose})


def walked(wire: Any, robot: Robot, *views: int) -> MarkerArray:
    """Send views of the room; the markers of the last. Stamps never come again, places do."""
    wire.subscribe(MARKERS, MarkerArray)
    wire.spin_for(0.3)  # until the node has seen that somebody listens
    used, messages = robot.frames().get("used", 0), wire.messages[MARKERS]
    for view in views:
        wire.messages[MARKERS].clear()
        stamp = robot.later()
        stand(robot, view, stamp)
        robot.send_view(view, stamp)
        wire.spin_until(lambda: bool(messages), "markers")
    robot.wait_for(robot.frames, "used", used + len(views))
    return messages[-1]


def named(message: MarkerArray) -> dict[str, Marker]:
    """Boxes by the name and id above them."""
    texts = {marker.id: marker.text for marker in message.markers if marker.text}
    return {texts[marker.id]: marker for marker in message.markers if marker.type == Marker.CUBE}


def test_objects_have_ids_that_stay_and_lie_in_the_map(wire: Any, robot: Robot) -> None:
    first = named(walked(wire, robot, *range(12)))
    name = next(text for text in first if text.startswith("table "))  # the oldest: its far end may be another at first
    again = named(walked(wire, robot, *range(12, VIEWS), *range(6)))
    assert name in again
    box = again[name]
    assert box.header.frame_id == MAP_FRAME
    assert (box.pose.position.x, box.pose.position.y) == pytest.approx((3.0, 2.5), abs=0.15)
    assert sorted((box.scale.x, box.scale.y)) == pytest.approx([0.84, 1.5], abs=0.2)
    color = LABEL_SET.colors[LABEL_SET.ids(["table"])[0]] / 255.0
    assert (box.color.r, box.color.g, box.color.b) == pytest.approx(tuple(color))
    row = values_of(wire.diagnosis("mapping: map"))
    assert int(row["objects"]) == len(again)


def test_detections_are_the_markers(wire: Any, robot: Robot) -> None:
    environment = os.environ | message_stand_ins.environment()
    heard: dict[tuple[int, int], tuple[str, list[Any]]] = {}

    def read(lines: Iterable[str]) -> None:
        for frame_id, seconds, nanoseconds, detections in map(json.loads, lines):
            heard[seconds, nanoseconds] = frame_id, detections

    with subprocess.Popen(
        [sys.executable, "-c", LISTEN], env=environment, stdout=subprocess.PIPE, text=True
    ) as listener:
        assert listener.stdout is not None
        try:
            assert listener.stdout.readline() == "listening\n"
            reader = threading.Thread(target=read, args=(listener.stdout,), daemon=True)
            reader.start()
            wire.spin_until(lambda: wire.node.count_subscribers(DETECTIONS) == 1, "listener")
            # The node finds the listener in its own time, seconds later where an announcement was lost: until then
            # its detections are for nobody.
            for _ in range(ATTEMPTS):
                markers = walked(wire, robot, 0, 1, 2, 3)
                stamp = markers.markers[0].header.stamp
                wire.spin_for(0.5)
                if (stamp.sec, stamp.nanosec) in heard:
                    break
            frame_id, detections = heard[stamp.sec, stamp.nanosec]
        finally:
            listener.kill()  # not every one has ended on SIGTERM
    assert frame_id == MAP_FRAME
    boxes = named(markers)
    assert [f"{name} {number}" for number, name, *_ in detections] == list(boxes)
    assert len(boxes) > 3
    for number, name, score, own_frame, *values in detections:
        box = boxes[f"{name} {number}"]
        at, size = box.pose.position, box.scale
        assert values == pytest.approx([at.x, at.y, at.z, size.x, size.y, size.z], abs=1e-5)
        assert own_frame == MAP_FRAME
        assert 0.5 < score <= 1.0


def test_objects_are_not_latched(wire: Any) -> None:
    for topic in (MARKERS, DETECTIONS):
        (publisher,) = wire.node.get_publishers_info_by_topic(f"/{topic}")
        assert publisher.qos_profile.reliability == ReliabilityPolicy.RELIABLE, topic
        assert publisher.qos_profile.durability == DurabilityPolicy.VOLATILE, topic


VALUES: dict[str, Any] = {
    "object_classes": ["table"],
    "object_dynamic_classes": ["furniture"],
    "object_min_pixels": 100_000,
    "object_min_size": 10.0,
    "object_confirm_after": 1000,
}
"""Each with what is left: tables, what is seen now, and nothing."""


@pytest.mark.parametrize("name", VALUES)
def test_parameters_are_in_force_on_the_next_frame(wire: Any, robot: Robot, change: Any, name: str) -> None:
    before = named(walked(wire, robot, 0, 1, 2, 3))
    behind = named(walked(wire, robot, 12))
    assert before.keys() <= behind.keys(), "furniture stays while the robot looks elsewhere"
    change(**{name: VALUES[name]})
    found = named(walked(wire, robot, 12))
    if name == "object_classes":
        assert {text.rsplit(" ", 1)[0] for text in found} == {"table"}
    elif name == "object_dynamic_classes":
        assert 0 < len(found) < len(behind)
    elif name == "object_min_pixels":
        assert found.keys() == behind.keys(), "what is known stays, and nothing is added to it"
    else:
        assert found == {}


def test_the_others_change_while_the_node_runs_and_wrong_values_are_refused(
    wire: Any, robot: Robot, change: Any
) -> None:
    others = {
        "object_jump": 0.1,
        "object_gap": 0.2,
        "object_gate": 1.0,
        "object_forget_after": 5.0,
        "object_mover_memory": 1.0,
        "object_mover_speed": 1.0,
        "object_depth_tolerance": 0.2,
    }
    change(**others)
    assert named(walked(wire, robot, 0, 1, 2, 3))
    from cinet_ros.mapping.parameters import MappingSettings

    assert {*VALUES, *others} == {name for name in vars(MappingSettings()) if name.startswith("object_")}
    for values, words in (
        ({"object_classes": ["tables"]}, "object_classes: 'tables'"),
        ({"object_forget_after": 0.0}, "outside 0.1 .. 3600"),
        ({"object_min_pixels": -1}, "outside 3"),
    ):
        (result,) = wire.set_parameters(NODE, **values)
        assert not result.successful
        assert words in result.reason


@pytest.mark.fault(
    area="mapping",
    fault="frames that show nothing that can be, while somebody listens to the objects",
    injected="depth of NaN, infinity, noise; labels of noise; each 3 times, 50 ms apart, between sound frames",
    expected="every frame is counted, the node goes on, and furniture has the ids that it had",
)
def test_whatever_a_frame_holds_ids_stay(wire: Any, robot: Robot, observed: Callable[[str], None]) -> None:
    before = named(walked(wire, robot, 0, 1, 2, 3))
    rng, sent, start = np.random.default_rng(4), 0, robot.later()
    depth, labels = "depth_registered/image_rect", "semantic/image_raw"
    received = robot.frames()["received"]
    for kind in ("nan", "infinite", "noisy depth", "noisy labels"):
        for _ in range(3):
            stamp = start + sent * INTERVAL // 4
            stand(robot, 3, stamp)
            messages = robot.room.messages(robot.room.views[3], stamp)
            pixels = messages[depth].height * messages[depth].width
            if kind == "noisy labels":
                messages[labels].data = rng.integers(0, 40, pixels, dtype=np.uint8).tobytes()
            else:
                value = {"nan": np.nan, "infinite": np.inf}.get(kind)
                noise = rng.uniform(-1.0, 7.0, pixels) if value is None else np.full(pixels, value)
                messages[depth].data = noise.astype(np.float32).tobytes()
            robot.send(messages)
            sent += 1
            wire.spin_for(0.1)
    now = robot.wait_for(robot.frames, "received", received + sent)
    after = named(walked(wire, robot, 3))
    assert before.keys() <= after.keys()
    observed(f"{sent} of {sent} counted (no_depth: {now.get('dropped: no_depth', 0)}); {len(before)} ids as before")
