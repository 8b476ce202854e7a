"""What is wrong with the obstacles of a depth: frames of rendered rooms against exact ones.

``python -m scripts.robot.rendered_frames 100 103 106 110``: rooms by their seeds. In each the robot turns about at its
start and drives a metre towards the goal; every kind of depth sees the same images.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.label_sets import NYU40
from cinet_core.obstacles.clouds import ground_points, obstacle_points
from cinet_core.obstacles.depth_frame import DepthFrame
from cinet_core.obstacles.segmented import GROUND, STANDING, segment
from scripts.robot.costmap import CELL
from scripts.robot.drive import Sight
from scripts.robot.rendered_room import RenderedRoom, rendered_room
from scripts.robot.views import ANCHORED, SETTINGS, ExactView, NetworkCamera, PredictedView

__all__ = ["FrameFigures", "compare", "figures_of", "main", "sights"]

NEAR = 2
"""Cells each way within which a cell counts as found: 10 cm."""

FEW = 50
"""Pixels: of fewer there is no figure."""


@dataclasses.dataclass(frozen=True)
class FrameFigures:
    """One frame against the exact one of the same place; NaN where there is too little to judge by.

    Attributes:
        ratio: median of depth by true depth, up to `max_range`.
        floor_ratio: the same of what is truly floor.
        obstacle_ratio: the same of what truly stands in the way.
        floor_as_obstacle: share of true floor's pixels that are called an obstacle.
        obstacle_as_floor: share of true obstacles' pixels that are called floor.
        precision: share of the occupied cells with a truly occupied one within 10 cm.
        recall: share of truly occupied cells with an occupied one within 10 cm.
        shut: share of the cells of true floor that are called occupied.
        tilt: degrees of the floor's first plane, which is level in truth.
        uncertainty: median, as a share of depth.
    """

    ratio: float
    floor_ratio: float
    obstacle_ratio: float
    floor_as_obstacle: float
    obstacle_as_floor: float
    precision: float
    recall: float
    shut: float
    tilt: float
    uncertainty: float


def figures_of(found: DepthFrame, true: DepthFrame) -> FrameFigures:
    """Compare a frame with the exact one of the same place."""
    of, by = segment(found, NYU40, SETTINGS), segment(true, NYU40, SETTINGS)
    known = np.isfinite(true.depth) & (true.depth < SETTINGS.max_range) & np.isfinite(found.depth)
    ratio = found.depth / true.depth
    floor, standing = known & (by.kinds == GROUND), known & (by.kinds == STANDING)
    occupied, truly = (_cells(obstacle_points(one).xyz) for one in (of, by))
    free = _cells(ground_points(by))
    uncertainty = math.nan
    if found.uncertainty is not None:
        uncertainty = float(np.nanmedian(found.uncertainty / found.depth))
    return FrameFigures(
        _median(ratio[known]),
        _median(ratio[floor]),
        _median(ratio[standing]),
        _share(of.kinds[floor] == STANDING),
        _share(of.kinds[standing] == GROUND),
        _share(_around(truly)[occupied], 1),
        _share(_around(occupied)[truly], 1),
        _share(occupied[free], 1),
        of.ground.patches[0].tilt,
        uncertainty,
    )


def _cells(points: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """(n, n) bool: the cells of the floor, around the robot, that points are in."""
    reach = math.ceil(SETTINGS.max_range / CELL) + 1
    grid = np.zeros((2 * reach, 2 * reach), dtype=bool)
    place = np.floor(points[:, :2] / CELL).astype(np.intp) + reach
    grid[place[:, 0], place[:, 1]] = True
    return grid


def _around(cells: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    side = 2 * NEAR + 1
    return cv2.dilate(cells.astype(np.uint8), np.ones((side, side), np.uint8)).astype(bool)


def _median(values: npt.NDArray[np.floating]) -> float:
    return float(np.median(values)) if values.size > FEW else math.nan


def _share(values: npt.NDArray[np.bool_], least: int = FEW) -> float:
    return float(values.mean()) if values.size >= least else math.nan


def sights(room: RenderedRoom) -> Iterator[Sight]:
    """A turn about the start in six frames, and eight on the straight way to the goal."""
    x, y = room.start
    yaw = math.atan2(room.goal[1] - y, room.goal[0] - x)
    poses = [(x, y, yaw - 2.4 + 0.48 * number) for number in range(6)]
    steps = [0.12 * number for number in range(8)]
    poses += [(x + step * math.cos(yaw), y + step * math.sin(yaw), yaw) for step in steps]
    for number, pose in enumerate(poses):
        yield Sight(0.4 * number, pose, pose)


def compare(room: RenderedRoom, predictor: Any, depths: Sequence[str], seed: int) -> dict[str, list[FrameFigures]]:
    """The frames of a room by several depths, of `views.DEPTHS` but "exact"."""
    camera, exact, found = NetworkCamera(room, predictor), ExactView(room), {}
    for depth in depths:
        view = PredictedView(camera, depth if depth in ANCHORED else "none", seed=seed)
        found[depth] = [figures_of(view(sight), exact(sight)) for sight in sights(room)]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the median, 10 and 90 % of each figure over all frames of all rooms, for each depth, as JSON lines."""
    parser = argparse.ArgumentParser(description="Compares obstacles of predicted depth with exact ones.")
    parser.add_argument("rooms", type=int, nargs="+", metavar="SEED", help="of the rooms")
    parser.add_argument("--depth", nargs="+", default=["predicted", *ANCHORED], choices=["predicted", *ANCHORED])
    parser.add_argument("--weights", default="default", help="of the network (%(default)s)")
    parser.add_argument("--backend", default="torch", help="that runs the network (%(default)s)")
    options = parser.parse_args(arguments)
    import cinet_core

    found: dict[str, list[FrameFigures]] = {}
    with cinet_core.load(options.weights, backend=options.backend) as predictor:
        for seed in options.rooms:
            for depth, frames in compare(rendered_room(seed), predictor, options.depth, seed).items():
                found.setdefault(depth, []).extend(frames)
    for depth, frames in found.items():
        line: dict[str, Any] = {"depth": depth, "frames": len(frames)}
        for name in [field.name for field in dataclasses.fields(FrameFigures)]:
            values = np.array([getattr(frame, name) for frame in frames])
            values = values[np.isfinite(values)]
            line[name] = [round(float(np.quantile(values, q)), 3) for q in (0.1, 0.5, 0.9)] if len(values) else None
        print(json.dumps(line), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
