"""Messages for navigation, made of exact frames: what the core finds is what they say, in the robot's frame."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from typing import Any

import message_stand_ins
import numpy as np
import numpy.typing as npt
import pytest
from geometry_msgs.msg import TransformStamped
from output_arrays import points
from rclpy.node import Node
from rclpy.time import Time
from room_on_the_wire import quaternion
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40
from cinet_core.messages.colors import LabelPainter
from cinet_core.messages.result import Result
from cinet_core.obstacles.clouds import free_points, ground_points, obstacle_points
from cinet_core.obstacles.scan import laser_scan
from cinet_core.obstacles.segmented import segment
from cinet_ros.diagnostics import Conditions
from cinet_ros.mapping.transforms import LazyTransforms
from cinet_ros.navigation import topics
from cinet_ros.navigation.frame import FrameNavigation, NavigationState
from cinet_ros.navigation.place import CameraPlace
from cinet_ros.parameters import Settings
from scripts.robot.box_scene import SceneBox, camera_pose, floor, render

CAMERA = Intrinsics.from_fov(320, 240, 70.0)
POSE = camera_pose(0.5, 5.0)
WALL = SceneBox((3.0, -6.0, 0.0), (3.2, 6.0, 3.0), "wall")
PERSON = SceneBox((1.6, -0.3, 0.0), (1.8, 0.1, 1.7), "person")
CABINET = SceneBox((1.8, 0.5, 0.0), (2.2, 1.0, 0.9), "cabinet")
LAMP = SceneBox((1.5, -0.9, 0.9), (1.7, -0.5, 1.2), "lamp")
BACK_WALL = SceneBox((5.0, -9.0, 0.0), (5.2, 9.0, 3.0), "wall")
STAIRS = [floor((-1.0, 1.5)), SceneBox((1.5, -6.0, -1.1), (9.0, 6.0, -0.6), "floor")]
SCENE = [floor(), WALL, PERSON, CABINET]
OPTICAL, BASE = "camera_optical_frame", "base_footprint"
SECOND = 1_000_000_000


def seven(pose: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """A transform as a parameter has it."""
    return (*map(float, pose[:3, 3]), *map(float, quaternion(pose[:3, :3])))


class Rig:
    """The messages of one camera, without a network."""

    def __init__(self, node: Node, **parameters: Any) -> None:
        given = {"obstacle_camera_in_base": seven(POSE), "obstacle_tf_timeout": 0.0, **parameters}
        self.settings = Settings(weights="random", **given)
        self.lazy = LazyTransforms(node)
        place = CameraPlace(self.lazy)
        place.prepare(self.settings)
        self.conditions, self.state = Conditions(node.get_logger()), NavigationState()
        self.navigation = FrameNavigation(place, NYU40, self.conditions, self.state)

    def frame(
        self, boxes: list[SceneBox], stamp: int = SECOND, pose: npt.NDArray[np.float64] = POSE, camera: Any = CAMERA
    ) -> Result:
        """An exact frame, as the network's would come."""
        view = render(boxes, pose, CAMERA)
        header = Header(frame_id=OPTICAL)
        header.stamp.sec, header.stamp.nanosec = divmod(stamp, SECOND)
        outputs = {"depth": view.depth, "labels": view.labels, "confidence": np.full(view.labels.shape, 204, np.uint8)}
        image = np.zeros((*view.depth.shape, 3), np.uint8)
        return Result(header, image, outputs, camera, LabelPainter(NYU40.palette))

    def ask(self, topic: str, boxes: list[SceneBox], **changes: Any) -> Any:
        return self.navigation.build(topic, self.frame(boxes, **changes), self.settings)

    def segmented(self, boxes: list[SceneBox]) -> Any:
        frame = render(boxes, POSE, CAMERA)
        return segment(frame, NYU40, self.settings.obstacles)

    def reasons(self) -> set[str]:
        return {name.removeprefix("no obstacles: ") for name in self.state.values()}


@pytest.fixture
def make_rig(make_node: Callable[..., Node]) -> Callable[..., Rig]:
    return lambda **parameters: Rig(make_node("rig"), **parameters)


def xyz(message: PointCloud2) -> npt.NDArray[np.float32]:
    """(N, 3) of an unorganised cloud."""
    found = points(message).reshape(-1)
    return np.stack([found["x"], found["y"], found["z"]], axis=1)


