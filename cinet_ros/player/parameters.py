"""Parameters of the player: type, default, range and meaning of each, checked together."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cinet_core.parameters import check, parameter
from cinet_ros.parameter_fields import threads_parameter
from cinet_ros.player.image_encoder import RAW_ENCODINGS

AS_SOURCE = "source"
COMPRESSED = "compressed"


@dataclass(frozen=True)
class PlayerSettings:
    """Values of the player's parameters, all fixed at start; the defaults are the node's.

    Raises:
        ValueError: a value is of the wrong type, out of its range, or at odds with another; the text names the
            parameter, the value, the limit and the remedy.
    """

    source: str = parameter(
        "synthetic", "what to play: `synthetic`, or the path of an image, a folder of frames, a video, a ROS 2 bag"
    )
    rate: float = parameter(
        0.0, "frames per second; 0: the source's own (recorded times, the video's rate, otherwise 15)", limits=(0, 1000)
    )
    loop: bool = parameter(True, "start again after the last frame; false: exit after it")
    stamp: str = parameter(
        "now", "now: time of sending; source: recorded, or seconds into the source", choices=("now", "source")
    )
    frame_id: str = parameter("", "frame of the images; empty: as recorded, else camera_optical_frame")
    encoding: str = parameter(
        AS_SOURCE,
        "of `image`; compressed: on `image/compressed` instead; source: as recorded, else rgb8",
        choices=(AS_SOURCE, *RAW_ENCODINGS, COMPRESSED),
    )
    compressed_format: str = parameter("jpeg", "what `encoding: compressed` sends", choices=("jpeg", "png"))
    jpeg_quality: int = parameter(90, "quality of jpeg", limits=(1, 100))
    step_padding: int = parameter(0, "bytes appended to each row of a raw image", limits=(0, 4096))
    big_endian: bool = parameter(False, "byte order of mono16")
    reliability: str = parameter("reliable", "QoS of image and camera_info", choices=("reliable", "best_effort"))
    intrinsics: tuple[float, ...] = parameter(
        (0.0, 0.0, 0.0, 0.0), "fx, fy, cx, cy of the images in pixels, in place of the source's own; all 0: its own"
    )
    fov: float = parameter(
        0.0,
        "horizontal field of view in degrees: of the synthetic camera (0: 62), or assumed for a source that does not "
        "know its camera (0: no camera_info)",
        limits=(0, 170),
    )
    synthetic_frames: int = parameter(48, "views of the synthetic scene in one loop", limits=(1, 2000))
    synthetic_width: int = parameter(640, "width of the synthetic images, pixels", limits=(16, 4096))
    synthetic_height: int = parameter(480, "height of the synthetic images, pixels", limits=(16, 4096))
    image_topic: str = parameter("", "image topic to play from a bag; empty: the best colour camera")
    camera_info_topic: str = parameter("", "camera_info topic to play from a bag; empty: the one beside the images")
    threads: int = threads_parameter("one")
    wait_for_subscribers: int = parameter(
        0, "send the first frame when this many subscribers of the image are there", limits=(0, 100)
    )
    wait_timeout: float = parameter(
        60.0, "give up waiting for subscribers after this many seconds; 0: never", limits=(0, 3600)
    )
    publish_clock: bool = parameter(
        False, "publish the source's time on /clock, for nodes with use_sim_time; needs stamp: source"
    )

    def __post_init__(self) -> None:
        """Check every value, then those that depend on each other."""
        check(self)
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
