"""``cinet obstacles``: a sequence with a sensor's depth in, the scores of obstacles of predicted depth out."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from cinet_core.cli.arguments import add_correction, add_kind, add_option, add_weights, positive


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = argparse.ArgumentParser(prog)
    parser.description = (
        "Makes obstacles, as navigation gets them, of predicted depth and of a sensor's, and compares them in cells of "
        "5 cm within 3 m: precision, recall, free cells that are called occupied (phantoms), occupied ones that are "
        "called free (missed), and floor that is left. Exit status: 0 all is well, 1 some frames could not be read and "
        "are left out, 2 it could not start."
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="root of a sequence with poses: of 7-Scenes, 3DMatch or the TUM RGB-D benchmark",
    )
    add_weights(parser)
    add_kind(parser)
    parser.add_argument("--every", type=positive, default=1, metavar="N", help="take every N-th frame")
    parser.add_argument("--limit", type=positive, metavar="N", help="score only N frames, evenly spread")
    add_correction(
        parser, "score corrected depth, too: by the recorded poses as odometry, or by the images alone (%(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything")
    add_option(parser)
    return parser


def run(options: argparse.Namespace) -> int:
    """Score; returns the exit status (see the command's help)."""
    from rich.console import Console

    from cinet_core.atomic_file import atomic_write_bytes
    from cinet_core.checkpoint import CheckpointError
    from cinet_core.cli.console import ConsoleProgress
    from cinet_core.evaluation.obstacle_scoring import score_obstacles
    from cinet_core.evaluation.obstacle_study import scores_table

    try:
        with ConsoleProgress() as progress:
            report = score_obstacles(
                options.source,
                options.weights,
                device=options.device,
                kind=options.kind,
                options=dict(options.option),
                every=options.every,
                limit=options.limit,
                anchor=options.anchor,
                temporal=options.temporal,
                progress=progress,
            )
    except (CheckpointError, ValueError, OSError) as error:
        print(f"cinet obstacles: {error}", file=sys.stderr)
        return 2
    console = Console()
    if report.random_weights:
        console.print("WARNING: random weights: the metrics mean nothing", style="bold red")
    print(scores_table(f"Obstacles of predicted depth, {options.source}", dict(report.scores)).markdown())
    if options.json is not None:
        atomic_write_bytes(options.json, (json.dumps(report.to_dict(), indent=2, allow_nan=False) + "\n").encode())
    if report.refused:
        print(f"{report.refused} frames left out: no depth, no pose, or not to be read", file=sys.stderr)
    return 1 if report.refused else 0
