"""Arguments of ``cinet scale``; what it takes to run is imported when it runs."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from cinet_core.cli.arguments import add_option, positive


def add_scale(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command that holds predicted depth against a sensor's."""
    parser.description = (
        "Predicts depth for frames that have a sensor's depth, and tells how far off it is: abs rel, delta1, the scale "
        "(median of true / predicted) and its drift. Writes the scale as a parameter file for the node (depth_scale). "
        "Exit status: 0 all is well, 1 some frames could not be read and are left out, 2 it could not start, or no "
        "scale can be suggested."
    )
    parser.add_argument("source", metavar="SOURCE", help="a bag with colour and depth, or the root of a data set")
    parser.add_argument(
        "--weights",
        default="default",
        metavar="FILE|default|random",
        help="a checkpoint; default, what ships; or random, for plumbing only",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
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


def run_scale(options: argparse.Namespace) -> int:
    """Run ``cinet scale``; returns the exit status."""
    from cinet_core.cli.scale_run import compare_scale

    return compare_scale(options)


def _metres(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not 0.0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is below 0, or not finite")
    return value
