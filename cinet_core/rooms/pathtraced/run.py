"""Render rooms into a folder: plans go to a worker process, what it traced becomes frames."""

from __future__ import annotations

import json
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

import cinet_core
from cinet_core.rooms.pathtraced.artwork import VERSION, Artwork
from cinet_core.rooms.pathtraced.catalogue import Catalogue
from cinet_core.rooms.pathtraced.frames import RenderedFolder, RenderedFrame
from cinet_core.rooms.pathtraced.furnish import furnished_room
from cinet_core.rooms.pathtraced.installation import Installation
from cinet_core.rooms.pathtraced.photograph import photograph
from cinet_core.rooms.pathtraced.plan import RoomPlan
from cinet_core.rooms.pathtraced.supports import ModelError

ROOMS_A_WORKER = 50
"""After which the worker is started anew: Blender keeps every mesh it has read."""

CRASHES = 3
"""Workers that may die on rooms in a row."""

LOG = "worker.log"

# The project is appended to the path: in front, an installed project's neighbours (another NumPy) would hide Blender's.
_START = (
    "import sys, runpy; sys.path.append(sys.argv.pop(1)); "
    "runpy.run_module('cinet_core.rooms.pathtraced.blender', run_name='__main__')"
)


class WorkerError(Exception):
    """The renderer died again and again; the message says where its log is."""


@dataclass(frozen=True)
class RoomRenderSettings:
    """What frames depend on.

    Attributes:
        seed: of all rooms.
        views: wanted of each room.
        width: pixels.
        height: pixels.
        samples: light paths a pixel; denoised, 4 of them are 34 dB from 8, in two thirds of the time.
        wide: rooms and cameras of `WIDE_KINDS`, with an even logarithm of the median depth.
    """

    seed: int = 0
    views: int = 4
    width: int = 320
    height: int = 240
    samples: int = 4
    wide: bool = False

    def to_dict(self) -> dict[str, Any]:
        """What a folder remembers; what is not wide is as it was before there were wide views."""
        values = asdict(self)
        return values if self.wide else {name: value for name, value in values.items() if name != "wide"}


def render_rooms(
    root: Path,
    rooms: range,
    settings: RoomRenderSettings,
    installation: Installation,
    threads: int,
    report: Callable[[int, int], None],
) -> int:
    """Render the rooms of these numbers that the folder does not hold yet; returns the number that failed.

    A room that fails is noted and tried again by the next run.

    Args:
        root: folder for the frames.
        rooms: their numbers.
        settings: of the frames.
        installation: of Blender and the models.
        threads: of the renderer.
        report: told after each room how many frames it gave and how many the folder holds.

    Raises:
        InstallationError: Blender or the models are missing.
        CatalogueError: the models are not as they should be.
        FolderError: the folder holds frames of other settings or models, is damaged, is in use, or cannot be written.
        WorkerError: the renderer does not run.
    """
    installation.check()
    catalogue, artwork = Catalogue(installation.models), Artwork(installation.root)
    failed = 0
    with (
        RenderedFolder(root, {**settings.to_dict(), "artwork": VERSION}, catalogue.models) as folder,
        _worker(installation, threads, root / LOG) as worker,
    ):
        for room in rooms:
            if room in folder.done:
                report(0, folder.frames)
                continue
            try:
                plan = furnished_room(
                    room,
                    settings.seed,
                    catalogue,
                    artwork,
                    settings.views,
                    settings.width,
                    settings.height,
                    settings.wide,
                )
                answer = worker.ask(replace(plan, samples=settings.samples))
            except ModelError as broken:
                answer = {"error": str(broken)}
            if "error" in answer:
                failed += 1
                folder.fail(room, str(answer["error"]))
                report(0, folder.frames)
                continue
            frames = [_frame(plan, view, settings.seed) for view in answer["views"]]
            folder.add(plan, frames)
            report(len(frames), folder.frames)
    return failed


def _frame(plan: RoomPlan, view: dict[str, Any], seed: int) -> RenderedFrame:
    """Read what the worker traced, and delete its file."""
    path, number = Path(view["file"]), int(view["view"])
    with np.load(path) as traced:
        light, depth, labels = traced["light"], traced["depth"], traced["labels"]
    path.unlink()
    image = photograph(light, np.random.default_rng([seed, plan.room, number, zlib.crc32(b"photograph")]))
    return RenderedFrame(plan.views[number], image, depth, labels)


class Worker:
    """A Blender process that renders plans; started when first asked, and anew when it is due or died.

    Args:
        installation: of Blender.
        threads: of the renderer.
        log: file that its messages are appended to.
        folder: for what it traces.
    """

    def __init__(self, installation: Installation, threads: int, log: Path, folder: Path) -> None:
        """Start nothing yet."""
        root = Path(cinet_core.__file__).parent.parent
        self._command = [
            str(installation.python),
            "-I",
            "-c",
            _START,
            str(root),
            str(folder),
            "--threads",
            str(threads),
        ]
        self._log = log
        self._process: subprocess.Popen[str] | None = None
        self._served = self._crashes = 0

    def ask(self, plan: RoomPlan) -> dict[str, Any]:
        """Have a plan rendered; an answer with an "error" if the room, or the process, failed.

        Raises:
            WorkerError: it died CRASHES times in a row.
        """
        if self._process is None or self._served >= ROOMS_A_WORKER:
            self.close()
            self._start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(plan.to_json() + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        self._served += 1
        if line.endswith("\n"):  # else it died, maybe in the middle of its answer
            self._crashes = 0
            return json.loads(line)
        self._crashes += 1
        status = process.wait()
        self._process = None
        if self._crashes >= CRASHES:
            raise WorkerError(f"Blender died {CRASHES} times in a row (status {status}): see the end of {self._log}")
        return {"error": f"Blender died with status {status}"}

    def close(self) -> None:
        """End the process once it has rendered what it was asked."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait()
            self._process = None

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _start(self) -> None:
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self._served = 0

    def __enter__(self) -> Worker:
        """Start nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process; at once after an error."""
        if kind is None:
            self.close()
        else:
            self.kill()


@contextmanager
def _worker(installation: Installation, threads: int, log: Path) -> Iterator[Worker]:
    with (
        tempfile.TemporaryDirectory(prefix="cinet_render_") as folder,
        Worker(installation, threads, log, Path(folder)) as worker,
    ):
        yield worker
