"""``cinet bag``: a bag in; a bag with predictions, or a data set, out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cinet_core.bags.errors import BagError
from cinet_core.bags.extraction import extract_bag
from cinet_core.bags.reader import BagReader
from cinet_core.cli.console import ConsoleProgress
from cinet_core.messages.settings import OutputSettings
from cinet_core.parameters import read_file

if TYPE_CHECKING:
    from cinet_core.inference.predictor import Predictor


def add_predictions(options: argparse.Namespace) -> int:
    """Run ``cinet bag run``; returns the exit status (see the command's help)."""
    from cinet_core.checkpoint import CheckpointError, named_checkpoint
    from cinet_core.inference.backend import DeviceLostError, OutOfDeviceMemoryError
    from cinet_core.inference.predictor import Predictor

    try:
        settings, unused = read_file(options.params, OutputSettings) if options.params else (OutputSettings(), [])
        if unused:
            print(f"{options.params}: of no meaning for a bag: {', '.join(unused)}", file=sys.stderr)
        checkpoint = named_checkpoint(options.weights)
        if checkpoint.metadata.random_weights:
            print("WARNING: random weights: depth, labels and points mean nothing", file=sys.stderr)
        predictor = Predictor(
            checkpoint, options.device, settings.network_size, settings.output_size, backend=options.backend
        )
        with closing(predictor), BagReader(options.input) as reader:
            return _run(reader, predictor, settings, options)
    except (BagError, CheckpointError, DeviceLostError, OutOfDeviceMemoryError, ValueError, OSError) as error:
        print(f"cinet bag run: {error}", file=sys.stderr)
        return 2


def _run(reader: BagReader, predictor: Predictor, settings: OutputSettings, options: argparse.Namespace) -> int:
    """Add predictions under a progress bar."""
    from cinet_core.bags.run import Account, BagRun

    run = BagRun(
        reader,
        options.output,
        predictor,
        settings,
        prefix=options.prefix,
        wanted=tuple(options.outputs),
        image_topic=options.image_topic,
        camera_info_topic=options.camera_info_topic,
        storage=options.storage,
        batch=options.batch,
        backend=options.backend,
    )
    before = run.account.used
    if run.complete:
        print(f"{options.output} is complete already, {before} frames")
        return _told(reader.faults, run.account.refused, run.examples)
    if before:
        print(f"going on after {before} frames", file=sys.stderr)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[frames]} frames"),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("messages", total=len(run), frames=before)

        def show(account: Account) -> None:
            progress.update(task, completed=account.read, frames=account.used)

        run.run(show)
    info = run.camera_info_topic or "no camera_info"
    copied = f"{run.account.read} messages of {options.input}"
    print(f"{options.output}: {copied}, and the outputs of {run.account.used} frames")
    print(f"  images of {run.image_topic} with {info}")
    _note([*reader.notes, *run.notes])
    for warning in run.warnings:
        print(f"WARNING: {warning}", file=sys.stderr)
    return _told(reader.faults, run.account.refused, run.examples)


def extract_frames(options: argparse.Namespace) -> int:
    """Run ``cinet bag extract``; returns the exit status (see the command's help)."""
    try:
        with ConsoleProgress() as progress:
            done = extract_bag(
                options.input,
                options.output,
                image_topic=options.image_topic,
                depth_topic=options.depth_topic,
                labels_topic=options.labels_topic,
                camera_info_topic=options.camera_info_topic,
                need_depth=not options.without_depth,
                allow_unregistered=options.allow_unregistered,
                tolerance=options.tolerance,
                every=options.every,
                rectified=options.rectified,
                room_seconds=options.room_seconds,
                name=options.name or "",
                progress=progress,
            )
    except (BagError, ValueError, OSError) as error:
        print(f"cinet bag extract: {error}", file=sys.stderr)
        return 2
    there = f" ({done.there} were there)" if done.there else ""
    print(f"{options.output}: {done.frames} frames of {options.input}{there}")
    print(f"  images of {done.image_topic}, depth of {done.depth_topic or 'no topic'}, ", end="")
    print(f"labels of {done.labels_topic or 'no topic'}")
    if done.unpaired:
        print(f"  {done.unpaired} images have no depth within {options.tolerance:g} s")
    _note(done.notes)
    return _told(done.faults, done.refused, done.examples)


def _note(notes: Sequence[str]) -> None:
    """Say what the user should know of the choice of topics: warnings apart from the rest."""
    for note in dict.fromkeys(notes):
        if note.startswith("WARNING"):
            print(note, file=sys.stderr)
        else:
            print(f"  {note}")


def _told(faults: Sequence[str], refused: Mapping[str, int], examples: Mapping[str, str]) -> int:
    """Say what could not be read; returns the exit status."""
    for fault in dict.fromkeys(faults):
        print(f"DAMAGED {fault}", file=sys.stderr)
    for reason, count in refused.items():
        example = f": {examples[reason]}" if reason in examples else ""
        print(f"{count} frames left out, {reason}{example}", file=sys.stderr)
    return 1 if faults or refused else 0
