"""Parameters of the player: type, default, range and meaning of each, checked together."""

from __future__ import annotations

import array
import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from cinet_ros.player.image_encoder import RAW_ENCODINGS

AS_SOURCE = "source"
COMPRESSED = "compressed"


def _parameter(
    default: Any, description: str, *, limits: tuple[float, float] | None = None, choices: tuple[str, ...] = ()
) -> Any:
    """Field that carries what its ROS descriptor says."""
    return dataclasses.field(
        default=default, metadata={"description": description, "limits": limits, "choices": choices}
    )


@dataclass(frozen=True)
class PlayerSettings:
    """Values of the player's parameters, all fixed at start; the defaults are the node's.

    Raises:
        ValueError: a value is of the wrong type, out of its range, or at odds with another; the text names the
            parameter, the value, the limit and the remedy.
    """

    source: str = _parameter(
        "synthetic", "what to play: `synthetic`, or the path of an image, a folder of frames, a video, a ROS 2 bag"
    )
    rate: float = _parameter(
        0.0, "frames per second; 0: the source's own (recorded times, the video's rate, otherwise 15)", limits=(0, 1000)
    )
    loop: bool = _parameter(True, "start again after the last frame; false: exit after it")
    stamp: str = _parameter(
        "now", "now: time of sending; source: recorded, or seconds into the source", choices=("now", "source")
    )
    frame_id: str = _parameter("", "frame of the images; empty: as recorded, else camera_optical_frame")
    encoding: str = _parameter(
        AS_SOURCE,
        "of `image`; compressed: on `image/compressed` instead; source: as recorded, else rgb8",
        choices=(AS_SOURCE, *RAW_ENCODINGS, COMPRESSED),
    )
    compressed_format: str = _parameter("jpeg", "what `encoding: compressed` sends", choices=("jpeg", "png"))
    jpeg_quality: int = _parameter(90, "quality of jpeg", limits=(1, 100))
    step_padding: int = _parameter(0, "bytes appended to each row of a raw image", limits=(0, 4096))
    big_endian: bool = _parameter(False, "byte order of mono16")
    reliability: str = _parameter("reliable", "QoS of image and camera_info", choices=("reliable", "best_effort"))
    intrinsics: tuple[float, ...] = _parameter(
        (0.0, 0.0, 0.0, 0.0), "fx, fy, cx, cy of the images in pixels, in place of the source's own; all 0: its own"
    )
    fov: float = _parameter(
        0.0,
        "horizontal field of view in degrees: of the synthetic camera (0: 62), or assumed for a source that does not "
        "know its camera (0: no camera_info)",
        limits=(0, 170),
    )
    synthetic_frames: int = _parameter(48, "views of the synthetic scene in one loop", limits=(1, 2000))
    synthetic_width: int = _parameter(640, "width of the synthetic images, pixels", limits=(16, 4096))
    synthetic_height: int = _parameter(480, "height of the synthetic images, pixels", limits=(16, 4096))
    image_topic: str = _parameter("", "image topic to play from a bag; empty: the first colour or grey one")
    camera_info_topic: str = _parameter("", "camera_info topic to play from a bag; empty: the one beside the images")
    wait_for_subscribers: int = _parameter(
        0, "send the first frame when this many subscribers of the image are there", limits=(0, 100)
    )
    wait_timeout: float = _parameter(
        60.0, "give up waiting for subscribers after this many seconds; 0: never", limits=(0, 3600)
    )
    publish_clock: bool = _parameter(
        False, "publish the source's time on /clock, for nodes with use_sim_time; needs stamp: source"
    )

    def __post_init__(self) -> None:
        """Check every value, then those that depend on each other."""
        for field in dataclasses.fields(self):
            _check(field, getattr(self, field.name))
        self._check_layout()
        if self.publish_clock and self.stamp != "source":
            raise ValueError("publish_clock = true needs stamp = source, or stamps and /clock are different times")
        given = any(self.intrinsics)
        sound = len(self.intrinsics) == 4 and all(math.isfinite(value) for value in self.intrinsics)
        if not sound or (given and not min(self.intrinsics[:2]) > 0):
            raise ValueError(
                f"intrinsics = {list(self.intrinsics)} must be [fx, fy, cx, cy] in pixels with fx and fy above 0, "
                "or four zeros for the source's own"
            )
        if given and self.fov > 0:
            raise ValueError(f"intrinsics and fov = {self.fov:g} are both given; set one of them")

    def _check_layout(self) -> None:
        if self.step_padding and self.encoding not in RAW_ENCODINGS:
            raise ValueError(
                f"step_padding = {self.step_padding} needs a raw encoding, not {self.encoding}; set encoding to rgb8 "
                "or step_padding to 0"
            )
        if self.big_endian and self.encoding != "mono16":
            raise ValueError(f"big_endian = true needs encoding = mono16, not {self.encoding}: it has no byte order")


def declare(node: Node) -> PlayerSettings:
    """Declare every parameter on the node and return the values given on the command line or in a file.

    Raises:
        ValueError: as `PlayerSettings`.
    """
    fields = dataclasses.fields(PlayerSettings)
    # Types and ranges are checked by PlayerSettings, so that `rate:=10` is as good as `rate:=10.0` and errors name the
    # remedy; the full descriptors come after it, because rclpy would refuse a value first, in its own words.
    settings = PlayerSettings(**{field.name: _declare_one(node, field) for field in fields})
    for field in fields:
        node.set_descriptor(field.name, _descriptor(field))
    return settings


def _declare_one(node: Node, field: dataclasses.Field[Any]) -> Any:
    default: Any = field.default
    default = list(default) if isinstance(default, tuple) else default
    value = node.declare_parameter(field.name, default, ParameterDescriptor(dynamic_typing=True)).value
    if isinstance(field.default, float) and type(value) is int:
        return float(value)
    return tuple(value) if isinstance(value, (list, array.array)) else value


def _descriptor(field: dataclasses.Field[Any]) -> ParameterDescriptor:
    limits, choices = field.metadata["limits"], field.metadata["choices"]
    descriptor = ParameterDescriptor(name=field.name, description=field.metadata["description"], read_only=True)
    descriptor.dynamic_typing = True
    if choices:
        descriptor.additional_constraints = "one of: " + ", ".join(choices)
    if limits and isinstance(field.default, float):
        descriptor.floating_point_range = [FloatingPointRange(from_value=float(limits[0]), to_value=float(limits[1]))]
    elif limits:
        descriptor.integer_range = [IntegerRange(from_value=int(limits[0]), to_value=int(limits[1]), step=1)]
    return descriptor


def _check(field: dataclasses.Field[Any], value: Any) -> None:
    kind = type(field.default)
    sound = type(value) is kind
    if sound and kind is tuple:
        sound = all(type(item) in (int, float) for item in value)
    if not sound:
        raise ValueError(f"{field.name} = {value!r} must be {_KINDS[kind]}")
    limits, choices = field.metadata["limits"], field.metadata["choices"]
    if choices and value not in choices:
        raise ValueError(f"{field.name} = {value!r} is not one of {', '.join(choices)}")
    # written so that NaN fails too
    if limits and not limits[0] <= value <= limits[1]:
        raise ValueError(f"{field.name} = {value!r} is outside {limits[0]:g} .. {limits[1]:g}")


_KINDS = {
    str: "text (quote it: \"'12'\")",
    float: "a number",
    int: "a whole number",
    bool: "true or false",
    tuple: "a list of numbers, such as [525.0, 525.0, 319.5, 239.5]",
}
