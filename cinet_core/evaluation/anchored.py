"""How much anchors improve predicted depth along a recorded sequence with poses and a sensor's depth.

What a robot would measure is made of the recording: the poses are the odometry, with errors on demand; of the sensor's
depth a scan is one row, with 2 cm of noise, and sparse depth a lattice of 32 x 24 points, with 3 %. Depth is scored
against the whole of the sensor's depth. The network predicts each frame once; each anchor corrects it for itself.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.anchors import (
    AnchorMeasurement,
    FieldEstimator,
    MotionAnchor,
    OdometryAnchor,
    measure_cloud,
    measure_floor,
    movers_mask,
    movers_table,
)
from cinet_core.checkpoint import DEFAULT_WEIGHTS, ModelMetadata, named_checkpoint
from cinet_core.data.posed_dataset import PosedDataset
from cinet_core.data.registry import open_for_network, resolved_kind
from cinet_core.data.scene_dataset import Split
from cinet_core.evaluation.evaluation import BrokenFrame
from cinet_core.evaluation.geometry_report import plain_values
from cinet_core.evaluation.predicted_frames import UNLIMITED, FramesWithDepth, image_of
from cinet_core.evaluation.report import RANDOM_WARNING, DataOrigin
from cinet_core.evaluation.tables import TextTable, number, percent
from cinet_core.geometry import Intrinsics
from cinet_core.inference.choices import AUTO
from cinet_core.inference.predictor import Predictor
from cinet_core.label_sets import LabelSet
from cinet_core.metrics.smooth_field import DEVIATION, SmoothErrorMetrics
from cinet_core.poses import PoseBuffer
from cinet_core.progress import SILENT, Progress

__all__ = ["ANCHORS", "AnchorScore", "AnchorsReport", "OdometryErrors", "evaluate_anchors"]

ANCHORS = ("none", "odometry", "motion", "scan", "depth", "floor")
"""What can be scored: raw depth, and each anchor by its name."""

STEP = 4
"""Every so-manieth pixel of an image 640 wide is scored."""

SCAN_SIGMA, DEPTH_SIGMA = 0.02, 0.03
"""Noise of what is made of the sensor's depth: metres of a scan, and a part of the depth of sparse points."""

LATTICE = (32, 24)
FRAME_SECONDS = 1 / 30
"""Between frames of a data set without times."""

DELTA = 1.25


@dataclass(frozen=True)
class OdometryErrors:
    """Errors that the recorded poses are given before the anchor *odometry* sees them.

    Attributes:
        noise: of each step's translation, as a part of its length (standard deviation, each axis).
        scale: of all translations, a factor.
        delay: seconds by which poses are older than their stamp says.
        slip: for one second in the middle, the wheels say 0.3 m/s forward in place of the truth.

    Raises:
        ValueError: a value is negative or not finite.
    """

    noise: float = 0.0
    scale: float = 1.0
    delay: float = 0.0
    slip: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no error of an odometry."""
        for name in ("noise", "scale", "delay"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} is {value}: it must be 0 or above, and finite")
        if self.scale == 0:
            raise ValueError("scale is 0: it must be above 0")

    def applied(self, poses: npt.NDArray[np.float64], seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(N, 4, 4) poses with these errors; NaN where a pose is not known."""
        poses = _delayed(poses, seconds, self.delay) if self.delay else poses
        random = np.random.default_rng(0)
        middle = 0.5 * (seconds[0] + seconds[-1])
        found = poses.copy()
        for place in range(1, len(poses)):
            step = np.linalg.inv(poses[place - 1]) @ poses[place]
            if not np.isfinite(step).all() or not np.isfinite(found[place - 1]).all():
                continue
            way = step[:3, 3]
            way = way * self.scale + random.normal(0, self.noise * float(np.linalg.norm(way)), 3)
            if self.slip and abs(seconds[place] - middle) < 0.5:
                way = np.array([0.0, 0.0, 0.3 * (seconds[place] - seconds[place - 1])])
            step[:3, 3] = way
            found[place] = found[place - 1] @ step
        return found


