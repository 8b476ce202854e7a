"""Arguments of the commands that predict on frames: the source, its camera, the network."""

from __future__ import annotations

import argparse
import math

from cinet_core.cli.arguments import positive
from cinet_core.inference.choices import BACKENDS
from cinet_core.model.config import CONFIG_NAMES, DEFAULT_CONFIG


def add_frame_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them; `problem` says what is wrong with their values."""
    parser.add_argument("source", help='an image, a folder of images, a video, or "synthetic"')
    parser.add_argument(
        "--weights",
        default="default",
        metavar="FILE|default|random",
        help="a checkpoint; default, what ships (and is taken without this); or random, for plumbing only",
    )
    parser.add_argument(
        "--config", help=f"network of the random weights: {', '.join(CONFIG_NAMES)} (default: {DEFAULT_CONFIG})"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    parser.add_argument(
        "--backend",
        default="torch",
        metavar="NAME",
        help=f"what runs the network: {', '.join(BACKENDS)} (%(default)s; auto: the fastest here)",
    )
    parser.add_argument(
        "--precision",
        default="auto",
        metavar="NAME",
        help="float32, half, int8 (on a CPU), or auto: half on a GPU, float32 on a CPU (%(default)s)",
    )
    camera = parser.add_mutually_exclusive_group()
    camera.add_argument("--fov", type=_fov, metavar="DEG", help="horizontal field of view of the camera, in degrees")
    camera.add_argument(
        "--intrinsics",
        type=float,
        nargs=4,
        metavar=("FX", "FY", "CX", "CY"),
        help="of the camera, in pixels of the image as it is seen upright; in place of what the source says",
    )
    parser.add_argument("--every", type=positive, default=1, metavar="N", help="take every N-th frame")
    parser.add_argument("--limit", type=positive, metavar="N", help="stop after N frames")


def problem(options: argparse.Namespace) -> str | None:
    """Why these arguments do not go together, or None."""
    if options.config and options.weights != "random":
        return "--config chooses the network of --weights random; a checkpoint knows its own"
    if options.intrinsics and not all(map(math.isfinite, options.intrinsics)):
        return "--intrinsics: FX, FY, CX and CY must be finite"
    if options.intrinsics and not min(options.intrinsics[:2]) > 0:
        return "--intrinsics: the focal lengths FX and FY must be above 0 pixels"
    return None


def _fov(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not 0.0 < value < 180.0:
        raise argparse.ArgumentTypeError(f"{value:g} is not between 0 and 180 degrees")
    return value
