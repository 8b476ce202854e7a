"""``cinet scale``: frames with a sensor's depth in, the scale of predicted depth and a parameter file out."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cinet_core.atomic_file import write_whole
from cinet_core.bags.errors import BagError
from cinet_core.bags.reader import BagReader
from cinet_core.bags.rgbd import RgbdBag
from cinet_core.bags.settings import DEPTH_SCALE_LIMITS
from cinet_core.checkpoint import CheckpointError
from cinet_core.cli.weights import named_checkpoint
from cinet_core.data.bag_paths import is_bag
from cinet_core.data.check import first_look, spread
from cinet_core.data.depth_plausibility import DepthPlausibility
from cinet_core.data.frame_files import SourceError
from cinet_core.data.registry import open_dataset
from cinet_core.evaluation.depth_scale import ScaleReport, ScaleStudy
from cinet_core.geometry import Intrinsics
from cinet_core.inference.predictor import Predictor

UNLIMITED = (1e-4, 1e4)
"""Depth range of the predictor, metres: a prediction is to be scored as it is, not masked where it looks wrong."""


@dataclass(frozen=True)
class SensedFrame:
    """A frame with a sensor's depth: metres, 0 or NaN where unknown; time in seconds or as the frame's number."""

    name: str
    time: float
    image: npt.NDArray[np.uint8]
    depth: torch.Tensor
    intrinsics: Intrinsics | None


class Sensed(Protocol):
    """Where such frames come from."""

    timed: bool
    refused: Counter[str]
    notes: list[str]

    def __len__(self) -> int:
        """Number of frames."""

    def __iter__(self) -> Iterator[SensedFrame]:
        """Those that can be read."""


class SensedBag:
    """The frames of a bag."""

    timed = True

    def __init__(self, reader: BagReader, options: argparse.Namespace) -> None:
        self._bag = RgbdBag(
            reader,
            image_topic=options.image_topic,
            depth_topic=options.depth_topic,
            camera_info_topic=options.camera_info_topic,
            allow_unregistered=options.allow_unregistered,
            tolerance=options.tolerance,
            every=options.every,
        )
        indices = self._bag.indices
        self._chosen = {indices[place] for place in spread(len(indices), options.limit)}
        self._first = self._bag.stamp(indices[0])
        self.refused = self._bag.refused
        assert self._bag.depth is not None
        self.notes = [f"{self._bag.image.topic} against {self._bag.depth.topic}", *reader.notes, *self._bag.notes]
        if self._bag.unpaired:
            self.notes.append(f"{self._bag.unpaired} images have no depth within {options.tolerance:g} s")

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._chosen)

    def __iter__(self) -> Iterator[SensedFrame]:
        """Those that can be read."""
        plausibility = DepthPlausibility()
        for frame in self._bag.frames(set(self._bag.indices) - self._chosen):
            assert frame.depth is not None
            plausibility.add(f"image {frame.index}", frame.depth)
            seconds = (frame.stamp - self._first) * 1e-9
            picture = frame.picture
            depth = torch.from_numpy(np.ascontiguousarray(frame.depth))
            yield SensedFrame(f"image {frame.index}", seconds, picture.image, depth, picture.intrinsics)
        self.notes += [f"WARNING: {warning}" for warning in plausibility.warnings()]


class SensedDataset:
    """The frames of a data set that have depth."""

    timed = False

    def __init__(self, options: argparse.Namespace) -> None:
        self._dataset = open_dataset(options.source, options.split, options.kind, **dict(options.option))
        chosen = range(0, len(self._dataset), options.every)
        self._chosen = [chosen[place] for place in spread(len(chosen), options.limit)]
        self.refused: Counter[str] = Counter()
        self.notes = [f"{self._dataset.meta.name}, {self._dataset.split}: the drift is by frame, files have no time"]
        self.notes += [f"WARNING: {warning}" for warning in first_look(self._dataset)]

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._chosen)

    def __iter__(self) -> Iterator[SensedFrame]:
        """Those that can be read."""
        for number in self._chosen:
            try:
                sample = self._dataset[number]
            except SourceError as error:
                print(f"BROKEN {error}", file=sys.stderr)
                self.refused["file"] += 1
                continue
            if not sample.has_depth:
                self.refused["without depth"] += 1
                continue
            image = np.ascontiguousarray(sample.image.numpy().transpose(1, 2, 0))
            yield SensedFrame(sample.name, float(number), image, sample.depth, sample.intrinsics)


def compare_scale(options: argparse.Namespace) -> int:
    """Compare; returns the exit status (see the command's help)."""
    try:
        if options.max_depth <= options.min_depth:
            raise ValueError(f"--max-depth {options.max_depth:g} must be above --min-depth {options.min_depth:g}")
        checkpoint = named_checkpoint(options.weights)
        with closing(Predictor(checkpoint, options.device, depth_range=UNLIMITED)) as predictor:
            if is_bag(options.source):
                with BagReader(options.source) as reader:
                    report, source = _study(SensedBag(reader, options), predictor, options)
                    faults = list(reader.faults)
            else:
                report, source = _study(SensedDataset(options), predictor, options)
                faults = []
    except (BagError, CheckpointError, ValueError, OSError) as error:
        print(f"cinet scale: {error}", file=sys.stderr)
        return 2
    random = checkpoint.metadata.random_weights
    _print(report, [*source.notes, *faults], random)
    if options.json is not None:
        write_whole(options.json, (json.dumps(report.to_dict(), indent=2, allow_nan=False) + "\n").encode())
    for reason, count in source.refused.items():
        print(f"{count} frames left out: {reason}", file=sys.stderr)
    low, high = DEPTH_SCALE_LIMITS
    if random or not low <= report.scale <= high:
        why = "random weights have no scale" if random else (
            f"the scale {report.scale:g} is outside {low:g} .. {high:g}: look at the unit of the depth (REP 118: 16UC1 "
            "is in millimetres, 32FC1 in metres) and at the calibration of the colour camera"
        )  # fmt: skip
        print(f"cinet scale: no parameter file is written: {why}", file=sys.stderr)
        return 2
    write_whole(options.output, parameter_file(report, options.source, checkpoint.sha256).encode())
    print(
        f"\nwritten: {options.output}\nuse it: ros2 launch cinet_ros perception.launch.py params_file:={options.output}"
    )
    return 1 if source.refused else 0


def parameter_file(report: ScaleReport, source: str, weights: str) -> str:
    """A file of parameters for the node, with where they come from."""
    low, high = report.quartiles
    name = str(source).replace("\n", " ")
    return (
        f"# Scale of predicted depth against the sensor's, by `cinet scale` on {len(report.frames)} frames of\n"
        f"# {name}\n"
        f"# with the weights {weights}.\n"
        f"# Half of the frames within {low:.3f} .. {high:.3f}; spread {report.spread:.1%}; "
        f"drift {report.slope:+.1%} in a {report.slope_unit}.\n"
        "# It holds for this camera and for scenes like these.\n"
        f"/**:\n  ros__parameters:\n    depth_scale: {report.scale:.4f}\n"
    )


def _study(source: Sensed, predictor: Predictor, options: argparse.Namespace) -> tuple[ScaleReport, Sensed]:
    """Predict under a progress bar."""
    study = ScaleStudy(options.min_depth, options.max_depth, source.timed)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("frames", total=len(source))
        for frame in source:
            if frame.intrinsics is None and not any("camera is unknown" in note for note in source.notes):
                source.notes.append("the camera is unknown: the scale is that of its focal length, too")
            prediction = predictor.predict(frame.image, frame.intrinsics)
            if not study.add(frame.name, frame.time, torch.from_numpy(prediction.depth), frame.depth):
                source.refused["no pixel with sensor depth in range"] += 1
            progress.advance(task)
    return study.report(), source


def _print(report: ScaleReport, notes: list[str], random: bool) -> None:
    console = Console()
    if random:
        console.print("WARNING: random weights: the figures mean nothing", style="bold red")
    for note in notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    console.print(report.table().rich())
    for sentence in report.sentences():
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
