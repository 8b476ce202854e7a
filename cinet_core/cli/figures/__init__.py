"""``cinet figures``: checkpoints and frames of a data set in, the paper's kinds of figure as PNG files out."""

from __future__ import annotations

import argparse

from cinet_core.cli.commands import group_parser

COMMANDS = {
    "panels": "depth, its error and labels beside the truth (Fig. 5, 8, 9)",
    "attention": "attention of marked pixels beside the ideal one (Fig. 6)",
    "features": "features that sharing adds to each branch (Fig. 7)",
}
DESCRIPTION = (
    "Draws the kinds of figure of the paper as PNG files. Exit status: 0 all is well, 1 a frame cannot be read, "
    "2 the command cannot start."
)


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of the command's name."""
    return group_parser(prog, __name__, COMMANDS, DESCRIPTION, "FIGURE")
