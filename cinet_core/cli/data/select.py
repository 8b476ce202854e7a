"""``cinet data select``: hours of recordings in, hundreds of frames out."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from cinet_core.cli.arguments import add_frames_of_set, positive


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = argparse.ArgumentParser(prog)
    parser.description = (
        "Chooses frames worth learning from: blurred, dark, bright and clipped ones and near-duplicates are left out, "
        "and those are taken that cover appearance, places and distances, the ones first that the network is uncertain "
        "of. Writes them, labelled or not, as a folder with a report (selection.json, selection.txt) and a contact "
        "sheet. Killed, it goes on where it was. Exit status: 0 all is well, 1 some frames could not be read and are "
        "left out, 2 it could not start or go on."
    )
    parser.add_argument("input", nargs="+", metavar="IN", help="a folder of frames, or another data set; or several")
    parser.add_argument("output", type=Path, metavar="OUT", help="folder of the chosen frames")
    parser.add_argument("-n", "--frames", type=positive, default=300, metavar="N", help="take N at most (%(default)s)")
    parser.add_argument("--weights", default="default", help='of the network that looks at the frames ("default")')
    parser.add_argument(
        "--least-sharpness",
        type=float,
        default=0.4,
        metavar="X",
        help="by the median of frames around (%(default)s)",
    )
    parser.add_argument(
        "--least-distance", type=float, default=0.15, metavar="X", help="of two frames, else duplicates (%(default)s)"
    )
    parser.add_argument(
        "--uncertainty", type=float, default=0.5, metavar="X", help="how much uncertain frames come first (%(default)s)"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be chosen")
    add_frames_of_set(parser, "look at", ", of each IN")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def run(options: argparse.Namespace) -> int:
    """Select; returns the exit status (see the command's help)."""
    from cinet_core.checkpoint import CheckpointError
    from cinet_core.cli.console import ConsoleProgress
    from cinet_core.selection import SelectionSettings, select_frames

    try:
        settings = SelectionSettings(
            least_sharpness=options.least_sharpness,
            least_distance=options.least_distance,
            uncertainty=options.uncertainty,
        )
        with ConsoleProgress() as progress:
            report = select_frames(
                options.input,
                None if options.dry_run else options.output,
                options.frames,
                weights=options.weights,
                settings=settings,
                kind=options.kind,
                split=options.split,
                options=dict(options.option),
                every=options.every,
                limit=options.limit,
                device=options.device,
                progress=progress,
            )
    except (CheckpointError, ValueError, OSError) as error:
        print(f"cinet data select: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(report.to_dict(), indent=2))
    else:
        print(report.text(), end="")
        if not options.dry_run:
            print(f"\nwritten: {options.output}, with selection.json, selection.txt and contact_sheet.png")
    for name, reason in report.unreadable.items():
        print(f"LEFT OUT {name}: {reason}", file=sys.stderr)
    return 1 if report.unreadable else 0
