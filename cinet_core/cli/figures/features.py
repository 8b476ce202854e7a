"""``cinet figures features``: features that sharing adds to each branch (Fig. 7)."""

from __future__ import annotations

import argparse

from cinet_core.cli.figure_arguments import draw, figure_parser


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = figure_parser(prog)
    parser.add_argument(
        "--reduction",
        choices=("magnitude", "sum"),
        default="magnitude",
        help="of the channels: mean of the absolute value, or the paper's sum (%(default)s)",
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Draw and write; returns the exit status (see the help of ``cinet figures``)."""
    return draw("features", options, reduction=options.reduction)
