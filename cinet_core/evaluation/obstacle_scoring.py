"""Scores the obstacles of predicted depth on a recorded sequence with a sensor's depth and poses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from cinet_core.checkpoint import DEFAULT_WEIGHTS, named_checkpoint
from cinet_core.correction.corrector import CorrectedFrame
from cinet_core.correction.sequence import FRAME_SECONDS, MAX_GAP, POSED_ANCHORS, SequenceCorrector, check_anchor
from cinet_core.correction.settings import CorrectionSettings
from cinet_core.data.check import spread
from cinet_core.data.frame_files import SourceError
from cinet_core.data.registry import open_dataset
from cinet_core.data.sample import Sample
from cinet_core.evaluation.obstacle_study import ObstacleScores, ObstacleStudy
from cinet_core.geometry import Intrinsics, unproject
from cinet_core.inference.choices import AUTO
from cinet_core.inference.prediction import Prediction
from cinet_core.inference.predictor import Predictor
from cinet_core.mapping.floor import FloorPlane, fit_floor
from cinet_core.mapping.map_points import MapPoints
from cinet_core.obstacles.depth_frame import DepthFrame
from cinet_core.obstacles.settings import ObstacleSettings
from cinet_core.progress import SILENT, Progress

__all__ = ["ObstacleReport", "base_frame_pose", "score_obstacles"]

LOOKED_AT = 20
"""Frames that the floor and the scale of a sequence are taken from."""

POINTS_A_FRAME = 2000
"""Of these, to fit the floor to."""

FLOOR_DEPTH = 4.0
"""Metres: a sensor's depth beyond is too noisy to fit a floor to."""

AS_PREDICTED, ONE_SCALE, OWN_SCALE = "as predicted", "one scale", "each frame's own scale"
CORRECTED = "anchor {anchor}, temporal {temporal}"


@dataclass(frozen=True)
class ObstacleReport:
    """How well obstacles of predicted depth agree with those of a sensor's.

    Attributes:
        scores: by what was done to predicted depth: "as predicted"; "one scale", the median of sensor over predicted
            depth of some frames (what `cinet scale` finds); "each frame's own scale", which no robot knows; and what
            anchors and fusion over time made of it, where they were asked for.
        scale: the one.
        source: of the frames, as it was given.
        sha256: of the checkpoint.
        random_weights: whether the weights are untrained, so that the scores mean nothing.
        refused: frames that could not be read.
    """

    scores: Mapping[str, ObstacleScores]
    scale: float
    source: str
    sha256: str
    random_weights: bool
    refused: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "source": self.source,
            "weights": self.sha256,
            "random_weights": self.random_weights,
            "scale": self.scale,
            "refused": self.refused,
            "scores": {name: scores.to_dict() for name, scores in self.scores.items()},
        }


