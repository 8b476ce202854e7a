"""Whatever a frame holds, obstacles are finite and within their limits, or the frame is refused in words."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40
from cinet_core.obstacles.cliffs import find_cliffs
from cinet_core.obstacles.clouds import ground_points, obstacle_points
from cinet_core.obstacles.depth_frame import DepthFrame
from cinet_core.obstacles.instances import find_instances
from cinet_core.obstacles.scan import laser_scan
from cinet_core.obstacles.segmented import segment
from cinet_core.obstacles.settings import GLASS_POLICIES, ObstacleSettings
from scripts.robot.box_scene import camera_pose

STRANGE = np.array([np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-30, 1e30, 0.3, 2.0], np.float32)


def noise(rng: np.random.Generator, shape: tuple[int, int], strange: float) -> np.ndarray:
    depth = rng.uniform(0.2, 6.0, shape).astype(np.float32)
    mask = rng.random(shape) < strange
    depth[mask] = rng.choice(STRANGE, mask.sum())
    return depth


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(8, 50), st.integers(8, 50)),
    strange=st.sampled_from([0.0, 0.3, 1.0]),
    layers=st.booleans(),
    half=st.booleans(),
    glass=st.sampled_from(GLASS_POLICIES),
    down=st.floats(-90.0, 90.0),
    height=st.floats(-1.0, 3.0),
)
def test_noise_gives_finite_points_within_the_limits(
    seed: int,
    shape: tuple[int, int],
    strange: float,
    layers: bool,
    half: bool,
    glass: str,
    down: float,
    height: float,
) -> None:
    rng = np.random.default_rng(seed)
    frame = DepthFrame(
        noise(rng, shape, strange),
        rng.integers(0, 256, shape, dtype=np.uint8),
        Intrinsics.from_fov(shape[1], shape[0], 70.0),
        camera_pose(height, down),
        rng.integers(0, 256, shape, dtype=np.uint8) if layers else None,
        noise(rng, shape, strange) if layers else None,
    )
    chosen = ObstacleSettings(half_resolution=half, glass=glass, object_min_pixels=3)
    segmented = segment(frame, NYU40, chosen)
    found = obstacle_points(segmented)
    for points in (found.xyz, ground_points(segmented), find_cliffs(segmented).xyz):
        assert np.isfinite(points).all()
        assert (np.hypot(points[:, 0], points[:, 1]) <= chosen.max_range * 1.001).all()
    assert (segmented.ground.heights_of(found.xyz) <= chosen.max_height + 1e-3).all()
    assert (segmented.ground.heights_of(found.xyz) >= chosen.min_height - 1e-3).all()
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
    scan = laser_scan(segmented)
    assert not (scan.ranges < 0).any()
    assert not (scan.ranges[np.isfinite(scan.ranges)] > chosen.max_range * 1.001).any()
    for instance in find_instances(segmented, NYU40):
        assert np.isfinite(instance.centre).all()
        assert (instance.size >= 0).all()


@pytest.mark.parametrize("value", STRANGE.tolist())
def test_one_value_everywhere(value: float) -> None:
    shape = (60, 80)
    frame = DepthFrame(
        np.full(shape, value, np.float32),
        np.full(shape, 255, np.uint8),
        Intrinsics.from_fov(80, 60, 60.0),
        camera_pose(0.3),
    )
    segmented = segment(frame, NYU40)
    found = obstacle_points(segmented)
    assert (len(found) > 0) == (value in (2.0, pytest.approx(0.3)))
    assert np.isfinite(laser_scan(segmented).ranges).any() == (len(found) > 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": np.zeros((4, 80), np.float32)}, "depth has shape .4, 80.: .*at least 8 pixels"),
        ({"depth": np.zeros((60, 80), np.float64)}, "depth is float64 .*float32 of the depth's shape"),
        ({"labels": np.zeros((30, 80), np.uint8)}, r"labels is uint8 of shape \(30, 80\)"),
        ({"labels": np.zeros((60, 80), np.int32)}, "labels is int32"),
        ({"confidence": np.zeros((60, 80), np.float32)}, "confidence is float32 .*uint8"),
        ({"uncertainty": np.zeros((60, 81), np.float32)}, "uncertainty is float32 of shape"),
        ({"intrinsics": Intrinsics.from_fov(640, 480, 60.0)}, "80x60 but the intrinsics are for 640x480: use"),
        ({"pose": np.eye(3)}, r"the pose has shape \(3, 3\)"),
        ({"pose": np.full((4, 4), np.nan)}, "finite numbers"),
        ({"pose": np.diag([1.0, 1.0, 2.0, 1.0])}, "the camera's pose is no rigid motion.*give the transform"),
    ],
)
def test_what_is_no_frame_is_refused(change: dict[str, Any], message: str) -> None:
    shape = (60, 80)
    sound = DepthFrame(
        np.ones(shape, np.float32), np.zeros(shape, np.uint8), Intrinsics.from_fov(80, 60, 60.0), camera_pose()
    )
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(sound, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_range": 0.2}, "max_range = 0.2 is outside 0.5 .. 20"),
        ({"max_range": 1.0, "min_range": 2.0}, "max_range = 1 must be above min_range = 2: raise max_range"),
        ({"max_height": 0.03}, "max_height = 0.03 must be above floor_tolerance = 0.045: .*raise max_height"),
        ({"min_height": 0.5, "max_height": 0.4}, "must be above min_height = 0.5"),
        ({"scan_min_height": 2.0}, "scan_max_height = 1.5 must be above scan_min_height = 2: raise"),
        ({"cell": 0.01, "max_range": 20.0, "max_height": 3.0}, "cell = 0.01 makes .* cells .*: raise cell, or lower"),
        ({"glass": "keep"}, "glass = 'keep' is not one of frame, measured, drop"),
        ({"cell": float("nan")}, "cell = nan is outside"),
        ({"dynamic_classes": "person"}, "dynamic_classes = 'person' must be a list"),
        ({"cell": "small"}, "cell = 'small' must be a number in 0.01 .. 1"),
    ],
)
def test_settings_name_value_limit_and_remedy(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ObstacleSettings(**change)


def test_a_class_that_no_label_set_has_is_refused() -> None:
    shape = (60, 80)
    frame = DepthFrame(
        np.ones(shape, np.float32), np.zeros(shape, np.uint8), Intrinsics.from_fov(80, 60, 60.0), camera_pose()
    )
    with pytest.raises(ValueError, match="'humans' is neither a class"):
        segment(frame, NYU40, ObstacleSettings(dynamic_classes=("humans",)))
