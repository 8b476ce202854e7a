"""Scores obstacles made of predicted depth against those that the same steps make of a sensor's."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.evaluation.tables import TextTable, number, percent
from cinet_core.label_sets import LabelSet
from cinet_core.obstacles.clouds import ObstaclePoints, ground_points, obstacle_points
from cinet_core.obstacles.depth_frame import DepthFrame
from cinet_core.obstacles.scan import laser_scan
from cinet_core.obstacles.segmented import GROUND, SegmentedFrame, segment
from cinet_core.obstacles.settings import ObstacleSettings

__all__ = ["CELL", "RANGE", "TOLERANCES", "ObstacleScores", "ObstacleStudy", "scores_table"]

CELL = 0.05
"""Metres: edge of the cells that are compared, a costmap's."""

RANGE = 3.0
"""Metres from the base within which they are."""

TOLERANCES = (0, 1, 3)
"""Cells by which an obstacle may be off."""

_HALF = round(RANGE / CELL) + TOLERANCES[-1] + 1
"""Cells from the base to the border of the grid: an obstacle just out of range may have its match within."""

_MIDDLES = (np.arange(2 * _HALF) - _HALF + 0.5) * CELL
_WITHIN = np.hypot(_MIDDLES[:, None], _MIDDLES) < RANGE


