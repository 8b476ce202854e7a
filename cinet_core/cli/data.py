"""Arguments of ``cinet data``; what it takes to run is imported when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from cinet_core.cli.arguments import add_option, positive
from cinet_core.cli.data_render import add_data_render, run_data_render


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the commands about data sets."""
    commands = parser.add_subparsers(dest="data_command", required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="read a data set, count what is in it, name every broken file")
    check.description = (
        "Reads every frame; prints counts of frames, classes and valid depth and every fault; warns of files that look "
        "like depth or labels and are not read, of depth without a measurement and of units that cannot be right; "
        "writes a contact sheet. Exit status: 0 all can be read, 1 some files are broken, 2 the data set cannot be "
        "opened."
    )
    check.add_argument("root", type=Path, help="NYU's .mat file, a folder, or synthetic")
    check.add_argument(
        "--kind",
        default="auto",
        help="nyu_depth_v2, sun_rgbd, folder, synthetic_rooms or auto (%(default)s)",
    )
    check.add_argument("--split", default="all", help="train, validation, trainval, test or all (%(default)s)")
    add_option(check)
    check.add_argument("--limit", type=positive, metavar="N", help="read only N frames, evenly spread")
    check.add_argument(
        "--output", type=Path, default=Path("contact_sheet.png"), metavar="FILE", help="the contact sheet (%(default)s)"
    )
    check.add_argument("--frames", type=positive, default=18, metavar="N", help="frames on the sheet (%(default)s)")
    check.add_argument("--json", action="store_true", help="print everything as JSON")
    add_data_render(commands.add_parser("render", help="render furnished rooms as training data, with Blender"))


def run_data(options: argparse.Namespace) -> int:
    """Run ``cinet data``; returns the exit status."""
    if options.data_command == "render":
        return run_data_render(options)
    from cinet_core.cli.data_check import run_data_check

    return run_data_check(options)