def fields(message: PointCloud2) -> list[tuple[str, int, int]]:
    return [(field.name, field.offset, field.datatype) for field in message.fields]


F, U = PointField.FLOAT32, PointField.UINT32


def test_obstacles_have_the_fields_of_the_contract(make_rig: Any) -> None:
    rig = make_rig()
    message = rig.ask(topics.OBSTACLES, SCENE)
    assert fields(message) == [("x", 0, F), ("y", 4, F), ("z", 8, F), ("label", 12, U), ("confidence", 16, F)]
    assert (message.header.frame_id, message.header.stamp.sec) == (BASE, 1)
    assert (message.height, message.is_dense, message.point_step) == (1, True, 20)
    expected = obstacle_points(rig.segmented(SCENE))
    np.testing.assert_allclose(xyz(message), expected.xyz, atol=1e-5)
    found = points(message).reshape(-1)
    np.testing.assert_array_equal(found["label"], expected.labels)
    np.testing.assert_allclose(found["confidence"], 0.8, atol=1e-6)
    assert set(np.unique(found["label"])) == set(NYU40.ids(["wall", "person", "cabinet"]))


def test_static_and_dynamic_are_the_whole(make_rig: Any) -> None:
    rig = make_rig()
    result = rig.frame(SCENE)
    every, static, dynamic = (
        rig.navigation.build(topic, result, rig.settings) for topic in (topics.OBSTACLES, topics.STATIC, topics.DYNAMIC)
    )
    assert every.width == static.width + dynamic.width
    assert set(points(dynamic).reshape(-1)["label"]) == set(NYU40.ids(["person"]))
    assert not set(points(static).reshape(-1)["label"]) & set(NYU40.ids(["person"]))


def test_ground_free_and_cliffs(make_rig: Any) -> None:
    rig = make_rig()
    for topic, expected in ((topics.GROUND, ground_points), (topics.FREE, free_points)):
        message = rig.ask(topic, SCENE)
        assert [name for name, *_ in fields(message)] == ["x", "y", "z"]
        np.testing.assert_allclose(xyz(message), expected(rig.segmented(SCENE)), atol=1e-5)
    cliffs = rig.ask(topics.CLIFFS, STAIRS)
    assert [name for name, *_ in fields(cliffs)] == ["x", "y", "z", "drop"]
    assert cliffs.width > 20
    assert np.abs(xyz(cliffs)[:, 0] - 1.5).max() < 0.06
    assert points(cliffs).reshape(-1)["drop"] == pytest.approx(0.6, abs=0.05)


def test_a_frame_without_obstacles_is_an_empty_cloud(make_rig: Any) -> None:
    """It takes the place of the one before in Nav2's buffer; none would leave that there."""
    message = make_rig().ask(topics.OBSTACLES, [floor()])
    assert (message.width, message.height, len(message.data), len(message.fields)) == (0, 1, 0, 5)


def test_the_scan_knows_free_from_unknown(make_rig: Any) -> None:
    rig, scene = make_rig(), [floor(), PERSON, BACK_WALL]
    message = rig.ask(topics.SCAN, scene)
    ranges = np.array(message.ranges)
    expected = laser_scan(rig.segmented(scene))
    np.testing.assert_array_equal(ranges, expected.ranges)
    bearings = message.angle_min + message.angle_increment * np.arange(len(ranges))
    assert message.angle_max == pytest.approx(bearings[-1], abs=1e-5)
    ahead = ranges[np.abs(bearings + 0.06) < 0.03]
    assert ahead == pytest.approx(1.6, abs=0.05)
    assert np.isinf(ranges[np.abs(bearings - 0.4) < 0.03]).all(), "seen to be free"
    unknown = rig.frame(scene)
    unknown.outputs["depth"][:, :120] = np.nan
    ranges = np.array(rig.navigation.build(topics.SCAN, unknown, rig.settings).ranges)
    assert np.isnan(ranges[np.abs(bearings - 0.4) < 0.03]).all(), "not known"
    assert (message.header.frame_id, message.range_max) == (BASE, 4.0)


