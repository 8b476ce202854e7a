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

__all__ = ["NumberedObject", "detections_message", "markers_message"]

NumberedObject = tuple[int, ObjectInstance]
"""An object and its id."""

BOXES, NAMES = "objects", "names"
"""Namespaces of the markers."""

OPACITY = 0.35
TEXT_HEIGHT = 0.15  # metres
LEAST_EDGE = 0.01
"""Metres: a thing of no thickness has no box that can be seen."""


def markers_message(
    objects: Sequence[NumberedObject], palette: npt.NDArray[np.uint8], lowered: float, header: Header
) -> MarkerArray:
    """Return a box in the colour of its class and a name for each object. Earlier markers are deleted.

    Args:
        objects: with their ids, which the markers have, too.
        palette: (256, 3) uint8 RGB by label.
        lowered: metres to be taken off every height.
        header: shared with the markers, not copied.
    """
    markers = [Marker(header=header, action=Marker.DELETEALL)]
    for number, thing in objects:
        markers += _markers_of(number, thing, palette, lowered, header)
    return MarkerArray(markers=markers)


def detections_message(objects: Sequence[NumberedObject], lowered: float, header: Header) -> Any:
    """Return a vision_msgs/Detection3DArray: one hypothesis each, the class's name, its confidence for a score.

    Raises:
        ImportError: vision_msgs is not installed.
    """
    from vision_msgs.msg import BoundingBox3D, Detection3D, Detection3DArray, ObjectHypothesisWithPose

    detections = []
    for number, thing in objects:
        pose, size = _pose(thing, lowered), _vector(np.maximum(thing.size, LEAST_EDGE))
        hypothesis = ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id, hypothesis.hypothesis.score = thing.name, float(thing.confidence)
        hypothesis.pose.pose = pose
        detections.append(
            Detection3D(header=header, results=[hypothesis], bbox=BoundingBox3D(center=pose, size=size), id=str(number))
        )
    return Detection3DArray(header=header, detections=detections)


def _markers_of(
    number: int, thing: ObjectInstance, palette: npt.NDArray[np.uint8], lowered: float, header: Header
) -> tuple[Marker, Marker]:
    red, green, blue = (float(value) / 255.0 for value in palette[thing.label])
    pose = _pose(thing, lowered)
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
    above = Point(x=pose.position.x, y=pose.position.y, z=pose.position.z + float(thing.size[2]) / 2 + TEXT_HEIGHT)
    name = Marker(
        header=header,
        ns=NAMES,
        id=number,
        type=Marker.TEXT_VIEW_FACING,
        action=Marker.ADD,
        pose=Pose(position=above, orientation=Quaternion(w=1.0)),
        scale=Vector3(z=TEXT_HEIGHT),
        color=ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0),
        text=f"{thing.name} {number}",
    )
    return box, name


def _pose(thing: ObjectInstance, lowered: float) -> Pose:
    x, y, z = (float(value) for value in thing.centre)
    turn = Quaternion(z=math.sin(thing.yaw / 2), w=math.cos(thing.yaw / 2))
    return Pose(position=Point(x=x, y=y, z=z - lowered), orientation=turn)


def _vector(values: npt.NDArray[np.floating]) -> Vector3:
    x, y, z = (float(value) for value in values)
    return Vector3(x=x, y=y, z=z)
