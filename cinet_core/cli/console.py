"""The progress of a command on standard error."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from cinet_core.progress import Progress

__all__ = ["ConsoleProgress", "LoggedProgress", "logged_to"]

_log = logging.getLogger(__name__)


class ConsoleProgress(Progress):
    """A bar from `begin` to the last frame, with warnings and broken frames as lines of their own.

    Args:
        console: where the bar is; None = standard error.
        transient: the bar goes away at its end.
    """

    def __init__(self, console: Console | None = None, transient: bool = False) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = RichProgress(*columns, console=console or Console(stderr=True), transient=transient)
        self._task: TaskID | None = None

    def __enter__(self) -> ConsoleProgress:
        """Nothing is shown yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The bar stays as it is, unless it is transient."""
        self.end()

    def begin(self, what: str, total: int | None) -> None:
        """See `Progress.begin`."""
        self._task = self._bar.add_task(what, total=total)
        self._bar.start()

    def advance(self, done: int) -> None:
        """See `Progress.advance`."""
        if self._task is not None:
            self._bar.update(self._task, completed=done)

    def note(self, text: str) -> None:
        """See `Progress.note`."""
        print(text, file=sys.stderr)

    def warn(self, text: str) -> None:
        """See `Progress.warn`."""
        print(f"WARNING {text}", file=sys.stderr)

    def broken(self, text: str) -> None:
        """See `Progress.broken`."""
        print(f"BROKEN {text}", file=sys.stderr)

    def end(self) -> None:
        """Let go of the terminal, before something else is printed there."""
        if self._task is not None:
            self._bar.stop()
            self._task = None


class LoggedProgress(ConsoleProgress):
    """Warnings and broken frames go where those of the library's modules go that log: the sources of frames do."""

    def warn(self, text: str) -> None:
        """See `Progress.warn`."""
        _log.warning("%s", text)

    def broken(self, text: str) -> None:
        """See `Progress.broken`."""
        _log.error("%s", text)


@contextmanager
def logged_to(console: Console) -> Iterator[logging.Logger]:
    """Let warnings and errors that the package logs stand on a console, above its progress bar."""
    handler = _ConsoleHandler(console)
    logger = logging.getLogger("cinet_core")
    logger.addHandler(handler)
    try:
        yield logger
    finally:
        logger.removeHandler(handler)


class _ConsoleHandler(logging.Handler):
    """Prints a record unbroken, so that paths in it can be copied."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        style = "red" if record.levelno >= logging.ERROR else "yellow"
        text = f"{record.levelname}: {record.getMessage()}"
        self._console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
