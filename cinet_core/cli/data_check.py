"""``cinet data check``: what is in a data set, and can all of it be read?"""

from __future__ import annotations

import argparse
import json
import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from cinet_core.data.check import CheckReport, check_dataset, spread
from cinet_core.data.contact_sheet import ContactSheet
from cinet_core.data.registry import open_dataset
from cinet_core.data.sample import Sample
from cinet_core.data.scene_dataset import SceneDataset
from cinet_core.visualize import write_picture


def run_data_check(options: argparse.Namespace) -> int:
    """Check a data set; returns the exit status (see the command's help)."""
    try:
        dataset = open_dataset(options.root, options.split, options.kind, **dict(options.option))
        options.output.parent.mkdir(parents=True, exist_ok=True)
        report = _check(dataset, options)
    except (ValueError, OSError) as error:
        print(f"cinet data check: {error}", file=sys.stderr)
        return 2
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


def _check(dataset: SceneDataset, options: argparse.Namespace) -> CheckReport:
    """Read the frames under a progress bar, and draw some of them."""
    numbers = spread(len(dataset), options.limit)
    shown = {numbers[place] for place in spread(len(numbers), options.frames)}
    sheet = ContactSheet(f"{dataset.meta.name}, {dataset.split}: {len(dataset)} frames", dataset.label_set)

    def draw(number: int, sample: Sample) -> None:
        if number in shown:
            sheet.add(sample)

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(dataset.meta.name, total=len(numbers))
        report = check_dataset(dataset, options.limit, draw, lambda: progress.advance(task))
    if len(sheet):
        write_picture(options.output, sheet.draw())
    return report


def _print(report: CheckReport) -> None:
    counts = report.statistics
    rows = {
        "frames": f"{report.frames}, {report.frames - report.readable} of them broken",
        "image sizes": ", ".join(f"{w}x{h} ({n})" for (w, h), n in report.image_sizes.most_common(8)) or "none",
        "camera": _camera(report),
        "depth": _depth(report),
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


def _class_table(report: CheckReport) -> Table:
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
