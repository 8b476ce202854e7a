"""Every parameter of the mapping node: type, default, range, meaning, and whether it changes at run time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cinet_core.correction.settings import TEMPORAL, CorrectionSettings
from cinet_core.label_sets import LABEL_SETS, LabelSet
from cinet_core.mapping.object_settings import ObjectSettings
from cinet_core.parameters import check, parameter, prefixed, with_fields_of
from cinet_ros.bond import bond_parameter
from cinet_ros.parameter_fields import threads_parameter

# Voxels are few and small: more threads cost more, waiting for each other, than they gain beside a perception node.
DEFAULT_THREADS = 1
# camera_in_base where it is not given: no rotation is all zeros.
NOT_GIVEN = (0.0,) * 7
# What the map's own frames hold: images and poses. Other sources correct depth in the perception node.
ANCHORS = ("none", "odometry")
# Before the names of the objects' parameters.
OBJECTS = "object_"
# Quaternions that were rounded to three digits are still rotations.
UNIT_TOLERANCE = 1e-2


@dataclass(frozen=True)
@with_fields_of(ObjectSettings, OBJECTS)
class MappingSettings:
    """Values of all parameters; the defaults are the node's. Lengths in metres, times in seconds, angles in degrees.

    Those of `ObjectSettings` are among them, with the prefix `object_`.
    """

    autostart: bool = parameter(True, "configure and activate without waiting for a lifecycle manager")
    bond_heartbeat_period: float = bond_parameter()
    watchdog_timeout: float = parameter(
        60.0,
        "fusing a frame, publishing, or saving a few megabytes that takes longer has hung: it is given up, and a new "
        "worker begins a new map; 0: wait forever",
        limits=(0.0, 3600.0),
        run_time=True,
    )
    threads: int = threads_parameter("one")

    # poses
    pose_source: str = parameter(
        "odometry",
        "odometry reads nav_msgs/Odometry from `odom`, pose reads geometry_msgs/PoseStamped from `pose`, tf looks the "
        "camera's frame up in map_frame (needs tf2_ros)",
        choices=("odometry", "pose", "tf"),
    )
    camera_in_base: tuple[float, ...] = parameter(
        NOT_GIVEN,
        "pose of the optical frame (x right, y down, z forward) in the frame that the poses are of: x y z qx qy qz qw; "
        "all 0: from TF, which only odometry can do (it names its base); where poses are the optical frame's own: "
        "0 0 0 0 0 0 1",
    )
    map_frame: str = parameter(
        "", "frame of the map; poses in another are refused; empty: that of the first pose; required for tf"
    )
    pose_timeout: float = parameter(
        1.0, "how long a frame waits for the pose of its stamp", limits=(0.0, 60.0), run_time=True
    )
    max_pose_gap: float = parameter(
        0.5, "no pose is interpolated between two that are further apart in time", limits=(0.001, 60.0)
    )
    max_speed: float = parameter(
        3.0,
        "faster motion between two poses (metres a second) is a jump, and frames in it are skipped",
        limits=(0.01, 1000.0),
    )
    max_turn_rate: float = parameter(
        360.0, "faster rotation between two poses (degrees a second) is a jump, likewise", limits=(1.0, 1e5)
    )

    # frames
    camera: str = parameter("", "name of the camera, a prefix of the perception node's topics; empty: none")
    input_reliability: str = parameter(
        "reliable",
        "reliability of all subscriptions; best_effort matches every publisher but loses images",
        choices=("reliable", "best_effort"),
    )
    label_set: str = parameter(
        "auto",
        "classes of the labels; auto: what the perception node publishes on semantic/classes",
        choices=("auto", *LABEL_SETS),
    )
    use_color: bool = parameter(
        True, "fuse the colours of rgb/image_rect; false: points and files have the colours of the classes"
    )
    max_waiting: int = parameter(
        30, "frames that wait for their pose or the worker at most; each holds its images", limits=(1, 1000)
    )
    max_frame_age: float = parameter(
        5.0,
        "a frame that waits for the worker longer than this (after pose_timeout) is dropped, counted as too_old: a map "
        "that lags behind is of no use; 0: never",
        limits=(0.0, 3600.0),
        run_time=True,
    )
    stale_after: float = parameter(
        2.0,
        "diagnostics warn when no complete frame or no pose arrived for this long",
        limits=(0.1, 3600.0),
        run_time=True,
    )
    anchor: str = parameter(
        "none",
        "odometry: depth is corrected by points of rgb/image_rect that are tracked and triangulated with the poses, "
        "before it is fused (docs/anchors.md); for depth that the perception node has not corrected already",
        choices=ANCHORS,
        run_time=True,
    )
    temporal: str = parameter(
        "off",
        "what is kept from frame to frame along the poses: nothing; field: what the anchor corrected; fused: also "
        "depth and labels of every pixel",
        choices=TEMPORAL,
        run_time=True,
    )

    # map
    device: str = parameter("cpu", "where the map is: cpu, cuda or cuda:N; CUDA only where Open3D was built with it")
    voxel_size: float = parameter(0.02, "edge of a voxel", limits=(0.002, 1.0))
    max_depth: float = parameter(4.0, "farther depth is not fused", limits=(0.1, 100.0))
    edge_filter: float = parameter(
        0.05,
        "no depth beside a jump by more than this share is fused: smooth edges lie in free space; 0: all is",
        limits=(0.0, 1.0),
        run_time=True,
    )
    max_blocks: int = parameter(
        20000,
        "budget of the map: blocks of 8 x 8 x 8 voxels in memory, about 16 KiB each; beyond it the farthest from "
        "the camera are retired",
        limits=(1, 2_000_000),
    )
    retired_path: str = parameter(
        "",
        "folder that retired blocks go to, and come back from when they are seen again; relative: in $ROS_HOME "
        "(~/.ros); empty: they are dropped",
    )
    min_weight: float = parameter(
        3.0, "only voxels that more frames than this saw are published and in the PLY file", limits=(0.0, 254.0)
    )
    gravity: str = parameter(
        "z_up",
        "where up is in the map, for occupancy; z_up: along the z axis of map_frame; fit_floor: normal to the floor "
        "that is found among the points",
        choices=("z_up", "fit_floor"),
    )
    load_path: str = parameter(
        "", "map to begin with, as ~/save wrote it; relative: in $ROS_HOME (~/.ros); empty: an empty one"
    )
    save_path: str = parameter(
        "semantic_map",
        "where ~/save writes: this path with .ply (points) and .npz (to be loaded); relative: in $ROS_HOME (~/.ros), "
        "never in the folder that the node was started in",
        run_time=True,
    )

    # outputs
    publish_rate: float = parameter(
        1.0, "how often a changed map is published at most, Hz", limits=(0.01, 10.0), run_time=True
    )
    grid_resolution: float = parameter(0.05, "width of a cell of map/occupancy", limits=(0.005, 10.0), run_time=True)
    clearance: float = parameter(
        0.08, "what is lower above the floor is driven over, and not occupied", limits=(0.001, 10.0), run_time=True
    )
    robot_height: float = parameter(
        1.0, "what is higher above the floor is passed under, and not occupied", limits=(0.01, 100.0), run_time=True
    )
    cloud_color: str = parameter(
        "semantic",
        "colour of map/points: of their class, or the camera's (as fused)",
        choices=("semantic", "camera"),
        run_time=True,
    )

    def __post_init__(self) -> None:
        """Check everything that one value alone can get wrong, and what the values mean together.

        Raises:
            ValueError: naming the parameter, its value and what is allowed.
        """
        check(self)
        if self.clearance >= self.robot_height:
            raise ValueError(
                f"clearance = {self.clearance:g} m must be below robot_height = {self.robot_height:g} m: what is "
                "between the two is in the way"
            )
        if self.load_path and not self.map_frame:
            raise ValueError(f"load_path = {self.load_path!r} needs map_frame: set it to the frame that this map is in")
        if self.save_path.endswith("/") or Path(self.save_path).name in ("", ".."):
            raise ValueError(
                f"save_path = {self.save_path!r} names no file: give a path without an ending, such as ~/maps/kitchen"
            )
        if self.anchor != "none" and not self.use_color:
            raise ValueError(
                f"anchor = {self.anchor!r} tracks points of rgb/image_rect, which use_color = false leaves out: set "
                "use_color to true, or anchor to none"
            )
        if self.camera_in_base != NOT_GIVEN:
            _check_pose(self.camera_in_base)

    @property
    def correction(self) -> CorrectionSettings:
        """What is done to frames before they are fused."""
        return CorrectionSettings(self.anchor, self.temporal)

    @cached_property
    def objects(self) -> ObjectSettings:
        """How objects are told and remembered."""
        return prefixed(self, ObjectSettings, OBJECTS)

    def check_classes(self, label_set: LabelSet | None) -> None:
        """Check the lists of classes against those of the frames; None where these are not known yet.

        Raises:
            ValueError: a class is unknown; the text names those that are.
        """
        if label_set is None:
            return
        from cinet_core.obstacles.class_groups import named_classes  # needs OpenCV, which `ros2 launch` may lack

        for name in ("classes", "dynamic_classes"):
            try:
                named_classes(label_set, getattr(self.objects, name))
            except ValueError as error:
                raise ValueError(f"{OBJECTS}{name}: {error}") from error


def _check_pose(values: tuple[float, ...]) -> None:
    """Refuse what is not x y z qx qy qz qw of a rigid motion."""
    norm = math.hypot(*values[3:]) if len(values) == len(NOT_GIVEN) else math.nan
    if not (all(map(math.isfinite, values)) and abs(norm - 1.0) <= UNIT_TOLERANCE):
        raise ValueError(
            f"camera_in_base = {list(values)} must be seven numbers, x y z qx qy qz qw, with a quaternion of norm 1; "
            "looking forward along the base's x axis it is [x, y, z, -0.5, 0.5, -0.5, 0.5]"
        )
