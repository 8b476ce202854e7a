"""``cinet figures panels``: depth, its error and labels beside the truth (Fig. 5, 8, 9)."""

from __future__ import annotations

import argparse

from cinet_core.cli.figure_arguments import draw, figure_parser


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    return figure_parser(prog)


def run(options: argparse.Namespace) -> int:
    """Draw and write; returns the exit status (see the help of ``cinet figures``)."""
    return draw("panels", options)
