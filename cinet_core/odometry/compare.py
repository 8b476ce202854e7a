"""Tracks a recorded camera on sensor depth and on predicted depth, and compares both with the recorded poses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.correction.sequence import FRAME_SECONDS, IMAGE_ANCHORS, MAX_GAP, SequenceCorrector, check_anchor
from cinet_core.correction.settings import CorrectionSettings
from cinet_core.data.check import first_look
from cinet_core.data.frame_files import SourceError
from cinet_core.data.posed_dataset import PosedDataset
from cinet_core.data.registry import open_posed_dataset
from cinet_core.inference.choices import AUTO
from cinet_core.inference.networks import named_network
from cinet_core.inference.predictor import Predictor
from cinet_core.model_metadata import DEFAULT_WEIGHTS
from cinet_core.odometry import ORB_SLAM3, OrbSlam3, RgbdOdometry, open_odometry
from cinet_core.odometry.comparison import OdometryComparison, TrackedDepth
from cinet_core.progress import SILENT, Progress

__all__ = ["TRACKED_DEPTHS", "compare_odometry"]

TRACKED_DEPTHS = ("sensor", "predicted")
"""What can be tracked on."""

MIN_FRAMES = 3
"""With a known pose: fewer cannot be aligned."""


def compare_odometry(
    source: str | Path,
    weights: str | Path = DEFAULT_WEIGHTS,
    *,
    depths: Sequence[str] = TRACKED_DEPTHS,
    method: str = "hybrid",
    max_depth: float = 4.0,
    options: Mapping[str, Any] | None = None,
    kind: str = AUTO,
    every: int = 1,
    limit: int | None = None,
    device: str = AUTO,
    anchor: str = "none",
    temporal: str = "off",
    progress: Progress = SILENT,
) -> OdometryComparison:
    """Track the camera of a recorded RGB-D sequence, and compare the result with the recorded poses.

    Args:
        source: folder of a recording with poses, see `open_posed_dataset`.
        weights: a checkpoint, "default" or "random"; read only where predicted depth is tracked on.
        depths: of `TRACKED_DEPTHS`, what to track on.
        method: of `cinet_core.odometry.METHODS`, or "orb_slam3", which tracks one depth a process.
        max_depth: metres; no points beyond are used.
        options: of the data set's class, for example color_focal of `RgbdSequence`.
        kind: of data set; "auto" goes by what lies there.
        every: take every N-th frame.
        limit: stop after so many frames; None = all.
        device: of the network: "auto", "cpu", "cuda" or "cuda:N".
        anchor: what corrects predicted depth before it is tracked on: "none" or "motion", which goes by the images
            alone. Recorded poses never do: they are what the result is scored by.
        temporal: what is kept from frame to frame, see `CorrectionSettings`; the motion is that of the anchor.
        progress: receives the progress over the frames, and warnings about the sequence.

    Raises:
        CheckpointError: the weights cannot be read.
        SourceError, ValueError: there is no such recording or method; fewer than three frames with depth and a pose.
        Open3DError: Open3D cannot be loaded.
    """
    unknown = [name for name in depths if name not in TRACKED_DEPTHS]
    if unknown or not depths:
        raise ValueError(f"depths is {list(depths)}: give one or both of {', '.join(TRACKED_DEPTHS)}")
    if every < 1 or (limit is not None and limit < 1):
        raise ValueError(f"every is {every} and limit is {limit}: both must be at least 1")
    correction = CorrectionSettings(anchor, temporal)
    check_anchor(anchor, IMAGE_ANCHORS)
    given = dict(options or {})
    dataset = open_posed_dataset(source, kind, given)
    for warning in first_look(dataset):
        progress.warn(warning)
    if method == ORB_SLAM3 and len(depths) > 1:
        raise ValueError("ORB-SLAM3 can be started once a process: track on the sensor's or on predicted depth alone")
    chosen = list(range(0, len(dataset), every))[:limit]
    with ExitStack() as stack:
        predictor = None
        if "predicted" in depths:
            predictor = stack.enter_context(Predictor(named_network(weights), device=device))
        odometries = {name: open_odometry(method, max_depth) for name in TRACKED_DEPTHS if name in depths}
        tracking = _Tracking(dataset, odometries, predictor, progress)
        if predictor is not None and correction.active:
            gap = max(MAX_GAP, 1.5 * every * FRAME_SECONDS)
            tracking.corrector = SequenceCorrector(predictor.label_set, correction, gap)
        tracking.run(chosen)
        used = None if predictor is None else {"name": str(weights), "sha256": predictor.model_hash}
        random = predictor is not None and predictor.metadata.random_weights
    truth = tracking.known_truth(source)
    return OdometryComparison(
        source=str(source),
        options=given,
        every=every,
        max_depth=max_depth,
        method=method,
        names=tuple(tracking.names),
        truth=truth,
        depth={
            name: TrackedDepth.of(np.stack(odometry.poses), truth, odometry.lost)
            for name, odometry in odometries.items()
        },
        broken=tracking.broken,
        weights=used,
        random_weights=random,
        anchor=anchor,
        temporal=temporal,
    )


class _Tracking:
    """One pass over the frames."""

    def __init__(
        self,
        dataset: PosedDataset,
        odometries: Mapping[str, RgbdOdometry | OrbSlam3],
        predictor: Predictor | None,
        progress: Progress,
    ) -> None:
        self._dataset, self._odometries = dataset, odometries
        self._predictor, self._progress = predictor, progress
        self._truth: list[npt.NDArray[np.float64]] = []
        self.corrector: SequenceCorrector | None = None
        self.names: list[str] = []
        self.broken = 0

    def run(self, chosen: Sequence[int]) -> None:
        """Feed the frames; those that cannot be read, or have no depth image, are passed over and counted."""
        self._progress.begin(self._dataset.meta.name, len(chosen))
        for done, number in enumerate(chosen, start=1):
            try:
                self._track(number)
            except SourceError as error:
                self._progress.broken(str(error))
                self.broken += 1
            self._progress.advance(done)
        for odometry in self._odometries.values():
            odometry.close()

    def known_truth(self, source: str | Path) -> npt.NDArray[np.float64]:
        """The recorded poses. Raises ValueError where too few are known to compare anything with."""
        known = sum(bool(np.isfinite(pose).all()) for pose in self._truth)
        if known < MIN_FRAMES:
            raise ValueError(
                f"{known} of {len(self._truth)} frames of {source} have a pose: at least {MIN_FRAMES} are needed to "
                f"compare with{f'; {self.broken} could not be tracked' if self.broken else ''}"
            )
        return np.stack(self._truth)

    def _track(self, number: int) -> None:
        sample, pose = self._dataset[number], self._dataset.pose(number)
        if sample.intrinsics is None or ("sensor" in self._odometries and not sample.has_depth):
            raise SourceError(sample.name, "it has no depth image or no camera", "give an RGB-D sequence")
        image = sample.image.permute(1, 2, 0).contiguous().numpy()
        if "sensor" in self._odometries:
            self._odometries["sensor"].track(image, sample.depth.numpy(), sample.intrinsics)
        if self._predictor is not None:
            prediction = self._predictor.predict(image, sample.intrinsics)
            depth = prediction.depth
            if self.corrector is not None:
                camera = sample.intrinsics
                depth = self.corrector.correct(number * FRAME_SECONDS, image, camera, prediction.outputs, camera).depth
            self._odometries["predicted"].track(image, depth, sample.intrinsics)
        self._truth.append(np.full((4, 4), math.nan) if pose is None else pose)
        self.names.append(sample.name)
