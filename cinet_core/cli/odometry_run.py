"""``cinet odometry``: a recorded sequence in, how far tracking on predicted depth is from the truth out."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from cinet_core.atomic_file import write_whole
from cinet_core.checkpoint import CheckpointError
from cinet_core.cli.weights import named_checkpoint
from cinet_core.data.check import first_look
from cinet_core.data.frame_files import SourceError
from cinet_core.data.registry import open_dataset
from cinet_core.data.rgbd_sequence import RgbdSequence
from cinet_core.evaluation.trajectory import absolute_error, align, drift, path_length, relative_error
from cinet_core.inference.predictor import Predictor
from cinet_core.odometry import ORB_SLAM3, OrbSlam3, RgbdOdometry, open_odometry
from cinet_core.visualize import Open3DError, write_picture
from cinet_core.visualize.text import Picture
from cinet_core.visualize.trajectory import seen_from_above, trajectory_figure

Tracker = RgbdOdometry | OrbSlam3

STEPS = (1, 30)
"""Frames of the relative pose errors: from one to the next, and over a second of a camera at 30 Hz."""

DRIFT_LENGTH = 1.0
"""Metres of path that drift is measured over."""

MIN_FRAMES = 3
"""With a known pose: fewer cannot be aligned."""


def compare_odometry(options: argparse.Namespace, wanted: Sequence[str]) -> int:
    """Track on each wanted depth, compare and write; returns the exit status (see the command's help)."""
    try:
        dataset = open_dataset(options.source, "all", "rgbd_sequence", **dict(options.option))
        assert isinstance(dataset, RgbdSequence)
        for warning in first_look(dataset):
            print(f"WARNING {warning}", file=sys.stderr)
        if options.method == ORB_SLAM3 and len(wanted) > 1:
            raise ValueError("ORB-SLAM3 can be started once a process: give --depth sensor or --depth predicted")
        predictor = None
        if "predicted" in wanted:
            predictor = Predictor(named_checkpoint(options.weights), device=options.device)
        odometries = {name: open_odometry(options.method, options.max_depth) for name in wanted}
        options.output.parent.mkdir(parents=True, exist_ok=True)
        truth, names, broken = _track(options, dataset, odometries, predictor)
        report = _report(options, odometries, truth, names, broken, predictor)
        write_whole(options.output, (json.dumps(report, indent=2, allow_nan=False) + "\n").encode())
        picture = options.output.with_suffix(".png")
        write_picture(picture, _picture(odometries, truth))
    except (CheckpointError, Open3DError, ValueError, OSError) as error:
        print(f"cinet odometry: {error}", file=sys.stderr)
        return 2
    _print(report)
    print(f"\nwritten: {options.output} and {picture}")
    return 1 if broken else 0


def _track(
    options: argparse.Namespace,
    dataset: RgbdSequence,
    odometries: Mapping[str, Tracker],
    predictor: Predictor | None,
) -> tuple[npt.NDArray[np.float64], list[str], int]:
    """Feed the frames; return the true poses (N, 4, 4), the names, and how many frames could not be read.

    Raises:
        ValueError: the frames have no depth or too few poses to compare anything with.
    """
    chosen = list(range(0, len(dataset), options.every))[: options.limit]
    truth, names, broken = [], [], 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for number in progress.track(chosen, description=dataset.meta.name):
            try:
                sample, pose = dataset[number], dataset.pose(number)
            except SourceError as error:
                print(f"BROKEN {error}", file=sys.stderr)
                broken += 1
                continue
            if sample.intrinsics is None or ("sensor" in odometries and not sample.has_depth):
                raise ValueError(f"{sample.name} has no depth image or no camera: give an RGB-D sequence")
            image = sample.image.permute(1, 2, 0).contiguous().numpy()
            if "sensor" in odometries:
                odometries["sensor"].track(image, sample.depth.numpy(), sample.intrinsics)
            if predictor is not None:
                depth = predictor.predict(image, sample.intrinsics).depth
                odometries["predicted"].track(image, depth, sample.intrinsics)
            truth.append(np.full((4, 4), math.nan) if pose is None else pose)
            names.append(sample.name)
    for odometry in odometries.values():
        odometry.close()
    known = sum(bool(np.isfinite(pose).all()) for pose in truth)
    if known < MIN_FRAMES:
        raise ValueError(
            f"{known} of {len(truth)} frames of {options.source} have a pose: at least {MIN_FRAMES} are needed to "
            "compare with (NAME.pose.txt)"
        )
    return np.stack(truth), names, broken


def _report(
    options: argparse.Namespace,
    odometries: Mapping[str, Tracker],
    truth: npt.NDArray[np.float64],
    names: list[str],
    broken: int,
    predictor: Predictor | None,
) -> dict[str, Any]:
    """Everything measured, as JSON; None stands for what too short a sequence does not tell."""
    report: dict[str, Any] = {
        "source": options.source,
        "options": dict(options.option),
        "every": options.every,
        "max_depth": options.max_depth,
        "method": options.method,
        "frames": len(names),
        "broken": broken,
        "first": names[0],
        "last": names[-1],
        "path_length": path_length(truth),
        "weights": None if predictor is None else {"name": options.weights, "sha256": predictor.model_hash},
        "random_weights": predictor is not None and predictor.metadata.random_weights,
        "depth": {},
    }
    for name, odometry in odometries.items():
        estimate = np.stack(odometry.poses)
        report["depth"][name] = {
            "lost": odometry.lost,
            "ate_se3": _plain(absolute_error(estimate, truth, with_scale=False)),
            # an estimate that never moved, all tracking lost, has no scale
            "ate_sim3": _plain(absolute_error(estimate, truth, with_scale=True)) if path_length(estimate) else None,
            "rpe": [_plain(relative_error(estimate, truth, step)) for step in STEPS],
            "drift": _plain(drift(estimate, truth, DRIFT_LENGTH)),
            "path_length": path_length(estimate),
        }
    return report


def _plain(figures: Any) -> dict[str, Any]:
    values = dataclasses.asdict(figures)
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in values.items()}


