"""Every parameter of the perception node: type, default, range, meaning, and whether it changes at run time.

One frozen dataclass is the single source: it declares the ROS parameters with their descriptors, checks values, and
makes the table in the README's appendix. A worker reads one snapshot per frame, so a change takes effect on the next.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from rclpy.exceptions import InvalidTopicNameException
from rclpy.parameter import Parameter
from rclpy.validate_full_topic_name import validate_full_topic_name

from cinet_core.inference.choices import BACKENDS, PRECISIONS
from cinet_core.messages.errors import MAX_PIXELS
from cinet_core.messages.limits import JPEG_QUALITY_LIMITS, PNG_LEVEL_LIMITS, VOXEL_SIZE_LIMITS
from cinet_core.messages.topics import STATS, TOPICS
from cinet_core.model.config import CONFIG_NAMES, DEFAULT_CONFIG
from cinet_ros.bond import bond_parameter
from cinet_ros.parameter_fields import check, coerced, parameter, threads_parameter

SWITCHED = (*TOPICS, STATS)
"""Outputs that `disabled_outputs` can name."""

# Seconds. A frame of a slow network on a busy processor takes a few tenths.
MIN_WATCHDOG_TIMEOUT = 0.5


@dataclass(frozen=True)
class Settings:
    """Values of all parameters; the defaults are the node's. Lengths in metres, times in seconds, angles in degrees."""

    # model
    weights: str = parameter(
        "default",
        "checkpoint (.safetensors); `default`: the weights that ship (docs/model_card.md); `random`: plumbing only",
    )
    weights_sha256: str = parameter(
        "", "SHA-256 that the file of `weights` must have, 64 hex digits; empty: any. The log names it at `configured`"
    )
    model_config: str = parameter(DEFAULT_CONFIG, "network built when weights is `random`", choices=CONFIG_NAMES)
    device: str = parameter("auto", "auto, cpu, cuda or cuda:N; auto takes a CUDA GPU where there is one")
    backend: str = parameter(
        "auto",
        "what runs the network; auto: the fastest that is installed and works here, measured once. PyTorch predicts "
        "until it is ready",
        choices=BACKENDS,
    )
    precision: str = parameter(
        "auto",
        "that the network computes in; auto: half on a GPU, float32 on a CPU. int8 is for a CPU",
        choices=PRECISIONS,
    )
    oom_fallback: str = parameter(
        "none",
        "when the GPU's memory does not suffice; none: the frame is dropped and the next one tried; cpu: go on there",
        choices=("none", "cpu"),
        run_time=True,
    )
    network_width: int = parameter(
        0, "width of the network's input, pixels; 0: as trained, at the image's aspect", limits=(0, 4096)
    )
    network_height: int = parameter(
        0, "height of the network's input, pixels; 0: as trained, at the image's aspect", limits=(0, 4096)
    )
    threads: int = threads_parameter("one for each core")
    autostart: bool = parameter(True, "configure and activate without waiting for a lifecycle manager")
    bond_heartbeat_period: float = bond_parameter()
    watchdog_timeout: float = parameter(
        30.0,
        "a frame that takes longer has hung: it is dropped and a new worker takes over; choose several times what the "
        "slowest frame takes, 0.5 at least; 0: wait forever, as under a debugger",
        limits=(0.0, 3600.0),
        run_time=True,
    )

    enabled: bool = parameter(
        True,
        "false: nothing is predicted and no image subscribed to, while model and outputs stay; `~/enable` sets it, too",
        run_time=True,
    )

    # inputs
    cameras: tuple[str, ...] = parameter(
        ("",), "names of the cameras, each a prefix of its topics; one empty name: no prefix"
    )
    image_transport: str = parameter(
        "raw", "raw reads `image`, compressed reads `image/compressed`", choices=("raw", "compressed")
    )
    image_bridge: str = parameter(
        "numpy",
        "what decodes raw images; auto takes cv_bridge where it works and agrees with the built-in decoder, which is "
        "faster and knows more encodings",
        choices=("auto", "cv_bridge", "numpy"),
    )
    input_reliability: str = parameter(
        "auto",
        "reliability of the image and camera_info subscriptions; auto: what the publisher offers",
        choices=("auto", "reliable", "best_effort"),
    )
    input_rectified: str = parameter(
        "auto",
        "whether images arrive rectified; auto: the last parts of the resolved image topic say `rect`",
        choices=("auto", "true", "false"),
    )
    camera_info_timeout: float = parameter(
        2.0,
        "how long images wait for a first camera_info before they are used without one",
        limits=(0.0, 60.0),
        run_time=True,
    )
    assumed_fov: float = parameter(
        0.0,
        "horizontal field of view assumed when there is no valid camera_info; 0: none",
        limits=(0.0, 170.0),
        run_time=True,
    )
    max_rate: float = parameter(
        0.0,
        "frames a second of each camera that are used at most, the others are dropped before decoding; 0: all",
        limits=(0.0, 1000.0),
        run_time=True,
    )
    max_stamp_age: float = parameter(
        0.0,
        "drop images whose stamp is older than this by the node's clock; 0: never",
        limits=(0.0, 3600.0),
        run_time=True,
    )
    stale_after: float = parameter(
        2.0,
        "diagnostics warn when no image arrived for this long while subscribed",
        limits=(0.1, 3600.0),
        run_time=True,
    )

    # outputs
    disabled_outputs: tuple[str, ...] = parameter(
        ("",),
        "topics, named as in the table of outputs, that are never made whatever subscribes to them (such as "
        "`ros2 bag record -a`); none by default",
        run_time=True,
    )
    output_width: int = parameter(0, "width of all outputs, pixels; 0: the input's", limits=(0, 8192))
    output_height: int = parameter(0, "height of all outputs, pixels; 0: the input's", limits=(0, 8192))
    depth_encoding: str = parameter(
        "32FC1", "32FC1: metres, NaN invalid; 16UC1: millimetres, 0 invalid", choices=("32FC1", "16UC1"), run_time=True
    )
    depth_scale: float = parameter(
        1.0,
        "multiplies predicted depth, before depth_min and depth_max; `cinet scale` measures it against a sensor",
        limits=(0.1, 10.0),
        run_time=True,
    )
    depth_min: float = parameter(
        0.0, "nearer depth is invalid; 0: the model's own limit", limits=(0.0, 1000.0), run_time=True
    )
    depth_max: float = parameter(
        0.0, "farther depth is invalid; 0: the model's own limit", limits=(0.0, 1000.0), run_time=True
    )
    label_encoding: str = parameter(
        "mono8",
        "encoding of semantic/image_raw; 255 is unlabelled in each",
        choices=("mono8", "16SC1", "16UC1"),
        run_time=True,
    )
    label_min_confidence: float = parameter(
        0.0, "pixels below this confidence are unlabelled (255)", limits=(0.0, 1.0), run_time=True
    )
    mask_classes: tuple[str, ...] = parameter(
        ("",), "classes that semantic/mask marks with 1, such as person; none by default", run_time=True
    )
    overlay_opacity: float = parameter(
        0.5, "share of the class colour in semantic_overlay", limits=(0.0, 1.0), run_time=True
    )
    cloud_color: str = parameter(
        "semantic",
        "colour of the points: of their class, or the camera's",
        choices=("semantic", "camera"),
        run_time=True,
    )
    cloud_max_rate: float = parameter(
        0.0, "clouds a second of each camera at most; 0: one with every frame", limits=(0.0, 1000.0), run_time=True
    )
    cloud_decimation: int = parameter(1, "keep every n-th row and column of the cloud", limits=(1, 16), run_time=True)
    cloud_min_range: float = parameter(0.0, "points nearer to the camera are NaN", limits=(0.0, 1000.0), run_time=True)
    cloud_max_range: float = parameter(
        0.0, "points farther from the camera are NaN; 0: no limit", limits=(0.0, 1000.0), run_time=True
    )
    cloud_edge_filter: float = parameter(
        0.0,
        "drop points where depth jumps by more than this share (flying pixels); 0: keep all",
        limits=(0.0, 1.0),
        run_time=True,
    )

    cloud_voxel_size: float = parameter(
        0.05,
        "points_downsampled has one point of each cube with edges of so many metres",
        limits=VOXEL_SIZE_LIMITS,
        run_time=True,
    )
    compressed_jpeg_quality: int = parameter(
        90, "of the compressed images that are JPEG", limits=JPEG_QUALITY_LIMITS, run_time=True
    )
    compressed_png_level: int = parameter(
        1,
        "of the compressed images that are PNG, depth included; higher levels take much longer and save little",
        limits=PNG_LEVEL_LIMITS,
        run_time=True,
    )

    def __post_init__(self) -> None:
        """Check everything that one value alone can get wrong.

        Raises:
            ValueError: naming the parameter, its value and what is allowed.
        """
        check(self)
        for low, high in (("depth_min", "depth_max"), ("cloud_min_range", "cloud_max_range")):
            if 0 < getattr(self, high) <= getattr(self, low):
                raise ValueError(f"{high} = {getattr(self, high):g} must be above {low} = {getattr(self, low):g}, or 0")
        if 0 < self.watchdog_timeout < MIN_WATCHDOG_TIMEOUT:
            raise ValueError(
                f"watchdog_timeout = {self.watchdog_timeout:g} s must be {MIN_WATCHDOG_TIMEOUT:g} s at least: a frame "
                "that is only slow would be taken for one that hangs; 0 waits forever"
            )
        for pair in ("network", "output"):
            if (getattr(self, f"{pair}_width") == 0) != (getattr(self, f"{pair}_height") == 0):
                raise ValueError(f"{pair}_width and {pair}_height must both be 0 or both be given")
        if self.output_width * self.output_height > MAX_PIXELS:
            raise ValueError(
                f"output_width x output_height = {self.output_width}x{self.output_height} must not exceed "
                f"{MAX_PIXELS} pixels"
            )
        unknown = sorted(set(self.disabled_outputs) - {"", *SWITCHED})
        if unknown:
            raise ValueError(
                f"disabled_outputs: there is no output {', '.join(map(repr, unknown))}; name some of "
                f"{', '.join(SWITCHED)}, without a camera's prefix"
            )
        if len(set(self.cameras)) != len(self.cameras) or not self.cameras:
            raise ValueError(f"cameras = {list(self.cameras)} must hold at least one name, each once")
        if len(self.cameras) > 1 and "" in self.cameras:
            raise ValueError(f"cameras = {list(self.cameras)}: the empty name is for a single camera only")
        for name in self.cameras:
            _check_camera_name(name)


def _check_camera_name(name: str) -> None:
    try:
        validate_full_topic_name(f"/{name}" if name else "/image")
    except InvalidTopicNameException as error:
        raise ValueError(
            f"cameras: {name!r} cannot begin a relative topic name; use letters, digits and underscores, a letter first"
        ) from error


def changed(settings: Settings, changes: Iterable[Parameter]) -> Settings:
    """Settings with the given parameters replaced; names that are not ours (qos_overrides, use_sim_time) are skipped.

    Raises:
        ValueError: as `Settings`.
    """
    ours = {field.name: field for field in dataclasses.fields(Settings)}
    values = {item.name: coerced(ours[item.name], item.value) for item in changes if item.name in ours}
    return dataclasses.replace(settings, **values)
