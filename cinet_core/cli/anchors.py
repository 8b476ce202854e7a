"""``cinet anchors``: a checkpoint and a sequence with poses in, what each anchor makes of its depth out."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cinet_core.cli.arguments import add_option, json_file, positive

if TYPE_CHECKING:
    from cinet_core.evaluation.anchored import AnchorsReport

CHOICES = ("none", "odometry", "motion", "scan", "depth", "floor", "interpolation", "factor")


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = argparse.ArgumentParser(prog)
    parser.description = (
        "Corrects predicted depth along a recorded sequence by what a robot would know, and scores it against the "
        "sensor: metric abs rel and delta1, smooth error, scale. The poses are the odometry; a scan (one row, 2 cm of "
        "noise) and sparse depth (32 x 24 points, 3 %%) are taken from the sensor's depth. docs/anchors.md has the "
        "physics. Exit status: 0 all is well, 1 some frames could not be read and are left out, 2 it could not start."
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help='a .safetensors file, "default", or "random"')
    parser.add_argument(
        "--data", required=True, metavar="ROOT", help="a sequence with depth and poses, or rendered rooms"
    )
    parser.add_argument("--kind", default="auto", help="of data set; auto goes by what is there (%(default)s)")
    parser.add_argument("--split", default="test", help="test or all (%(default)s)")
    add_option(parser)
    parser.add_argument(
        "--anchor",
        action="append",
        choices=CHOICES,
        help="score this one; may be repeated (all but floor, which needs --floor-height); interpolation and factor "
        "are what the points of depth give without a field",
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="take only the first N frames")
    parser.add_argument("--every", type=positive, default=1, metavar="N", help="of these take each Nth (%(default)s)")
    parser.add_argument(
        "--max-height", type=float, metavar="M", help="leave out cameras higher above the floor, metres (none)"
    )
    parser.add_argument("--skip", type=float, default=2.0, metavar="S", help="seconds not scored (%(default)s)")
    parser.add_argument("--noise", type=float, default=0.0, help="of a step of the odometry, a part of it (0)")
    parser.add_argument("--scale", type=float, default=1.0, help="that the odometry's ways are multiplied by (1)")
    parser.add_argument("--delay", type=float, default=0.0, metavar="S", help="of poses against images, seconds (0)")
    parser.add_argument("--slip", action="store_true", help="one second in which wheels turn on the spot")
    parser.add_argument(
        "--floor-height", type=float, metavar="Z", help="z of the floor in the poses' world, whose z points up, metres"
    )
    parser.add_argument(
        "--temporal", choices=("off", "field", "fused"), default="field", help="kept over time (%(default)s)"
    )
    parser.add_argument(
        "--points",
        default="32x24",
        metavar="P",
        help="of anchor depth: 32x24, left:32x24, random:100 (%(default)s)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    parser.add_argument(
        "--output", type=json_file, default=Path("anchors.json"), metavar="FILE", help="ends in .json (%(default)s)"
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Score; returns the exit status (see the command's help)."""
    from cinet_core.atomic_file import atomic_write_bytes
    from cinet_core.checkpoint import CheckpointError
    from cinet_core.cli.console import ConsoleProgress
    from cinet_core.evaluation.anchored import ANCHORS, OdometryErrors, evaluate_anchors

    try:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        with ConsoleProgress() as progress:
            report = evaluate_anchors(
                options.data,
                options.checkpoint,
                anchors=options.anchor
                or [name for name in ANCHORS if name != "floor" or options.floor_height is not None],
                split=options.split,
                kind=options.kind,
                options=dict(options.option),
                limit=options.limit,
                every=options.every,
                max_height=options.max_height,
                skip_seconds=options.skip,
                errors=OdometryErrors(options.noise, options.scale, options.delay, options.slip),
                floor_height=options.floor_height,
                temporal=options.temporal,
                points=options.points,
                device=options.device,
                progress=progress,
            )
        table = options.output.with_suffix(".md")
        atomic_write_bytes(options.output, (json.dumps(report.to_dict(), indent=2, allow_nan=False) + "\n").encode())
        atomic_write_bytes(table, report.markdown().encode())
    except (CheckpointError, ValueError, OSError) as error:
        print(f"cinet anchors: {error}", file=sys.stderr)
        return 2
    _print(report)
    print(f"\nwritten: {options.output} and {table}")
    return 1 if report.broken else 0


def _print(report: AnchorsReport) -> None:
    from rich.console import Console

    console = Console()
    console.print(report.heading(), style="bold", markup=False, highlight=False)
    for warning in report.warnings():
        console.print(f"WARNING: {warning}", style="bold red", markup=False, highlight=False)
    for fact in report.sentences():
        console.print(f"  {fact}", markup=False, highlight=False, soft_wrap=True)
    for table in report.tables():
        console.print(table.rich())