@dataclass(frozen=True)
class AnchorScore:
    """Depth with one anchor.

    Attributes:
        anchor: its name.
        frames: that were scored.
        abs_rel: mean over frames of the mean relative error; metric, no scale is forgiven.
        delta1: mean over frames of the part of pixels within a factor of 1.25.
        smooth_error: of ln depth, see `SmoothErrorMetrics`.
        scale_deviation: standard deviation over frames of ln of the median of true by corrected depth.
        scale_step: median over frames of the absolute change of the same from one frame to the next.
        anchored: mean part of the image that the anchor fixed (`CorrectionReport.anchored`).
        measured: part of the frames in which the anchor was used.
        milliseconds: median time of the correction, and of the measurement with its tracking, of a frame.
        reasons: why it was not used, with the number of frames.
    """

    anchor: str
    frames: int
    abs_rel: float
    delta1: float
    smooth_error: float
    scale_deviation: float
    scale_step: float
    anchored: float
    measured: float
    milliseconds: tuple[float, float]
    reasons: Mapping[str, int]


@dataclass(frozen=True)
class AnchorsReport:
    """What anchors are worth on a sequence.

    Attributes:
        dataset, split, origin: of the frames.
        metadata, sha256: of the weights.
        errors: that the odometry was given.
        skipped: frames at the beginning that are not scored.
        scores: one for each anchor, in the order asked for.
        broken: frames that could not be read.
    """

    dataset: str
    split: str
    origin: DataOrigin
    metadata: ModelMetadata
    sha256: str
    errors: OdometryErrors
    skipped: int
    scores: tuple[AnchorScore, ...]
    broken: tuple[BrokenFrame, ...] = ()

    def heading(self) -> str:
        """What was scored, in one line."""
        return f"Anchors on {self.dataset}, {self.split}, {self.metadata.config.name} {self.sha256[:12]}"

    def warnings(self) -> list[str]:
        """What makes the metrics mean nothing."""
        return [RANDOM_WARNING] if self.metadata.random_weights else []

    def table(self) -> TextTable:
        """A row for each anchor."""
        columns = (
            "anchor", "abs rel", "delta1 [%]", "smooth error", "sd of scale", "step", "anchored [%]", "used [%]",
            "correct [ms]", "measure [ms]",
        )  # fmt: skip
        rows = tuple(
            (
                score.anchor,
                number(score.abs_rel, 4),
                percent(score.delta1),
                number(score.smooth_error, 4),
                number(score.scale_deviation, 4),
                number(score.scale_step, 4),
                percent(score.anchored),
                percent(score.measured),
                number(score.milliseconds[0], 1),
                number(score.milliseconds[1], 1),
            )
            for score in self.scores
        )
        return TextTable("Metric depth by anchor", columns, rows)

    def sentences(self) -> list[str]:
        """The errors of the odometry, and why anchors were not used."""
        given = self.errors
        found = [
            f"odometry: noise {given.noise:.1%} of a step, scale {given.scale:g}, delay {given.delay:g} s, "
            f"{'one second of slip' if given.slip else 'no slip'}; the first {self.skipped} frames are not scored"
        ]
        for score in self.scores:
            found += [f"{score.anchor}, {count} frames: {reason}" for reason, count in score.reasons.items()]
        return found

    def markdown(self) -> str:
        """All of it as a page."""
        notes = [f"- {line}" for line in (*self.warnings(), *self.sentences())]
        return "\n".join([f"# {self.heading()}", "", *notes, "", self.table().markdown()])

    def to_dict(self) -> dict[str, Any]:
        """Plain values; None for what is not a number."""
        return plain_values({
            "dataset": self.dataset,
            "split": self.split,
            "sha256": self.sha256,
            "random_weights": self.metadata.random_weights,
            "errors": dataclasses.asdict(self.errors),
            "skipped": self.skipped,
            "scores": [dataclasses.asdict(score) | {"reasons": dict(score.reasons)} for score in self.scores],
            "broken": [broken.name for broken in self.broken],
        })  # fmt: skip


