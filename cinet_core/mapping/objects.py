"""Finds objects in a map: clusters of points of one class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.label_sets import LabelSet
from cinet_core.mapping.floor import class_table
from cinet_core.mapping.map_points import MapPoints
from cinet_core.open3d_loading import load_open3d

__all__ = ["MapObject", "find_objects"]

NEIGHBOURS = 1.8
"""Cells: centres nearer than this touch by a face, an edge or a corner (sqrt 3)."""


@dataclass(frozen=True)
class MapObject:
    """A cluster of points of one class.

    Attributes:
        label: class id.
        name: of the class.
        centroid: (3,) float64 metres, in the map's frame.
        low: (3,) float64, the corner of the axis-aligned box around it where x, y and z are smallest.
        high: (3,) float64, the opposite corner.
        points: how many points it has.
    """

    label: int
    name: str
    centroid: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    points: int


def find_objects(
    points: MapPoints,
    label_set: LabelSet,
    groups: tuple[str, ...] = ("furniture",),
    cell: float = 0.08,
    min_points: int = 100,
    max_objects: int = 200,
) -> list[MapObject]:
    """Find clusters of points of one class. Points whose cells touch belong to the same cluster.

    Args:
        points: of the map.
        label_set: label set of the points.
        groups: of the grouping "structure", whose classes are looked at.
        cell: metres: points of one class this near are one thing.
        min_points: smaller clusters are left out.
        max_objects: no more than these, the largest.

    Returns:
        The objects, largest first.

    Raises:
        ValueError: a setting is out of range, or the label set has no such group.
        Open3DError: Open3D cannot be loaded.
    """
    if not 0.01 <= cell <= 10.0:
        raise ValueError(f"cell is {cell} m: it must be from 0.01 to 10 m")
    if min_points < 1 or max_objects < 1:
        raise ValueError(f"min_points is {min_points} and max_objects {max_objects}: both must be at least 1")
    wanted = class_table(label_set, *groups)
    found = []
    for label in np.unique(points.labels):
        if wanted[label]:
            xyz = points.xyz[points.labels == label].astype(np.float64)
            found += _clusters(xyz, int(label), label_set.classes[label], cell, min_points)
    return sorted(found, key=lambda thing: -thing.points)[:max_objects]


def _clusters(xyz: npt.NDArray[np.float64], label: int, name: str, cell: float, min_points: int) -> list[MapObject]:
    o3d = load_open3d()
    cells, of_point = np.unique(np.floor(xyz / cell).astype(np.int64), axis=0, return_inverse=True)
    # With one cell enough to begin a cluster, DBSCAN gives the connected components.
    cloud = o3d.t.geometry.PointCloud(o3d.core.Tensor(cells.astype(np.float32)))
    numbers = cloud.cluster_dbscan(eps=NEIGHBOURS, min_points=1).numpy()[of_point.ravel()]
    objects = []
    for number in np.flatnonzero(np.bincount(numbers) >= min_points):
        own = xyz[numbers == number]
        objects.append(MapObject(label, name, own.mean(axis=0), own.min(axis=0), own.max(axis=0), len(own)))
    return objects
