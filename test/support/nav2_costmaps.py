"""What Nav2's obstacle layer, its voxel layer and STVL do with clouds and scans, as their sources have it, in short.

For tests of our parameter files: none of these layers can be installed here. The robot stands at the costmap's origin.
What is left out: TF, buffers of several observations, inflation, footprints, combination with other layers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["costmap_of"]

Points = npt.NDArray[np.float64]
CELL = 0.05
REACH = 5.0
"""Metres that the voxel layer's map reaches from the robot."""


def costmap_of(section: Mapping[str, Any], camera: npt.NDArray[np.float64]) -> _Layer:
    """A layer by the plugin that its section names.

    Args:
        section: parameters of the layer.
        camera: (4, 4) optical frame to costmap.
    """
    kinds = {
        "nav2_costmap_2d::ObstacleLayer": _Obstacle,
        "nav2_costmap_2d::VoxelLayer": _Voxel,
        "spatio_temporal_voxel_layer/SpatioTemporalVoxelLayer": _SpatioTemporal,
    }
    return kinds[section["plugin"]](section, camera)


class _Layer:
    def __init__(self, section: Mapping[str, Any], camera: npt.NDArray[np.float64]) -> None:
        self.section, self.camera = section, camera
        self.sources = {name: section[name] for name in section["observation_sources"].split()}

    def topics(self) -> dict[str, str]:
        """Topic of each source."""
        return {name: source["topic"] for name, source in self.sources.items()}

    def update(self, points: Mapping[str, Points], now: float) -> None:
        """Take the newest points of each source, in the costmap's frame, and clear, then mark."""
        raise NotImplementedError

    def lethal(self) -> set[tuple[int, int]]:
        """Cells that are lethal."""
        raise NotImplementedError

    def origin(self, source: Mapping[str, Any]) -> Points:
        return self.camera[:3, 3] if source["sensor_frame"] else np.zeros(3)

    def kept(self, source: Mapping[str, Any], points: Points) -> Points:
        """Within the heights of the source (observation_buffer.cpp:128, measurement_buffer.cpp)."""
        low, high = source.get("min_obstacle_height", 0.0), source.get("max_obstacle_height", 0.0)
        return points[(points[:, 2] >= low) & (points[:, 2] <= high)]

    def by(self, what: str) -> dict[str, Mapping[str, Any]]:
        default = what == "marking"
        return {name: source for name, source in self.sources.items() if source.get(what, default)}


class _Obstacle(_Layer):
    """obstacle_layer.cpp: lines on the floor clear, points mark."""

    def __init__(self, section: Mapping[str, Any], camera: npt.NDArray[np.float64]) -> None:
        super().__init__(section, camera)
        self._lethal: set[tuple[int, int]] = set()

    def update(self, points: Mapping[str, Points], now: float) -> None:
        for name, source in self.by("clearing").items():
            for point in self.kept(source, points[name]):
                self._lethal -= _line(self.origin(source)[:2], point[:2], source)
        for name, source in self.by("marking").items():
            self._lethal |= _cells(_near(self.kept(source, points[name]), self.origin(source), source))

    def lethal(self) -> set[tuple[int, int]]:
        return set(self._lethal)


