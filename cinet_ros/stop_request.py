"""Turns SIGINT and SIGTERM into a flag, so that a node stops between steps and cleans up completely."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StoppedError(BaseException):
    """A stop came within `StopRequest.at_once`. Not an Exception, so that no library takes it for one of its own."""


class StopRequest:
    """Set by SIGINT and SIGTERM, asked by everything that waits. rclpy must be initialised without handlers."""

    def __init__(self) -> None:
        self._requested = False
        self._at_once = False

    def __call__(self) -> bool:
        """Whether the process is to end."""
        return self._requested

    def listen(self) -> None:
        """Take both signals over; call it from the main thread."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """While there is nothing to clean up yet: a stop raises, wherever the main thread is, instead of waiting.

        Raises:
            StoppedError: a stop came within, or before.
        """
        if self._requested:
            raise StoppedError
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    @staticmethod
    def ignore() -> None:
        """Take no further signal: at its very end Python would let one kill the process, whose work is done."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._requested = True  # nothing more: this runs wherever the main thread is
        if self._at_once:
            self._at_once = False  # a second one does not break what the first has begun
            raise StoppedError
