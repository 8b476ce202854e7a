"""``cinet predict``: a source of frames in, pictures and clouds out."""

from __future__ import annotations

import argparse
import itertools
import logging
import math
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cinet_core.checkpoint import CheckpointError
from cinet_core.cli.frame_choice import chosen_camera, chosen_checkpoint, chosen_predictor
from cinet_core.data.frame_sources import Frame, FrameSource, SourceError, open_source
from cinet_core.geometry import Intrinsics
from cinet_core.inference.prediction import RANDOM_WARNING, Prediction
from cinet_core.inference.predictor import Predictor
from cinet_core.open3d_loading import Open3DError, load_open3d

_log = logging.getLogger(__name__)


def run_predict(options: argparse.Namespace) -> int:
    """Predict on every frame of the source; returns the exit status (see main)."""
    console = Console(stderr=True)
    handler = _ConsoleHandler(console)
    logging.getLogger("cinet_core").addHandler(handler)
    try:
        return _predict(options, console)
    finally:
        logging.getLogger("cinet_core").removeHandler(handler)


def _predict(options: argparse.Namespace, console: Console) -> int:
    try:
        source = open_source(options.source, depth=False)
        checkpoint = chosen_checkpoint(options)
        predictor = chosen_predictor(options, checkpoint)
        options.output.mkdir(parents=True, exist_ok=True)
        if "cloud" in options.write:
            load_open3d()
    except (SourceError, CheckpointError, Open3DError, ValueError, OSError) as error:
        _log.error("%s", error)
        return 2
    if checkpoint.metadata.random_weights:
        _log.warning("%s", RANDOM_WARNING)
    try:
        return _Run(source, predictor, options).run(console)
    finally:
        predictor.close()


class _ConsoleHandler(logging.Handler):
    """Warnings and errors above the progress bar, unbroken, so that paths in them can be copied."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        style = "red" if record.levelno >= logging.ERROR else "yellow"
        text = f"{record.levelname}: {record.getMessage()}"
        self._console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


class _Run:
    """One pass over a source."""

    def __init__(self, source: FrameSource, predictor: Predictor, options: argparse.Namespace) -> None:
        self._source = source
        self._predictor = predictor
        self._options = options
        self._said: set[str] = set()
        self._done = 0
        self._failed = 0

    def run(self, console: Console) -> int:
        start = time.perf_counter()
        every, limit = self._options.every, self._options.limit
        frames = itertools.islice(self._source, 0, None if limit is None else every * (limit - 1) + 1, every)
        total = math.ceil(len(self._source) / every) if len(self._source) else None
        if limit is not None:
            total = limit if total is None else min(total, limit)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(self._source.name, total=total)
            for frame in frames:
                self._one(frame)
                progress.advance(task)
        failed = self._failed + len(self._source.failures)
        seconds = (time.perf_counter() - start) / max(1, self._done)
        written = f"{self._done} frame{'' if self._done == 1 else 's'} written to {self._options.output}"
        print(f"{written}, {seconds:.2f} s each" + (f"; {failed} FAILED, named above" if failed else ""))
        if self._done == 0 and not failed:
            _log.error("%s held no frame", self._source.name)
        return 1 if failed or not self._done else 0

    def _one(self, frame: Frame) -> None:
        try:
            intrinsics = self._intrinsics(frame)
            self._write(frame, self._predictor(frame.image, intrinsics).within(frame.valid))
        except (ValueError, OSError) as error:
            _log.error("%s: %s", frame.name, error)
            self._failed += 1
        else:
            self._done += 1

    def _intrinsics(self, frame: Frame) -> Intrinsics | None:
        intrinsics = chosen_camera(self._options, frame)
        if intrinsics is None:
            self._say_once(
                "the camera is unknown: depth may be off by a constant factor, and no cloud is written; "
                "give --fov or --intrinsics"
            )
        else:
            self._say_once(self._predictor.focal_warning(intrinsics))
        return intrinsics

    def _say_once(self, text: str | None) -> None:
        if text and text not in self._said:
            self._said.add(text)
            _log.warning("%s", text)

    def _write(self, frame: Frame, prediction: Prediction) -> None:
        caption = f"{self._source.name} / {frame.name}, {self._predictor.metadata.config.name}"
        written = prediction.save(self._options.output, frame.name, self._options.write, caption)
        if "cloud" in self._options.write and prediction.intrinsics is not None and "cloud" not in written:
            path = f"{self._options.output / frame.name}_cloud.ply"
            _log.warning("%s is not written: no pixel of %s has a valid depth", path, frame.name)
