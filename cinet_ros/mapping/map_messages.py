"""Builds the messages of the map: points, an occupancy grid, and a box with a name for each object."""

from __future__ import annotations

import array
import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from nav_msgs.msg import MapMetaData, OccupancyGrid
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from cinet_core.mapping.map_points import MapPoints
from cinet_core.mapping.objects import MapObject
from cinet_core.mapping.occupancy import OccupancyGrid2D
from cinet_core.messages.cloud import CloudBuffer
from cinet_core.messages.colors import LabelPainter, pack_rgb
from cinet_ros.conversions.ros_types import ROS_TYPES, allocate

BOXES, NAMES = "objects", "names"
"""Namespaces of the markers."""

BOX_OPACITY = 0.35
TEXT_HEIGHT = 0.15  # metres
# A thing of no thickness has no box that can be seen.
LEAST_EDGE = 0.01

_NUMPY_TYPES = {PointField.FLOAT32: np.float32, PointField.UINT32: np.uint32}


def cloud_message(points: MapPoints, palette: npt.NDArray[np.uint8] | None, header: Header) -> PointCloud2:
    """Return an unorganised cloud with the same fields as the perception node's `points`.

    Args:
        points: of the map.
        palette: (256, 3) uint8 RGB by label, for the colours of the classes; None: the colours that were fused.
        header: shared with the message, not copied.
    """
    layout = CloudBuffer(ROS_TYPES, 1, 1).message  # what `points` is made of: one definition of the fields for both
    count = len(points)
    message = PointCloud2(
        header=header,
        height=1,
        width=count,
        fields=layout.fields,
        is_bigendian=layout.is_bigendian,
        point_step=layout.point_step,
        row_step=count * layout.point_step,
        is_dense=True,
    )
    data = allocate(message.row_step)
    if count:  # OpenCV, which packs the colours, takes no empty image
        fields = _fields_of(layout, data)
        fields["x"], fields["y"], fields["z"] = points.xyz.T
        packed = pack_rgb(points.rgb[None]) if palette is None else LabelPainter(palette).packed(points.labels[None])
        fields["rgb"] = packed[0].view(np.float32)
        fields["label"] = points.labels
        fields["confidence"] = points.confidence * np.float32(1.0 / 255.0)
    message.data = data
    return message


def _fields_of(layout: PointCloud2, data: array.array[int]) -> npt.NDArray[np.void]:
    """(N,) of a structured type: a view of the memory, one field for each of the cloud's."""
    dtype = np.dtype(
        {
            "names": [field.name for field in layout.fields],
            "formats": [_NUMPY_TYPES[field.datatype] for field in layout.fields],
            "offsets": [field.offset for field in layout.fields],
            "itemsize": layout.point_step,
        }
    )
    return np.frombuffer(data, dtype)


def occupancy_message(grid: OccupancyGrid2D | None, resolution: float, header: Header) -> OccupancyGrid:
    """Return the grid: -1 unknown, 0 free, 100 occupied. Its origin is tilted if the z axis of the map is not up.

    Args:
        grid: None for a map without points: then there is no cell.
        resolution: metres, a cell's width.
        header: shared with the message, not copied.
    """
    info = MapMetaData(map_load_time=header.stamp, resolution=resolution, origin=Pose())
    if grid is None:
        return OccupancyGrid(header=header, info=info)
    info.height, info.width = grid.cells.shape
    info.origin.position = _point(grid.origin)
    info.origin.orientation = quaternion_of(grid.rotation)
    message = OccupancyGrid(header=header, info=info)
    message.data.frombytes(np.ascontiguousarray(grid.cells).tobytes())
    return message


def markers_message(objects: Iterable[MapObject], palette: npt.NDArray[np.uint8], header: Header) -> MarkerArray:
    """Return a box in the colour of its class and a name for each object. Earlier markers are deleted.

    Args:
        objects: of the map.
        palette: (256, 3) uint8 RGB by label.
        header: shared with the markers, not copied.
    """
    markers = [Marker(header=header, action=Marker.DELETEALL)]
    for number, thing in enumerate(objects):
        markers += _markers_of(number, thing, palette, header)
    return MarkerArray(markers=markers)


def _markers_of(number: int, thing: MapObject, palette: npt.NDArray[np.uint8], header: Header) -> tuple[Marker, Marker]:
    red, green, blue = (float(value) / 255.0 for value in palette[thing.label])
    size = np.maximum(thing.high - thing.low, LEAST_EDGE)
    upright = Quaternion(w=1.0)
    box = Marker(
        header=header,
        ns=BOXES,
        id=number,
        type=Marker.CUBE,
        action=Marker.ADD,
        pose=Pose(position=_point((thing.low + thing.high) / 2.0), orientation=upright),
        scale=Vector3(x=float(size[0]), y=float(size[1]), z=float(size[2])),
        color=ColorRGBA(r=red, g=green, b=blue, a=BOX_OPACITY),
    )
    top = np.array([*(thing.low[:2] + thing.high[:2]) / 2.0, thing.high[2] + TEXT_HEIGHT])
    name = Marker(
        header=header,
        ns=NAMES,
        id=number,
        type=Marker.TEXT_VIEW_FACING,
        action=Marker.ADD,
        pose=Pose(position=_point(top), orientation=upright),
        scale=Vector3(z=TEXT_HEIGHT),
        color=ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0),
        text=thing.name,
    )
    return box, name


def _point(values: npt.NDArray[np.floating]) -> Point:
    x, y, z = (float(value) for value in values)
    return Point(x=x, y=y, z=z)


def quaternion_of(rotation: npt.NDArray[np.float64]) -> Quaternion:
    """Return the quaternion of a (3, 3) rotation, with w >= 0 (Shepperd 1978)."""
    m = rotation
    squares = np.array(
        [m[0, 0] - m[1, 1] - m[2, 2], m[1, 1] - m[0, 0] - m[2, 2], m[2, 2] - m[0, 0] - m[1, 1], m.trace()]
    )
    largest = int(squares.argmax())
    double = math.sqrt(1.0 + squares[largest])
    rows = (
        (double**2, m[1, 0] + m[0, 1], m[2, 0] + m[0, 2], m[2, 1] - m[1, 2]),
        (m[1, 0] + m[0, 1], double**2, m[2, 1] + m[1, 2], m[0, 2] - m[2, 0]),
        (m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], double**2, m[1, 0] - m[0, 1]),
        (m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], double**2),
    )
    x, y, z, w = (float(value) / (2.0 * double) for value in rows[largest])
    sign = -1.0 if w < 0 else 1.0
    return Quaternion(x=sign * x, y=sign * y, z=sign * z, w=sign * w)