@pytest.mark.parametrize("topic", [topics.OBSTACLES, topics.GROUND, topics.FREE])
def test_a_base_above_the_floor_has_the_floor_below_it(make_rig: Any, topic: str) -> None:
    lowered = POSE.copy()
    lowered[2, 3] -= 0.2
    high = make_rig(base_frame="base_link", base_height=0.2, obstacle_camera_in_base=seven(lowered))
    message, usual = high.ask(topic, SCENE), make_rig().ask(topic, SCENE)
    assert message.header.frame_id == "base_link"
    np.testing.assert_allclose(xyz(message) + np.array([0.0, 0.0, 0.2]), xyz(usual), atol=1e-5)


def test_objects_are_boxes_with_names(make_rig: Any) -> None:
    markers = make_rig().ask(topics.MARKERS, SCENE).markers
    assert markers[0].action == markers[0].DELETEALL
    names = {marker.text.split()[0]: marker for marker in markers if marker.text}
    assert set(names) == {"person", "cabinet"}
    boxes = {marker.id: marker for marker in markers if marker.ns == "objects" and marker.scale.x > 0}
    person = boxes[names["person"].id]
    assert person.pose.position.x == pytest.approx(1.6, abs=0.12)
    assert person.pose.position.y == pytest.approx(-0.1, abs=0.05)
    assert {marker.header.frame_id for marker in markers} == {BASE}


DETECT = """
import json, sys, types
import numpy as np
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray
from cinet_core.obstacles.instances import ObjectInstance
from cinet_ros.navigation.objects import detections_message
from cinet_ros.navigation.topics import DETECTIONS, message_types

assert message_types()[DETECTIONS] is Detection3DArray
chair = ObjectInstance(4, "chair", np.array([1.0, 2.0, 0.5]), np.array([0.6, 0.4, 1.0]), np.pi / 2, 0.75, 100, False)
sent = detections_message([(7, chair)], 0.2, Header(frame_id="base_link"))
(one,) = deserialize_message(serialize_message(sent), Detection3DArray).detections
box, (hypothesis,) = one.bbox, one.results
at, turn = box.center.position, box.center.orientation
print(json.dumps([one.header.frame_id, one.id, hypothesis.hypothesis.class_id, hypothesis.hypothesis.score,
    at.x, at.y, at.z, turn.z, turn.w, box.size.x, box.size.y, box.size.z, hypothesis.pose.pose == box.center]))
"""


def test_objects_are_detections_where_vision_msgs_is_installed() -> None:
    environment = os.environ | message_stand_ins.environment()
    done = subprocess.run(
        [sys.executable, "-c", DETECT], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    frame, number, name, *values, same = json.loads(done.stdout)
    assert (frame, number, name, same) == ("base_link", "7", "chair", True)
    half = np.sqrt(0.5)
    assert values == pytest.approx([0.75, 1.0, 2.0, 0.3, half, half, 0.6, 0.4, 1.0])


def test_points_at_height_are_the_cameras_points_but_for_what_is_passed_under(make_rig: Any) -> None:
    scene = [floor(), WALL, CABINET, LAMP]
    rig = make_rig(obstacle_max_height=0.8)
    message = rig.ask(topics.POINTS_AT_HEIGHT, scene)
    assert (message.width, message.height, message.header.frame_id) == (320, 240, OPTICAL)
    found, labels = points(message), render(scene, POSE, CAMERA).labels
    assert np.isnan(found["z"][labels == NYU40.ids(["lamp"])[0]]).all(), "a hanging lamp is no obstacle"
    depth = render(scene, POSE, CAMERA).depth
    kept = np.isfinite(found["z"])
    np.testing.assert_array_equal(found["z"][kept], depth[kept])
    assert kept[labels == NYU40.ids(["floor"])[0]].mean() > 0.95
    rays = np.stack([found["x"], found["y"], found["z"], np.ones_like(found["z"])], axis=-1)
    assert np.nanmax((rays @ POSE.T)[..., 2]) < 0.8 + 0.05


# --- TF: tf2_ros is not on any package registry, so its three names are played here as its source has them ---


@pytest.fixture
def tf(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str, int], TransformStamped]:
    """What TF holds: (target, source, nanoseconds) -> transform."""
    held: dict[tuple[str, str, int], TransformStamped] = {}
    module: Any = types.ModuleType("tf2_ros")

    class TransformError(Exception):
        pass

    class Buffer:
        def lookup_transform(self, target: str, source: str, stamp: Time) -> TransformStamped:
            try:
                return held[target, source, stamp.nanoseconds]
            except KeyError:
                raise TransformError("Lookup would require extrapolation into the future") from None

    module.TransformException, module.Buffer = TransformError, Buffer
    module.TransformListener = lambda buffer, node: None
    monkeypatch.setitem(sys.modules, "tf2_ros", module)
    return held


