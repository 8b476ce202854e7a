"""Fuses a recorded sequence with poses into a semantic map, from the name of the source to files and a report."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.correction.sequence import FRAME_SECONDS, MAX_GAP, SequenceCorrector
from cinet_core.correction.settings import CorrectionSettings
from cinet_core.data.frame_files import SourceError
from cinet_core.geometry import without_edges
from cinet_core.inference.choices import AUTO
from cinet_core.inference.networks import named_network
from cinet_core.inference.predictor import Predictor
from cinet_core.label_sets import UNLABELLED, LabelSet
from cinet_core.mapping.comparison import Open3DFusion, surface_distance
from cinet_core.mapping.fused_map import FusedMap, MapReport, MapSettings
from cinet_core.mapping.map_points import MapPoints
from cinet_core.mapping.posed_frames import PosedFrame, PosedFrames, open_posed_frames
from cinet_core.mapping.semantic_map import SemanticMap
from cinet_core.model_metadata import DEFAULT_WEIGHTS
from cinet_core.process_memory import resident_memory
from cinet_core.progress import SILENT, Progress

__all__ = ["fuse_map"]

SURE = 255
"""Confidence of labels that the source gives, and of depth without labels."""

MEMORY_EVERY = 100
"""Frames between two readings of the memory."""


def fuse_map(
    source: str | Path,
    folder: str | Path | None = None,
    settings: MapSettings | None = None,
    *,
    weights: str | Path | None = DEFAULT_WEIGHTS,
    options: Mapping[str, Any] | None = None,
    kind: str = AUTO,
    device: str = AUTO,
    map_device: str = "cpu",
    progress: Progress = SILENT,
) -> FusedMap:
    """Fuse a recorded sequence with poses into a semantic map.

    >>> import cinet_core
    >>> settings = cinet_core.MapSettings(depth="sensor", voxel_size=0.05, min_weight=0, every=20, limit=2)
    >>> small = {"width": 80, "height": 60}
    >>> fused = cinet_core.fuse_map("synthetic", settings=settings, weights=None, options=small)
    >>> fused.report.frames, fused.points.xyz.shape[1]
    (2, 3)

    Args:
        source: a folder with poses, of one recording, or "synthetic".
        folder: to write to, see `FusedMap.save`; None = nothing is written.
        settings: how to fuse; None = the defaults.
        weights: a checkpoint, "default" or "random"; None leaves the labels to the source, with the sensor's depth.
        options: of the source, see `open_posed_frames`.
        kind: of data set, likewise; "auto" goes by what lies there.
        device: of the network: "auto", "cpu", "cuda" or "cuda:N".
        map_device: of the map: "cpu", "cuda" or "cuda:N".
        progress: receives the progress over the frames.

    Raises:
        CheckpointError: the weights cannot be read.
        SourceError, ValueError: no such source, or a setting that is out of range; no frame could be fused; nothing
            is left of the surface.
        Open3DError: Open3D cannot be loaded.
        OSError: the folder cannot be written.
    """
    how = settings or MapSettings()
    frames = open_posed_frames(str(source), dict(options or {}), kind)
    with ExitStack() as stack:
        predictor = None
        if weights is not None:
            predictor = stack.enter_context(Predictor(named_network(weights), device=device))
        elif how.depth == "predicted":
            raise ValueError("without weights there is no predicted depth: give a checkpoint, or the sensor's depth")
        label_set = frames.label_set if predictor is None else predictor.label_set
        semantic_map = SemanticMap(label_set, how.voxel_size, how.max_depth, how.max_blocks, map_device, how.retired)
        if folder is not None:  # before the work, should it fail
            Path(folder).mkdir(parents=True, exist_ok=True)
        fusion = _Fusion(how, str(source), frames, predictor, semantic_map, progress)
        fusion.run()
        used = {
            "name": "none" if weights is None else str(weights),
            "sha256": None if predictor is None else predictor.model_hash,
        }
        fused = fusion.outcome(dict(options or {}), used)
    return fused if folder is None else replace(fused, written=tuple(fused.save(folder)))


@dataclass(frozen=True, eq=False)
class _PredictedFrame:
    """A frame as it is fused."""

    frame: PosedFrame
    depth: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]
    confidence: npt.NDArray[np.uint8]


class _Fusion:
    """One pass, or several, over the frames."""

    def __init__(
        self,
        settings: MapSettings,
        source: str,
        frames: PosedFrames,
        predictor: Predictor | None,
        semantic_map: SemanticMap,
        progress: Progress,
    ) -> None:
        self._settings = settings
        self._source = source
        self._frames = frames
        self._predictor = predictor
        self._map = semantic_map
        self._progress = progress
        self._chosen = list(range(0, len(frames), settings.every))[: settings.limit]
        self._poses: list[npt.NDArray[np.float64]] = []
        self._seconds: list[float] = []
        self._memory = [_resident_mebibytes()]
        self._skipped = {"no_pose": 0, "no_depth": 0}
        self._broken = 0
        self._reference = Open3DFusion(settings.voxel_size, settings.max_depth) if settings.compare else None
        correction = CorrectionSettings(settings.anchor, settings.temporal)
        self._corrector: SequenceCorrector | None = None
        if predictor is not None and correction.active:
            gap = max(MAX_GAP, 1.5 * settings.every * FRAME_SECONDS)
            self._corrector = SequenceCorrector(predictor.label_set, correction, gap)

    def run(self) -> None:
        """Fuse all frames.

        Raises:
            ValueError: no frame could be fused, or a frame does not fit the map.
        """
        self._progress.begin(self._frames.name, len(self._chosen) * self._settings.loops)
        for done, (seen, again) in enumerate(self._looped(), start=1):
            self._progress.advance(done)
            if seen is not None:
                self._fuse(seen, again)
        if not self._map.frames:
            raise ValueError(
                f"none of {len(self._chosen)} frames of {self._source} was fused ({self._skipped}, "
                f"{self._broken} broken): a map needs poses and depth up to max_depth, "
                f"{self._settings.max_depth:g} m; without the sensor's depth fuse what is predicted, and do not compare"
            )

    def outcome(self, options: dict[str, Any], weights: dict[str, str | None]) -> FusedMap:
        """The map and what is to be said of it.

        Raises:
            ValueError: the surface has no points, or nothing to compare it with.
        """
        settings = self._settings
        points = self._map.surface(settings.min_weight)
        if not len(points):
            raise ValueError(f"no voxel was seen by more than min_weight, {settings.min_weight:g}, frames: lower it")
        milliseconds = np.array(self._seconds) * 1000.0
        low, median, high = (float(value) for value in np.percentile(milliseconds, (10, 50, 90)))
        distance = None
        if self._reference is not None:
            reference = self._reference.points(settings.min_weight)
            distance = surface_distance(points.xyz, reference) | {"reference_points": len(reference)}
        report = MapReport(
            source=self._source,
            options=options,
            depth=settings.depth,
            edge_filter=settings.edge_filter if settings.depth == "predicted" else None,
            weights=weights,
            voxel_size=settings.voxel_size,
            max_depth=settings.max_depth,
            frames=self._map.frames,
            skipped=self._skipped,
            broken=self._broken,
            points=len(points),
            classes=_shares(points, self._map.label_set),
            blocks={
                "in_use": self._map.blocks,
                "budget": settings.max_blocks,
                "retired": self._map.retired_blocks,
                "dropped": self._map.dropped_blocks,
                "bytes": self._map.bytes,
            },
            integrate_ms={"p10": low, "median": median, "p90": high},
            frames_per_second=1000.0 / median,
            cores=len(os.sched_getaffinity(0)),
            resident_mebibytes={"every_frames": MEMORY_EVERY, "values": self._memory},
            distance_m=distance,
            anchor=settings.anchor,
            temporal=settings.temporal,
        )
        return FusedMap(self._map, points, np.stack(self._poses), self._frames.name, settings, report)

    def _looped(self) -> Iterator[tuple[_PredictedFrame | None, bool]]:
        """The frames, as often as asked for, and whether they come again: then they are in memory."""
        kept = []
        for number in self._chosen:
            seen = self._see(number)
            yield seen, False
            if self._settings.loops > 1:
                kept.append(seen)
        for _ in range(self._settings.loops - 1):
            yield from ((seen, True) for seen in kept)

    def _see(self, number: int) -> _PredictedFrame | None:
        """Read a frame and predict on it; None, and counted, where it cannot be fused."""
        try:
            frame = self._frames[number]
        except SourceError as error:
            self._progress.broken(str(error))
            self._broken += 1
            return None
        if frame is None:
            self._skipped["no_pose"] += 1
            return None
        if frame.depth is None and (self._settings.depth == "sensor" or self._reference):
            # Of some recordings a few colour images have no depth image that was taken with them.
            self._skipped["no_depth"] += 1
            return None
        size = frame.image.shape[:2]
        if self._predictor is None:
            labels = np.full(size, UNLABELLED, np.uint8) if frame.labels is None else frame.labels
            assert frame.depth is not None
            return _PredictedFrame(frame, frame.depth, labels, np.full(size, SURE, np.uint8))
        prediction = self._predictor.predict(frame.image, frame.intrinsics)
        depth, labels, confidence = prediction.depth, prediction.labels, prediction.confidence
        if self._corrector is not None:
            # The anchor motion is there for where poses are not to be used.
            pose = None if self._settings.anchor == "motion" else frame.pose
            camera = frame.intrinsics
            corrected = self._corrector.correct(
                number * FRAME_SECONDS, frame.image, camera, prediction.outputs, camera, pose
            )
            depth, labels, confidence = corrected.depth, corrected.labels, corrected.confidence
        if self._settings.depth == "predicted":
            return _PredictedFrame(frame, without_edges(depth, self._settings.edge_filter), labels, confidence)
        assert frame.depth is not None
        return _PredictedFrame(frame, frame.depth, labels, confidence)

    def _fuse(self, seen: _PredictedFrame, again: bool) -> None:
        frame = seen.frame
        start = time.perf_counter()
        fused = self._map.integrate(seen.depth, seen.labels, seen.confidence, frame.image, frame.intrinsics, frame.pose)
        self._seconds.append(time.perf_counter() - start)
        if len(self._seconds) % MEMORY_EVERY == 0:
            self._memory.append(_resident_mebibytes())
        if not fused:
            self._skipped["no_depth"] += 1
        if not again:
            self._poses.append(frame.pose)
            if self._reference is not None:
                assert frame.depth is not None
                self._reference.integrate(frame.depth, frame.intrinsics, frame.pose)


def _shares(points: MapPoints, label_set: LabelSet) -> dict[str, float]:
    """Share of the points of each class that has some, largest first."""
    counts = np.bincount(points.labels, minlength=256)
    names = dict(enumerate(label_set.classes)) | {UNLABELLED: "unlabelled"}
    order = np.argsort(-counts, kind="stable")
    present = itertools.takewhile(counts.__getitem__, order.tolist())
    return {names[label]: float(counts[label] / len(points)) for label in present}


def _resident_mebibytes() -> float:
    """Memory that this process has now; 0 where the system does not tell."""
    return (resident_memory() or 0) / 2**20