def score_obstacles(
    source: str | Path,
    weights: str | Path = DEFAULT_WEIGHTS,
    *,
    settings: ObstacleSettings | None = None,
    device: str = AUTO,
    kind: str = AUTO,
    options: Mapping[str, Any] | None = None,
    every: int = 1,
    limit: int | None = None,
    anchor: str = "none",
    temporal: str = "off",
    progress: Progress = SILENT,
) -> ObstacleReport:
    """Make obstacles of predicted depth and of the sensor's, and compare them cell by cell.

    The base frame of an image is below its camera on the floor, x ahead. The floor is fitted once, to the sensor's
    depth of what the network calls floor in some frames; so the pose of the camera is as good as a robot's, and the
    same for both depths, which also share the predicted labels.

    Args:
        source: root of a data set with poses, such as a sequence of 7-Scenes, 3DMatch or the TUM RGB-D benchmark.
        weights: a checkpoint, "default" or "random".
        settings: of the obstacles, for both; None for the defaults.
        device: "auto", "cpu", "cuda" or "cuda:N".
        kind, options: of the data set, see `open_dataset`.
        every: take every N-th frame.
        limit: score at most this many frames, evenly spread; None = all.
        anchor: what corrects predicted depth as well: "none", "odometry" (the recorded poses), "motion" or "auto".
        temporal: what is kept from frame to frame, see `CorrectionSettings`. Correction sees every N-th frame, whatever
            the limit.
        progress: receives the progress over the frames.

    Raises:
        CheckpointError: the weights cannot be read.
        SourceError, ValueError: no such data set, or one without poses; no floor is seen; no frame can be scored.
        OSError: a file cannot be read.
    """
    if every < 1 or (limit is not None and limit < 1):
        raise ValueError(f"every is {every} and limit is {limit}: both must be at least 1")
    check_anchor(anchor, POSED_ANCHORS)
    correction = CorrectionSettings(anchor, temporal)
    checkpoint = named_checkpoint(weights)
    dataset = open_dataset(source, "all", kind, **dict(options or {}))
    if not isinstance(dataset, _Posed):
        raise SourceError(Path(source), "its frames have no poses", "give a sequence of 7-Scenes, 3DMatch or TUM RGB-D")
    chosen = range(0, len(dataset), every)
    numbers = [chosen[place] for place in spread(len(chosen), limit)]
    with Predictor(checkpoint, device) as predictor:
        frames = _Frames(dataset, predictor, progress)
        looked = [numbers[place] for place in spread(len(numbers), LOOKED_AT)]
        floor, scale = _first_look(list(frames.read(looked)), predictor)
        names = [AS_PREDICTED, ONE_SCALE, OWN_SCALE]
        corrector = None
        if correction.active:
            names.append(CORRECTED.format(anchor=anchor, temporal=temporal))
            gap = max(MAX_GAP, 1.5 * every * FRAME_SECONDS)
            corrector = SequenceCorrector(predictor.label_set, correction, gap)
        studies = {name: ObstacleStudy(predictor.label_set, settings) for name in names}
        frames.refused = 0
        # What is carried from frame to frame is to be as it is on a robot, which sees them all.
        seen, scored = (list(chosen)[: numbers[-1] // every + 1], set(numbers)) if corrector else (numbers, None)
        progress.begin("frames", len(seen))
        for done, frame in enumerate(frames.read(seen), start=1):
            corrected = None if corrector is None else frame.corrected(corrector, anchor)
            if scored is None or frame.number in scored:
                pose = base_frame_pose(frame.pose, floor)
                made = [frame.scaled(factor, pose) for factor in (1.0, scale, frame.scale())]
                if corrected is not None:
                    made.append(
                        DepthFrame(
                            corrected.depth, corrected.labels, frame.intrinsics, pose, corrected.confidence,
                            frame.uncertainty if corrected.uncertainty is None else corrected.uncertainty,
                        )
                    )  # fmt: skip
                for study, one in zip(studies.values(), made, strict=True):
                    study.add(one, frame.sensor)
            progress.advance(done)
    return ObstacleReport(
        {name: study.scores() for name, study in studies.items()},
        scale,
        str(source),
        checkpoint.sha256,
        checkpoint.metadata.random_weights,
        frames.refused,
    )


def base_frame_pose(pose: npt.NDArray[np.float64], floor: FloorPlane) -> npt.NDArray[np.float64]:
    """Return the (4, 4) pose of a camera in the base frame below it: on the floor, x ahead, z up.

    Args:
        pose: (4, 4) optical frame to world.
        floor: in the world.

    Raises:
        ValueError: the camera looks straight down or up, so that nothing is ahead.
    """
    ahead = pose[:3, 2] - (pose[:3, 2] @ floor.up) * floor.up
    length = float(np.linalg.norm(ahead))
    if length < 1e-3:
        raise ValueError("the camera looks straight down or up: what is ahead of it is not known; leave the frame out")
    base = np.eye(4)
    base[:3, 0] = ahead / length
    base[:3, 1] = np.cross(floor.up, base[:3, 0])
    base[:3, 2] = floor.up
    base[:3, 3] = pose[:3, 3] - (pose[:3, 3] @ floor.up - floor.height) * floor.up
    return np.linalg.inv(base) @ pose


@dataclass(frozen=True, eq=False)
class _Frame:
    """A frame with both depths, of one size."""

    number: int
    seconds: float
    image: npt.NDArray[np.uint8]
    prediction: Prediction
    intrinsics: Intrinsics
    sensor: npt.NDArray[np.float32]
    pose: npt.NDArray[np.float64]

    def scale(self) -> float:
        """Median of sensor over predicted depth; 1 where they share no pixel."""
        both = (self.sensor > 0) & np.isfinite(self.sensor) & np.isfinite(self.prediction.depth)
        return float(np.median(self.sensor[both] / self.prediction.depth[both])) if both.any() else 1.0

    @property
    def uncertainty(self) -> npt.NDArray[np.float32] | None:
        """(H, W) metres, as the network says; None of one that does not."""
        return self.prediction.outputs.get("depth_uncertainty")

    def corrected(self, corrector: SequenceCorrector, anchor: str) -> CorrectedFrame:
        """What anchors and fusion over time make of it."""
        # The anchor motion is there for where poses are not to be used.
        pose = None if anchor == "motion" else self.pose
        outputs, camera = self.prediction.outputs, self.intrinsics
        return corrector.correct(self.seconds, self.image, camera, outputs, camera, pose)

    def scaled(self, factor: float, pose: npt.NDArray[np.float64]) -> DepthFrame:
        """What obstacles are made of."""
        predicted = self.prediction
        depth = predicted.depth * np.float32(factor)
        uncertainty = None if self.uncertainty is None else self.uncertainty * np.float32(factor)
        return DepthFrame(depth, predicted.labels, self.intrinsics, pose, predicted.confidence, uncertainty)


@runtime_checkable
class _Posed(Protocol):
    """A data set whose cameras' poses are known."""

    def __len__(self) -> int:
        """How many frames."""

    def __getitem__(self, index: int) -> Sample:
        """One of them."""

    def pose(self, index: int) -> npt.NDArray[np.float64] | None:
        """(4, 4) optical frame to world; None where it is not known."""


@runtime_checkable
class _Timed(Protocol):
    """A data set that knows when its frames were taken."""

    def seconds(self, index: int) -> float:
        """When."""


class _Frames:
    """Reads frames and predicts on them."""

    def __init__(self, dataset: _Posed, predictor: Predictor, progress: Progress) -> None:
        self._dataset, self._predictor, self._progress = dataset, predictor, progress
        self.refused = 0

    def read(self, numbers: list[int]) -> Iterator[_Frame]:
        """Those that can be read, and have depth and a pose."""
        for number in numbers:
            try:
                sample, pose = self._dataset[number], self._dataset.pose(number)
            except SourceError as error:
                self._progress.broken(str(error))
                self.refused += 1
                continue
            if pose is None or not sample.has_depth or sample.intrinsics is None:
                self.refused += 1
                continue
            image = np.ascontiguousarray(sample.image.numpy().transpose(1, 2, 0))
            prediction = self._predictor.predict(image, sample.intrinsics)
            seconds = self._dataset.seconds(number) if isinstance(self._dataset, _Timed) else number * FRAME_SECONDS
            yield _Frame(number, seconds, image, prediction, sample.intrinsics, sample.depth.numpy(), pose)


def _first_look(frames: list[_Frame], predictor: Predictor) -> tuple[FloorPlane, float]:
    """The floor in the world, and the scale of predicted depth."""
    if not frames:
        raise ValueError("not one frame has depth, a pose and a camera: nothing can be scored")
    rng = np.random.default_rng(0)
    points, labels = [], []
    for frame in frames:
        known = np.flatnonzero((frame.sensor > 0) & (frame.sensor < FLOOR_DEPTH))
        some = rng.choice(known, min(POINTS_A_FRAME, len(known)), replace=False)
        seen = unproject(frame.sensor, frame.intrinsics).reshape(-1, 3)[some]
        points.append(seen @ frame.pose[:3, :3].T + frame.pose[:3, 3])
        labels.append(frame.prediction.labels.ravel()[some])
    xyz, of = np.concatenate(points).astype(np.float32), np.concatenate(labels)
    blank = np.zeros((len(xyz), 3), np.uint8)
    floor = fit_floor(MapPoints(xyz, blank, of, blank[:, 0].copy()), predictor.label_set)
    return floor, float(np.median([frame.scale() for frame in frames]))
