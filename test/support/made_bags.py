"""Small real bags, written by the library rosbags from its own message classes: no ROS is needed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cinet_core.bags.definitions import message_store

START = 1_700_000_000 * 10**9
PERIOD = 100_000_000
WIDTH, HEIGHT, FOCAL = 64, 48, 60.0


def types(name: str) -> Any:
    return message_store().types[name]


def header(stamp: int, frame: str = "camera_optical") -> Any:
    time = types("builtin_interfaces/msg/Time")(sec=stamp // 10**9, nanosec=stamp % 10**9)
    return types("std_msgs/msg/Header")(stamp=time, frame_id=frame)


def image(stamp: int, rgb_image: np.ndarray, encoding: str = "rgb8") -> Any:
    return types("sensor_msgs/msg/Image")(
        header=header(stamp),
        height=rgb_image.shape[0],
        width=rgb_image.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=rgb_image.strides[0],
        data=np.frombuffer(rgb_image.tobytes(), np.uint8),
    )


def compressed(stamp: int, rgb_image: np.ndarray, suffix: str = ".jpg") -> Any:
    content = cv2.imencode(suffix, rgb_image[..., ::-1])[1].reshape(-1)
    kind = "jpeg" if suffix == ".jpg" else "png"
    return types("sensor_msgs/msg/CompressedImage")(
        header=header(stamp), format=f"rgb8; {kind} compressed bgr8", data=content
    )


def camera_info(stamp: int, width: int = WIDTH, height: int = HEIGHT, focal: float = FOCAL, d: tuple = ()) -> Any:
    k = np.array([focal, 0, (width - 1) / 2, 0, focal, (height - 1) / 2, 0, 0, 1])
    return types("sensor_msgs/msg/CameraInfo")(
        header=header(stamp),
        height=height,
        width=width,
        distortion_model="plumb_bob",
        d=np.array(d, dtype=np.float64),
        k=k,
        r=np.eye(3).reshape(-1),
        p=np.hstack([k.reshape(3, 3), np.zeros((3, 1))]).reshape(-1),
        binning_x=0,
        binning_y=0,
        roi=types("sensor_msgs/msg/RegionOfInterest")(x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
    )


def text(content: str) -> Any:
    return types("std_msgs/msg/String")(data=content)


def rgb_image(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Another smooth image for each number."""
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    channels = [127 + 120 * np.sin(u / (5 + number) + v / 9 + shift) for shift in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def camera(frames: int, compress: bool = False, with_info: bool = True) -> list[tuple[str, int, Any]]:
    """Topic, time and message: a camera at 10 Hz, its calibration, and a text between two frames."""
    found: list[tuple[str, int, Any]] = []
    for number in range(frames):
        time = START + number * PERIOD
        topic = "/cam/image_raw/compressed" if compress else "/cam/image_raw"
        make = compressed if compress else image
        found.append((topic, time + 1000, make(time, rgb_image(number))))
        if with_info:
            found.append(("/cam/camera_info", time + 2000, camera_info(time)))
        found.append(("/chatter", time + PERIOD // 2, text(f"after {number}")))
    return found


def write(
    path: Path, messages: Iterable[tuple[str, int, Any]], storage: str = "sqlite3", raw: Iterable = (), zstd: str = ""
) -> Path:
    """A bag; ``raw`` are (topic, type, time, bytes)."""
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

    store = message_store()
    writer = Writer(path, version=9, storage_plugin=StoragePlugin[storage.upper()])
    if zstd:
        writer.set_compression(CompressionMode[zstd], CompressionFormat.ZSTD)
    coded = [(topic, m.__msgtype__, time, store.serialize_cdr(m, m.__msgtype__)) for topic, time, m in messages]
    with writer:
        connections: dict[str, Any] = {}
        for topic, kind, time, data in sorted([*coded, *raw], key=lambda item: item[2]):
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(connections[topic], time, data)
    return path


def storage_file(bag: Path) -> Path:
    (file,) = (entry for entry in bag.iterdir() if entry.suffix in (".db3", ".mcap"))
    return file


def contents(path: Path | str) -> list[tuple[str, str, int, bytes]]:
    """Topic, type, time and bytes of every message, in order."""
    from cinet_core.bags.reader import BagReader

    with BagReader(path) as reader:
        return [(item.topic, item.msgtype, time, bytes(data)) for item, time, data in reader.messages()]