class _Voxel(_Layer):
    """voxel_layer.cpp: the same in space. Lines end two cells before the point (:334)."""

    def __init__(self, section: Mapping[str, Any], camera: npt.NDArray[np.float64]) -> None:
        super().__init__(section, camera)
        self._size = np.array([CELL, CELL, section["z_resolution"]])
        self._low = np.array([-REACH, -REACH, section["origin_z"]])
        cells = round(2 * REACH / CELL)
        self._marked = np.zeros((cells, cells, section["z_voxels"]), dtype=bool)
        self._lines: dict[int, npt.NDArray[np.bool_]] = {}

    def _of(self, points: Points) -> tuple[npt.NDArray[np.int64], ...]:
        """Indices of the voxels of those points that are in the map."""
        voxels = np.floor((points - self._low) / self._size).astype(np.int64)
        return tuple(voxels[((voxels >= 0) & (voxels < self._marked.shape)).all(axis=1)].T)

    def _crossed(self, source: Mapping[str, Any], points: Points) -> npt.NDArray[np.bool_]:
        """Voxels that lines to these points go through; of equal points once, which frames of a test are."""
        if id(points) not in self._lines:
            origin, crossed = self.origin(source), np.zeros_like(self._marked)
            assert self._of(origin[None])[0].size == 1, "the sensor is out of the map's bounds: nothing is cleared"
            ends = self.kept(source, points)
            distance = np.linalg.norm(ends - origin, axis=1)
            for step in np.arange(source["raytrace_min_range"], source["raytrace_max_range"], 0.4 * CELL):
                on = distance - 2 * CELL > step
                crossed[self._of(origin + step * (ends[on] - origin) / distance[on, None])] = True
            self._lines[id(points)] = crossed
        return self._lines[id(points)]

    def update(self, points: Mapping[str, Points], now: float) -> None:
        for name, source in self.by("clearing").items():
            self._marked &= ~self._crossed(source, points[name])
        for name, source in self.by("marking").items():
            self._marked[self._of(_near(self.kept(source, points[name]), self.origin(source), source))] = True

    def lethal(self) -> set[tuple[int, int]]:
        x, y = np.nonzero(self._marked.any(axis=2))
        return set(zip((x - round(REACH / CELL)).tolist(), (y - round(REACH / CELL)).tolist(), strict=True))


class _SpatioTemporal(_Layer):
    """spatio_temporal_voxel_grid.cpp: marks decay, and faster so within a camera's frustum (:157-215, :320-340)."""

    def __init__(self, section: Mapping[str, Any], camera: npt.NDArray[np.float64]) -> None:
        super().__init__(section, camera)
        self._marks: dict[tuple[int, int, int], float] = {}

    def update(self, points: Mapping[str, Points], now: float) -> None:
        (view,) = self.by("clearing").values()
        for voxel, mark in list(self._marks.items()):
            since = now - mark
            hastened = view["decay_acceleration"] * since**3 / 6.0 if self._seen(voxel, view) else 0.0
            if self.section["voxel_decay"] - since - hastened < 0:
                del self._marks[voxel]
            else:
                self._marks[voxel] = mark - hastened
        for name, source in self.by("marking").items():
            found = self.kept(source, points[name])
            found = found[np.linalg.norm(found - self.origin(source), axis=1) <= source["obstacle_range"]]
            for voxel in np.floor(found / self.section["voxel_size"]).astype(int).tolist():
                self._marks[tuple(voxel)] = now

    def _seen(self, voxel: tuple[int, int, int], view: Mapping[str, Any]) -> bool:
        middle = (np.array(voxel) + 0.5) * self.section["voxel_size"]
        x, y, z = (middle - self.camera[:3, 3]) @ self.camera[:3, :3]
        wide, high = (math.tan(view[f"{name}_fov_angle"] / 2) for name in ("horizontal", "vertical"))
        return view["min_z"] <= z <= view["max_z"] and abs(x) <= wide * z and abs(y) <= high * z

    def lethal(self) -> set[tuple[int, int]]:
        return {(x, y) for x, y, _ in self._marks}


def _near(points: Points, origin: Points, source: Mapping[str, Any]) -> Points:
    distance = np.linalg.norm(points - origin, axis=1)
    return points[(distance <= source["obstacle_max_range"]) & (distance >= source["obstacle_min_range"])]


def _cells(points: Points) -> set[tuple[int, int]]:
    return set(map(tuple, np.floor(points[:, :2] / CELL).astype(int).tolist()))


def _line(origin: Points, end: Points, source: Mapping[str, Any]) -> set[tuple[int, int]]:
    distance = float(np.linalg.norm(end - origin))
    steps = np.arange(source["raytrace_min_range"], distance, 0.4 * CELL)
    steps = steps[steps <= source["raytrace_max_range"]]
    return _cells(origin + steps[:, None] * (end - origin) / max(distance, 1e-9))
