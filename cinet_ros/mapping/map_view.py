"""Builds what is published of the map: its surface, an occupancy grid, and its objects."""

from __future__ import annotations

from typing import Any

import numpy as np
from std_msgs.msg import Header

from cinet_core.label_sets import LabelSet, voc_palette
from cinet_core.mapping.floor import fit_floor
from cinet_core.mapping.map_points import MapPoints
from cinet_core.mapping.objects import find_objects
from cinet_core.mapping.occupancy import OccupancyGrid2D, occupancy
from cinet_ros.mapping.map_messages import cloud_message, markers_message, occupancy_message
from cinet_ros.mapping.map_outputs import MARKERS, OCCUPANCY, POINTS
from cinet_ros.mapping.map_store import MapStore
from cinet_ros.mapping.parameters import MappingSettings


def map_messages(store: MapStore, frame_id: str, settings: MappingSettings) -> tuple[dict[str, Any], list[str]]:
    """Return the messages by topic, with the stamp of the last fused frame, and why one is missing.

    A map without points clears what was published before. One without a floor has no occupancy grid.

    Args:
        store: of the map.
        frame_id: of the map.
        settings: current ones.
    """
    header = Header(frame_id=frame_id)
    header.stamp.sec, header.stamp.nanosec = divmod(store.stamp, 1_000_000_000)
    points = store.map.surface(settings.min_weight) if store.map is not None else None
    if store.map is None or points is None or not len(points):
        return _nothing(header, settings), []
    label_set = store.map.label_set
    palette = label_set.palette if settings.cloud_color == "semantic" else None
    messages: dict[str, Any] = {POINTS: cloud_message(points, palette, header)}
    trouble = []
    try:
        grid = _grid(points, label_set, settings)
        messages[OCCUPANCY] = occupancy_message(grid, settings.grid_resolution, header)
    except ValueError as error:
        trouble.append(f"no occupancy grid: {error}")
    try:
        messages[MARKERS] = markers_message(find_objects(points, label_set), label_set.palette, header)
    except ValueError as error:
        trouble.append(f"no markers: {error}")
    return messages, trouble


def _nothing(header: Header, settings: MappingSettings) -> dict[str, Any]:
    flat = np.empty(0, dtype=np.uint8)
    points = MapPoints(np.empty((0, 3), dtype=np.float32), np.empty((0, 3), dtype=np.uint8), flat, flat)
    return {
        POINTS: cloud_message(points, None, header),
        OCCUPANCY: occupancy_message(None, settings.grid_resolution, header),
        MARKERS: markers_message((), voc_palette(), header),
    }


def _grid(points: MapPoints, label_set: LabelSet, settings: MappingSettings) -> OccupancyGrid2D:
    """Occupancy with what the parameters say; ValueError where there is no floor."""
    sizes = (settings.grid_resolution, settings.robot_height, settings.clearance)
    if settings.gravity == "z_up":
        return occupancy(points, label_set, (0.0, 0.0, 1.0), None, *sizes)
    floor = fit_floor(points, label_set)
    return occupancy(points, label_set, floor.up, floor.height, *sizes)
