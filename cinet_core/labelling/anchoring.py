"""Makes a teacher's depth metric along a recording, by what the robot knew: see `cinet_core.anchors`.

Relative depth q is one over depth but for a factor and an offset, ``1/z = a q + b``: both are fitted to the points of
the frame's anchors, and where these are too few, or too alike in depth, to a metric teacher's depth. A frame that has
neither has no depth. What is metric then is corrected like any prediction, by a smooth field over the image that is
carried from view to view.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.anchors import (
    AnchorMeasurement,
    FieldEstimator,
    OdometryAnchor,
    measure_cloud,
    measure_depth_image,
    measure_floor,
    movers_mask,
    movers_table,
)
from cinet_core.data.recording import RecordedAnchors
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import LabelSet
from cinet_core.labelling.teacher import fitted_affine

__all__ = ["REFERENCE_SIGMA", "AnchoredDepth", "AnchoredFrame", "Anchoring"]

Float = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

MIN_POINTS = 12
"""Fewer points do not decide factor and offset of a frame."""

MIN_RANGE = 1.3
"""Farthest by nearest depth of the points, 10 % of them aside, below which they leave factor and offset open."""

MAX_GAP = 1.0
"""Seconds between two frames over which nothing is carried."""

REFERENCE_SIGMA = 0.3
"""Standard deviation of ln depth that another network's metres are taken to have."""

FARTHEST = 80.0
NEAREST = 0.05


@dataclass(frozen=True, eq=False)
class AnchoredFrame:
    """A frame to correct; arrays (H, W).

    Attributes:
        image: (H, W, 3) uint8 RGB.
        camera: of the image.
        seconds: its stamp.
        pose: camera to world; None where it is not known.
        depth: of the teacher, see `Answer`.
        relative: whether depth is relative.
        labels: class ids, 255 = none; None where no teacher gives any.
        reference: another teacher's metric depth; None where there is none.
        sensor: depth that the recording has, metres, 0 where unknown; None where it is not to be used.
        measured: what the robot measured.
    """

    image: Bytes
    camera: Intrinsics
    seconds: float
    pose: npt.NDArray[np.float64] | None
    depth: Float
    relative: bool
    labels: Bytes | None
    reference: Float | None
    sensor: Float | None
    measured: RecordedAnchors | None


@dataclass(frozen=True, eq=False)
class AnchoredDepth:
    """A frame's depth after correction.

    Attributes:
        depth: (H, W) float32 metres, NaN where unknown.
        sigma: (H, W) float32, standard deviation of ln depth.
        anchors: names of what was used on this frame.
        scale: median factor by which metric depth was multiplied; None where no anchor ever was.
        reason: why there is no depth, or no anchor; None where there are both.
    """

    depth: Float
    sigma: Float
    anchors: tuple[str, ...]
    scale: float | None
    reason: str | None


