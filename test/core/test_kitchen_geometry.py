"""Unprojection on a real sensor's depth: what is at right angles in a kitchen is at right angles in its points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cinet_core.data.frame_files import FrameFiles, list_frames
from cinet_core.data.image_files import read_depth
from cinet_core.geometry import Intrinsics, unproject

KITCHEN = Path(__file__).resolve().parents[3] / "shared" / "data" / "kitchen_sequence"
MAX_RANGE = 3.5  # metres: beyond, this sensor's noise exceeds the distance threshold
STEP = 3  # every third pixel each way: RANSAC takes a ninth of the time and finds the same planes


@pytest.fixture(scope="module")
def frames() -> list[FrameFiles]:
    if not KITCHEN.is_dir():
        pytest.skip(f"{KITCHEN} is not on this machine")
    pytest.importorskip("open3d", reason="RANSAC on planes is open3d's", exc_type=ImportError)
    return list_frames(KITCHEN)


def camera_of(frame: FrameFiles) -> Intrinsics:
    """The file's K is the depth camera's (585), which is the one to unproject sensor depth with."""
    assert frame.depth_calibration is not None
    return frame.depth_calibration.at(640, 480)


def points_of(frame: FrameFiles, camera: Intrinsics) -> np.ndarray:
    assert frame.depth is not None
    points = unproject(read_depth(frame.depth), camera)[::STEP, ::STEP].reshape(-1, 3)
    return points[np.isfinite(points).all(axis=1) & (points[:, 2] < MAX_RANGE)].astype(np.float64)


def large_planes(points: np.ndarray, count: int = 4) -> list[np.ndarray]:
    """Unit normals of the largest planes, largest first, by RANSAC within 1.5 cm."""
    import open3d as o3d

    o3d.utility.random.seed(0)
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points))
    normals = []
    for _ in range(count):
        plane, inliers = cloud.segment_plane(distance_threshold=0.015, ransac_n=3, num_iterations=500)
        assert len(inliers) > 1000, "a plane of a room, not a scrap"
        normals.append(np.array(plane[:3]) / np.linalg.norm(plane[:3]))
        cloud = cloud.select_by_index(inliers, invert=True)
    return normals


def table_and_wall(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The camera is held level and looks down: y is the larger part of a table's normal, and not of a wall's."""
    normals = large_planes(points)
    table = next(normal for normal in normals if abs(normal[1]) > 0.75)
    wall = next(normal for normal in normals if abs(normal[1]) < 0.5)
    return table, wall


def degrees_between(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(np.arccos(min(1.0, abs(float(a @ b))))))


@pytest.mark.parametrize("index", [0, 60, 100])
def test_table_and_wall_are_at_right_angles(frames: list[FrameFiles], index: int) -> None:
    table, wall = table_and_wall(points_of(frames[index], camera_of(frames[index])))
    assert degrees_between(table, wall) == pytest.approx(90.0, abs=3.0)


def test_a_wrong_focal_length_would_be_noticed(frames: list[FrameFiles]) -> None:
    camera = camera_of(frames[100])
    wrong = Intrinsics(camera.fx * 1.5, camera.fy * 1.5, camera.cx, camera.cy, camera.width, camera.height)
    table, wall = table_and_wall(points_of(frames[100], wrong))
    assert abs(degrees_between(table, wall) - 90.0) > 3.0


def test_the_table_stays_level_while_the_camera_moves(frames: list[FrameFiles]) -> None:
    in_world = []
    for index in (0, 100):
        table, _ = table_and_wall(points_of(frames[index], camera_of(frames[index])))
        pose = np.loadtxt(KITCHEN / f"{frames[index].name}.pose.txt")
        in_world.append(pose[:3, :3] @ table)
    assert degrees_between(*in_world) < 3.0
