"""``cinet scale``: frames with a sensor's depth in, the scale of predicted depth and a parameter file out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from rich.console import Console

from cinet_core.atomic_file import write_whole
from cinet_core.bags.errors import BagError
from cinet_core.checkpoint import CheckpointError
from cinet_core.cli.console import ConsoleProgress
from cinet_core.evaluation.depth_scale import ScaleReport
from cinet_core.evaluation.suggested_scale import suggest_scale


def compare_scale(options: argparse.Namespace) -> int:
    """Compare; returns the exit status (see the command's help)."""
    try:
        if options.max_depth <= options.min_depth:
            raise ValueError(f"--max-depth {options.max_depth:g} must be above --min-depth {options.min_depth:g}")
        with ConsoleProgress() as progress:
            suggestion = suggest_scale(
                options.source,
                options.weights,
                device=options.device,
                min_depth=options.min_depth,
                max_depth=options.max_depth,
                every=options.every,
                limit=options.limit,
                split=options.split,
                kind=options.kind,
                options=dict(options.option),
                image_topic=options.image_topic,
                depth_topic=options.depth_topic,
                camera_info_topic=options.camera_info_topic,
                allow_unregistered=options.allow_unregistered,
                tolerance=options.tolerance,
                progress=progress,
            )
    except (BagError, CheckpointError, ValueError, OSError) as error:
        print(f"cinet scale: {error}", file=sys.stderr)
        return 2
    report = suggestion.report
    _print(report, suggestion.notes, suggestion.random_weights)
    if options.json is not None:
        write_whole(options.json, (json.dumps(report.to_dict(), indent=2, allow_nan=False) + "\n").encode())
    for reason, count in suggestion.refused.items():
        print(f"{count} frames left out: {reason}", file=sys.stderr)
    if suggestion.problem is not None:
        print(f"cinet scale: no parameter file is written: {suggestion.problem}", file=sys.stderr)
        return 2
    write_whole(options.output, suggestion.parameter_file().encode())
    print(
        f"\nwritten: {options.output}\nuse it: ros2 launch cinet_ros perception.launch.py params_file:={options.output}"
    )
    return 1 if suggestion.refused else 0


def _print(report: ScaleReport, notes: Sequence[str], random: bool) -> None:
    console = Console()
    if random:
        console.print("WARNING: random weights: the figures mean nothing", style="bold red")
    for note in notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    console.print(report.table().rich())
    for sentence in report.sentences():
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
