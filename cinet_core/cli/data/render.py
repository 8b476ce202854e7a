"""``cinet data render``: furnished rooms, path-traced, as training data."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cinet_core.rooms.pathtraced.installation import Installation


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = argparse.ArgumentParser(prog)
    parser.description = (
        "Renders furnished rooms with exact depth and NYU40 labels into a folder that --kind folder reads. Rooms that "
        "it holds already are kept, so that a killed run goes on where it was. --setup first fetches Blender (as the "
        "Python module bpy, in an environment of its own) and the models of Sweet Home 3D; 1.3 GB. "
        "Exit status: 0 all is well, 1 some rooms failed (the next run tries them again), 2 the command could not "
        "start or go on, 130 or 143 it was interrupted or terminated."
    )
    parser.add_argument(
        "output", type=Path, nargs="?", help="folder for the frames; needed unless only --setup is wanted"
    )
    parser.add_argument("--setup", action="store_true", help="fetch what is missing")
    parser.add_argument("--rooms", type=_positive, default=1200, metavar="N", help="number of rooms (%(default)s)")
    parser.add_argument("--first", type=_number, default=0, metavar="N", help="number of the first room (%(default)s)")
    parser.add_argument("--views", type=_positive, default=4, metavar="N", help="frames a room, at most (%(default)s)")
    parser.add_argument("--seed", type=_number, default=0, help="of the rooms (%(default)s)")
    parser.add_argument(
        "--size", type=_positive, nargs=2, default=(320, 240), metavar=("W", "H"), help="of the frames (320 240)"
    )
    parser.add_argument("--samples", type=_positive, default=4, metavar="N", help="light paths a pixel (%(default)s)")
    parser.add_argument(
        "--wide",
        action="store_true",
        help="corridors, halls, offices and doorways too, from near desks to far walls: even log median depth",
    )
    parser.add_argument("--threads", type=_positive, default=2, metavar="N", help="of the renderer (%(default)s)")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="Blender and the models (~/.cache/cinet/rendered_rooms)"
    )
    parser.add_argument(
        "--packages", type=Path, metavar="DIR", help="holds the sweethome3d*.deb; else apt-get is asked"
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Render; returns the exit status (see the command's help)."""
    try:
        from cinet_core.rooms.pathtraced.catalogue import CatalogueError
        from cinet_core.rooms.pathtraced.frames import FolderError
        from cinet_core.rooms.pathtraced.installation import Installation, InstallationError
        from cinet_core.rooms.pathtraced.run import WorkerError
    except ModuleNotFoundError as error:
        if not str(error.name).startswith("cinet_core.rooms.pathtraced"):
            raise
        print(
            "cinet data render: this installation leaves out the generator, which no robot needs: run the command "
            "from a checkout of the source, after `pip install -e .` or `make setup` there",
            file=sys.stderr,
        )
        return 2

    if options.output is None and not options.setup:
        print("cinet data render: give a folder for the frames, or --setup", file=sys.stderr)
        return 2
    installation = Installation(options.cache.resolve()) if options.cache else Installation.default()
    try:
        if options.setup:
            installation.set_up(lambda text: print(text, file=sys.stderr), options.packages)
        if options.output is None:
            return 0
        installation.check()  # before a progress bar is drawn
        return _render(options, installation)
    except (InstallationError, CatalogueError, FolderError, WorkerError, OSError) as error:
        print(f"cinet data render: {error}", file=sys.stderr)
        return 2


def _render(options: argparse.Namespace, installation: Installation) -> int:
    """Render under a progress bar."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from cinet_core.rooms.pathtraced.run import RoomRenderSettings, render_rooms

    settings = RoomRenderSettings(
        options.seed, options.views, options.size[0], options.size[1], options.samples, options.wide
    )
    rooms = range(options.first, options.first + options.rooms)
    columns = (
        TextColumn("rooms"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[frames]} frames"),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with _ending_when_terminated(), Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("rooms", total=len(rooms), frames=0)
        failed = render_rooms(
            options.output,
            rooms,
            settings,
            installation,
            options.threads,
            lambda _, frames: progress.update(task, advance=1, frames=frames),
        )
    if failed:
        print(f"cinet data render: {failed} rooms failed: rooms.jsonl says how", file=sys.stderr)
    return 1 if failed else 0


@contextmanager
def _ending_when_terminated() -> Iterator[None]:
    """SIGTERM ends what runs within as an exception does, so that Blender and its files do not stay behind."""

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _number(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is below 0")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value
