"""Arguments of ``cinet odometry``; what it takes to run is imported when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from cinet_core.cli.arguments import add_option, json_file, positive

DEPTHS = ("sensor", "predicted")
METHODS = ("hybrid", "intensity", "point_to_plane", "orb_slam3")
"""Those of `cinet_core.odometry`."""


def add_odometry(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command that holds predicted depth against sensor depth in odometry."""
    parser.description = (
        "Tracks the camera through a recorded RGB-D sequence, on the sensor's depth and on "
        "predicted depth, and compares both with the recorded poses. Writes FILE.json and a top view, FILE.png. Exit "
        "status: 0 all is well, 1 some frames could not be read and are left out, 2 it could not start."
    )
    parser.add_argument(
        "source", metavar="SOURCE", help="folder of a sequence with poses, as 7-Scenes and 3DMatch have it"
    )
    parser.add_argument("--depth", choices=(*DEPTHS, "both"), default="both", help="what to track on (%(default)s)")
    parser.add_argument(
        "--weights",
        default="default",
        metavar="FILE|default|random",
        help="of the network: a checkpoint; default, what ships; or random, for plumbing only",
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
    parser.add_argument("--device", default="auto", help="of the network: auto, cpu, cuda or cuda:N (%(default)s)")
    parser.add_argument(
        "--output", type=json_file, default=Path("odometry.json"), metavar="FILE", help="ends in .json (%(default)s)"
    )


def run_odometry(options: argparse.Namespace) -> int:
    """Run ``cinet odometry``; returns the exit status."""
    from cinet_core.cli.odometry_run import run_comparison

    return run_comparison(options)


def _metres(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{value:g} is not above 0 metres")
    return value
