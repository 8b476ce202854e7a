"""One anchor along a recorded sequence: what a robot would measure is made of the recording, and depth is scored."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.anchors import (
    AnchorMeasurement,
    MotionAnchor,
    OdometryAnchor,
    measure_cloud,
    measure_floor,
    movers_mask,
    movers_table,
)
from cinet_core.correction.corrector import DepthCorrector
from cinet_core.correction.settings import CorrectionSettings
from cinet_core.evaluation.anchors_report import AnchorScore
from cinet_core.evaluation.sparse_points import BASELINES, SparsePoints, interpolated, one_factor
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import LabelSet
from cinet_core.metrics.smooth_field import DEVIATION, SmoothErrorMetrics

__all__ = ["AnchorRun", "AnchoredFrame"]

STEP = 4
"""Every so-manieth pixel of an image 640 wide is scored."""

SCAN_SIGMA, DEPTH_SIGMA = 0.02, 0.03
"""Noise of what is made of the sensor's depth: metres of a scan, and a part of the depth of sparse points."""

DELTA = 1.25


@dataclass(frozen=True, eq=False)
class AnchoredFrame:
    """A frame with its prediction: arrays (H, W) of the image's size.

    Attributes:
        world: name of the world that its pose is in.
        uncertainty: metres, by the network; None where it gives none.
        edges: where the true depth has edges nearby.
        pose: of the camera, (4, 4) in the world, whose z axis points up.
        told: what the odometry says of it.
    """

    number: int
    seconds: float
    world: str
    image: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]
    confidence: npt.NDArray[np.uint8]
    uncertainty: npt.NDArray[np.float32] | None
    truth: npt.NDArray[np.float32]
    edges: npt.NDArray[np.bool_]
    camera: Intrinsics
    pose: npt.NDArray[np.float64]
    told: npt.NDArray[np.float64]


