"""Topics for navigation on the real wire: what the core makes of the depth and labels that go out beside them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from output_arrays import pixels, points
from room_on_the_wire import quaternion
from sensor_msgs.msg import CameraInfo, Image, LaserScan, PointCloud2
from visualization_msgs.msg import MarkerArray

from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40
from cinet_core.obstacles.cliffs import find_cliffs
from cinet_core.obstacles.clouds import free_points, ground_points, obstacle_points
from cinet_core.obstacles.depth_frame import DepthFrame
from cinet_core.obstacles.instances import find_instances
from cinet_core.obstacles.scan import laser_scan
from cinet_core.obstacles.segmented import SegmentedFrame, segment
from cinet_core.obstacles.settings import ObstacleSettings
from cinet_ros.parameters import Settings
from scripts.robot.box_scene import camera_pose

NODE = "/perception"
WIDTH, HEIGHT = 80, 60
POSE = camera_pose(1.0, 20.0)
DEPTH, LABELS, CONFIDENCE = "depth_registered/image_rect", "semantic/image_raw", "semantic/confidence"
FRAME = (DEPTH, LABELS, CONFIDENCE, "depth_registered/camera_info")
CLOUDS = ("obstacles", "obstacles/static", "obstacles/dynamic", "ground", "free", "cliffs")
KINDS = {
    **dict.fromkeys((*CLOUDS, "points_at_height", "points"), PointCloud2),
    "scan": LaserScan,
    "objects/markers": MarkerArray,
    "depth_registered/camera_info": CameraInfo,
}
IN_THE_WAY = {
    "depth_scale": 4.0,
    "obstacle_floor_classes": ["otherfurniture"],
    "obstacle_dynamic_classes": ["desk"],
}
"""The network knows nothing: it sees a plane at half a metre, of two classes; farther off it crosses the floor."""

fault = functools.partial(pytest.mark.fault, area="navigation")


def seven(pose: np.ndarray) -> list[float]:
    """A transform as a parameter has it."""
    return [*map(float, pose[:3, 3]), *map(float, quaternion(pose[:3, :3]))]


DEFAULTS = {**vars(Settings()), "obstacle_camera_in_base": seven(POSE)}


@pytest.fixture(scope="module", autouse=True)
def node(start_for_module: Callable[..., Any], tiny_weights: Any) -> Any:
    """The node with a network that answers in milliseconds."""
    parameters = {
        "weights": str(tiny_weights),
        "network_width": 80,
        "network_height": 64,
        "obstacle_camera_in_base": DEFAULTS["obstacle_camera_in_base"],
    }
    return start_for_module("perception_node", parameters, until="configured")


@pytest.fixture
def answer(wire: Any, make_image: Callable[..., Image], make_info: Callable[..., CameraInfo]) -> Callable[..., Any]:
    """Send an image and return what comes back; of the topics that have no message of their own stamp, the last."""
    coarse = np.random.default_rng(5).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    rgb = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)

    def ask(*topics: str, missing: bool = False) -> dict[str, Any]:
        for topic in topics:
            if topic == "stats":
                wire.subscribe_stats()
            else:
                wire.subscribe(topic, KINDS.get(topic, Image))
            wire.messages[topic].clear()
        stamped = [topic for topic in topics if topic != "objects/markers"]
        image = make_image(rgb)
        info = make_info(image, WIDTH, HEIGHT, fx=50.0)
        got = wire.exchange(image, info, [topic for topic in stamped if not missing or topic in (*FRAME, "stats")])
        if "objects/markers" in topics and not missing:
            wire.spin_until(lambda: bool(wire.messages["objects/markers"]), "markers")
            got["objects/markers"] = wire.messages["objects/markers"][-1]
        return got

    return ask


def segmented(got: dict[str, Any], **settings: Any) -> SegmentedFrame:
    """What the core makes of the depth and the labels on the wire."""
    k = got["depth_registered/camera_info"].k
    camera = Intrinsics(k[0], k[4], k[2], k[5], WIDTH, HEIGHT)
    frame = DepthFrame(pixels(got[DEPTH]), pixels(got[LABELS]), camera, POSE, pixels(got[CONFIDENCE]))
    own = {key: value for key, value in settings.items() if key.startswith("obstacle_")}
    plain = {key.removeprefix("obstacle_"): tuple(v) if isinstance(v, list) else v for key, v in own.items()}
    return segment(frame, NYU40, ObstacleSettings(**plain))


def xyz(message: PointCloud2) -> np.ndarray:
    found = points(message).reshape(-1)
    return np.stack([found["x"], found["y"], found["z"]], axis=1)


def test_clouds_are_those_of_the_frame_in_the_base_frame(answer: Any, change: Any) -> None:
    change(**IN_THE_WAY)
    got = answer(*FRAME, *CLOUDS)
    frame = segmented(got, **IN_THE_WAY)
    every = obstacle_points(frame)
    assert len(every) > 20
    expected = {
        "obstacles": every.xyz,
        "obstacles/static": every.static_part().xyz,
        "obstacles/dynamic": every.dynamic_part().xyz,
        "ground": ground_points(frame),
        "free": free_points(frame),
        "cliffs": find_cliffs(frame).xyz,
    }
    assert 0 < len(expected["obstacles/dynamic"]) < len(every)
    assert len(expected["ground"]) > 0
    for topic, points_expected in expected.items():
        message = got[topic]
        assert message.header.frame_id == "base_footprint"
        assert (message.height, message.is_dense) == (1, True)
        np.testing.assert_allclose(xyz(message), points_expected, atol=1e-4, err_msg=topic)
    found = points(got["obstacles"]).reshape(-1)
    np.testing.assert_array_equal(found["label"], every.labels)
    np.testing.assert_allclose(found["confidence"], every.confidence, atol=1e-6)
    assert [field.name for field in got["obstacles"].fields] == ["x", "y", "z", "label", "confidence"]
    assert [field.name for field in got["cliffs"].fields] == ["x", "y", "z", "drop"]


def test_the_scan_is_that_of_the_frame(answer: Any, change: Any) -> None:
    change(**IN_THE_WAY)
    got = answer(*FRAME, "scan")
    expected, scan = laser_scan(segmented(got, **IN_THE_WAY)), got["scan"]
    np.testing.assert_array_equal(np.array(scan.ranges), expected.ranges)
    assert np.isfinite(expected.ranges).any()
    assert scan.header.frame_id == "base_footprint"
    assert (scan.range_min, scan.range_max) == pytest.approx((0.1, 4.0))
    assert scan.angle_increment == pytest.approx(np.radians(0.5))


def test_objects_are_marked(answer: Any, change: Any) -> None:
    change(**IN_THE_WAY, obstacle_object_classes=list(NYU40.classes), obstacle_object_min_pixels=10)
    got = answer(*FRAME, "objects/markers")
    everything = {"obstacle_object_classes": list(NYU40.classes), "obstacle_object_min_pixels": 10}
    expected = find_instances(segmented(got, **IN_THE_WAY, **everything), NYU40)
    assert expected
    texts = [marker.text for marker in got["objects/markers"].markers if marker.text]
    assert texts == [f"{thing.name} {number}" for number, thing in enumerate(expected)]


def test_points_at_height_are_points_without_what_is_passed_under(answer: Any, change: Any) -> None:
    change(depth_scale=4.0, obstacle_max_height=0.9)
    got = answer(*FRAME, "points", "points_at_height")
    every, kept = points(got["points"]), points(got["points_at_height"])
    assert got["points_at_height"].header == got["points"].header
    assert kept.shape == every.shape == (HEIGHT, WIDTH)
    there = np.isfinite(kept["z"])
    assert 0 < there.sum() < np.isfinite(every["z"]).sum()
    for name in ("x", "y", "z"):
        np.testing.assert_array_equal(kept[name][there], every[name][there])
    height = POSE[2, :3] @ np.stack([every["x"], every["y"], every["z"]]).reshape(3, -1) + POSE[2, 3]
    assert np.nanmax(height) > 1.4
    assert np.nanmax(height[there.ravel()]) < 0.9 + 1e-3


def test_nothing_of_it_is_made_while_nobody_asks(answer: Any) -> None:
    stages = {stage.stage for stage in answer(DEPTH, "stats")["stats"].stages}
    assert "navigate" not in stages
    stages = {stage.stage for stage in answer(DEPTH, "obstacles", "stats")["stats"].stages}
    assert "navigate" in stages


def test_an_output_for_navigation_can_be_switched_off(wire: Any, answer: Any, change: Any) -> None:
    answer("obstacles", DEPTH)
    change(disabled_outputs=["obstacles"])
    answer("obstacles", DEPTH, missing=True)
    wire.spin_for(0.2)
    assert not wire.messages["obstacles"]


VALUES: dict[str, Any] = {
    "obstacle_half_resolution": False,
    "obstacle_min_range": 1.9676,
    "obstacle_max_range": 2.0,
    "obstacle_min_neighbours": 8,
    "obstacle_min_height": 0.4,
    "obstacle_depth_noise": 0.2,
    "obstacle_max_height": 0.3,
    "obstacle_ceiling_classes": list(NYU40.classes),
    "obstacle_cell": 0.2,
}
"""That change which points there are."""


@pytest.mark.parametrize("name", VALUES)
def test_each_parameter_is_in_force_on_the_next_frame(answer: Any, change: Any, name: str) -> None:
    change(**IN_THE_WAY)
    before = xyz(answer("obstacles")["obstacles"])
    change(**{name: VALUES[name]})
    got = answer(*FRAME, "obstacles")
    found = xyz(got["obstacles"])
    np.testing.assert_allclose(
        found, obstacle_points(segmented(got, **{**IN_THE_WAY, name: VALUES[name]})).xyz, atol=1e-4
    )
    assert found.shape != before.shape or not np.allclose(found, before, atol=1e-3)


def test_the_frame_and_its_height_change_while_the_node_runs(answer: Any, change: Any) -> None:
    change(**IN_THE_WAY)
    before = xyz(answer("obstacles")["obstacles"])
    lowered = POSE.copy()
    lowered[2, 3] -= 0.25
    change(base_frame="base_link", base_height=0.25, obstacle_camera_in_base=seven(lowered))
    message = answer("obstacles")["obstacles"]
    assert message.header.frame_id == "base_link"
    np.testing.assert_allclose(xyz(message) + np.array([0.0, 0.0, 0.25]), before, atol=1e-4)


def test_the_others_change_while_the_node_runs(wire: Any, answer: Any, change: Any) -> None:
    """Those that have no effect on these frames; `test_navigation.py` of the core and of test/ros has it."""
    others = {
        "obstacle_min_confidence": 0.5,
        "obstacle_edge_jump": 0.02,
        "obstacle_floor_classes": ["floor", "floor mat"],
        "obstacle_floor_tolerance": 0.06,
        "obstacle_max_tilt": 5.0,
        "obstacle_max_ramp": 5.0,
        "obstacle_dynamic_classes": ["person", "chair"],
        "obstacle_glass_classes": ["window"],
        "obstacle_glass": "drop",
        "obstacle_scan_min_height": 0.1,
        "obstacle_scan_max_height": 0.5,
        "obstacle_scan_step": 2.0,
        "obstacle_cliff_drop": 0.3,
        "obstacle_cliff_min_pixels": 2,
        "obstacle_object_classes": ["chair"],
        "obstacle_object_jump": 0.1,
        "obstacle_object_gap": 0.2,
        "obstacle_object_min_pixels": 10,
        "obstacle_object_min_size": 0.2,
        "obstacle_tf_timeout": 0.1,
    }
    change(**others)
    got = answer(*FRAME, "obstacles", "scan")
    core = {name: value for name, value in others.items() if name != "obstacle_tf_timeout"}
    frame = segmented(got, **core)
    np.testing.assert_allclose(xyz(got["obstacles"]), obstacle_points(frame).xyz, atol=1e-4)
    np.testing.assert_array_equal(np.array(got["scan"].ranges), laser_scan(frame).ranges)
    assert got["scan"].angle_increment == pytest.approx(np.radians(2.0))
    tried = {*VALUES, *others, "base_frame", "base_height", "obstacle_camera_in_base", "obstacle_fixed_frame"}
    assert tried == {name for name in vars(Settings()) if name.startswith(("obstacle_", "base_"))}


def test_wrong_values_are_refused_at_run_time(wire: Any) -> None:
    for values, words in (
        ({"obstacle_max_height": 0.03}, "floor_tolerance"),
        ({"obstacle_dynamic_classes": ["persons"]}, "'persons'"),
        ({"obstacle_camera_in_base": [0.0, 1.0]}, "seven numbers"),
    ):
        (result,) = wire.set_parameters(NODE, **values)
        assert not result.successful
        assert words in result.reason


def camera_row(wire: Any) -> tuple[DiagnosticStatus, dict[str, str]]:
    row = wire.diagnosis("perception: camera")
    return row, {item.key: item.value for item in row.values}


@fault(
    fault="the camera's place is not known",
    injected="obstacle_camera_in_base is taken away while the node runs, and there is no TF",
    expected="depth goes out, obstacles do not; counted in stats and diagnostics, WARN with the remedy; back at once",
)
def test_without_the_cameras_place_only_obstacles_are_missing(
    wire: Any, answer: Any, change: Any, observed: Callable[[str], None]
) -> None:
    stats = answer("obstacles", DEPTH, "stats")["stats"]
    before = stats.obstacles_dropped
    assert stats.obstacles_reason == ""
    change(obstacle_camera_in_base=[0.0] * 7, obstacle_tf_timeout=0.0)
    for count in (1, 2):
        stats = answer("obstacles", DEPTH, "stats", missing=True)["stats"]
        assert stats.obstacles_dropped == before + count
        assert stats.obstacles_reason in ("no_tf", "pose_late")
    assert not wire.messages["obstacles"]
    row, values = camera_row(wire)
    assert row.level == DiagnosticStatus.WARN
    assert "obstacle_camera_in_base" in row.message
    assert values[f"no obstacles: {stats.obstacles_reason}"] == str(before + 2)
    change(obstacle_camera_in_base=seven(POSE))
    stats = answer("obstacles", DEPTH, "stats")["stats"]
    assert (stats.obstacles_dropped, stats.obstacles_reason) == (before + 2, "")
    row, _ = camera_row(wire)
    assert "obstacle_camera_in_base" not in row.message
    observed("2 of 2 frames with depth and without obstacles, counted; obstacles with the next one")


@fault(
    fault="another node publishes the topic scan, as a lidar's driver does",
    injected="a publisher of LaserScan on /scan, and a subscriber",
    expected="ours is not mixed into it, /diagnostics say why and are no worse for it; published after",
)
def test_the_scan_of_a_lidar_is_left_alone(wire: Any, answer: Any, observed: Callable[[str], None]) -> None:
    lidar = wire.publisher("scan", LaserScan)
    try:
        wire.subscribe("scan", LaserScan)
        answer(DEPTH)
        for _ in range(20):
            row, values = camera_row(wire)
            if "scan is left out" in values:
                break
        assert values["scan is left out"] == "somebody else publishes /scan"
        assert "scan" not in row.message, "a robot with a lidar is no fault"
        wire.messages["scan"].clear()
        answer(DEPTH)
        wire.spin_for(0.2)
        assert not wire.messages["scan"]
    finally:
        wire.node.destroy_publisher(lidar)
        del wire._publishers["scan"]
    for _ in range(20):
        if "scan is left out" not in camera_row(wire)[1]:
            break
    answer("scan")
    observed("left out while there was another, /diagnostics with the reason, and no fault; published after")
