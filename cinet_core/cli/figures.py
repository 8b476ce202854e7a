"""Arguments of ``cinet figures``; what it takes to run is imported when it runs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cinet_core.cli.arguments import add_option, positive


def add_figures(parser: argparse.ArgumentParser) -> None:
    """Add the commands that draw figures."""
    parser.description = (
        "Draws the kinds of figure of the paper as PNG files. Exit status: 0 all is well, 1 a frame cannot be read, "
        "2 the command cannot start."
    )
    commands = parser.add_subparsers(dest="figure", required=True, metavar="FIGURE")
    panels = commands.add_parser("panels", help="depth, its error and labels beside the truth (Fig. 5, 8, 9)")
    attention = commands.add_parser("attention", help="attention of marked pixels beside the ideal one (Fig. 6)")
    features = commands.add_parser("features", help="features that sharing adds to each branch (Fig. 7)")
    for command in (panels, attention, features):
        _add_common(command)
    chosen = attention.add_mutually_exclusive_group()
    chosen.add_argument(
        "--pixels", nargs="+", type=_pixel, default=[], metavar="U,V", help="column and row of pixels to mark"
    )
    chosen.add_argument(
        "--marks", type=positive, default=3, metavar="N", help="mark one pixel in each of the N largest classes (3)"
    )
    features.add_argument(
        "--reduction",
        choices=("magnitude", "sum"),
        default="magnitude",
        help="of the channels: mean of the absolute value, or the paper's sum (%(default)s)",
    )


def run_figures(options: argparse.Namespace) -> int:
    """Run ``cinet figures``; returns the exit status."""
    try:
        from cinet_core.cli.figures_run import draw_figures
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        print(f"cinet figures: {error}", file=sys.stderr)
        return 2
    return draw_figures(options)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoints",
        nargs="+",
        metavar="[NAME=]CHECKPOINT",
        help="what to compare; the name goes into the titles; random stands for the default network without training",
    )
    parser.add_argument("--data", required=True, metavar="ROOT", help="the data set's folder or file; or synthetic")
    parser.add_argument("--kind", default="auto", help="of data set; auto goes by what is there (%(default)s)")
    parser.add_argument("--split", default="test", help="train, validation, trainval, test or all (%(default)s)")
    add_option(parser)
    parser.add_argument(
        "--frames",
        nargs="+",
        default=[],
        metavar="N|NAME",
        help="names; or a number that is no frame's name, for that many, evenly spread (4)",
    )
    parser.add_argument("--tile", type=positive, metavar="PIXELS", help="width of each picture in the figure")
    parser.add_argument("--output", type=Path, default=Path("figures"), metavar="DIR", help="(%(default)s)")


def _pixel(text: str) -> tuple[int, int]:
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is no pixel: give column and row as U,V, for example 320,240")
    return int(parts[0]), int(parts[1])
