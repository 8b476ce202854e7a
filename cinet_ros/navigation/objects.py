"""Builds messages of objects: boxes with names for RViz, and detections where vision_msgs is installed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from cinet_core.obstacles.instances import ObjectInstance
from cinet_ros.mapping.map_messages import quaternion_of

__all__ = ["NumberedObject", "detections_message", "markers_message"]

NumberedObject = tuple[int, ObjectInstance]
"""An object and its id."""

BOXES, NAMES = "objects", "names"
"""Namespaces of the markers."""

OPACITY = 0.35
TEXT_HEIGHT = 0.15  # metres
UPRIGHT = np.eye(3)
"""Axes of a frame whose z axis is up, in itself."""

LEAST_EDGE = 0.01
"""Metres: a thing of no thickness has no box that can be seen."""


def markers_message(
    objects: Sequence[NumberedObject],
    palette: npt.NDArray[np.uint8],
    lowered: float,
    header: Header,
    axes: npt.NDArray[np.float64] = UPRIGHT,
) -> MarkerArray:
    """Return a box in the colour of its class and a name for each object. Earlier markers are deleted.

    Args:
        objects: with their ids, which the markers have, too.
        palette: (256, 3) uint8 RGB by label.
        lowered: metres to be taken off every height.
        header: shared with the markers, not copied.
        axes: (3, 3) whose columns are the axes of the objects' frame in the header's.
    """
    markers = [Marker(header=header, action=Marker.DELETEALL)]
    for number, thing in objects:
        markers += _markers_of(number, thing, palette, lowered, header, axes)
    return MarkerArray(markers=markers)


def detections_message(
    objects: Sequence[NumberedObject], lowered: float, header: Header, axes: npt.NDArray[np.float64] = UPRIGHT
) -> Any:
    """Return a vision_msgs/Detection3DArray: one hypothesis each, the class's name, its confidence for a score.

    Arguments as above.

    Raises:
        ImportError: vision_msgs is not installed.
    """
    from vision_msgs.msg import BoundingBox3D, Detection3D, Detection3DArray, ObjectHypothesisWithPose

    detections = []
    for number, thing in objects:
        pose, size = _pose(thing, lowered, axes), _vector(np.maximum(thing.size, LEAST_EDGE))
        hypothesis = ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id, hypothesis.hypothesis.score = thing.name, float(thing.confidence)
        hypothesis.pose.pose = pose
        detections.append(
            Detection3D(header=header, results=[hypothesis], bbox=BoundingBox3D(center=pose, size=size), id=str(number))
        )
    return Detection3DArray(header=header, detections=detections)


def _markers_of(
    number: int,
    thing: ObjectInstance,
    palette: npt.NDArray[np.uint8],
    lowered: float,
    header: Header,
    axes: npt.NDArray[np.float64],
) -> tuple[Marker, Marker]:
    red, green, blue = (float(value) / 255.0 for value in palette[thing.label])
    pose = _pose(thing, lowered, axes)
    box = Marker(
        header=header,
        ns=BOXES,
        id=number,
        type=Marker.CUBE,
        action=Marker.ADD,
        pose=pose,
        scale=_vector(np.maximum(thing.size, LEAST_EDGE)),
        color=ColorRGBA(r=red, g=green, b=blue, a=OPACITY),
    )
    top = np.array([0.0, 0.0, float(thing.size[2]) / 2 + TEXT_HEIGHT - lowered])
    name = Marker(
        header=header,
        ns=NAMES,
        id=number,
        type=Marker.TEXT_VIEW_FACING,
        action=Marker.ADD,
        pose=Pose(position=_point(axes @ (thing.centre + top)), orientation=Quaternion(w=1.0)),
        scale=Vector3(z=TEXT_HEIGHT),
        color=ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0),
        text=f"{thing.name} {number}",
    )
    return box, name


def _pose(thing: ObjectInstance, lowered: float, axes: npt.NDArray[np.float64]) -> Pose:
    along, left = math.cos(thing.yaw), math.sin(thing.yaw)
    turn = np.array([[along, -left, 0.0], [left, along, 0.0], [0.0, 0.0, 1.0]])
    centre = thing.centre - np.array([0.0, 0.0, lowered])
    return Pose(position=_point(axes @ centre), orientation=quaternion_of(axes @ turn))


def _point(values: npt.NDArray[np.floating]) -> Point:
    x, y, z = (float(value) for value in values)
    return Point(x=x, y=y, z=z)


def _vector(values: npt.NDArray[np.floating]) -> Vector3:
    x, y, z = (float(value) for value in values)
    return Vector3(x=x, y=y, z=z)