class AnchorRun:
    """One anchor along the sequence.

    Args:
        anchor: its name; none corrects nothing, and what is one of `BASELINES` is no anchor.
        label_set: of the predictions.
        floor_height: z of the floor in the world of the poses, metres; None where it is not known.
        temporal: what is kept from frame to frame, see `CorrectionSettings`.
        points: of the anchor *depth*.
    """

    def __init__(
        self,
        anchor: str,
        label_set: LabelSet,
        floor_height: float | None,
        temporal: str = "field",
        points: SparsePoints | None = None,
    ) -> None:
        self._anchor, self._floor_height = anchor, floor_height
        corrected = "none" if anchor in BASELINES else anchor
        self._settings, self._points = CorrectionSettings(corrected, temporal), points or SparsePoints()
        self._movers = movers_table(label_set)
        self._floor = np.array([name == "floor" for name in label_set.classes] + [False] * 256)[:256]
        self._label_set = label_set
        self._restart()
        self._random = np.random.default_rng(0)
        self._smooth = SmoothErrorMetrics(DEVIATION / STEP)
        self._rows: list[tuple[float, ...]] = []
        self._times: list[tuple[float, float]] = []
        self._reasons: dict[str, int] = {}

    def _restart(self) -> None:
        """Forget all frames."""
        self._corrector = DepthCorrector(self._label_set)
        self._odometry, self._motion = OdometryAnchor(), MotionAnchor()
        self._before: AnchoredFrame | None = None

    def add(self, frame: AnchoredFrame, scored: bool) -> None:
        """Correct a frame, and score it. One of another world than the frame before starts anew."""
        if self._before is not None and frame.world != self._before.world:
            self._restart()
        step = max(1, round(STEP * frame.truth.shape[1] / 640))
        depth, sigma, used, anchored = frame.depth, frame.uncertainty, False, 0.0
        if self._anchor in BASELINES:
            pixels, z = self._sensed(frame)
            used, sigma = True, None
            if self._anchor == "factor":
                depth = one_factor(frame.depth, pixels, z)
        elif self._settings.active:
            started = time.perf_counter()
            excluded = movers_mask(frame.labels, self._movers)
            measurement, motion = self._measured(frame, excluded)
            between = time.perf_counter()
            elapsed = math.inf if self._before is None else frame.seconds - self._before.seconds
            outputs: dict[str, npt.NDArray[Any]] = {
                "depth": depth,
                "labels": frame.labels,
                "confidence": frame.confidence,
            }
            if sigma is not None:
                outputs["depth_uncertainty"] = sigma
            measurements = [] if measurement is None else [measurement]
            found = self._corrector.correct(
                outputs, frame.camera, measurements, motion, max(elapsed, 0.0), self._settings
            )
            self._times.append((time.perf_counter() - between, between - started))
            depth, report = found.depth, found.report
            if report is not None:
                used, anchored, sigma = bool(report.sources), report.anchored, found.uncertainty
            if report is not None and not used:
                reason = (report.reason or "no reason").split(": ")
                short = ": ".join(reason[:2])
                self._reasons[short] = self._reasons.get(short, 0) + 1
        self._before = frame
        if not scored:
            return
        lattice = np.s_[step // 2 :: step, step // 2 :: step]
        at = depth[lattice]
        if self._anchor == "interpolation":
            at = interpolated(pixels, z, frame.truth.shape, step)
        self._score(
            at, None if sigma is None else sigma[lattice], frame.truth[lattice], frame.edges[lattice], anchored, used
        )

    def score(self) -> AnchorScore:
        """The result so far."""
        table = np.array(self._rows).reshape(-1, 8)
        known = np.isfinite(table)
        counts = known.sum(axis=0)
        mean = np.where(counts > 0, np.where(known, table, 0.0).sum(axis=0) / np.maximum(counts, 1), math.nan)
        scales = table[:, 2]
        times = np.median(self._times, axis=0) * 1e3 if self._times else np.zeros(2)
        return AnchorScore(
            anchor=self._anchor,
            frames=len(table),
            abs_rel=float(mean[0]),
            delta1=float(mean[1]),
            edge_abs_rel=float(mean[5]),
            smooth_error=self._smooth.compute()["smooth_error"],
            scale_deviation=float(scales.std()) if len(table) else math.nan,
            scale_step=float(np.median(np.abs(np.diff(scales)))) if len(table) > 1 else math.nan,
            within_sigmas=(float(mean[6]), float(mean[7])),
            anchored=float(mean[3]),
            measured=float(mean[4]),
            milliseconds=(float(times[0]), float(times[1])),
            reasons=dict(sorted(self._reasons.items(), key=lambda item: -item[1])),
        )

    def _score(
        self,
        depth: npt.NDArray[np.float32],
        sigma: npt.NDArray[np.float32] | None,
        truth: npt.NDArray[np.float32],
        edges: npt.NDArray[np.bool_],
        anchored: float,
        used: bool,
    ) -> None:
        known = (truth > 0) & np.isfinite(truth) & np.isfinite(depth) & (depth > 0)
        if not known.any():
            return
        ratio = depth[known].astype(np.float64) / truth[known]
        self._smooth.update(depth, truth)
        error, beside = np.abs(ratio - 1), edges[known]
        within = (math.nan, math.nan)
        if sigma is not None:  # of ln depth: it is symmetric there
            share = np.abs(np.log(ratio)) / np.maximum(sigma[known] / depth[known], 1e-9)
            within = float((share < 1).mean()), float((share < 2).mean())
        self._rows.append(
            (
                float(error.mean()),
                float((np.maximum(ratio, 1 / ratio) < DELTA).mean()),
                -math.log(float(np.median(ratio))),
                anchored,
                float(used),
                float(error[beside].mean()) if beside.any() else math.nan,
                *within,
            )
        )

    def _measured(
        self, frame: AnchoredFrame, excluded: npt.NDArray[np.bool_] | None
    ) -> tuple[AnchorMeasurement | None, npt.NDArray[np.float64] | None]:
        """What the anchor says of a frame, None where there is none, and the motion since the frame before."""
        poses = (None if self._before is None else self._before.told), frame.told
        motion = None if poses[0] is None else np.linalg.inv(poses[1]) @ poses[0]
        motion = motion if motion is not None and np.isfinite(motion).all() else None
        camera = frame.camera
        if self._anchor == "none":
            return None, motion
        if self._anchor == "odometry":
            pose = frame.told if np.isfinite(frame.told).all() else None
            self._odometry.track(frame.image, pose, frame.seconds, excluded)
            return self._odometry.measure(camera), motion
        if self._anchor == "motion":
            self._motion.track(frame.image, frame.seconds, excluded)
            return self._motion.measure(frame.depth, camera), self._motion.motion
        if self._anchor == "floor":
            up = frame.pose[2, :3]
            height = float(frame.pose[2, 3]) - float(self._floor_height or 0.0)
            return measure_floor(self._floor[frame.labels], frame.depth, camera, height, up), motion
        pixels, z = self._sensed(frame)
        points = np.column_stack([(pixels - (camera.cx, camera.cy)) / (camera.fx, camera.fy) * z[:, None], z])
        if self._anchor == "scan":
            return measure_cloud(points, camera, None, 0.01, SCAN_SIGMA, "scan"), motion
        return measure_cloud(points, camera, None, DEPTH_SIGMA, 0.001), motion

    def _sensed(self, frame: AnchoredFrame) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Pixels (N, 2) and depth (N,), metres, of what a laser or a sparse sensor would measure."""
        height, width = frame.truth.shape
        if self._anchor == "scan":
            u, v = np.arange(width), np.full(width, height // 2)
            z = frame.truth[v, u] + self._random.normal(0, SCAN_SIGMA, width)
        else:
            u, v = self._points.places(width, height, self._random)
            z = frame.truth[v, u] * (1 + self._random.normal(0, DEPTH_SIGMA, len(u)))
        kept = (frame.truth[v, u] > 0) & (z > 0)
        return np.stack([u, v], axis=1)[kept].astype(np.float64), z[kept].astype(np.float64)
