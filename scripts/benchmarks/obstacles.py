"""What obstacles cost: of one frame on one thread, and beside what others remove outliers with."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import cv2
import numpy as np

from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40
from cinet_core.obstacles.cliffs import find_cliffs
from cinet_core.obstacles.clouds import ground_points, obstacle_points
from cinet_core.obstacles.depth_frame import DepthFrame
from cinet_core.obstacles.instances import find_instances
from cinet_core.obstacles.pixel_grid import pixel_grid
from cinet_core.obstacles.scan import laser_scan
from cinet_core.obstacles.segmented import segment
from cinet_core.obstacles.settings import ObstacleSettings
from cinet_core.open3d_loading import Open3DError, load_open3d
from scripts.benchmarks.rows import Row, milliseconds, ratios
from scripts.benchmarks.run import BenchmarkBudget, BenchmarkRun
from scripts.benchmarks.timing import Work, take_turns
from scripts.robot.box_scene import SceneBox, camera_pose, floor, render

HALF, FULL = "half-size grid", "every pixel"
NEIGHBOURS = {"Open3D, 20 neighbours": 20, "Open3D, PCL's 50 neighbours": 50}
POINT_BYTES = 3 * 4 + 4 + 4
"""Of x, y, z, label and confidence, as `obstacles` has them."""


def measure(run: BenchmarkRun) -> Iterator[Row]:
    """One frame from depth and labels to obstacles; and statistical outlier removal of the same points, by turns."""
    if run.device.type != "cpu":
        run.notes.append("obstacles: they are made on the CPU; measure them there")
        return
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield from _one_frame(run)
    finally:
        cv2.setNumThreads(threads)


def _one_frame(run: BenchmarkRun) -> Iterator[Row]:
    height, width = run.budget.image_size
    run.say(f"obstacles of {width}x{height}")
    frame, half, full = furnished_frame(width, height), ObstacleSettings(), ObstacleSettings(half_resolution=False)
    works: dict[str, Work] = {
        HALF: lambda: obstacle_points(segment(frame, NYU40, half)),
        FULL: lambda: obstacle_points(segment(frame, NYU40, full)),
    }
    try:
        works |= _outlier_removals(frame, half)
    except Open3DError as error:
        run.notes.append(f"obstacles: without Open3D: {error}")
    seconds, size = take_turns(works, run.budget), (height, width)
    for name, taken in seconds.items():
        yield Row.of("depth and labels to obstacles", name, "ms", milliseconds(taken), size)
    for name in (name for name in NEIGHBOURS if name in seconds):
        yield Row.of(f"{name} / this", HALF, "x", ratios(seconds[name], seconds[HALF]), size)
    yield from _processor_rows(works, run.budget, size)
    segmented = segment(frame, NYU40, half)
    found = len(obstacle_points(segmented))
    yield Row.of("points of a frame", HALF, "", [found], size, {"bytes": found * POINT_BYTES})
    products: dict[str, Work] = {
        "ground points": lambda: ground_points(segmented),
        "scan": lambda: laser_scan(segmented),
        "cliffs": lambda: find_cliffs(segmented),
        "objects": lambda: find_instances(segmented, NYU40),
    }
    for name, taken in take_turns(products, run.budget).items():
        yield Row.of("beside obstacles", name, "ms", milliseconds(taken), size)


def _outlier_removals(frame: DepthFrame, settings: ObstacleSettings) -> dict[str, Work]:
    """Open3D's filter of the points of the same grid within range, as users put one behind a depth camera."""
    o3d = load_open3d()
    grid = pixel_grid(frame, settings)
    points = grid.points(np.flatnonzero(grid.known))
    points = points[np.hypot(points[:, 0], points[:, 1]) <= settings.max_range]
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points.astype(np.float64)))
    return {
        name: lambda count=count: cloud.remove_statistical_outlier(count, 2.0)  # type: ignore[misc]
        for name, count in NEIGHBOURS.items()
    }


def _processor_rows(works: Mapping[str, Work], budget: BenchmarkBudget, size: tuple[int, int]) -> Iterator[Row]:
    """The same by the process's own time, by turns: what others make it wait is not in it."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(max(1, budget.most // 4)):
        for name, work in works.items():
            start = time.process_time()
            work()
            seconds[name].append(time.process_time() - start)
    for name, taken in seconds.items():
        yield Row.of("processor time of it", name, "ms", milliseconds(taken), size)
        if name in NEIGHBOURS:
            yield Row.of(f"{name} / this, processor time", HALF, "x", ratios(taken, seconds[HALF]), size)


def furnished_frame(width: int, height: int) -> DepthFrame:
    """A room as a robot sees it: a wall 4 m off, furniture, a chair with thin legs, and half a percent of noise."""
    legs = [SceneBox((x, y, 0.0), (x + 0.025, y + 0.025, 0.45), "chair") for x in (1.8, 2.2) for y in (-0.2, 0.2)]
    room = [
        floor(),
        SceneBox((3.8, -6.0, 0.0), (4.0, 6.0, 2.6), "wall"),
        SceneBox((3.78, -1.0, 0.9), (3.8, 1.0, 2.0), "picture"),
        SceneBox((2.5, 1.0, 0.0), (3.5, 2.0, 0.8), "cabinet"),
        SceneBox((2.0, -1.5, 0.7), (3.0, -0.6, 0.74), "table"),
        SceneBox((1.8, -0.2, 0.45), (2.225, 0.225, 0.48), "chair"),
        *legs,
    ]
    exact = render(room, camera_pose(0.5, 5.0), Intrinsics.from_fov(width, height, 60.0))
    noise = 1.0 + 0.005 * np.random.default_rng(0).standard_normal(exact.depth.shape)
    confidence = np.full(exact.labels.shape, 200, np.uint8)
    depth = (exact.depth * noise).astype(np.float32)
    return DepthFrame(depth, exact.labels, exact.intrinsics, exact.pose, confidence)
