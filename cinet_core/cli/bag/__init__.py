"""``cinet bag``: a bag in; a bag with predictions, or a data set, out."""

from __future__ import annotations

import argparse

from cinet_core.cli.commands import group_parser

COMMANDS = {
    "run": "add predictions to a bag",
    "extract": "make a data set for training of a bag",
}


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of the command's name."""
    return group_parser(prog, __name__, COMMANDS)
