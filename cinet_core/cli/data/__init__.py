"""``cinet data``: data sets, to be looked at or to be made."""

from __future__ import annotations

import argparse

from cinet_core.cli.commands import group_parser

COMMANDS = {
    "check": "read a data set, count what is in it, name every broken file",
    "label": "label a recording by teachers, anchors and the agreement of its views",
    "render": "render furnished rooms as training data, with Blender",
    "select": "choose the frames of recordings that are worth learning from",
    "view": "show a labelled set, and what weights make of it, in a browser tab or a file",
}


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of the command's name."""
    return group_parser(prog, __name__, COMMANDS)