@dataclass(frozen=True)
class ObstacleScores:
    """How well obstacles of predicted depth agree with those of the sensor's.

    Cells are 5 cm, on the floor, within 3 m of the base; only pixels whose depth both know count.

    Attributes:
        frames: how many.
        precision: by tolerance in cells, the share of occupied cells with one of the sensor's near.
        recall: by tolerance in cells, the share of the sensor's occupied cells with one near.
        occupied: cells of the sensor's depth that are occupied, in a frame.
        phantoms: cells in a frame that are occupied, and are free by the sensor: floor is seen there, or what is
            farther.
        stray: those of the phantoms with no occupied cell of the sensor's within 15 cm: not an obstacle that is a
            little off, but one that is not there.
        missed: cells in a frame that are occupied by the sensor, and that are free, in the same sense.
        floor_left: obstacle points in a frame that are floor by the sensor.
        floor: share of the frames whose floor was found, by labels or by geometry.
    """

    frames: int
    precision: dict[int, float]
    recall: dict[int, float]
    occupied: float
    phantoms: float
    stray: float
    missed: float
    floor_left: float
    floor: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; what does not exist is None."""
        values = dataclasses.asdict(self)
        for name in ("precision", "recall"):
            values[name] = {str(key): None if np.isnan(value) else value for key, value in values[name].items()}
        return values


class ObstacleStudy:
    """Accumulates frames one at a time.

    Args:
        label_set: of the labels.
        settings: of the obstacles, for both depths; None for the defaults.
    """

    def __init__(self, label_set: LabelSet, settings: ObstacleSettings | None = None) -> None:
        self._label_set, self._settings = label_set, settings or ObstacleSettings()
        self._counts = np.zeros(8 + 2 * len(TOLERANCES))

    def add(self, predicted: DepthFrame, sensor: npt.NDArray[np.float32]) -> None:
        """Add a frame.

        Args:
            predicted: depth and labels of the network.
            sensor: (H, W) float32 metres, pixel by pixel with the prediction; 0, NaN or infinite where unknown.

        Raises:
            ValueError: the sensor's depth has another shape.
        """
        if sensor.shape != predicted.depth.shape:
            raise ValueError(
                f"sensor depth is {sensor.shape}, predicted {predicted.depth.shape}: resample one to the other"
            )
        both = (sensor > 0) & (sensor < np.inf) & (predicted.depth > 0) & (predicted.depth < np.inf)
        nan = np.float32(np.nan)
        ours = self._segmented(dataclasses.replace(predicted, depth=np.where(both, predicted.depth, nan)))
        true = self._segmented(dataclasses.replace(predicted, depth=np.where(both, sensor, nan), uncertainty=None))
        found, points = _occupied(ours)
        wanted, _ = _occupied(true)
        counts = [1.0, (found & _WITHIN).sum(), (wanted & _WITHIN).sum()]
        counts += [(found & _WITHIN & _grown(wanted, cells)).sum() for cells in TOLERANCES]
        counts += [(wanted & _WITHIN & _grown(found, cells)).sum() for cells in TOLERANCES]
        phantoms = found & _free(true, wanted)
        counts += [phantoms.sum(), (phantoms & ~_grown(wanted, TOLERANCES[-1])).sum()]
        counts += [(wanted & _free(ours, found)).sum()]
        near = np.hypot(*points.xyz[:, :2].T) <= RANGE
        counts += [(true.kinds.ravel()[points.pixels[near]] == GROUND).sum(), ours.ground.source != "pose"]
        self._counts += counts

    def scores(self) -> ObstacleScores:
        """The scores of all frames together.

        Raises:
            ValueError: there was no frame.
        """
        frames, found, wanted, *rest = self._counts.tolist()
        if frames == 0:
            raise ValueError("not one frame was added: nothing can be scored")
        several = len(TOLERANCES)
        precise, recalled, others = rest[:several], rest[several : 2 * several], rest[2 * several :]
        phantoms, stray, missed, floor_left, floor = (count / frames for count in others)
        return ObstacleScores(
            frames=int(frames),
            precision={cells: _share(value, found) for cells, value in zip(TOLERANCES, precise, strict=True)},
            recall={cells: _share(value, wanted) for cells, value in zip(TOLERANCES, recalled, strict=True)},
            occupied=wanted / frames,
            phantoms=phantoms,
            stray=stray,
            missed=missed,
            floor_left=floor_left,
            floor=floor,
        )

    def _segmented(self, frame: DepthFrame) -> SegmentedFrame:
        return segment(frame, self._label_set, self._settings)


def scores_table(title: str, scores: dict[str, ObstacleScores]) -> TextTable:
    """The scores of several depths, a row each."""
    columns = ["depth"]
    for name in ("precision", "recall"):
        columns += [f"{name} +-{100 * CELL * cells:.0f} cm [%]" for cells in TOLERANCES]
    columns += ["occupied", "phantoms", "stray", "missed", "floor left"]
    rows = []
    for name, found in scores.items():
        shares = [percent(value) for value in (*found.precision.values(), *found.recall.values())]
        per_frame = (found.occupied, found.phantoms, found.stray, found.missed, found.floor_left)
        counts = [number(value, 1) for value in per_frame]
        rows.append((name, *shares, *counts))
    return TextTable(title, tuple(columns), tuple(rows))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _occupied(segmented: SegmentedFrame) -> tuple[npt.NDArray[np.bool_], ObstaclePoints]:
    points = obstacle_points(segmented)
    return _cells(points.xyz), points


def _cells(points: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """(2 n, 2 n) bool: x along the rows, y along the columns, the base in the middle."""
    cells = np.zeros((2 * _HALF, 2 * _HALF), dtype=np.bool_)
    place = np.floor(points[:, :2] / CELL).astype(np.intp) + _HALF
    place = place[((place >= 0) & (place < 2 * _HALF)).all(axis=1)]
    cells[place[:, 0], place[:, 1]] = True
    return cells


def _grown(cells: npt.NDArray[np.bool_], by: int) -> npt.NDArray[np.bool_]:
    """The cells and those within so many, in a circle."""
    circle = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * by + 1, 2 * by + 1))
    return cv2.dilate(cells.view(np.uint8), circle).view(np.bool_)


def _free(segmented: SegmentedFrame, occupied: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Cells within range, not beside an occupied one, where floor is seen or through which farther things are."""
    scan = laser_scan(segmented)
    places = np.stack(np.meshgrid(_MIDDLES, _MIDDLES, indexing="ij"), axis=-1).reshape(-1, 2)
    number_of = scan.bearings.of(places)
    distance = np.hypot(places[:, 0], places[:, 1])
    limit = np.where(number_of >= 0, scan.ranges[number_of], np.nan)
    before = distance < limit - 1.5 * CELL  # comparisons with NaN are False
    floor = _cells(ground_points(segmented))
    return _WITHIN & (floor | before.reshape(occupied.shape)) & ~_grown(occupied, 1)