def _picture(odometries: Mapping[str, Tracker], truth: npt.NDArray[np.float64]) -> Picture:
    known = truth[np.isfinite(truth).all(axis=(1, 2))]
    panels = []
    for title, with_scale in (("SE(3): in its own metres", False), ("Sim(3): scale forgiven", True)):
        lines = {}
        for name, odometry in odometries.items():
            estimate = np.stack(odometry.poses)
            scaled = with_scale and path_length(estimate) > 0.0
            lines[f"{name} depth"] = align(estimate, truth, scaled).apply(estimate[:, :3, 3])
        panels.append((title, lines))
    return trajectory_figure(panels, known[:, :3, 3], seen_from_above(known))


def _print(report: Mapping[str, Any]) -> None:
    console = Console()
    heading = f"{report['method']}, {report['frames']} frames, {report['path_length']:.2f} m of path"
    table = Table(title=heading, caption="RPE: from one frame to the next")
    table.add_column("depth", no_wrap=True)
    for head in ("ATE SE3 m", "ATE Sim3 m", "scale", "RPE m", "RPE deg", "drift m/m", "lost"):
        table.add_column(head, justify="right")
    for name, figures in report["depth"].items():
        scaled = figures["ate_sim3"] or {"rmse": None, "scale": None}
        first = figures["rpe"][0]
        values = (
            figures["ate_se3"]["rmse"],
            scaled["rmse"],
            scaled["scale"],
            first["translation"],
            first["rotation"],
            figures["drift"]["translation"],
        )
        table.add_row(name, *("-" if value is None else f"{value:.4f}" for value in values), str(figures["lost"]))
    console.print(table)
    if report["random_weights"]:
        console.print("WARNING: random weights: what is predicted means nothing", style="bold red")
