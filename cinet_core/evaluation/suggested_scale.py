"""Compares predicted depth with that of a sensor and suggests the correction factor, `depth_scale`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from cinet_core.bags.reader import BagReader
from cinet_core.bags.rgbd import TOLERANCE, RgbdBag
from cinet_core.checkpoint import DEFAULT_WEIGHTS, named_checkpoint
from cinet_core.data.bag_paths import is_bag
from cinet_core.data.check import first_look, spread
from cinet_core.data.depth_plausibility import DepthPlausibility
from cinet_core.data.frame_files import SourceError
from cinet_core.data.registry import open_dataset
from cinet_core.data.scene_dataset import Split
from cinet_core.evaluation.depth_scale import ScaleReport, ScaleStudy
from cinet_core.evaluation.predicted_frames import UNLIMITED
from cinet_core.geometry import Intrinsics
from cinet_core.inference.choices import AUTO
from cinet_core.inference.predictor import Predictor
from cinet_core.messages.settings import DEPTH_SCALE_LIMITS
from cinet_core.progress import SILENT, Progress

__all__ = ["ScaleSuggestion", "suggest_scale"]


@dataclass(frozen=True)
class ScaleSuggestion:
    """A suggested scale and the evidence for it.

    Attributes:
        report: the scale, its spread and drift, and what it would improve.
        source: of the frames, as it was given.
        notes: notes on the frames.
        refused: frames that were left out, by reason.
        sha256: of the checkpoint.
        random_weights: whether the weights are untrained, so that the scale means nothing.
    """

    report: ScaleReport
    source: str
    notes: tuple[str, ...]
    refused: Mapping[str, int]
    sha256: str
    random_weights: bool

    @property
    def scale(self) -> float:
        """The factor for predicted depth: the median of true depth over predicted depth."""
        return self.report.scale

    @property
    def problem(self) -> str | None:
        """Why the scale must not be used, with the remedy, or None if it may be used."""
        if self.random_weights:
            return "random weights have no scale"
        low, high = DEPTH_SCALE_LIMITS
        if low <= self.scale <= high:
            return None
        return (
            f"the scale {self.scale:g} is outside {low:g} .. {high:g}: look at the unit of the depth (REP 118: 16UC1 "
            "is in millimetres, 32FC1 in metres) and at the calibration of the colour camera"
        )

    def parameter_file(self) -> str:
        """Return the text of a parameter file for the node, with the origin of the values.

        Raises:
            ValueError: see `problem`.
        """
        if self.problem is not None:
            raise ValueError(self.problem)
        low, high = self.report.quartiles
        name = self.source.replace("\n", " ")
        return (
            "# Scale of predicted depth against the sensor's, by `cinet scale` on "
            f"{len(self.report.frames)} frames of\n"
            f"# {name}\n"
            f"# with the weights {self.sha256}.\n"
            f"# Half of the frames within {low:.3f} .. {high:.3f}; spread {self.report.spread:.1%}; "
            f"drift {self.report.slope:+.1%} in a {self.report.slope_unit}.\n"
            "# It holds for this camera and for scenes like these.\n"
            f"/**:\n  ros__parameters:\n    depth_scale: {self.scale:.4f}\n"
        )


def suggest_scale(
    source: str | Path,
    weights: str | Path = DEFAULT_WEIGHTS,
    *,
    device: str = AUTO,
    min_depth: float = 0.1,
    max_depth: float = 10.0,
    every: int = 1,
    limit: int | None = None,
    split: Split = "all",
    kind: str = AUTO,
    options: Mapping[str, Any] | None = None,
    image_topic: str = "",
    depth_topic: str = "",
    camera_info_topic: str = "",
    allow_unregistered: bool = False,
    tolerance: float = TOLERANCE,
    progress: Progress = SILENT,
) -> ScaleSuggestion:
    """Compare predicted depth with that of a sensor, and suggest the scale that corrects it.

    >>> import cinet_core
    >>> small = {"width": 64, "height": 48}
    >>> found = cinet_core.suggest_scale("synthetic", "random", limit=2, options=small, device="cpu")
    >>> len(found.report.frames), found.problem
    (2, 'random weights have no scale')

    Args:
        source: a bag with colour and depth, or the root of a data set.
        weights: a checkpoint, "default" or "random".
        device: "auto", "cpu", "cuda" or "cuda:N".
        min_depth, max_depth: sensor depth between which pixels count, metres.
        every: take every N-th frame.
        limit: use at most this many frames, evenly spread; None = all.
        split, kind, options: of a data set, see `open_dataset`.
        image_topic, depth_topic, camera_info_topic, allow_unregistered, tolerance: of a bag, see `RgbdBag`.
        progress: receives the progress over the frames.

    Raises:
        CheckpointError: the weights cannot be read.
        BagError: the bag cannot be read, or has no colour with depth.
        SourceError, ValueError: no such data set; not one pixel has both depths; a range that does not rise.
        OSError: a file cannot be read.
    """
    if not 0 <= min_depth < max_depth:
        raise ValueError(f"max_depth {max_depth:g} must be above min_depth {min_depth:g}, and that at least 0")
    if every < 1 or (limit is not None and limit < 1):
        raise ValueError(f"every is {every} and limit is {limit}: both must be at least 1")
    checkpoint = named_checkpoint(weights)
    with ExitStack() as stack:
        predictor = stack.enter_context(Predictor(checkpoint, device, depth_range=UNLIMITED))
        faults: list[str] = []
        frames: _Sensed
        if is_bag(source):
            reader = stack.enter_context(BagReader(source))
            bag = RgbdBag(
                reader,
                image_topic=image_topic,
                depth_topic=depth_topic,
                camera_info_topic=camera_info_topic,
                allow_unregistered=allow_unregistered,
                tolerance=tolerance,
                every=every,
            )
            frames, faults = _SensedBag(reader, bag, tolerance, limit), reader.faults
        else:
            frames = _SensedDataset(source, split, kind, dict(options or {}), every, limit, progress)
        report = _study(frames, predictor, ScaleStudy(min_depth, max_depth, frames.timed), progress)
        return ScaleSuggestion(
            report,
            str(source),
            (*frames.notes, *faults),
            dict(frames.refused),
            checkpoint.sha256,
            checkpoint.metadata.random_weights,
        )


@dataclass(frozen=True)
class _SensedFrame:
    """A frame with a sensor's depth: metres, 0 or NaN where unknown; time in seconds or as the frame's number."""

    name: str
    time: float
    image: npt.NDArray[np.uint8]
    depth: torch.Tensor
    intrinsics: Intrinsics | None


class _Sensed(Protocol):
    """Where such frames come from."""

    timed: bool
    refused: Counter[str]
    notes: list[str]

    def __len__(self) -> int:
        """Number of frames."""

    def __iter__(self) -> Iterator[_SensedFrame]:
        """Those that can be read."""


class _SensedBag:
    """The frames of a bag."""

    timed = True

    def __init__(self, reader: BagReader, bag: RgbdBag, tolerance: float, limit: int | None) -> None:
        self._bag = bag
        self._chosen = {bag.indices[place] for place in spread(len(bag.indices), limit)}
        self._first = bag.stamp(bag.indices[0])
        self.refused = bag.refused
        assert bag.depth is not None
        self.notes = [f"{bag.image.topic} against {bag.depth.topic}", *reader.notes, *bag.notes]
        if bag.unpaired:
            self.notes.append(f"{bag.unpaired} images have no depth within {tolerance:g} s")

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._chosen)

    def __iter__(self) -> Iterator[_SensedFrame]:
        """Those that can be read."""
        plausibility = DepthPlausibility()
        for frame in self._bag.frames(set(self._bag.indices) - self._chosen):
            assert frame.depth is not None
            plausibility.add(f"image {frame.index}", frame.depth)
            seconds = (frame.stamp - self._first) * 1e-9
            prepared = frame.prepared
            depth = torch.from_numpy(np.ascontiguousarray(frame.depth))
            yield _SensedFrame(f"image {frame.index}", seconds, prepared.image, depth, prepared.intrinsics)
        self.notes += [f"WARNING: {warning}" for warning in plausibility.warnings()]


class _SensedDataset:
    """The frames of a data set that have depth."""

    timed = False

    def __init__(
        self,
        root: str | Path,
        split: Split,
        kind: str,
        options: Mapping[str, Any],
        every: int,
        limit: int | None,
        progress: Progress,
    ) -> None:
        self._dataset = open_dataset(root, split, kind, **options)
        self._progress = progress
        chosen = range(0, len(self._dataset), every)
        self._chosen = [chosen[place] for place in spread(len(chosen), limit)]
        self.refused: Counter[str] = Counter()
        self.notes = [f"{self._dataset.meta.name}, {self._dataset.split}: the drift is by frame, files have no time"]
        self.notes += [f"WARNING: {warning}" for warning in first_look(self._dataset)]

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._chosen)

    def __iter__(self) -> Iterator[_SensedFrame]:
        """Those that can be read."""
        for number in self._chosen:
            try:
                sample = self._dataset[number]
            except SourceError as error:
                self._progress.broken(str(error))
                self.refused["file"] += 1
                continue
            if not sample.has_depth:
                self.refused["without depth"] += 1
                continue
            image = np.ascontiguousarray(sample.image.numpy().transpose(1, 2, 0))
            yield _SensedFrame(sample.name, float(number), image, sample.depth, sample.intrinsics)


def _study(frames: _Sensed, predictor: Predictor, study: ScaleStudy, progress: Progress) -> ScaleReport:
    progress.begin("frames", len(frames))
    for done, frame in enumerate(frames, start=1):
        if frame.intrinsics is None and not any("camera is unknown" in note for note in frames.notes):
            frames.notes.append("the camera is unknown: the scale is that of its focal length, too")
        prediction = predictor.predict(frame.image, frame.intrinsics)
        if not study.add(frame.name, frame.time, torch.from_numpy(prediction.depth), frame.depth):
            frames.refused["no pixel with sensor depth in range"] += 1
        progress.advance(done)
    return study.report()