def evaluate_anchors(
    data: str | Path,
    weights: str | Path = DEFAULT_WEIGHTS,
    *,
    anchors: Sequence[str] = ANCHORS[:-1],
    split: Split = "test",
    kind: str = AUTO,
    options: Mapping[str, Any] | None = None,
    limit: int | None = None,
    skip_seconds: float = 2.0,
    errors: OdometryErrors | None = None,
    floor_height: float | None = None,
    device: str = AUTO,
    progress: Progress = SILENT,
) -> AnchorsReport:
    """Score each anchor on a recorded sequence.

    Args:
        data: a sequence with a sensor's depth and poses, of the kinds rgbd_sequence or tum_rgbd.
        weights: a checkpoint, "default" or "random".
        anchors: names of `ANCHORS`.
        split, kind, options: of the data set, see `open_dataset`.
        limit: take only the first so many frames; None = all.
        skip_seconds: at the beginning that are not scored: filters settle.
        errors: that the odometry is given; None = none.
        floor_height: z of the floor in the world of the poses, whose z axis points up, metres: what *floor* needs.
        device: see `cinet_core.load`.
        progress: receives the progress over the frames.

    Raises:
        CheckpointError: the weights cannot be read.
        SourceError, ValueError: no such data set or anchor; the data set has no poses; *floor* without its height.
        OSError: a file cannot be read.
    """
    unknown = [name for name in anchors if name not in ANCHORS]
    if unknown or not anchors:
        raise ValueError(f"anchors are {list(anchors)}: choose some of {', '.join(ANCHORS)}")
    if "floor" in anchors and floor_height is None:
        raise ValueError("anchor floor needs floor_height: the z of the floor in the world of the poses, metres")
    checkpoint = named_checkpoint(weights)
    given = dict(options or {})
    dataset = open_for_network(data, split, kind, given, checkpoint.metadata.label_set)
    if not isinstance(dataset, PosedDataset):
        raise ValueError(f"{dataset.meta.name} has no poses: give a sequence of the kind rgbd_sequence or tum_rgbd")
    source = FramesWithDepth(dataset, limit, consecutive=True, progress=progress)
    count = len(source)
    poses = np.stack([_pose(dataset.pose(place)) for place in range(count)])
    clock = getattr(dataset, "seconds", None)
    seconds = np.array([float(clock(place)) if clock else place * FRAME_SECONDS for place in range(count)])
    told = (errors or OdometryErrors()).applied(poses, seconds)
    runs = [_Run(name, checkpoint.metadata.label_set, floor_height) for name in anchors]
    progress.begin(f"{dataset.meta.name}, {dataset.split}", count)
    skipped = int((seconds - seconds[0] < skip_seconds).sum()) if count else 0
    with Predictor(checkpoint, device, depth_range=UNLIMITED) as predictor:
        for done, (place, sample) in enumerate(source, start=1):
            if sample.intrinsics is None:
                raise ValueError(f"the camera of {sample.name} is not known: poses alone give no parallax")
            prediction = predictor.predict(image_of(sample), sample.intrinsics)
            frame = _Frame(
                place, float(seconds[place]), image_of(sample), prediction.depth, prediction.labels,
                sample.depth.numpy(), sample.intrinsics, poses[place], told[place],
            )  # fmt: skip
            for run in runs:
                run.add(frame, scored=place >= skipped)
            progress.advance(done)
    return AnchorsReport(
        dataset.meta.name,
        dataset.split,
        DataOrigin(str(data), resolved_kind(data, kind), given),
        checkpoint.metadata,
        checkpoint.sha256,
        errors or OdometryErrors(),
        skipped,
        tuple(run.score() for run in runs),
        tuple(source.broken),
    )


@dataclass(frozen=True, eq=False)
class _Frame:
    """A frame with its prediction: arrays (H, W) of the image's size."""

    number: int
    seconds: float
    image: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.float32]
    camera: Intrinsics
    pose: npt.NDArray[np.float64]
    told: npt.NDArray[np.float64]


