"""Bags of a robot that drives through synthetic rooms: images, camera_info, odometry, a scan; depth where wanted.

A recording is the path of one camera through one room (`cinet_core.rooms.raycast`). Its images can be given a strange
style: paint, light and lens that no network here has seen. The truth stays outside the bag.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.bags.definitions import message_store
from cinet_core.data.folder_writer import FolderWriter
from cinet_core.geometry import Intrinsics
from cinet_core.poses import rotation_matrix
from cinet_core.rooms.raycast import SyntheticRooms

START = 1_700_000_000 * 10**9
PERIOD = 100_000_000
# x right, y down, z forward in a base whose x looks forward and z up: where the camera is mounted.
MOUNTED = (0.2, 0.0, 0.5, -0.5, 0.5, -0.5, 0.5)
SCAN_NOISE, ODOMETRY_NOISE = 0.02, 0.01
RAYS = 181

Style = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]


def plain(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The room as it was rendered."""
    return image


def strange(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Rooms under sodium light, in colours that change places, through a hazy lens.

    Args:
        image: (H, W, 3) uint8 RGB.
    """
    light = (image[..., [2, 0, 1]] / 255.0) ** 1.6
    light = 0.25 + 0.6 * light * np.array([1.0, 0.75, 0.35])
    return np.asarray(cv2.GaussianBlur((255 * light).astype(np.uint8), (0, 0), 0.8), np.uint8)


@dataclass(frozen=True)
class Walk:
    """Frames of one path with all that is true of them.

    Attributes:
        images: (N, H, W, 3) uint8 RGB, in their style.
        depth: (N, H, W) metres.
        labels: (N, H, W) NYU40 ids, 255 none.
        poses: of each the (4, 4) pose of the optical frame.
        camera: of them all.
    """

    images: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]
    poses: list[npt.NDArray[np.float64]]
    camera: Intrinsics


def walk(
    seed: int,
    number: int,
    frames: int,
    size: tuple[int, int],
    style: Style = plain,
    *,
    views: str = "furnished",
    scale: float = 1.0,
) -> Walk:
    """Render a path.

    Args:
        seed, number: of the room.
        frames: up to 16.
        size: (width, height).
        style: of the images.
        views: "furnished" or "wide".
        scale: everything is so many times as large as it is in homes.
    """
    rooms = SyntheticRooms(frames * (number + 1), seed, *size, views=views, path=frames)  # type: ignore[arg-type]
    indices = range(frames * number, frames * (number + 1))
    rendering = rooms.render(indices)
    images = rendering.images.permute(0, 2, 3, 1).cpu().numpy()
    poses = [pose for index in indices if (pose := rooms.pose(index)) is not None]
    for pose in poses:
        pose[:3, 3] *= scale
    styled = np.stack([style(image) for image in images])
    depth, labels = scale * rendering.depth.cpu().numpy(), rendering.labels.cpu().numpy().astype(np.uint8)
    return Walk(styled, depth.astype(np.float32), labels, poses, rooms.view(indices[0]).camera.intrinsics)


def write_bag(
    path: Path,
    walked: Walk,
    *,
    depth: bool = False,
    scan: bool = True,
    odometry_noise: float = ODOMETRY_NOISE,
    seed: int = 0,
) -> Path:
    """Write a bag of a path: no labels, and depth only where it is asked for.

    Args:
        path: of the bag's folder, which must not be there.
        walked: the path.
        depth: with a sensor's depth.
        scan: with a scanner's.
        odometry_noise: of a step's length, by which the odometry is off.
        seed: of the noise of scan and odometry.
    """
    from rosbags.rosbag2 import StoragePlugin, Writer

    rng = np.random.default_rng(seed)
    messages: list[tuple[str, int, Any]] = [("/tf_static", START, _mountings())]
    optical_in_base = _matrix(MOUNTED)
    poses = _drifting(walked.poses, odometry_noise, rng)
    for number, image in enumerate(walked.images):
        stamp = START + number * PERIOD
        messages += [
            ("/camera/color/image_raw/compressed", stamp, _compressed(stamp, image)),
            ("/camera/color/camera_info", stamp, _camera_info(stamp, walked.camera)),
            ("/odom", stamp, _odometry(stamp, poses[number] @ np.linalg.inv(optical_in_base))),
        ]
        if scan:
            messages.append(("/scan", stamp, _scan(stamp, walked.depth[number], walked.camera, rng)))
        if depth:
            messages.append(("/camera/aligned_depth_to_color/image_raw", stamp, _depth(stamp, walked.depth[number])))
    store = message_store()
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topics: dict[str, Any] = {}
        for topic, time_ns, message in messages:
            kind = message.__msgtype__
            if topic not in topics:
                topics[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(topics[topic], time_ns, store.serialize_cdr(message, kind))
    return path


def values_of(items: list[str]) -> dict[str, Any]:
    """Settings of a command line, NAME=VALUE with the value as JSON, by name."""
    return {name: json.loads(value) for name, _, value in (item.partition("=") for item in items)}


def write_truth(folder: FolderWriter, stem: str, walked: Walk) -> None:
    """Add a path's frames with true depth and labels to a data set."""
    for number, image in enumerate(walked.images):
        name = f"{stem}_{number:06d}"
        if name not in folder.names:
            folder.add(name, _jpeg(image), walked.camera, depth=walked.depth[number], labels=walked.labels[number])


def _drifting(
    poses: list[npt.NDArray[np.float64]], noise: float, rng: np.random.Generator
) -> list[npt.NDArray[np.float64]]:
    """The poses as wheels would have them: each step is off by a part of its length."""
    found = [poses[0]]
    for before, after in itertools.pairwise(poses):
        step = np.linalg.inv(before) @ after
        step[:3, 3] *= 1 + rng.normal(0, noise, 3)
        found.append(found[-1] @ step)
    return found


def _types(name: str) -> Any:
    return message_store().types[name]


def _header(stamp: int, frame: str) -> Any:
    time = _types("builtin_interfaces/msg/Time")(sec=stamp // 10**9, nanosec=stamp % 10**9)
    return _types("std_msgs/msg/Header")(stamp=time, frame_id=frame)


def _jpeg(image: npt.NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())


def _compressed(stamp: int, image: npt.NDArray[np.uint8]) -> Any:
    content = np.frombuffer(_jpeg(image), np.uint8)
    return _types("sensor_msgs/msg/CompressedImage")(
        header=_header(stamp, "camera_optical"), format="rgb8; jpeg compressed bgr8", data=content
    )


def _depth(stamp: int, depth: npt.NDArray[np.float32]) -> Any:
    millimetres = np.round(1000 * depth).clip(0, 65534).astype(np.uint16)
    return _types("sensor_msgs/msg/Image")(
        header=_header(stamp, "camera_optical"),
        height=depth.shape[0],
        width=depth.shape[1],
        encoding="16UC1",
        is_bigendian=0,
        step=2 * depth.shape[1],
        data=np.frombuffer(millimetres.tobytes(), np.uint8),
    )


def _camera_info(stamp: int, camera: Intrinsics) -> Any:
    k = np.array([camera.fx, 0, camera.cx, 0, camera.fy, camera.cy, 0, 0, 1])
    roi = _types("sensor_msgs/msg/RegionOfInterest")(x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    return _types("sensor_msgs/msg/CameraInfo")(
        header=_header(stamp, "camera_optical"),
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=k,
        r=np.eye(3).reshape(-1),
        p=np.hstack([k.reshape(3, 3), np.zeros((3, 1))]).reshape(-1),
        binning_x=0,
        binning_y=0,
        roi=roi,
    )


def _odometry(stamp: int, base: npt.NDArray[np.float64]) -> Any:
    zero = _types("geometry_msgs/msg/Vector3")(x=0.0, y=0.0, z=0.0)
    x, y, z, w = _quaternion(base[:3, :3])
    pose = _types("geometry_msgs/msg/Pose")(
        position=_types("geometry_msgs/msg/Point")(**dict(zip("xyz", map(float, base[:3, 3]), strict=True))),
        orientation=_types("geometry_msgs/msg/Quaternion")(x=x, y=y, z=z, w=w),
    )
    covariance = np.zeros(36)
    twist = _types("geometry_msgs/msg/Twist")(linear=zero, angular=zero)
    return _types("nav_msgs/msg/Odometry")(
        header=_header(stamp, "odom"),
        child_frame_id="base_link",
        pose=_types("geometry_msgs/msg/PoseWithCovariance")(pose=pose, covariance=covariance),
        twist=_types("geometry_msgs/msg/TwistWithCovariance")(twist=twist, covariance=covariance),
    )


def _scan(stamp: int, depth: npt.NDArray[np.float32], camera: Intrinsics, rng: np.random.Generator) -> Any:
    """A scanner at the camera's place, in the plane of its optical axis: the row of the principal point."""
    left = math.atan(camera.cx / camera.fx)
    right = math.atan((camera.width - 1 - camera.cx) / camera.fx)
    angles = np.linspace(-right, left, RAYS)  # from the right to the left: counted from x towards y
    columns = np.clip(np.round(camera.cx - camera.fx * np.tan(angles)), 0, camera.width - 1).astype(int)
    ahead = depth[min(max(round(camera.cy), 0), camera.height - 1), columns]
    ranges = ahead / np.cos(angles) + rng.normal(0, SCAN_NOISE, RAYS)
    return _types("sensor_msgs/msg/LaserScan")(
        header=_header(stamp, "laser"),
        angle_min=float(angles[0]),
        angle_max=float(angles[-1]),
        angle_increment=float(angles[1] - angles[0]),
        time_increment=0.0,
        scan_time=0.1,
        range_min=0.05,
        range_max=12.0,
        ranges=np.where(ahead > 0, ranges, np.inf).astype(np.float32),
        intensities=np.zeros(0, np.float32),
    )


def _mountings() -> Any:
    level = (*MOUNTED[:3], 0.0, 0.0, 0.0, 1.0)
    transforms = [_transform("camera_optical", MOUNTED), _transform("laser", level)]
    return _types("tf2_msgs/msg/TFMessage")(transforms=transforms)


def _transform(child: str, values: tuple[float, ...]) -> Any:
    x, y, z, *turn = values
    return _types("geometry_msgs/msg/TransformStamped")(
        header=_header(START, "base_link"),
        child_frame_id=child,
        transform=_types("geometry_msgs/msg/Transform")(
            translation=_types("geometry_msgs/msg/Vector3")(x=x, y=y, z=z),
            rotation=_types("geometry_msgs/msg/Quaternion")(**dict(zip("xyzw", turn, strict=True))),
        ),
    )


def _matrix(values: tuple[float, ...]) -> npt.NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:3, :3] = rotation_matrix(np.asarray(values[3:]))
    matrix[:3, 3] = values[:3]
    return matrix


def _quaternion(rotation: npt.NDArray[np.float64]) -> tuple[float, float, float, float]:
    """x y z w of a rotation: the eigenvector of the largest eigenvalue (Bar-Itzhack 2000)."""
    m = rotation
    k = np.array(
        [
            [m[0, 0] - m[1, 1] - m[2, 2], m[1, 0] + m[0, 1], m[2, 0] + m[0, 2], m[2, 1] - m[1, 2]],
            [m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], m[2, 1] + m[1, 2], m[0, 2] - m[2, 0]],
            [m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], m[0, 0] + m[1, 1] + m[2, 2]],
        ]
    )
    x, y, z, w = np.linalg.eigh(k)[1][:, -1]
    return float(x), float(y), float(z), float(w)
