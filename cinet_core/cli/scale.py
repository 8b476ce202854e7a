"""``cinet scale``: frames with a sensor's depth in, the scale of predicted depth and a parameter file out."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cinet_core.cli.arguments import add_option, add_weights, positive

if TYPE_CHECKING:
    from cinet_core.evaluation.depth_scale import ScaleReport


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = argparse.ArgumentParser(prog)
    parser.description = (
        "Predicts depth for frames that have a sensor's depth, and tells how far off it is: abs rel, delta1, the scale "
        "(median of true / predicted) and its drift. Writes the scale as a parameter file for the node (depth_scale). "
        "Exit status: 0 all is well, 1 some frames could not be read and are left out, 2 it could not start, or no "
        "scale can be suggested."
    )
    parser.add_argument("source", metavar="SOURCE", help="a bag with colour and depth, or the root of a data set")
    add_weights(parser)
    parser.add_argument("--every", type=positive, default=1, metavar="N", help="take every N-th frame")
    parser.add_argument("--limit", type=positive, metavar="N", help="take only N frames, evenly spread")
    parser.add_argument("--min-depth", type=_metres, default=0.1, metavar="M", help="nearest truth (%(default)s)")
    parser.add_argument("--max-depth", type=_metres, default=10.0, metavar="M", help="farthest truth (%(default)s)")
    parser.add_argument(
        "--output", type=Path, default=Path("depth_scale.yaml"), metavar="FILE", help="parameter file (%(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything, with each frame's scale")
    bag = parser.add_argument_group("of a bag")
    bag.add_argument("--image-topic", default="", metavar="TOPIC", help="(the colour camera that has depth)")
    bag.add_argument("--depth-topic", default="", metavar="TOPIC", help="(a sensor's, registered to the images)")
    bag.add_argument(
        "--allow-unregistered", action="store_true", help="take depth of another camera than the images' as it is"
    )
    bag.add_argument("--camera-info-topic", default="", metavar="TOPIC", help="(beside the images)")
    bag.add_argument("--tolerance", type=_metres, default=0.02, metavar="S", help="between stamps (%(default)s)")
    data = parser.add_argument_group("of a data set")
    data.add_argument("--kind", default="auto", help="of data set; auto goes by what is there (%(default)s)")
    data.add_argument("--split", default="all", help="train, validation, trainval, test or all (%(default)s)")
    add_option(data)  # type: ignore[arg-type]  # a group takes arguments as a parser does
    return parser


def run(options: argparse.Namespace) -> int:
    """Compare; returns the exit status (see the command's help)."""
    from cinet_core.atomic_file import atomic_write_bytes
    from cinet_core.bags.errors import BagError
    from cinet_core.cli.console import ConsoleProgress
    from cinet_core.evaluation.suggested_scale import suggest_scale
    from cinet_core.model_metadata import CheckpointError

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
        atomic_write_bytes(options.json, (json.dumps(report.to_dict(), indent=2, allow_nan=False) + "\n").encode())
    for reason, count in suggestion.refused.items():
        print(f"{count} frames left out: {reason}", file=sys.stderr)
    if suggestion.problem is not None:
        print(f"cinet scale: no parameter file is written: {suggestion.problem}", file=sys.stderr)
        return 2
    atomic_write_bytes(options.output, suggestion.parameter_file().encode())
    print(
        f"\nwritten: {options.output}\nuse it: ros2 launch cinet_ros perception.launch.py params_file:={options.output}"
    )
    return 1 if suggestion.refused else 0


def _print(report: ScaleReport, notes: Sequence[str], random: bool) -> None:
    from rich.console import Console

    console = Console()
    if random:
        console.print("WARNING: random weights: the metrics mean nothing", style="bold red")
    for note in notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    console.print(report.table().rich())
    for sentence in report.sentences():
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _metres(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not 0.0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is below 0, or not finite")
    return value
