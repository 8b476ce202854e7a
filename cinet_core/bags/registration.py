"""Whether depth lies in the colour camera's view, pixel on pixel: by the frame, the calibration and the names.

A driver that registers depth gives it the colour camera's frame_id and calibration, and mostly says so in the name.
Depth of the same size in another frame is of another camera: it looks right, and each pixel is beside its place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from cinet_core.bags.image_topics import RecordedImageTopic
from cinet_core.messages.topic_names import topic_parts, words

__all__ = ["Registered", "Registration", "registration", "same_aspect", "sizes_agree"]

SAME_FOCAL = 0.05
"""Largest relative difference of two focal lengths, by the images' widths, that still are one camera's: rectification
changes them by a few per cent, another camera by 10 (Kinect) to 60 (RealSense)."""

_COLOR = frozenset({"color", "colour", "rgb", "bgr", "left"})
_REGISTERED = frozenset({"registered", "aligned", "align"})
_OTHERS = frozenset({"infra", "ir", "infrared", "fisheye", "right", "depth", "thermal"})
_SENSOR_SUFFIX = re.compile(r"(_(optical|frame|link))+$")


class Registered(IntEnum):
    """How sure it is that depth is registered to an image, the surest first."""

    BY_FRAME = 0
    BY_NAME = 1
    UNKNOWN = 2
    NOT = 3


@dataclass(frozen=True)
class Registration:
    """What is known of depth and an image.

    Attributes:
        state: how sure it is.
        reason: for UNKNOWN and NOT, and where the signs contradict each other: why.
    """

    state: Registered
    reason: str = ""


def registration(
    image: RecordedImageTopic, depth: RecordedImageTopic, image_info: Any | None, depth_info: Any | None
) -> Registration:
    """Whether depth is registered to an image.

    Args:
        image, depth: the topics.
        image_info, depth_info: their first camera_info; None where there is none.
    """
    if not same_aspect(image, depth):
        sizes = f"depth is {depth.width}x{depth.height}, the images {image.width}x{image.height}"
        return Registration(Registered.NOT, f"{sizes}, another aspect: they are of another camera, or cropped")
    frames = f"depth is in {depth.frame_id or 'no frame'}, the images in {image.frame_id or 'no frame'}"
    named = bool(image.frame_id and depth.frame_id)
    same = named and _sensor(image.frame_id) == _sensor(depth.frame_id)
    claimed = _claimed(depth.topic)
    if focal := _focal_difference(image_info, depth_info):
        reason = f"the focal length of the depth is {focal[1]:.3f} of its width, that of the images {focal[0]:.3f}"
        reason = reason if same or not named else f"{frames}, and {reason}"
        return Registration(Registered.BY_NAME if claimed else Registered.NOT, reason)
    if same:
        return Registration(Registered.BY_FRAME)
    if claimed:
        return Registration(Registered.BY_NAME, frames if named else "")
    return Registration(Registered.NOT if named else Registered.UNKNOWN, frames)


def same_aspect(image: RecordedImageTopic, depth: RecordedImageTopic) -> bool:
    """Whether the sizes, where both are known, have one aspect."""
    if not image.width or not depth.width:
        return True
    return sizes_agree((image.width, image.height), (depth.width, depth.height))


def sizes_agree(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two (width, height) have one aspect, but for the pixel by which a resize rounds."""
    return abs(one[0] * other[1] - one[1] * other[0]) <= max(*one, *other)


def _claimed(topic: str) -> bool:
    """Whether the name says that the depth is registered to the colour camera."""
    parts = [words(part) for part in topic_parts(topic)]
    for part in parts:
        for place, word in enumerate(part):
            if word in ("to", "2") and place + 1 < len(part):  # aligned_depth_to_infra1, depth_to_rgb
                return part[place + 1] in _COLOR
    return any(_REGISTERED & set(part) and not _OTHERS & set(_behind(part)) for part in parts)


def _behind(part: list[str]) -> list[str]:
    """Words behind ``registered``: what it is registered to."""
    return part[max(place for place, word in enumerate(part) if word in _REGISTERED) + 1 :]


def _sensor(frame_id: str) -> str:
    """The sensor's name of a frame: camera_color_frame and camera_color_optical_frame are of one."""
    return _SENSOR_SUFFIX.sub("", frame_id.strip("/").lower()) or frame_id


def _focal_difference(image_info: Any | None, depth_info: Any | None) -> tuple[float, float] | None:
    """Focal lengths by width, if no calibration of the one is one of the other; K and P, raw and rectified, count."""
    images, depths = _focals(image_info), _focals(depth_info)
    pairs = [(image, depth) for image in images for depth in depths]
    if not pairs or any(abs(depth / image - 1.0) <= SAME_FOCAL for image, depth in pairs):
        return None
    return pairs[0]


def _focals(info: Any | None) -> list[float]:
    if info is None or info.width <= 0:
        return []
    return [float(f) / info.width for f in (info.k[0], info.p[0]) if 0 < f < float("inf")]