class _Run:
    """One anchor along the sequence."""

    def __init__(self, anchor: str, label_set: LabelSet, floor_height: float | None) -> None:
        self._anchor, self._floor_height = anchor, floor_height
        self._movers = movers_table(label_set)
        self._floor = np.array([name == "floor" for name in label_set.classes] + [False] * 256)[:256]
        self._estimator, self._odometry, self._motion = FieldEstimator(), OdometryAnchor(), MotionAnchor()
        self._random = np.random.default_rng(0)
        self._before: _Frame | None = None
        self._smooth = SmoothErrorMetrics(DEVIATION / STEP)
        self._rows: list[tuple[float, float, float, float, float]] = []
        self._times: list[tuple[float, float]] = []
        self._reasons: dict[str, int] = {}

    def add(self, frame: _Frame, scored: bool) -> None:
        """Correct a frame, and score it."""
        depth, used, anchored = frame.depth, False, 0.0
        if self._anchor != "none":
            started = time.perf_counter()
            excluded = movers_mask(frame.labels, self._movers)
            measurement, motion = self._measured(frame, excluded)
            between = time.perf_counter()
            elapsed = FRAME_SECONDS if self._before is None else frame.seconds - self._before.seconds
            found = self._estimator.update(
                depth, frame.camera, [measurement], motion, excluded, seconds=max(elapsed, 0.0)
            )
            self._times.append((time.perf_counter() - between, between - started))
            depth, used, anchored = found.depth, bool(found.report.sources), found.report.anchored
            if not used:
                reason = (found.report.reason or "no reason").split(": ")
                short = ": ".join(reason[:2])
                self._reasons[short] = self._reasons.get(short, 0) + 1
        self._before = frame
        if scored:
            step = max(1, round(STEP * frame.truth.shape[1] / 640))
            self._score(depth[step // 2 :: step, step // 2 :: step], frame.truth[step // 2 :: step, step // 2 :: step])
            if self._rows:
                self._rows[-1] = (*self._rows[-1][:3], anchored, float(used))

    def score(self) -> AnchorScore:
        """The result so far."""
        table = np.array(self._rows).reshape(-1, 5)
        mean = table.mean(axis=0) if len(table) else np.full(5, math.nan)
        scales = table[:, 2]
        times = np.median(self._times, axis=0) * 1e3 if self._times else np.zeros(2)
        return AnchorScore(
            self._anchor,
            len(table),
            float(mean[0]),
            float(mean[1]),
            self._smooth.compute()["smooth_error"],
            float(scales.std()) if len(table) else math.nan,
            float(np.median(np.abs(np.diff(scales)))) if len(table) > 1 else math.nan,
            float(mean[3]),
            float(mean[4]),
            (float(times[0]), float(times[1])),
            dict(sorted(self._reasons.items(), key=lambda item: -item[1])),
        )

    def _score(self, depth: npt.NDArray[np.float32], truth: npt.NDArray[np.float32]) -> None:
        known = (truth > 0) & np.isfinite(truth) & np.isfinite(depth) & (depth > 0)
        if not known.any():
            return
        ratio = depth[known].astype(np.float64) / truth[known]
        self._smooth.update(depth, truth)
        within = np.maximum(ratio, 1 / ratio) < DELTA
        self._rows.append((
            float(np.abs(ratio - 1).mean()), float(within.mean()), -math.log(float(np.median(ratio))), 0.0, 0.0
        ))  # fmt: skip

    def _measured(
        self, frame: _Frame, excluded: npt.NDArray[np.bool_] | None
    ) -> tuple[AnchorMeasurement, npt.NDArray[np.float64] | None]:
        """What the anchor says of a frame, and the motion since the one before."""
        poses = (None if self._before is None else self._before.told), frame.told
        motion = None if poses[0] is None else np.linalg.inv(poses[1]) @ poses[0]
        motion = motion if motion is not None and np.isfinite(motion).all() else None
        camera = frame.camera
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
        height, width = frame.truth.shape
        if self._anchor == "scan":
            u, v = np.arange(width), np.full(width, height // 2)
            z = frame.truth[v, u] + self._random.normal(0, SCAN_SIGMA, width)
        else:
            v, u = (axis.ravel() for axis in np.mgrid[0 : LATTICE[1], 0 : LATTICE[0]])
            u, v = (2 * u + 1) * width // (2 * LATTICE[0]), (2 * v + 1) * height // (2 * LATTICE[1])
            z = frame.truth[v, u] * (1 + self._random.normal(0, DEPTH_SIGMA, len(u)))
        z = np.where((frame.truth[v, u] > 0) & (z > 0), z, np.nan)
        points = np.stack([(u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z], axis=1)
        if self._anchor == "scan":
            return measure_cloud(points, camera, None, 0.01, SCAN_SIGMA, "scan"), motion
        return measure_cloud(points, camera, None, DEPTH_SIGMA, 0.001), motion


def _pose(pose: npt.NDArray[np.float64] | None) -> npt.NDArray[np.float64]:
    return np.full((4, 4), np.nan) if pose is None else pose


def _delayed(poses: npt.NDArray[np.float64], seconds: npt.NDArray[np.float64], delay: float) -> npt.NDArray[np.float64]:
    """The poses of a moment earlier, under the same stamps."""
    buffer = PoseBuffer(max_gap=1.0, max_length=max(len(poses), 2))
    for pose, stamp in zip(poses, seconds, strict=True):
        if np.isfinite(pose).all():
            buffer.add(round(stamp * 1e9), pose[:3, 3], _quaternion(pose[:3, :3]))
    found = np.full_like(poses, np.nan)
    for one, stamp in zip(found, seconds, strict=True):
        pose = buffer.at(round((stamp - delay) * 1e9))
        if hasattr(pose, "matrix"):
            one[:] = pose.matrix()
    return found


def _quaternion(rotation: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    vector = cv2.Rodrigues(rotation)[0].ravel()
    angle = float(np.linalg.norm(vector))
    axis = vector / angle if angle > 1e-12 else vector
    return np.append(axis * math.sin(angle / 2), math.cos(angle / 2))
