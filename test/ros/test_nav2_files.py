"""Nav2's parameter files: every field is one that the source declares, and they mark and clear."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from nav2_costmaps import CELL, costmap_of
from nav2_declares import COLLISION_MONITOR, LAYERS

from cinet_core.label_sets import NYU40
from cinet_core.obstacles.clouds import free_points, ground_points, obstacle_points
from cinet_core.obstacles.scan import laser_scan
from cinet_core.obstacles.segmented import SegmentedFrame, segment
from cinet_core.obstacles.settings import ObstacleSettings
from cinet_ros.integrations import wiring
from cinet_ros.integrations.nav2_parameters import with_layer
from scripts.robot.box_scene import SceneBox, camera_pose, floor, render

CONFIG = Path(__file__).resolve().parents[2] / "config" / "integrations"
DEFAULTS = ObstacleSettings()
OURS = {"obstacles", "ground", "free", "scan"}


def content_of(file: str) -> Any:
    return yaml.safe_load((CONFIG / file).read_text(encoding="utf-8"))


def layer_of(name: str) -> Any:
    """Parameters of a layer."""
    (section,) = content_of(f"nav2_{name}_layer.yaml").values()
    return section


def check(values: Mapping[str, Any], declared: Mapping[str, tuple[type, int]], where: str) -> None:
    """Every value is declared, and of the declared type: a whole number is no double to rclcpp."""
    for key, value in values.items():
        assert key in declared, f"{where}: nobody declares {key}"
        assert type(value) is declared[key][0], f"{where}.{key} = {value!r} is no {declared[key][0].__name__}"


@pytest.mark.parametrize("name", LAYERS)
def test_every_field_of_a_layer_is_declared(name: str) -> None:
    section, declared = layer_of(name), LAYERS[name]
    sources = section["observation_sources"].split()
    assert section["plugin"] == declared.plugin[0]
    check({k: v for k, v in section.items() if k not in {"plugin", *sources}}, declared.own, name)
    for source in sources:
        check(section[source], declared.observation, f"{name}.{source}")


def test_every_field_of_the_collision_monitor_is_declared() -> None:
    values = content_of("nav2_collision_monitor.yaml")["collision_monitor"]["ros__parameters"]
    sources, polygons = values["observation_sources"], values["polygons"]
    own = {key: value for key, value in values.items() if key not in {*sources, *polygons}}
    check(own, COLLISION_MONITOR.own, "collision_monitor")
    for source in sources:
        check(values[source], COLLISION_MONITOR.observation, source)
        assert values[source]["topic"] == wiring.full_name(wiring.NAV2_COLLISION_MONITOR[source])
    for polygon in polygons:
        check(values[polygon], COLLISION_MONITOR.polygon, polygon)
        corners = np.array(yaml.safe_load(values[polygon]["points"]))
        assert corners.shape == (4, 2)
    stop, slow = (np.array(yaml.safe_load(values[name]["points"])) for name in ("stop", "slow"))
    # 0.22 m of footprint, 0.5 m/s with 0.3 s of latency and 0.5 m/s2
    assert stop[:, 0].max() == pytest.approx(0.22 + 0.5 * 0.3 + 0.5**2 / (2 * 0.5))
    assert slow[:, 0].max() >= stop[:, 0].max() + 0.2


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_marks_and_clears_by_topics_of_ours(name: str) -> None:
    section = layer_of(name)
    sources = {source: section[source] for source in section["observation_sources"].split()}
    assert any(source["marking"] for source in sources.values())
    assert any(source["clearing"] for source in sources.values())
    wires = wiring.resolved(wiring.NAV2_LAYERS[name])
    assert {source: values["topic"] for source, values in sources.items()} == wires
    assert {topic.removeprefix("/") for topic in wires.values()} <= OURS
    for source, values in sources.items():
        if "max_obstacle_height" in LAYERS[name].observation and name != "stvl":
            assert values["max_obstacle_height"] > 0, f"{source}: 0.0, the default, drops every point"
        if values["data_type"] == "LaserScan":
            assert values["inf_is_valid"], "else what is free is dropped"
            assert not values["marking"], "an infinite range would mark at range_max"
        else:
            assert values["sensor_frame"], "lines of sight begin at the camera"


# --- a person comes and goes ---

PERSON = SceneBox((1.82, -0.23, 0.0), (2.02, 0.23, 1.7), "person")
CABINET = SceneBox((1.62, 0.42, 0.0), (1.9, 0.82, 0.9), "cabinet")
BEHIND = {
    "wall": SceneBox((3.2, -5.0, 0.0), (3.4, 5.0, 2.5), "wall"),
    "nothing": SceneBox((9, -9, 0), (9.2, 9, 4), "wall"),
}
PERIOD = 0.2
"""Seconds between frames."""


def points_of(frame: SegmentedFrame, source: Mapping[str, Any]) -> np.ndarray:
    """What a source of a layer gets of a frame, in the base frame."""
    topic = source["topic"].removeprefix("/")
    if topic != "scan":
        make = {"obstacles": lambda f: obstacle_points(f).xyz, "ground": ground_points, "free": free_points}[topic]
        return make(frame).astype(np.float64)
    scan = laser_scan(frame)
    ranges = scan.ranges.astype(np.float64)
    if source["inf_is_valid"]:
        ranges[np.isinf(ranges)] = scan.max_range - 1e-4  # obstacle_layer.cpp:426
    known = np.isfinite(ranges)
    bearing = scan.bearings.middles[known]
    return np.stack([ranges[known] * np.cos(bearing), ranges[known] * np.sin(bearing), np.zeros(known.sum())], axis=1)


def cells_within(box: SceneBox, margin: float) -> set[tuple[int, int]]:
    low, high = (np.floor((np.array(c[:2]) + s * margin) / CELL).astype(int) for c, s in ((box.low, -1), (box.high, 1)))
    return {(x, y) for x in range(low[0], high[0] + 1) for y in range(low[1], high[1] + 1)}


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("height", [0.3, 1.0])
@pytest.mark.parametrize("name", LAYERS)
def test_a_person_who_leaves_is_gone_within_two_seconds(name: str, height: float, behind: str) -> None:
    camera = camera_pose(height, 5.0 if height < 0.5 else 20.0)
    rest = [floor((-1.0, 12.0)), CABINET, BEHIND[behind]]
    layer = costmap_of(layer_of(name), camera)
    frames = {there: segment(render([*rest, *([PERSON] if there else [])], camera), NYU40) for there in (True, False)}
    points = {
        there: {source: points_of(frame, values) for source, values in layer.sources.items()}
        for there, frame in frames.items()
    }
    now = 0.0
    for _ in range(5):
        layer.update(points[True], now := now + PERIOD)
    face = cells_within(SceneBox(PERSON.low, (PERSON.low[0], *PERSON.high[1:]), "person"), 0.0)
    assert len(layer.lethal() & face) >= 0.8 * len({y for _, y in face}), "as wide as the person is"
    left = now
    while layer.lethal() & cells_within(PERSON, 0.1):
        layer.update(points[False], now := now + PERIOD)
        assert now - left <= 2.0
    for _ in range(5):
        layer.update(points[False], now := now + PERIOD)
    assert not layer.lethal() & cells_within(PERSON, 0.1)
    front = SceneBox(CABINET.low, (CABINET.low[0], *CABINET.high[1:]), "cabinet")
    assert len(layer.lethal() & cells_within(front, 0.0)) >= 0.8 * 8, "what stands there stays"


def test_obstacles_alone_do_not_clear_what_stood_before_nothing() -> None:
    """Why the files have the sources that they have: this is what the test above would find without them."""
    section = dict(layer_of("voxel"), observation_sources="obstacles")
    camera = camera_pose(0.3, 5.0)
    layer = costmap_of(section, camera)
    for boxes in ([floor(), PERSON], [floor()]):
        points = points_of(segment(render(boxes, camera), NYU40), section["obstacles"])
        for _ in range(10):
            layer.update({"obstacles": points}, 0.0)
    assert layer.lethal() & cells_within(PERSON, 0.1)


# --- into Nav2's parameters ---


def test_a_layer_goes_before_the_inflation_with_the_topics_of_a_camera() -> None:
    nav2 = {"local_costmap": {"local_costmap": {"ros__parameters": {"plugins": ["voxel_layer", "inflation_layer"]}}}}
    section = content_of("nav2_voxel_layer.yaml")
    sources = {
        name: {"topic": topic} for name, topic in wiring.resolved(wiring.NAV2_LAYERS["voxel"], "r", "front").items()
    }
    merged = with_layer(nav2, section, sources, "local_costmap")["local_costmap"]["local_costmap"]["ros__parameters"]
    assert merged["plugins"] == ["voxel_layer", "cinet_voxel_layer", "inflation_layer"], "the robot's own one stays"
    assert merged["cinet_voxel_layer"]["free"]["topic"] == "/r/front/free"
    assert section == content_of("nav2_voxel_layer.yaml")
    with pytest.raises(ValueError, match="no observation source scan"):
        with_layer(nav2, section, {"scan": {}}, "local_costmap")
    with pytest.raises(ValueError, match="one, named as the layer"):
        with_layer(nav2, {}, sources, "local_costmap")


def test_ranges_agree_with_the_defaults_of_the_node() -> None:
    obstacle, stvl = layer_of("obstacle"), layer_of("stvl")
    assert obstacle["ground"]["raytrace_max_range"] == DEFAULTS.max_range
    assert obstacle["obstacles"]["obstacle_max_range"] < DEFAULTS.max_range, "what is marked can be cleared"
    assert stvl["obstacles"]["obstacle_range"] < stvl["view"]["max_z"] == DEFAULTS.max_range
    voxel = layer_of("voxel")
    assert voxel["origin_z"] + voxel["z_voxels"] * voxel["z_resolution"] >= DEFAULTS.max_height
    assert voxel["z_voxels"] <= 16, "a voxel column has 16 bits (nav2_voxel_grid)"
