"""The messages for navigation of the frames of one camera, on the worker's thread.

Nothing here may cost a frame's other outputs: where the camera's place is not known, or something fails, these messages
alone are dropped, counted and reported.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from std_msgs.msg import Header

from cinet_core.label_sets import LabelSet
from cinet_core.messages.cloud import CloudBuffer
from cinet_core.messages.fields import stamp_of
from cinet_core.messages.result import Result
from cinet_core.obstacles.cliffs import find_cliffs
from cinet_core.obstacles.clouds import ObstaclePoints, free_points, ground_points, obstacle_points
from cinet_core.obstacles.depth_frame import DepthFrame
from cinet_core.obstacles.instances import find_instances
from cinet_core.obstacles.pixel_grid import pixel_grid
from cinet_core.obstacles.scan import laser_scan
from cinet_core.obstacles.segmented import ABOVE, FLYING, UNKNOWN, SegmentedFrame, segment
from cinet_core.obstacles.tracking import ObjectTracker
from cinet_ros.conversions.ros_types import ROS_TYPES
from cinet_ros.diagnostics import WARN, Conditions
from cinet_ros.mapping.transforms import PoseUnavailable
from cinet_ros.navigation import topics
from cinet_ros.navigation.messages import cliffs_message, cloud_message, obstacles_message, scan_message
from cinet_ros.navigation.objects import NumberedObject, detections_message, markers_message
from cinet_ros.navigation.parameters import NavigationSettings
from cinet_ros.navigation.place import CameraPlace

__all__ = ["FrameNavigation", "NavigationState"]

CONDITION = "obstacles"

REMEDY = (
    "Nothing is published for navigation meanwhile: give obstacle_camera_in_base, or see that TF has base_frame and "
    "the camera's frame_id, with transforms as new as the images"
)


@dataclass
class NavigationState:
    """How many frames of a camera gave no obstacles, by reason. Thread-safe."""

    _drops: Counter[str] = field(default_factory=Counter)
    _latest: tuple[int, str] = (-1, "")  # stamp of the frame that was dropped last, and why
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def drop(self, reason: str, stamp: int) -> None:
        """Count a frame."""
        with self._lock:
            self._drops[reason] += 1
            self._latest = (stamp, reason)

    def statistics(self, stamp: int) -> dict[str, Any]:
        """Fields of `PerceptionStats`, for the frame of this stamp."""
        with self._lock:
            reason = self._latest[1] if self._latest[0] == stamp else ""
            return {"obstacles_dropped": self._drops.total(), "obstacles_reason": reason}

    def values(self) -> dict[str, str]:
        """Rows for /diagnostics."""
        with self._lock:
            return {f"no obstacles: {reason}": str(count) for reason, count in sorted(self._drops.items())}


@dataclass(frozen=True)
class _Objects:
    """The objects of a frame, what is to be taken off their heights, and the frame that they are in."""

    objects: list[NumberedObject]
    lowered: float
    header: Header


class FrameNavigation:
    """Builds the messages for navigation of one camera. Use one instance per thread.

    Args:
        place: of the cameras on the robot.
        label_set: of the model.
        conditions: of the camera.
        state: of the camera.
    """

    def __init__(self, place: CameraPlace, label_set: LabelSet, conditions: Conditions, state: NavigationState) -> None:
        self._place = place
        self._label_set = label_set
        self._conditions = conditions
        self._state = state
        self._tracker = ObjectTracker()
        self._tracked_in = ("", "")
        self._result: Result | None = None
        self._dropped = False
        self._frame: DepthFrame | None = None
        self._segmented: SegmentedFrame | None = None
        self._points: ObstaclePoints | None = None
        self._objects: _Objects | None = None
        self._cloud: CloudBuffer | None = None
        self._builders: dict[str, Callable[[SegmentedFrame, Result, NavigationSettings], Any]] = {
            topics.OBSTACLES: lambda s, r, p: obstacles_message(self._all(s), p.base_height, _header(r, p)),
            topics.STATIC: lambda s, r, p: obstacles_message(self._all(s).static_part(), p.base_height, _header(r, p)),
            topics.DYNAMIC: lambda s, r, p: obstacles_message(
                self._all(s).dynamic_part(), p.base_height, _header(r, p)
            ),
            topics.GROUND: lambda s, r, p: _clearing(ground_points(s), r, p),
            topics.FREE: lambda s, r, p: _clearing(free_points(s), r, p),
            topics.CLIFFS: lambda s, r, p: cliffs_message(find_cliffs(s), p.base_height, _header(r, p)),
            topics.SCAN: lambda s, r, p: scan_message(laser_scan(s), _header(r, p)),
            topics.MARKERS: self._markers,
            topics.DETECTIONS: self._detections,
            topics.POINTS_AT_HEIGHT: self._points_at_height,
        }

    def build(self, topic: str, result: Result, settings: NavigationSettings) -> Any | None:
        """The message for one of `topics.NAVIGATION`; None where this frame has none, which is counted."""
        if self._result is not result:  # what several topics are made of is made once a frame
            self._result, self._dropped = result, False
            self._points = self._objects = None
            self._segmented = self._attempt(lambda: self._segment(result, settings), result)
        segmented = self._segmented
        if segmented is None:
            return None
        return self._attempt(lambda: self._builders[topic](segmented, result, settings), result)

    def _attempt(self, make: Callable[[], Any], result: Result) -> Any | None:
        try:
            return make()
        except PoseUnavailable as error:
            self._drop(error.reason, f"{error}. {REMEDY}", result)
        except Exception as error:  # the other outputs go on
            text = f"no obstacles, {type(error).__name__}: {error}. If this goes on, report this text"
            self._drop("error", text, result)
        return None

    def _drop(self, reason: str, text: str, result: Result) -> None:
        if not self._dropped:  # a frame counts once, however many topics it lacks
            self._state.drop(reason, stamp_of(result))
        self._dropped = True
        self._conditions.report(CONDITION, WARN, text)

    def _segment(self, result: Result, settings: NavigationSettings) -> SegmentedFrame:
        if result.intrinsics is None:
            raise PoseUnavailable("no_intrinsics", False, "without a calibration nobody knows where obstacles are")
        pose = self._place.camera_in_base(stamp_of(result), result.header.frame_id, settings)
        pose[2, 3] += settings.base_height
        uncertainty = result.outputs.get("uncertainty", result.outputs.get("depth_uncertainty"))
        frame = DepthFrame(result.depth, result.labels, result.intrinsics, pose, result.confidence, uncertainty)
        segmented = segment(frame, self._label_set, settings.obstacles)
        self._frame = frame
        self._conditions.clear(CONDITION)
        return segmented

    def _all(self, segmented: SegmentedFrame) -> ObstaclePoints:
        if self._points is None:
            self._points = obstacle_points(segmented)
        return self._points

    # objects

    def _markers(self, segmented: SegmentedFrame, result: Result, settings: NavigationSettings) -> Any:
        found = self._found(segmented, result, settings)
        return markers_message(found.objects, self._label_set.palette, found.lowered, found.header)

    def _detections(self, segmented: SegmentedFrame, result: Result, settings: NavigationSettings) -> Any:
        found = self._found(segmented, result, settings)
        return detections_message(found.objects, found.lowered, found.header)

    def _found(self, segmented: SegmentedFrame, result: Result, settings: NavigationSettings) -> _Objects:
        if self._objects is None:
            instances = find_instances(segmented, self._label_set)
            numbered = list(enumerate(instances))
            lowered, header = settings.base_height, _header(result, settings)
            if settings.obstacle_fixed_frame:
                numbered, lowered = self._tracked(instances, stamp_of(result), settings), 0.0
                header.frame_id = settings.obstacle_fixed_frame
            self._objects = _Objects(numbered, lowered, header)
        return self._objects

    def _tracked(self, instances: list[Any], stamp: int, settings: NavigationSettings) -> list[NumberedObject]:
        """The objects of this frame that have been seen before as well, in the fixed frame, with ids that last."""
        frames = (settings.base_frame, settings.obstacle_fixed_frame)
        if frames != self._tracked_in:
            self._tracker, self._tracked_in = ObjectTracker(), frames
        pose = self._place.base_in_fixed(stamp, settings)
        pose[:3, 3] -= settings.base_height * pose[:3, 2]  # of the point on the floor beneath the base
        tracked = self._tracker.update(instances, pose, stamp)
        return [(thing.id, thing.instance) for thing in tracked if thing.stamp_ns == stamp]

    # the camera's own points

    def _points_at_height(self, segmented: SegmentedFrame, result: Result, settings: NavigationSettings) -> Any:
        """All points as `points` has them, organised, but for what is passed under, flies or is not known."""
        height, width = result.depth.shape
        if self._cloud is None or (self._cloud.height, self._cloud.width) != (height, width):
            self._cloud = CloudBuffer(ROS_TYPES, height, width)
        assert self._frame is not None
        assert result.intrinsics is not None
        kinds = segmented.kinds
        drop = _at_image_size((kinds == ABOVE) | (kinds == FLYING) | (kinds == UNKNOWN), height, width)
        if drop.shape != kinds.shape:  # the grid knows the nearest of four only: a wall behind an edge may be higher
            every = pixel_grid(self._frame, dataclasses.replace(segmented.settings, half_resolution=False))
            drop |= segmented.ground.heights(every) > segmented.settings.max_height
        return self._cloud.fill(
            result.depth,
            result.intrinsics,
            result.packed_color if settings.cloud_color == "semantic" else result.image,
            result.labels,
            result.confidence,
            result.header,
            drop=drop,
        )


def _at_image_size(mask: npt.NDArray[np.bool_], height: int, width: int) -> npt.NDArray[np.bool_]:
    """A mask of the grid, of the image: each pixel as its 2x2; an odd last row or column as the one before it."""
    if mask.shape == (height, width):
        return mask
    large = cv2.resize(mask.view(np.uint8), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    more = (0, height - large.shape[0], 0, width - large.shape[1])
    return cv2.copyMakeBorder(large, *more, cv2.BORDER_REPLICATE).view(np.bool_)


def _clearing(xyz: npt.NDArray[np.float32], result: Result, settings: NavigationSettings) -> Any:
    lowered = np.array([0.0, 0.0, settings.base_height], dtype=np.float32)
    return cloud_message(xyz - lowered, _header(result, settings))


def _header(result: Result, settings: NavigationSettings) -> Header:
    return Header(stamp=result.header.stamp, frame_id=settings.base_frame)
