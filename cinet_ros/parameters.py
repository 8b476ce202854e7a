"""Every parameter of the perception node: type, default, range, meaning, and whether it changes at run time.

`Settings` adds what is the node's own to the parameters that it shares with `cinet bag run` and those of anchors and
navigation. The ROS parameters with their descriptors are declared from it, values are checked by it, and the table in
the README's appendix is made of it, in the order of config/perception.yaml. A worker reads one snapshot per frame, so a
change takes effect on the next.
"""

from __future__ import annotations

from dataclasses import dataclass

from rclpy.exceptions import InvalidTopicNameException
from rclpy.validate_full_topic_name import validate_full_topic_name

from cinet_core.inference.choices import BACKENDS, PRECISIONS
from cinet_core.messages.topics import STATS, TOPICS
from cinet_core.model.config import CONFIG_NAMES, DEFAULT_CONFIG
from cinet_core.parameters import parameter
from cinet_ros.anchoring.parameters import NOT_GIVEN
from cinet_ros.bond import bond_parameter
from cinet_ros.navigation.parameters import NavigationSettings
from cinet_ros.navigation.topics import NAVIGATION
from cinet_ros.parameter_fields import threads_parameter

SWITCHED = (*TOPICS, *NAVIGATION, STATS)
"""Outputs that `disabled_outputs` can name."""

# Seconds. A frame of a slow network on a busy processor takes a few tenths.
MIN_WATCHDOG_TIMEOUT = 0.5


@dataclass(frozen=True)
class Settings(NavigationSettings):
    """Values of all parameters; the defaults are the node's. Lengths in metres, times in seconds, angles in degrees.

    Raises:
        ValueError: a value is of the wrong type, out of its range, or at odds with another; the text names the
            parameter, its value and what is accepted.
    """

    # model
    weights: str = parameter(
        "default",
        "checkpoint (.safetensors); `default`: the weights that ship; `preview`: those to come, faster (both: "
        "docs/model_card.md); `random`: plumbing only",
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
    camera_info_timeout: float = parameter(
        2.0,
        "how long images wait for a first camera_info before they are used without one",
        limits=(0.0, 60.0),
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
    cloud_max_rate: float = parameter(
        0.0, "clouds a second of each camera at most; 0: one with every frame", limits=(0.0, 1000.0), run_time=True
    )

    def __post_init__(self) -> None:
        """Check every value, then those that depend on each other."""
        super().__post_init__()
        if 0 < self.watchdog_timeout < MIN_WATCHDOG_TIMEOUT:
            raise ValueError(
                f"watchdog_timeout = {self.watchdog_timeout:g} s must be {MIN_WATCHDOG_TIMEOUT:g} s at least: a frame "
                "that is only slow would be taken for one that hangs; 0 waits forever"
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
        if len(self.cameras) > 1 and self.obstacle_camera_in_base != NOT_GIVEN:
            raise ValueError(
                f"obstacle_camera_in_base is the place of one camera, but cameras = {list(self.cameras)}: leave it at "
                "0 and let TF say where each of them is"
            )
        for name in self.cameras:
            _check_camera_name(name)


def _check_camera_name(name: str) -> None:
    try:
        validate_full_topic_name(f"/{name}" if name else "/image")
    except InvalidTopicNameException as error:
        raise ValueError(
            f"cameras: {name!r} cannot begin a relative topic name; use letters, digits and underscores, a letter first"
        ) from error
