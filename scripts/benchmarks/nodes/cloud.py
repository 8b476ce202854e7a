"""The semantic cloud against Open3D's own unprojection of a depth and a colour image, both 640x480.

Ours is the whole message: coordinates, colour, label and confidence of every point, as published. Open3D's is its point
cloud of coordinates and colour, from images that were made ready before: the faster of its two interfaces counts.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import Any

from cinet_core.messages.cloud import CloudBuffer
from cinet_core.messages.result import Array, Result
from cinet_core.open3d_loading import Open3DError, load_open3d
from cinet_ros.conversions.ros_types import ROS_TYPES
from scripts.benchmarks.nodes.frame import example_result
from scripts.benchmarks.rows import Row, milliseconds, ratios
from scripts.benchmarks.run import BenchmarkRun, LeftOutError
from scripts.benchmarks.timing import Work, take_turns

OURS = ("ours, colours of classes", "ours, colours of the camera")
LEGACY, TENSOR = "Open3D, legacy", "Open3D, tensor"
FARTHEST = 10.0


def measure(run: BenchmarkRun) -> Iterator[Row]:
    """Times of all in turns, and the faster of Open3D's over ours.

    Raises:
        LeftOutError: Open3D is not installed.
    """
    run.say("clouds of ours and of Open3D")
    try:
        open3d = load_open3d()
    except Open3DError as error:
        raise LeftOutError(str(error)) from error
    result = example_result()
    size = (result.depth.shape[0], result.depth.shape[1])
    works = {**_ours(result), LEGACY: _legacy(open3d, result), TENSOR: _tensor(open3d, result)}
    times = take_turns(works, run.budget)
    for name, seconds in times.items():
        yield Row.of("cloud", name, "ms", milliseconds(seconds), size)
    fastest = min((LEGACY, TENSOR), key=lambda name: statistics.median(times[name]))
    for name in OURS:
        yield Row.of(f"{fastest} / this", name, "x", ratios(times[fastest], times[name]), size)


def _ours(result: Result) -> dict[str, Work]:
    assert result.intrinsics is not None
    intrinsics, buffer = result.intrinsics, CloudBuffer(ROS_TYPES, *result.depth.shape)

    def work(colors: Callable[[], Array]) -> Work:
        return lambda: buffer.fill(result.depth, intrinsics, colors(), result.labels, result.confidence, result.header)

    of_classes, of_camera = work(lambda: result.painter.packed(result.labels)), work(lambda: result.image)
    return dict(zip(OURS, (of_classes, of_camera), strict=True))


def _legacy(open3d: Any, result: Result) -> Work:
    assert result.intrinsics is not None
    k = result.intrinsics
    camera = open3d.camera.PinholeCameraIntrinsic(k.width, k.height, k.fx, k.fy, k.cx, k.cy)
    images = open3d.geometry.RGBDImage.create_from_color_and_depth(
        open3d.geometry.Image(result.image),
        open3d.geometry.Image(result.depth),
        depth_scale=1.0,
        depth_trunc=FARTHEST,
        convert_rgb_to_intensity=False,
    )
    return lambda: open3d.geometry.PointCloud.create_from_rgbd_image(images, camera)


def _tensor(open3d: Any, result: Result) -> Work:
    assert result.intrinsics is not None
    matrix = open3d.core.Tensor(result.intrinsics.matrix())
    images = open3d.t.geometry.RGBDImage(
        open3d.t.geometry.Image(open3d.core.Tensor(result.image)),
        open3d.t.geometry.Image(open3d.core.Tensor(result.depth)),
    )
    return lambda: open3d.t.geometry.PointCloud.create_from_rgbd_image(
        images, matrix, depth_scale=1.0, depth_max=FARTHEST
    )
