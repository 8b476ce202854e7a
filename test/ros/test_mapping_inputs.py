"""What the mapper does with messages before anything is fused: frames brought together, and poses for their stamps."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped, TransformStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.time import Time
from room_on_the_wire import looking_ahead, pose_matrix, quaternion, time_of
from sensor_msgs.msg import Image

from cinet_core.label_sets import NYU40
from cinet_ros.conversions.labels import semantic_classes_message
from cinet_ros.counters import FrameCounters
from cinet_ros.mapping.frame_queue import OPEN_FRAMES, FrameQueue, Synchroniser, SynchronizedFrame
from cinet_ros.mapping.inputs import MapInputs, label_set_of
from cinet_ros.mapping.map_messages import quaternion_of
from cinet_ros.mapping.parameters import MappingSettings
from cinet_ros.mapping.pose_sources import PoseSource, open_pose_source
from cinet_ros.mapping.transforms import PoseUnavailable

TOPICS = ("depth", "labels")
SECOND = 1_000_000_000
EXTRINSIC = (0.1, 0.0, 0.4, -0.5, 0.5, -0.5, 0.5)


def image(stamp: int) -> Image:
    message = Image()
    message.header.stamp = time_of(stamp)
    return message


class TestSynchroniser:
    @pytest.fixture
    def counters(self) -> FrameCounters:
        return FrameCounters()

    @pytest.fixture
    def synchroniser(self, counters: FrameCounters) -> Synchroniser:
        return Synchroniser(TOPICS, counters)

    def test_messages_of_equal_stamps_in_any_order_are_one_frame(self, synchroniser: Synchroniser) -> None:
        first, second = image(1), image(2)
        assert synchroniser.add("labels", first) is None
        assert synchroniser.add("depth", second) is None
        assert synchroniser.add("depth", image(3)) is None
        frame = synchroniser.add("labels", image(2))
        assert frame is not None
        assert frame.stamp == 2
        assert frame.messages["depth"] is second

    def test_what_never_gets_whole_is_dropped_when_others_need_the_place(
        self, synchroniser: Synchroniser, counters: FrameCounters
    ) -> None:
        for stamp in range(1, OPEN_FRAMES + 3):
            synchroniser.add("depth", image(stamp))
        assert counters.now().drops == {"incomplete": 2}
        assert synchroniser.add("labels", image(OPEN_FRAMES + 2)) is not None
        synchroniser.clear()
        counts = counters.now()
        assert counts.received == OPEN_FRAMES + 2 == counts.dropped + 1

    def test_zero_and_repeated_stamps_are_counted_once_a_frame(
        self, synchroniser: Synchroniser, counters: FrameCounters
    ) -> None:
        for stamp in (0, 5, 5):
            for topic in TOPICS:
                synchroniser.add(topic, image(stamp))
        assert counters.now().drops == {"zero_stamp": 1, "duplicate_stamp": 1}
        assert counters.now().received == 3


def test_a_full_queue_drops_its_oldest_frame() -> None:
    counters = FrameCounters()
    queue = FrameQueue(2, counters)
    frames = [SynchronizedFrame({}, stamp, 0.0) for stamp in range(3)]
    for frame in frames:
        queue.put(frame)
    assert queue.first() is frames[1]
    assert not queue.remove(frames[0]), "it is counted already"
    assert queue.remove(frames[1])
    assert counters.now().drops == {"overload": 1}
    queue.clear("deactivated")
    assert counters.now().drops == {"overload": 1, "deactivated": 1}


# --- poses ---


def odometry(stamp: int, x: float = 0.0, frame: str = "odom", base: str = "base_link") -> Odometry:
    message = Odometry(child_frame_id=base)
    message.header.frame_id, message.header.stamp = frame, time_of(stamp)
    message.pose.pose.position.x = x
    message.pose.pose.orientation.w = 1.0
    return message


def source_of(**parameters: Any) -> PoseSource:
    return open_pose_source(None, MappingSettings(**parameters))


def reason_of(source: PoseSource, stamp: int) -> tuple[str, bool]:
    with pytest.raises(PoseUnavailable) as caught:
        source.camera_pose(stamp, "camera")
    return caught.value.reason, caught.value.may_come


def test_odometry_is_interpolated_and_moved_to_the_optical_frame() -> None:
    source = source_of(camera_in_base=EXTRINSIC)
    assert reason_of(source, 1) == ("pose_missing", True)
    for stamp, x in ((2 * SECOND, 0.0), (2 * SECOND + SECOND // 5, 0.4)):
        assert source.receive(odometry(stamp, x)) is None
    pose = source.camera_pose(2 * SECOND + SECOND // 20, "camera")
    assert pose[:3, 3] == pytest.approx([0.1 + 0.1, 0.0, 0.4])
    assert pose[:3, :3] == pytest.approx(looking_ahead(0.0))
    assert source.map_frame == "odom"
    assert reason_of(source, SECOND) == ("pose_too_old", False)
    assert reason_of(source, 3 * SECOND) == ("pose_late", True)


def test_poses_of_messages_are_of_whatever_the_extrinsic_is_in() -> None:
    source = source_of(pose_source="pose", camera_in_base=(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0))
    message = PoseStamped()
    message.header.frame_id, message.header.stamp = "map", time_of(SECOND)
    message.pose.position.z = 1.5
    message.pose.orientation.w = 1.0
    assert source.receive(message) is None
    assert source.camera_pose(SECOND, "camera")[:3, 3] == pytest.approx([0.0, 0.0, 1.5])
    assert source.map_frame == "map"


@pytest.mark.parametrize(
    ("message", "refusal", "word"),
    [
        (odometry(SECOND, frame="map"), "other_frame", "map_frame"),
        (odometry(SECOND, frame=""), "other_frame", "map_frame"),
        (odometry(SECOND, base="gripper"), "other_base", "gripper"),
        (odometry(0), "zero_stamp", "no stamp"),
        (odometry(2, x=float("nan")), "invalid", "finite"),
    ],
)
def test_poses_that_do_not_fit_are_refused_by_name(message: Odometry, refusal: str, word: str) -> None:
    source = source_of(camera_in_base=EXTRINSIC)
    source.receive(odometry(1))
    trouble = source.receive(message)
    assert trouble is not None
    assert word in trouble
    assert source.counts() == {"received": 2, refusal: 1}


def test_a_jump_and_a_gap_have_no_pose() -> None:
    source = source_of(camera_in_base=EXTRINSIC, max_speed=2.0, max_pose_gap=0.5)
    for stamp, x in ((SECOND, 0.0), (SECOND + SECOND // 5, 0.5), (2 * SECOND, 0.6)):
        source.receive(odometry(stamp, x))
    assert reason_of(source, SECOND + SECOND // 10) == ("pose_jump", False)
    assert reason_of(source, SECOND + SECOND // 2) == ("pose_gap", False)
    assert source.counts()["jumped"] == 1


def test_an_outlier_at_the_stamp_of_an_image_is_not_used() -> None:
    source = source_of(camera_in_base=EXTRINSIC)
    step = SECOND // 10
    for index, x in enumerate((0.0, 0.1, 7.0, 0.3, 0.4)):
        source.receive(odometry(SECOND + index * step, x))
    assert source.camera_pose(SECOND + step, "camera")[0, 3] == pytest.approx(0.2)
    assert reason_of(source, SECOND + 2 * step) == ("pose_jump", False)
    assert reason_of(source, SECOND + 3 * step) == ("pose_jump", False), "who knows which of the two is right"
    assert source.camera_pose(SECOND + 4 * step, "camera")[0, 3] == pytest.approx(0.5)


# --- subscriptions ---


def test_topics_that_nobody_publishes_are_named_as_they_are_remapped(make_node: Callable[..., Node]) -> None:
    node = make_node("mapping", cli_args=["--ros-args", "-r", "odom:=/wheels"])
    node.create_publisher(Odometry, "/wheels", 1)
    node.create_publisher(Image, "front/semantic/image_raw", 1)
    ignore: Callable[..., None] = lambda *message: None  # noqa: E731
    inputs = MapInputs(node, MappingSettings(camera_in_base=EXTRINSIC, camera="front"), ignore, ignore, ignore)
    assert inputs.unpublished(poses=True) == []
    assert set(inputs.unpublished(poses=False)) == {
        "/front/depth_registered/image_rect",
        "/front/depth_registered/camera_info",
        "/front/semantic/confidence",
        "/front/semantic/classes",
        "/front/rgb/image_rect",
    }
    inputs.open()
    assert node.count_subscribers("/wheels") == node.count_subscribers("/front/rgb/image_rect") == 1
    inputs.close()
    assert node.count_subscribers("/wheels") == 0


def test_poses_that_nobody_publishes_are_no_trouble_of_frames(make_node: Callable[..., Node]) -> None:
    node, ignore = make_node("mapping"), lambda *message: None
    for source, silent in (("odometry", ["/odom"]), ("pose", ["/pose"]), ("tf", [])):
        settings = MappingSettings(camera_in_base=EXTRINSIC, pose_source=source, map_frame="odom")
        inputs = MapInputs(node, settings, ignore, ignore, ignore)
        assert inputs.unpublished(poses=True) == silent
        assert not set(inputs.unpublished(poses=False)) & {"/odom", "/pose"}


def test_classes_are_a_shipped_label_set_or_one_of_their_own() -> None:
    message = semantic_classes_message(NYU40)
    assert label_set_of(message) is NYU40
    message.classes = message.classes[:3][::-1]
    assert label_set_of(message).classes == NYU40.classes[:3]
    message.classes[0].id = 7
    with pytest.raises(ValueError, match=r"\[0, 1, 7\]"):
        label_set_of(message)


# --- what cannot be configured ---


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"pose_source": "pose"}, ("PoseStamped", "camera_in_base")),
        ({"pose_source": "tf"}, ("map_frame",)),
    ],
)
def test_what_a_source_lacks_is_named(parameters: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=".*".join(words)):
        source_of(**parameters)


@pytest.mark.parametrize("parameters", [{}, {"pose_source": "tf", "map_frame": "odom"}])
def test_without_tf2_ros_one_error_says_what_to_install(
    parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tf2_ros", None)  # as where it is not installed
    with pytest.raises(ValueError, match=r"tf2_ros cannot be imported.*apt install"):
        source_of(**parameters)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"camera_in_base": (0.0,) * 6}, "seven"),
        ({"camera_in_base": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0)}, "norm 1"),
        ({"camera_in_base": (float("inf"), 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)}, "seven"),
        ({"load_path": "map.npz"}, "map_frame"),
        ({"save_path": ""}, "names no file"),
        ({"save_path": "/maps/"}, "names no file"),
        ({"clearance": 2.0}, "robot_height"),
        ({"pose_source": "gps"}, "odometry, pose, tf"),
    ],
)
def test_wrong_parameters_are_named(values: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        MappingSettings(**values)


# --- TF: tf2_ros is not on any package registry, so its three names are played here as its source has them ---


@pytest.fixture
def transforms(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str, int], TransformStamped]:
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
                raise TransformError("Lookup would require extrapolation") from None

    module.TransformException, module.Buffer = TransformError, Buffer
    module.TransformListener = lambda buffer, node: None
    monkeypatch.setitem(sys.modules, "tf2_ros", module)
    return held


def transform(x: float, turn: tuple[float, ...] = (0.0, 0.0, 0.0, 1.0)) -> TransformStamped:
    message = TransformStamped()
    message.transform.translation.x = x
    rotation = message.transform.rotation
    rotation.x, rotation.y, rotation.z, rotation.w = turn
    return message


def test_the_extrinsic_comes_from_tf_where_it_is_not_given(
    transforms: dict[tuple[str, str, int], TransformStamped],
) -> None:
    source = source_of()
    source.receive(odometry(SECOND, x=1.0))
    assert reason_of(source, SECOND) == ("extrinsic_missing", True)
    transforms["base_link", "camera", 0] = transform(0.2, EXTRINSIC[3:])
    pose = source.camera_pose(SECOND, "camera")
    assert pose[:3, 3] == pytest.approx([1.2, 0.0, 0.0])
    assert pose[:3, :3] == pytest.approx(looking_ahead(0.0))


def test_poses_from_tf_wait_and_do_not_jump(transforms: dict[tuple[str, str, int], TransformStamped]) -> None:
    source = source_of(pose_source="tf", map_frame="odom", max_speed=2.0)
    assert reason_of(source, SECOND) == ("pose_late", True)
    transforms["odom", "camera", SECOND] = transform(1.0)
    assert source.camera_pose(SECOND, "camera")[0, 3] == pytest.approx(1.0)
    transforms["odom", "camera", SECOND + 1] = transform(3.0)
    assert reason_of(source, SECOND + 1) == ("pose_jump", False)
    transforms["odom", "camera", 2 * SECOND] = transform(float("nan"))
    assert reason_of(source, 2 * SECOND) == ("pose_invalid", False)


def test_a_pose_that_tf_no_longer_holds_is_lost_at_once(
    transforms: dict[tuple[str, str, int], TransformStamped],
) -> None:
    source = source_of(pose_source="tf", map_frame="odom")
    newest = transform(1.0)
    newest.header.stamp = time_of(20 * SECOND)
    transforms["odom", "camera", 0] = newest  # as TF answers for "the latest"
    assert reason_of(source, 5 * SECOND) == ("pose_too_old", False)
    assert reason_of(source, 20 * SECOND + 1) == ("pose_late", True)
    with pytest.raises(PoseUnavailable, match=r"older than what TF keeps \(10 s\)"):
        source.camera_pose(5 * SECOND, "camera")


def test_a_pose_that_came_while_tf_was_asked_is_taken(
    transforms: dict[tuple[str, str, int], TransformStamped],
) -> None:
    source: Any = source_of(pose_source="tf", map_frame="odom")
    newest = transform(1.0)
    newest.header.stamp = time_of(2 * SECOND)
    asked = ("odom", "camera", SECOND)
    transforms["odom", "camera", 0] = newest
    look_up = source._tree._buffer.lookup_transform

    def arriving(target: str, of: str, stamp: Time) -> TransformStamped:
        if stamp.nanoseconds == 0:
            transforms[asked] = transform(3.0)
        return look_up(target, of, stamp)

    source._tree._buffer.lookup_transform = arriving
    assert source.camera_pose(SECOND, "camera")[0, 3] == pytest.approx(3.0)


@pytest.mark.parametrize("rotation", [np.eye(3), np.diag([1.0, -1.0, -1.0]), looking_ahead(0.3), looking_ahead(0.3).T])
def test_a_tilted_grid_has_the_quaternion_of_its_axes(rotation: np.ndarray) -> None:
    turn = quaternion_of(rotation)
    values = (0.0, 0.0, 0.0, turn.x, turn.y, turn.z, turn.w)
    assert pose_matrix(values)[:3, :3] == pytest.approx(rotation)
    assert turn.w >= 0.0
    assert abs(np.dot(values[3:], quaternion(rotation))) == pytest.approx(1.0)
