"""Arguments of ``cinet view``; what it takes to run is imported when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from cinet_core.cli.arguments import positive
from cinet_core.cli.frame_arguments import add_frame_arguments


def add_view(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``cinet view``."""
    parser.description = (
        "Predicts on every frame and shows image, labels, depth, cloud, map and trajectory in a browser tab (--serve), "
        "or keeps them in a file for later (--save FILE, opened with: rerun FILE); without either it serves. Needs the "
        "extra cinet[viewer]. Exit status: 0 all is well, 1 a frame cannot be read or predicted, 2 the command cannot "
        "start, 130 interrupted."
    )
    add_frame_arguments(parser)
    parser.add_argument("--save", type=Path, metavar="FILE", help="recording to write, such as walk.rrd")
    parser.add_argument("--serve", action="store_true", help="show it in a browser on this machine, until Ctrl-C")
    parser.add_argument("--port", type=positive, default=9090, help="of the page that --serve offers (%(default)s)")
    parser.add_argument("--data-port", type=positive, default=9876, help="of the data behind it (%(default)s)")


def run_view(options: argparse.Namespace) -> int:
    """Run ``cinet view``; returns the exit status."""
    from cinet_core.cli.view_run import view

    return view(options)