def transform(pose: npt.NDArray[np.float64], stamp: int = 0) -> TransformStamped:
    message = TransformStamped()
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, SECOND)
    shift, turn = message.transform.translation, message.transform.rotation
    shift.x, shift.y, shift.z, turn.x, turn.y, turn.z, turn.w = seven(pose)
    return message


BY_TF = {"obstacle_camera_in_base": (0.0,) * 7}


def test_the_cameras_place_comes_from_tf_at_the_stamp(make_rig: Any, tf: Any) -> None:
    rig = make_rig(**BY_TF)
    tf[BASE, OPTICAL, SECOND] = transform(POSE)
    tf[BASE, OPTICAL, 2 * SECOND] = transform(camera_pose(0.8))  # the head has moved
    first = rig.ask(topics.OBSTACLES, SCENE)
    np.testing.assert_allclose(xyz(first), obstacle_points(rig.segmented(SCENE)).xyz, atol=1e-4)
    second = rig.ask(topics.OBSTACLES, SCENE, stamp=2 * SECOND, pose=camera_pose(0.8))
    person = points(second).reshape(-1)
    person = person[person["label"] == NYU40.ids(["person"])[0]]
    assert person["x"].min() == pytest.approx(1.6, abs=0.02)
    assert not rig.reasons()


