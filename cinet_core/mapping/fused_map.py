"""A map that was fused from a sequence: its settings, its content, and its files."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.atomic_file import atomic_write_bytes
from cinet_core.correction.sequence import POSED_ANCHORS, check_anchor
from cinet_core.correction.settings import CorrectionSettings
from cinet_core.mapping.map_points import MapPoints
from cinet_core.mapping.rendering import render_from_above, render_from_within
from cinet_core.mapping.semantic_map import SemanticMap
from cinet_core.visualize.image_file import write_image

__all__ = ["MAP_DEPTHS", "FusedMap", "MapReport", "MapSettings"]

MAP_DEPTHS = ("sensor", "predicted")
"""What can be fused."""


@dataclass(frozen=True)
class MapSettings:
    """Settings of a fusion.

    Attributes:
        depth: "predicted" or "sensor".
        voxel_size: metres.
        max_depth: metres; nothing beyond is fused.
        max_blocks: budget, in blocks of 17 kB.
        retired: folder for blocks over the budget; None: they are lost.
        min_weight: points need more than so many frames.
        edge_filter: leave out predicted depth beside a jump by more than this part of it; 0 keeps all.
        every: take every N-th frame.
        limit: stop after so many frames; None = all.
        loops: fuse all the frames so many times, from memory: for speed and memory over a long run.
        compare: fuse the sensor's depth by Open3D alone as well, and report the distance between the surfaces.
        anchor: what corrects predicted depth, see `CorrectionSettings`; the poses of the sequence are its odometry, so
            that only "none", "odometry", "auto", which is the same, and "motion" can be had.
        temporal: what is kept from frame to frame, see `CorrectionSettings`.
    """

    depth: str = "predicted"
    voxel_size: float = 0.02
    max_depth: float = 4.0
    max_blocks: int = 20000
    retired: Path | None = None
    min_weight: float = 3.0
    edge_filter: float = 0.05
    every: int = 1
    limit: int | None = None
    loops: int = 1
    compare: bool = False
    anchor: str = "none"
    temporal: str = "off"

    def __post_init__(self) -> None:
        """Raise ValueError on what the map does not check itself."""
        if self.depth not in MAP_DEPTHS:
            raise ValueError(f"depth is {self.depth!r}: it must be one of {', '.join(MAP_DEPTHS)}")
        for name in ("every", "loops") + (() if self.limit is None else ("limit",)):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be at least 1")
        CorrectionSettings(self.anchor, self.temporal)
        check_anchor(self.anchor, POSED_ANCHORS)
        if self.depth == "sensor" and self.anchor != "none":
            raise ValueError(f"anchor is {self.anchor!r}: it corrects predicted depth, not the sensor's")


@dataclass(frozen=True)
class MapReport:
    """Statistics of a fusion: frames, classes, speed, and the distance from an independent map. All are JSON types.

    Attributes:
        source, options: of the frames, as they were given.
        depth, edge_filter, voxel_size, max_depth: see `MapSettings`; edge_filter is None for the sensor's depth.
        weights: "name" and "sha256" of the checkpoint; "none" and None where none was used.
        frames: fused, over all loops.
        skipped: frames with "no_pose" or "no_depth" in range.
        broken: frames that could not be read.
        points: of the surface.
        classes: share of the points of each class that has some, largest first.
        blocks: "in_use", "budget", "retired", "dropped" and "bytes".
        integrate_ms: "p10", "median" and "p90" of the time of a frame.
        frames_per_second: of the median.
        cores: that the process may use.
        resident_mebibytes: memory of the process, "values" read "every_frames".
        distance_m: between the surfaces, see `surface_distance`; None unless asked for.
        anchor, temporal: see `MapSettings`.
    """

    source: str
    options: Mapping[str, Any]
    depth: str
    edge_filter: float | None
    weights: Mapping[str, str | None]
    voxel_size: float
    max_depth: float
    frames: int
    skipped: Mapping[str, int]
    broken: int
    points: int
    classes: Mapping[str, float]
    blocks: Mapping[str, int]
    integrate_ms: Mapping[str, float]
    frames_per_second: float
    cores: int
    resident_mebibytes: Mapping[str, Any]
    distance_m: Mapping[str, Any] | None = None
    anchor: str = "none"
    temporal: str = "off"

    def to_dict(self) -> dict[str, Any]:
        """Return the content as JSON types, without distance_m if nothing was compared."""
        values = dataclasses.asdict(self)
        return values if self.distance_m is not None else {k: v for k, v in values.items() if k != "distance_m"}


@dataclass(frozen=True, eq=False)
class FusedMap:
    """A map that was fused from a sequence, with the poses and the settings.

    Attributes:
        map: the map itself, to query, to go on with, or to save.
        points: its surface.
        poses: (N, 4, 4) float64, of the cameras whose frames were fused, the optical frame's coordinates to the map's.
        name: of the source.
        settings: it was fused with.
        report: what was fused.
        written: paths of the files that `fuse_map` wrote.
    """

    map: SemanticMap
    points: MapPoints
    poses: npt.NDArray[np.float64]
    name: str
    settings: MapSettings
    report: MapReport
    written: tuple[Path, ...] = ()

    def save(self, folder: str | Path) -> list[Path]:
        """Write map.npz, map.ply, above.png, within.png and map.json, and return their paths.

        Raises:
            OSError: a file cannot be written.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        settings, label_set = self.settings, self.map.label_set
        what = f"{self.name}, {self.report.frames} frames, {settings.depth} depth"
        self.map.save(folder / "map.npz")
        self.map.write_ply(folder / "map.ply", settings.min_weight)
        write_image(folder / "above.png", render_from_above(self.points, label_set, self.poses, f"{what}, from above"))
        middle = self.poses[len(self.poses) // 2]
        within = render_from_within(self.points, label_set, middle, settings.voxel_size, f"{what}, from within")
        write_image(folder / "within.png", within)
        report = json.dumps(self.report.to_dict(), indent=2, allow_nan=False)
        atomic_write_bytes(folder / "map.json", (report + "\n").encode())
        return [folder / name for name in ("map.npz", "map.ply", "above.png", "within.png", "map.json")]
