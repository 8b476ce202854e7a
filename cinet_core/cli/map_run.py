"""``cinet map``: frames with poses in; a map, pictures of it and figures out."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cinet_core.atomic_file import write_whole
from cinet_core.checkpoint import CheckpointError
from cinet_core.cli.weights import named_checkpoint
from cinet_core.data.frame_files import SourceError
from cinet_core.data.label_sets import UNLABELLED, LabelSet
from cinet_core.geometry import without_edges
from cinet_core.inference.predictor import Predictor
from cinet_core.mapping.comparison import Open3DFusion, surface_distance
from cinet_core.mapping.map_points import MapPoints
from cinet_core.mapping.pictures import from_above, from_within
from cinet_core.mapping.posed_frames import PosedFrame, PosedFrames, open_posed_frames
from cinet_core.mapping.semantic_map import SemanticMap
from cinet_core.process_memory import resident_memory
from cinet_core.visualize import Open3DError, write_picture

NO_WEIGHTS = "none"
"""In place of a file: nothing is predicted."""

SURE = 255
"""Confidence of labels that the source gives, and of depth without labels."""

MEMORY_EVERY = 100
"""Frames between two readings of the memory."""


@dataclasses.dataclass(frozen=True, eq=False)
class _Seen:
    """A frame as it is fused."""

    frame: PosedFrame
    depth: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]
    confidence: npt.NDArray[np.uint8]


def make_map(options: argparse.Namespace) -> int:
    """Fuse, write and compare; returns the exit status (see the command's help)."""
    try:
        frames = open_posed_frames(options.source, dict(options.option))
        predictor = _predictor(options)
        label_set = frames.label_set if predictor is None else predictor.label_set
        semantic_map = SemanticMap(
            label_set, options.voxel, options.max_depth, options.max_blocks, options.map_device, options.retired
        )
        options.output.mkdir(parents=True, exist_ok=True)
        run = _Run(options, frames, predictor, semantic_map)
        run.fuse()
        written = run.write()
    except (CheckpointError, Open3DError, ValueError, OSError) as error:
        print(f"cinet map: {error}", file=sys.stderr)
        return 2
    print(f"written: {', '.join(map(str, written))}")
    return 1 if run.broken else 0


def _predictor(options: argparse.Namespace) -> Predictor | None:
    if options.weights == NO_WEIGHTS:
        if options.depth == "predicted":
            raise ValueError(f"--weights {NO_WEIGHTS} predicts no depth: give a checkpoint, or --depth sensor")
        return None
    return Predictor(named_checkpoint(options.weights), device=options.device)


class _Run:
    """One pass, or several, over the frames."""

    def __init__(
        self,
        options: argparse.Namespace,
        frames: PosedFrames,
        predictor: Predictor | None,
        semantic_map: SemanticMap,
    ) -> None:
        self.broken = 0
        self._options = options
        self._frames = frames
        self._predictor = predictor
        self._map = semantic_map
        self._chosen = list(range(0, len(frames), options.every))[: options.limit]
        self._poses: list[npt.NDArray[np.float64]] = []
        self._seconds: list[float] = []
        self._memory = [_resident_mebibytes()]
        self._skipped = {"no_pose": 0, "no_depth": 0}
        self._reference = Open3DFusion(options.voxel, options.max_depth) if options.compare else None

    def fuse(self) -> None:
        """Fuse all frames, under a progress bar.

        Raises:
            ValueError: no frame could be fused, or a frame does not fit the map.
        """
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task(self._frames.name, total=len(self._chosen) * self._options.loop)
            for seen, again in self._looped():
                progress.advance(task)
                if seen is not None:
                    self._fuse(seen, again)
        if not self._map.frames:
            raise ValueError(
                f"none of {len(self._chosen)} frames of {self._options.source} was fused ({self._skipped}, "
                f"{self.broken} broken): a map needs poses and depth up to --max-depth"
            )

    def write(self) -> list[Path]:
        """Write map, points, pictures and figures; return their paths.

        Raises:
            OSError: a file cannot be written.
            ValueError: the surface has no points, or nothing to compare it with.
        """
        folder, options = self._options.output, self._options
        points = self._map.surface(options.min_weight)
        if not len(points):
            raise ValueError(f"no voxel was seen by more than --min-weight {options.min_weight:g} frames: lower it")
        what = f"{self._frames.name}, {self._map.frames} frames, {options.depth} depth"
        label_set, poses = self._map.label_set, np.stack(self._poses)
        report = self._report(points)
        self._map.save(folder / "map.npz")
        self._map.write_ply(folder / "map.ply", options.min_weight)
        write_picture(folder / "above.png", from_above(points, label_set, poses, f"{what}, from above"))
        within = from_within(points, label_set, poses[len(poses) // 2], options.voxel, f"{what}, from within")
        write_picture(folder / "within.png", within)
        write_whole(folder / "map.json", (json.dumps(report, indent=2, allow_nan=False) + "\n").encode())
        print(json.dumps(report, indent=2))
        return [folder / name for name in ("map.npz", "map.ply", "above.png", "within.png", "map.json")]

    def _looped(self) -> Iterator[tuple[_Seen | None, bool]]:
        """The frames, as often as asked for, and whether they come again: then they are in memory."""
        kept = []
        for number in self._chosen:
            seen = self._see(number)
            yield seen, False
            if self._options.loop > 1:
                kept.append(seen)
        for _ in range(self._options.loop - 1):
            yield from ((seen, True) for seen in kept)

    def _see(self, number: int) -> _Seen | None:
        """Read a frame and predict on it; None, and counted, where it cannot be fused."""
        try:
            frame = self._frames[number]
        except SourceError as error:
            print(f"BROKEN {error}", file=sys.stderr)
            self.broken += 1
            return None
        if frame is None:
            self._skipped["no_pose"] += 1
            return None
        if frame.depth is None and (self._options.depth == "sensor" or self._reference):
            raise ValueError(f"{frame.name} has no sensor depth: give --depth predicted without --compare")
        size = frame.image.shape[:2]
        if self._predictor is None:
            labels = np.full(size, UNLABELLED, np.uint8) if frame.labels is None else frame.labels
            assert frame.depth is not None
            return _Seen(frame, frame.depth, labels, np.full(size, SURE, np.uint8))
        prediction = self._predictor.predict(frame.image, frame.intrinsics)
        if self._options.depth == "predicted":
            depth = without_edges(prediction.depth, self._options.edge_filter)
            return _Seen(frame, depth, prediction.labels, prediction.confidence)
        assert frame.depth is not None
        return _Seen(frame, frame.depth, prediction.labels, prediction.confidence)

    def _fuse(self, seen: _Seen, again: bool) -> None:
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

    def _report(self, points: MapPoints) -> dict[str, Any]:
        options = self._options
        milliseconds = np.array(self._seconds) * 1000.0
        low, median, high = (float(value) for value in np.percentile(milliseconds, (10, 50, 90)))
        report: dict[str, Any] = {
            "source": options.source,
            "options": dict(options.option),
            "depth": options.depth,
            "edge_filter": options.edge_filter if options.depth == "predicted" else None,
            "weights": {"name": options.weights, "sha256": self._predictor and self._predictor.model_hash},
            "voxel_size": options.voxel,
            "max_depth": options.max_depth,
            "frames": self._map.frames,
            "skipped": self._skipped,
            "broken": self.broken,
            "points": len(points),
            "classes": _shares(points, self._map.label_set),
            "blocks": {
                "in_use": self._map.blocks,
                "budget": options.max_blocks,
                "retired": self._map.retired_blocks,
                "dropped": self._map.dropped_blocks,
                "bytes": self._map.bytes,
            },
            "integrate_ms": {"p10": low, "median": median, "p90": high},
            "frames_per_second": 1000.0 / median,
            "cores": len(os.sched_getaffinity(0)),
            "resident_mebibytes": {"every_frames": MEMORY_EVERY, "values": self._memory},
        }
        if self._reference is not None:
            reference = self._reference.points(options.min_weight)
            report["distance_m"] = surface_distance(points.xyz, reference) | {"reference_points": len(reference)}
        return report


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
