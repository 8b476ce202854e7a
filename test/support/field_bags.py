"""Bags as drivers and recorders leave them: small real files, whole lists of topics in an order of their own."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import made_bags
import numpy as np
from made_bags import PERIOD, START

WIDTH, HEIGHT = 64, 48


class Row(NamedTuple):
    """A topic.

    Attributes:
        topic: its name.
        what: an encoding of sensor_msgs/Image; "info"; "text"; or the format of a CompressedImage behind the codec of
            its bytes, as "jpeg|rgb8; jpeg compressed bgr8" (jpeg, swapped, gray, png, png16, depth or raw).
        size: width and height.
        frame: its frame_id.
        focal: of a camera_info, pixels.
        zero: whether header stamps are 0.
        skip: frames that are not there.
    """

    topic: str
    what: str
    size: tuple[int, int] = (WIDTH, HEIGHT)
    frame: str = "color_optical"
    focal: float = 60.0
    zero: bool = False
    skip: tuple[int, ...] = ()


_CHANNELS = {"rgb8": 3, "bgr8": 3, "bgra8": 4, "rgba8": 4, "yuv422_yuy2": 2}


def colour(number: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> np.ndarray:
    """(H, W, 3) RGB: red left, blue right, brighter from frame to frame."""
    width, height = size
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2] = (200 + number, 20, 20)
    image[:, width // 2 :] = (20, 20, 200 + number)
    return image


def depth_mm(number: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> np.ndarray:
    """(H, W) a slanted plane, 1 to 2 m, 10 mm farther from frame to frame."""
    width, height = size
    return np.repeat((1000 + 1000 * np.arange(height) // height + 10 * number).astype(np.uint16)[:, None], width, 1)


def _raw(row: Row, number: int, stamp: int) -> Any:
    width, height = row.size
    if row.what in ("16UC1", "mono16"):
        pixels = depth_mm(number, row.size)
    elif row.what == "32FC1":
        pixels = depth_mm(number, row.size).astype(np.float32) / 1000
    elif row.what in ("rgb8", "bgr8"):
        pixels = colour(number, row.size)
        pixels = pixels if row.what == "rgb8" else np.ascontiguousarray(pixels[..., ::-1])
    else:
        pixels = np.full((height, width, _CHANNELS.get(row.what, 1)), 100 + number, np.uint8)
    return made_bags.image(stamp, pixels, row.what)


def _packed(row: Row, number: int, stamp: int) -> Any:
    codec, _, text = row.what.partition("|")
    prefix, content = b"", b"\0\0\0\1" + bytes(60)
    if codec == "jpeg":
        content = cv2.imencode(".jpg", colour(number, row.size)[..., ::-1])[1].tobytes()
    elif codec == "swapped":
        content = cv2.imencode(".jpg", colour(number, row.size))[1].tobytes()
    elif codec == "gray":
        content = cv2.imencode(".jpg", colour(number, row.size)[..., 0])[1].tobytes()
    elif codec == "png":
        content = cv2.imencode(".png", colour(number, row.size)[..., ::-1])[1].tobytes()
    elif codec in ("png16", "depth"):
        content = cv2.imencode(".png", depth_mm(number, row.size))[1].tobytes()
        prefix = struct.pack("<iff", 0, 0.0, 0.0) if codec == "depth" else b""
    return made_bags.types("sensor_msgs/msg/CompressedImage")(
        header=made_bags.header(stamp), format=text, data=np.frombuffer(prefix + content, np.uint8)
    )


def messages(rows: Iterable[Row], frames: int = 2, stamp: Callable[[int], int] | None = None) -> list:
    """Topic, time and message of each frame of each row, the rows in their order."""
    found = []
    for number in range(frames):
        time = START + number * PERIOD
        for place, row in enumerate(rows):
            if number in row.skip:
                continue
            own = 0 if row.zero else time if stamp is None else stamp(number)
            if row.what == "info":
                message = made_bags.camera_info(own, *row.size, focal=row.focal)
            elif row.what == "text":
                message = made_bags.text("hello")
            else:
                message = (_packed if "|" in row.what else _raw)(row, number, own)
            if row.what != "text":
                message.header.frame_id = row.frame
            found.append((row.topic, time + 1000 + place, message))
    return found


def write(path: Path, rows: Iterable[Row], frames: int = 2, storage: str = "mcap") -> Path:
    """A bag of these topics."""
    return made_bags.write(path, messages(list(rows), frames), storage)
