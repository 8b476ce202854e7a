"""``cinet figures attention``: attention of marked pixels beside the ideal one (Fig. 6)."""

from __future__ import annotations

import argparse

from cinet_core.cli.arguments import positive
from cinet_core.cli.figure_arguments import draw, figure_parser


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = figure_parser(prog)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--pixels", nargs="+", type=_pixel, default=[], metavar="U,V", help="column and row of pixels to mark"
    )
    chosen.add_argument(
        "--marks", type=positive, default=3, metavar="N", help="mark one pixel in each of the N largest classes (3)"
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Draw and write; returns the exit status (see the help of ``cinet figures``)."""
    return draw("attention", options, pixels=options.pixels, marks=options.marks)


def _pixel(text: str) -> tuple[int, int]:
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is no pixel: give column and row as U,V, for example 320,240")
    return int(parts[0]), int(parts[1])
