"""Parameters of the perception node about navigation: those of the obstacles, and where the camera is on the robot."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cinet_core.obstacles.settings import ObstacleSettings
from cinet_core.parameters import parameter, prefixed, with_fields_of
from cinet_ros.anchoring.parameters import NOT_GIVEN, AnchorSettings, check_transform

if TYPE_CHECKING:
    from cinet_core.label_sets import LabelSet

__all__ = ["PREFIX", "NavigationSettings"]

PREFIX = "obstacle_"

_CLASSES = ("floor_classes", "ceiling_classes", "dynamic_classes", "glass_classes", "object_classes")


@dataclass(frozen=True)
@with_fields_of(ObstacleSettings, PREFIX)
class NavigationSettings(AnchorSettings):
    """Parameters of navigation; those of `ObstacleSettings` are among them, with the prefix `obstacle_`.

    Raises:
        ValueError: a value is of the wrong type, out of its range, or at odds with another; the text names the
            parameter, its value and what is accepted.
    """

    base_frame: str = parameter(
        "base_footprint", "frame of the obstacles: the robot's, x forward, z up, such as base_link", run_time=True
    )
    base_height: float = parameter(
        0.0, "of base_frame's origin above the floor; 0: it lies on it", limits=(-0.5, 5.0), run_time=True
    )
    obstacle_camera_in_base: tuple[float, ...] = parameter(
        NOT_GIVEN,
        "pose of the optical frame (x right, y down, z forward) in base_frame: x y z qx qy qz qw; all 0: from TF, at "
        "the image's stamp. For a single camera",
        run_time=True,
    )
    obstacle_tf_timeout: float = parameter(
        0.05,
        "how long a predicted frame waits for the transform of its stamp; then its obstacles are dropped, and counted",
        limits=(0.0, 1.0),
        run_time=True,
    )
    obstacle_fixed_frame: str = parameter(
        "",
        "frame that never jumps, such as odom: by TF of base_frame in it objects keep their ids, and are given in it; "
        "empty: in base_frame, numbered anew in each frame",
        run_time=True,
    )

    def __post_init__(self) -> None:
        """Check every value, then those that depend on each other."""
        super().__post_init__()
        if self.obstacle_camera_in_base != NOT_GIVEN:
            check_transform("obstacle_camera_in_base", self.obstacle_camera_in_base)
        if not self.base_frame.strip("/"):
            raise ValueError("base_frame is empty: give the name of a frame, such as base_footprint or base_link")
        _ = self.obstacles

    @cached_property
    def obstacles(self) -> ObstacleSettings:
        """How obstacles are told."""
        return prefixed(self, ObstacleSettings, PREFIX)

    def check_classes(self, label_set: LabelSet | None) -> None:
        """Check every list of classes against those of the model; None where these are not known yet.

        Raises:
            ValueError: a class is unknown; the text names those that are.
        """
        super().check_classes(label_set)
        if label_set is None:
            return
        from cinet_core.obstacles.class_groups import named_classes  # needs OpenCV, which `ros2 launch` may lack

        for name in _CLASSES:
            try:
                named_classes(label_set, getattr(self.obstacles, name))
            except ValueError as error:
                raise ValueError(f"{PREFIX}{name}: {error}") from error
