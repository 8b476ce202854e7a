"""``cinet odometry``: a recorded sequence in, how far tracking on predicted depth is from the truth out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cinet_core.cli.arguments import add_option, json_file, positive

if TYPE_CHECKING:
    from cinet_core.odometry.comparison import OdometryComparison

DEPTHS = ("sensor", "predicted")
METHODS = ("hybrid", "intensity", "point_to_plane", "orb_slam3")
"""Those of `cinet_core.odometry`."""


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = argparse.ArgumentParser(prog)
    parser.description = (
        "Tracks the camera through a recorded RGB-D sequence, on the sensor's depth and on "
        "predicted depth, and compares both with the recorded poses. Writes FILE.json and a top view, FILE.png. Exit "
        "status: 0 all is well, 1 some frames could not be read and are left out, 2 it could not start."
    )
    parser.add_argument("source", metavar="SOURCE", help="folder of an RGB-D recording with poses (see --kind)")
    parser.add_argument("--depth", choices=(*DEPTHS, "both"), default="both", help="what to track on (%(default)s)")
    parser.add_argument(
        "--weights",
        default="default",
        metavar="FILE|default|random",
        help="of the network: a checkpoint; default, what ships; or random, for plumbing only",
    )
    parser.add_argument(
        "--kind",
        default="auto",
        help="of recording: rgbd_sequence (7-Scenes, 3DMatch), tum_rgbd, scannet, hypersim or arkit_scenes; auto goes "
        "by what is there (%(default)s)",
    )
    add_option(parser)
    parser.add_argument("--every", type=positive, default=1, metavar="N", help="take every N-th frame")
    parser.add_argument("--limit", type=positive, metavar="N", help="stop after N frames")
    parser.add_argument(
        "--max-depth", type=_metres, default=4.0, metavar="M", help="use no points beyond, in metres (%(default)s)"
    )
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="hybrid",
        help="Open3D: lay depth and intensity of two frames over each other, intensity alone, or depth alone; or "
        "ORB-SLAM3, which needs pyorbslam3 and tracks one depth a run (%(default)s)",
    )
    parser.add_argument(
        "--anchor",
        choices=("none", "motion"),
        default="none",
        help="correct predicted depth by what the images alone say of it; recorded poses never do, since they are what "
        "is compared with (%(default)s)",
    )
    parser.add_argument(
        "--temporal",
        choices=("off", "field", "fused"),
        default="off",
        help="keep from frame to frame what the anchor corrected (field), or also the depth of every pixel (fused) "
        "(%(default)s)",
    )
    parser.add_argument("--device", default="auto", help="of the network: auto, cpu, cuda or cuda:N (%(default)s)")
    parser.add_argument(
        "--output", type=json_file, default=Path("odometry.json"), metavar="FILE", help="ends in .json (%(default)s)"
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Track, compare and write; returns the exit status (see the command's help)."""
    from cinet_core.atomic_file import atomic_write_bytes
    from cinet_core.cli.console import ConsoleProgress
    from cinet_core.model_metadata import CheckpointError
    from cinet_core.odometry import ORB_SLAM3
    from cinet_core.odometry.compare import TRACKED_DEPTHS, compare_odometry
    from cinet_core.open3d_loading import Open3DError

    depths = TRACKED_DEPTHS if options.depth == "both" else (options.depth,)
    try:
        if options.method == ORB_SLAM3 and len(depths) > 1:
            raise ValueError("ORB-SLAM3 can be started once a process: give --depth sensor or --depth predicted")
        options.output.parent.mkdir(parents=True, exist_ok=True)
        with ConsoleProgress() as progress:
            comparison = compare_odometry(
                options.source,
                options.weights,
                depths=depths,
                method=options.method,
                max_depth=options.max_depth,
                options=dict(options.option),
                kind=options.kind,
                every=options.every,
                limit=options.limit,
                device=options.device,
                anchor=options.anchor,
                temporal=options.temporal,
                progress=progress,
            )
        report = comparison.to_dict()
        atomic_write_bytes(options.output, (json.dumps(report, indent=2, allow_nan=False) + "\n").encode())
        written = [options.output, *_drawn(comparison, options.output.with_suffix(".png"))]
    except (CheckpointError, Open3DError, ValueError, OSError) as error:
        print(f"cinet odometry: {error}", file=sys.stderr)
        return 2
    _print(report)
    print(f"\nwritten: {' and '.join(map(str, written))}")
    return 1 if comparison.broken else 0


def _drawn(comparison: OdometryComparison, path: Path) -> list[Path]:
    """Draw the trajectories; [] where matplotlib is not installed, which is said."""
    try:
        from cinet_core.figures import write_figure
    except ModuleNotFoundError as error:
        print(f"cinet odometry: no image: {error}", file=sys.stderr)
        return []
    write_figure(path, comparison.top_view())
    return [path]


def _print(report: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    heading = f"{report['method']}, {report['frames']} frames, {report['path_length']:.2f} m of path"
    table = Table(title=heading, caption="RPE: from one frame to the next")
    table.add_column("depth", no_wrap=True)
    for head in ("ATE SE3 m", "ATE Sim3 m", "scale", "RPE m", "RPE deg", "drift m/m", "lost"):
        table.add_column(head, justify="right")
    for name, metrics in report["depth"].items():
        scaled = metrics["ate_sim3"] or {"rmse": None, "scale": None}
        first = metrics["rpe"][0]
        values = (
            metrics["ate_se3"]["rmse"],
            scaled["rmse"],
            scaled["scale"],
            first["translation"],
            first["rotation"],
            metrics["drift"]["translation"],
        )
        table.add_row(name, *("-" if value is None else f"{value:.4f}" for value in values), str(metrics["lost"]))
    console.print(table)
    if report["random_weights"]:
        console.print("WARNING: random weights: what is predicted means nothing", style="bold red")


def _metres(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{value:g} is not above 0 metres")
    return value
