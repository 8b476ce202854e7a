"""The progress of a command on standard error."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from cinet_core.progress import Progress

__all__ = ["ConsoleProgress"]


class ConsoleProgress(Progress):
    """A bar from `begin` to the end of the `with` statement, with warnings and broken frames as lines of their own."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = RichProgress(*columns, console=Console(stderr=True))
        self._task: TaskID | None = None

    def __enter__(self) -> ConsoleProgress:
        """Nothing is shown yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The bar stays as it is."""
        if self._task is not None:
            self._bar.stop()

    def begin(self, what: str, total: int) -> None:
        """See `Progress.begin`."""
        self._task = self._bar.add_task(what, total=total)
        self._bar.start()

    def advance(self, done: int) -> None:
        """See `Progress.advance`."""
        if self._task is not None:
            self._bar.update(self._task, completed=done)

    def warn(self, text: str) -> None:
        """See `Progress.warn`."""
        print(f"WARNING {text}", file=sys.stderr)

    def broken(self, text: str) -> None:
        """See `Progress.broken`."""
        print(f"BROKEN {text}", file=sys.stderr)
