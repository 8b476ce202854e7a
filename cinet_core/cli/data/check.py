"""``cinet data check``: what is in a data set, and can all of it be read?"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cinet_core.cli.arguments import add_option, positive

if TYPE_CHECKING:
    from rich.table import Table

    from cinet_core.data.check import CheckReport


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = argparse.ArgumentParser(prog)
    parser.description = (
        "Reads every frame; prints counts of frames, classes and valid depth, how much of it is near and far, and "
        "every fault; warns of files that look like depth or labels and are not read, of depth without a measurement "
        "and of units that cannot be right; writes a contact sheet. Exit status: 0 all can be read, 1 some files are "
        "broken, 2 the data set cannot be opened."
    )
    parser.add_argument("root", type=Path, help="NYU's .mat file, a folder, or synthetic")
    parser.add_argument(
        "--kind",
        default="auto",
        help="nyu_depth_v2, sun_rgbd, folder, synthetic_rooms or auto (%(default)s)",
    )
    parser.add_argument("--split", default="all", help="train, validation, trainval, test or all (%(default)s)")
    add_option(parser)
    parser.add_argument("--limit", type=positive, metavar="N", help="read only N frames, evenly spread")
    parser.add_argument(
        "--output", type=Path, default=Path("contact_sheet.png"), metavar="FILE", help="the contact sheet (%(default)s)"
    )
    parser.add_argument("--frames", type=positive, default=18, metavar="N", help="frames on the sheet (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    return parser


def run(options: argparse.Namespace) -> int:
    """Check a data set; returns the exit status (see the command's help)."""
    from cinet_core.cli.console import ConsoleProgress
    from cinet_core.data.check_data import check_data

    try:
        with ConsoleProgress() as progress:
            found = check_data(
                options.root,
                split=options.split,
                kind=options.kind,
                options=dict(options.option),
                limit=options.limit,
                sheet=options.output,
                frames=options.frames,
                progress=progress,
            )
    except (ValueError, OSError) as error:
        print(f"cinet data check: {error}", file=sys.stderr)
        return 2
    report = found.report
    if options.json:
        print(json.dumps(report.to_dict(), indent=2))
    else:
        _print(report)
        if report.readable:
            print(f"\ncontact sheet: {options.output}")
    for warning in report.warnings:
        print(f"WARNING {warning}", file=sys.stderr)
    for problem in report.problems:
        print(f"BROKEN {problem}", file=sys.stderr)
    return 1 if report.problems else 0


def _print(report: CheckReport) -> None:
    from rich.console import Console

    counts = report.statistics
    rows = {
        "frames": f"{report.frames}, {report.frames - report.readable} of them broken",
        "image sizes": ", ".join(f"{w}x{h} ({n})" for (w, h), n in report.image_sizes.most_common(8)) or "none",
        "camera": _camera(report),
        "depth": _depth(report),
        "range": _near_and_far(report),
        "labels": f"{report.with_labels} frames, {counts.labelled:.1%} of their pixels have a class",
    }
    if report.turned:
        rows["turned"] = _turned(report)
    print(f"{report.name}, split {report.split}")
    for name, value in rows.items():
        print(f"  {name + ':':<13}{value}")
    if report.with_labels:
        Console().print(_class_table(report))


def _camera(report: CheckReport) -> str:
    if report.fields_of_view is None:
        return "unknown: depth will only be right for cameras like the one that took these frames"
    low, high = report.fields_of_view
    return f"{report.with_camera} frames, horizontal field of view {low:.1f} to {high:.1f} degrees"


def _turned(report: CheckReport) -> str:
    kinds = (f"{n} frame{'' if n == 1 else 's'} by EXIF orientation {o}" for o, n in sorted(report.turned.items()))
    return f"{', '.join(kinds)}, with depth, labels and camera, which are the sensor's unless their size says otherwise"


def _depth(report: CheckReport) -> str:
    if not report.with_depth:
        return "none"
    counts = report.statistics
    if not counts.valid_depth:
        return f"{report.with_depth} frames, not one of their pixels valid"
    low, median, high = (counts.depth_percentile(percent) for percent in (1, 50, 99))
    text = (
        f"{report.with_depth} frames, {counts.valid_depth:.1%} of their pixels valid, "
        f"median {median:.2f} m, 98 % within {low:.2f} to {high:.2f} m"
    )
    outside = counts.depth_outside(*report.depth_range)
    limits = "{:g} to {:g} m".format(*report.depth_range)
    return text + (f"; {outside:.2%} OUTSIDE {limits}, which its sensor measures" if outside else "")


def _near_and_far(report: CheckReport) -> str:
    """How much lies near and far, and a histogram of the frames' median depths."""
    from cinet_core.data.check import FAR, NEAR

    if not report.median_depths:
        return "no depth"
    near = report.statistics.depth_share(0.0, NEAR)
    far = report.statistics.depth_share(FAR, math.inf)
    lines = [f"{near:.1%} of the pixels below {NEAR:g} m, {far:.1%} beyond {FAR:g} m; median depths of the frames:"]
    shares = report.median_shares()
    for (low, high), share in shares.items():
        bar = "#" * round(40 * share / max(shares.values()))
        lines.append(f"{'':<15}{f'{low:g} - {high:g} m':>12} {share:>6.1%} {bar}".rstrip())
    return "\n".join(lines)


def _class_table(report: CheckReport) -> Table:
    from rich.table import Table

    counts = report.statistics
    table = Table("class", "pixels", "share", "frames", title="classes, largest first")
    for column in table.columns[1:]:
        column.justify = "right"
    total = max(1, int(counts.class_pixels.sum()))
    for index in counts.class_pixels.argsort(kind="stable")[::-1]:
        pixels, frames = int(counts.class_pixels[index]), int(counts.class_frames[index])
        style = "" if pixels else "dim"
        table.add_row(report.class_names[index], f"{pixels:,}", f"{pixels / total:.2%}", f"{frames:,}", style=style)
    return table