class Anchoring:
    """Corrects the frames of one world in their order.

    Args:
        label_set: of the labels; people and other movers carry no anchor.
        active: False leaves metric depth as it is, and relative depth without any metres.
        floor_height: z of the floor in the world, whose z points up, metres; None where it is not known.
    """

    def __init__(self, label_set: LabelSet, active: bool = True, floor_height: float | None = None) -> None:
        self._active, self._floor_height = active, floor_height
        self._movers = movers_table(label_set)
        self._floor = np.array([name == "floor" for name in label_set.classes] + [False] * 256)[:256]
        self._estimator, self._odometry = FieldEstimator(), OdometryAnchor()
        self._before: tuple[float, npt.NDArray[np.float64] | None] | None = None
        self._anchored = False

    def add(self, frame: AnchoredFrame) -> AnchoredDepth:
        """Correct a frame.

        Raises:
            ValueError: arrays and camera do not fit together.
        """
        if not self._active:
            return self._uncorrected(frame)
        apart = math.inf if self._before is None else frame.seconds - self._before[0]
        near = 0 < apart <= MAX_GAP
        if not near and self._before is not None:
            self._estimator.reset()
            self._odometry = OdometryAnchor()
        motion = None
        if near and self._before is not None and self._before[1] is not None and frame.pose is not None:
            motion = np.linalg.inv(frame.pose) @ self._before[1]
        self._before = (frame.seconds, frame.pose)
        excluded = None if frame.labels is None else movers_mask(frame.labels, self._movers)
        if not self._anchored:  # what no anchor has touched is no reason to change the next frame
            self._estimator.reset()
            motion = None
        self._odometry.track(frame.image, frame.pose, frame.seconds, excluded)
        measurements = self._measurements(frame)
        depth, reason = frame.depth, None
        if frame.relative:
            depth, reason = self._metric(frame, measurements)
        if not np.isfinite(depth).any():
            return AnchoredDepth(depth, np.full(depth.shape, np.inf, np.float32), (), None, reason or "it has no depth")
        floor = self._floor_measurement(frame, depth)
        if floor is not None:
            measurements.append(floor)
        found = self._estimator.update(
            depth, frame.camera, measurements, motion, excluded, seconds=apart if near else 1 / 30
        )
        self._anchored |= bool(found.report.sources)
        scale = found.report.scale if self._anchored else None
        return AnchoredDepth(found.depth, found.uncertainty, found.report.sources, scale, found.report.reason)

    def _uncorrected(self, frame: AnchoredFrame) -> AnchoredDepth:
        if not frame.relative:
            sigma = np.full(frame.depth.shape, REFERENCE_SIGMA, np.float32)
            return AnchoredDepth(frame.depth, sigma, (), None, "anchors are not used")
        depth, reason = self._metric(frame, [])
        return AnchoredDepth(depth, np.full(depth.shape, REFERENCE_SIGMA, np.float32), (), None, reason)

    def _measurements(self, frame: AnchoredFrame) -> list[AnchorMeasurement]:
        """All but the floor, which needs metres first."""
        found = [self._odometry.measure(frame.camera)]
        if frame.measured is not None and frame.measured.scan is not None:
            found.append(measure_cloud(frame.measured.scan, frame.camera, None, 0.01, 0.02, "scan"))
        if frame.measured is not None and frame.measured.points is not None:
            found.append(measure_cloud(frame.measured.points, frame.camera))
        if frame.sensor is not None and (frame.sensor > 0).any():
            found.append(measure_depth_image(frame.sensor, frame.camera, frame.camera))
        return [measurement for measurement in found if len(measurement)]

    def _floor_measurement(self, frame: AnchoredFrame, depth: Float) -> AnchorMeasurement | None:
        up, height = self._upright(frame)
        if up is None or height is None or frame.labels is None:
            return None
        found = measure_floor(self._floor[frame.labels], depth, frame.camera, height, up)
        return found if len(found) else None

    def _upright(self, frame: AnchoredFrame) -> tuple[npt.NDArray[np.float64] | None, float | None]:
        """Up direction in the optical frame, and the camera's height above the floor."""
        measured = frame.measured
        if measured is not None and measured.up is not None and measured.height is not None:
            return measured.up, measured.height
        if self._floor_height is None or frame.pose is None:
            return None, None
        return frame.pose[2, :3], float(frame.pose[2, 3]) - self._floor_height

    def _metric(self, frame: AnchoredFrame, measurements: list[AnchorMeasurement]) -> tuple[Float, str | None]:
        """Relative depth in metres, and why there is none."""
        points = [(*_points(one, frame.depth), one.variance + (one.modes**2).sum(axis=1)) for one in measurements]
        points += self._floor_points(frame)
        found = _fitted(points)
        if found is None and frame.reference is not None:
            step = max(1, round(math.sqrt(frame.depth.size / 2000)))
            q, z = (plane[::step, ::step].ravel().astype(np.float64) for plane in (frame.depth, frame.reference))
            found = _fitted([(q, z, np.full(len(q), REFERENCE_SIGMA**2))])
        if found is None:
            reason = "relative depth has no metres: too few anchors, or all at one depth, and no metric teacher"
            return np.full(frame.depth.shape, np.nan, np.float32), reason
        factor, offset = found
        inverse = factor * frame.depth + offset
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = np.where(inverse > 1 / FARTHEST, 1 / inverse, np.nan)
        return np.where(depth >= NEAREST, depth, np.nan).astype(np.float32), None

    def _floor_points(self, frame: AnchoredFrame) -> list[tuple[npt.NDArray, npt.NDArray, npt.NDArray]]:
        """Where the floor lies by height and inclination alone: what relative depth can be fitted to."""
        up, height = self._upright(frame)
        if up is None or height is None or frame.labels is None or not height > 0:
            return []
        step = max(1, round(math.sqrt(frame.depth.size / 4000)))
        rows, columns = np.nonzero(self._floor[frame.labels[::step, ::step]])
        rows, columns, camera = rows * step, columns * step, frame.camera
        rays = np.stack([(columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy, np.ones(len(rows))], axis=1)
        below = -(rays @ (up / np.linalg.norm(up)))
        kept = below > 0.1 * np.linalg.norm(rays, axis=1)
        if kept.sum() < MIN_POINTS:
            return []
        return [(frame.depth[rows[kept], columns[kept]], height / below[kept], np.full(int(kept.sum()), 0.05**2))]


def _points(measurement: AnchorMeasurement, values: Float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Values of an image at a measurement's points, and their depths."""
    height, width = values.shape
    places = (measurement.pixels + 0.5) * np.array([width, height]) / np.array(measurement.size)
    column, row = np.minimum(places.astype(np.intp), (width - 1, height - 1)).T
    return values[row, column].astype(np.float64), measurement.depth


def _fitted(points: list[tuple[npt.NDArray, npt.NDArray, npt.NDArray]]) -> tuple[float, float] | None:
    """Factor and offset of inverse depth, of relative depths, metres and variances of ln metres."""
    if not points:
        return None
    relative, metres, variance = (np.concatenate(columns) for columns in zip(*points, strict=True))
    known = np.isfinite(relative) & np.isfinite(metres) & (metres > 0)
    relative, metres, variance = relative[known], metres[known], variance[known]
    if len(metres) < MIN_POINTS:
        return None
    low, high = np.percentile(metres, (10, 90))
    if high < MIN_RANGE * low:
        return None
    # d(1/z) = d(ln z) / z. Detail that a network gets wrong at a point is no less than a few per cent.
    factor, offset = fitted_affine(relative, 1 / metres, metres**2 / (variance + 0.05**2))
    return None if not (math.isfinite(factor) and factor > 0) else (factor, offset)