@pytest.mark.fault(
    area="navigation",
    fault="stale or missing TF of the camera",
    injected="no transform, one that ends before the image, one that begins after it",
    expected="nothing is published for navigation, each frame is counted once by its reason, and a WARN has the remedy",
)
def test_without_its_place_a_frame_is_dropped_and_counted(
    make_rig: Any, tf: Any, observed: Callable[[str], None]
) -> None:
    rig = make_rig(**BY_TF)

    def all_topics(stamp: int) -> list[Any]:
        result = rig.frame(SCENE, stamp)
        return [rig.navigation.build(topic, result, rig.settings) for topic in topics.message_types()]

    assert not any(all_topics(SECOND))
    assert rig.state.statistics(SECOND) == {"obstacles_dropped": 1, "obstacles_reason": "pose_late"}
    tf[BASE, OPTICAL, 0] = transform(POSE, SECOND // 2)  # the newest
    assert not any(all_topics(SECOND))
    assert rig.state.statistics(SECOND) == {"obstacles_dropped": 2, "obstacles_reason": "pose_late"}
    tf[BASE, OPTICAL, 0] = transform(POSE, 3 * SECOND)
    assert not any(all_topics(SECOND))
    assert rig.state.statistics(SECOND) == {"obstacles_dropped": 3, "obstacles_reason": "pose_too_old"}
    (warning,) = rig.conditions.current()
    assert "obstacle_camera_in_base" in warning.text
    tf[BASE, OPTICAL, 2 * SECOND] = transform(POSE)
    assert all(all_topics(2 * SECOND))
    assert not rig.conditions.current(), "over as soon as it works"
    assert rig.state.statistics(2 * SECOND) == {"obstacles_dropped": 3, "obstacles_reason": ""}
    observed(f"3 frames without messages, counted: {rig.state.values()}; WARN: {warning.text[:60]}...")


def test_a_late_transform_is_waited_for(make_rig: Any, tf: Any) -> None:
    rig = make_rig(**BY_TF, obstacle_tf_timeout=1.0)
    timer = threading.Timer(0.1, tf.__setitem__, ((BASE, OPTICAL, SECOND), transform(POSE)))
    timer.start()
    assert rig.ask(topics.OBSTACLES, SCENE).width > 0
    assert not timer.is_alive()
    assert not rig.reasons()


def test_objects_keep_their_ids_where_the_robot_is_known(make_rig: Any, tf: Any) -> None:
    rig = make_rig(obstacle_fixed_frame="odom")
    ids: list[dict[str, int]] = []
    for number in range(5):
        stamp = SECOND + number * SECOND // 5
        moved = np.eye(4)
        moved[0, 3] = 0.1 * number
        tf["odom", BASE, stamp] = transform(moved)
        scene = [floor(), *(_nearer(box, 0.1 * number) for box in (WALL, PERSON, CABINET))]
        markers = rig.ask(topics.MARKERS, scene, stamp=stamp).markers
        ids.append({marker.text.split()[0]: marker.id for marker in markers if marker.text})
        boxes = [marker for marker in markers if marker.ns == "objects" and marker.scale.x > 0]
    assert ids[:2] == [{}, {}], "what is seen twice may be a mistake"
    assert set(ids[2]) == {"person", "cabinet"}
    assert ids[2] == ids[3] == ids[4]
    assert len(set(ids[2].values())) == 2
    assert {marker.header.frame_id for marker in boxes} == {"odom"}
    assert min(marker.pose.position.x for marker in boxes) == pytest.approx(1.6, abs=0.12), "where it stands, in odom"


def _nearer(box: SceneBox, distance: float) -> SceneBox:
    low, high = ((corner[0] - distance, *corner[1:]) for corner in (box.low, box.high))
    return SceneBox(low, high, box.label)


# --- what goes wrong ---


@pytest.mark.fault(
    area="navigation",
    fault="frames that obstacles cannot be made of",
    injected="no calibration; depth of NaN, infinity, zero and noise; no frame_id",
    expected="no exception, the frame's other outputs go on, what is published is finite, the rest is counted",
)
def test_hopeless_frames_do_no_harm(make_rig: Any, tf: Any, observed: Callable[[str], None]) -> None:
    rig = make_rig()
    assert rig.ask(topics.OBSTACLES, SCENE, camera=None) is None
    assert rig.reasons() == {"no_intrinsics"}
    random = np.random.default_rng(0)
    for depth in (np.nan, np.inf, 0.0, -1.0, 1e-30, 1e30, random.uniform(0, 9, (240, 320))):
        result = rig.frame(SCENE)
        result.outputs["depth"] = np.full((240, 320), depth, np.float32)
        result.outputs["labels"] = random.integers(0, 256, (240, 320)).astype(np.uint8)
        for topic, kind in topics.message_types().items():
            message = rig.navigation.build(topic, result, rig.settings)
            assert message is not None, (topic, rig.conditions.current())
            if kind is PointCloud2 and topic != topics.POINTS_AT_HEIGHT:
                assert np.isfinite(xyz(message)).all()
    by_tf = make_rig(**BY_TF)
    nameless = by_tf.frame(SCENE)
    nameless.header.frame_id = ""
    assert by_tf.navigation.build(topics.OBSTACLES, nameless, by_tf.settings) is None
    assert by_tf.reasons() == {"no_frame_id"}
    observed("counted as no_intrinsics and no_frame_id; of impossible depth the clouds are empty or finite")


def test_without_tf2_ros_the_reason_says_what_to_install(make_rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tf2_ros", None)  # as where it is not installed
    rig = make_rig(**BY_TF)
    assert rig.ask(topics.OBSTACLES, SCENE) is None
    assert rig.reasons() == {"no_tf"}
    (warning,) = rig.conditions.current()
    assert "apt install" in warning.text
    assert "obstacle_camera_in_base" in warning.text


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"obstacle_cell": 0.0}, ["obstacle_cell = 0.0", "0.01 .. 1"]),
        ({"obstacle_max_height": 0.04}, ["obstacle_", "max_height = 0.04", "floor_tolerance"]),
        ({"obstacle_glass": "keep"}, ["obstacle_glass", "frame, measured, drop"]),
        ({"obstacle_camera_in_base": (0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 2.0)}, ["obstacle_camera_in_base", "norm 1"]),
        ({"base_frame": ""}, ["base_frame"]),
        ({"cameras": ("a", "b"), "obstacle_camera_in_base": (0.0,) * 6 + (1.0,)}, ["one camera", "'a', 'b'", "TF"]),
        ({"disabled_outputs": ("obstacle",)}, ["'obstacle'", "obstacles/static", "objects"]),
    ],
)
def test_wrong_parameters_are_named(values: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        Settings(**values)
    for word in words:
        assert word in str(error.value)


def test_unknown_classes_are_named() -> None:
    with pytest.raises(ValueError, match=r"obstacle_dynamic_classes: 'persons'.*person"):
        Settings(obstacle_dynamic_classes=("persons",)).check_classes(NYU40)
