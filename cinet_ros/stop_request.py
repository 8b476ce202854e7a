"""SIGINT and SIGTERM as a flag, so that a node ends between two steps and a second Ctrl-C cannot break its clean-up."""

from __future__ import annotations

import signal
from types import FrameType


class StopRequest:
    """Set by SIGINT and SIGTERM, asked by everything that waits. rclpy must be initialised without handlers."""

    def __init__(self) -> None:
        self._requested = False

    def __call__(self) -> bool:
        """Whether the process is to end."""
        return self._requested

    def listen(self) -> None:
        """Take both signals over; call it from the main thread."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    @staticmethod
    def ignore() -> None:
        """Take no further signal: at its very end Python would let one kill the process, whose work is done."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._requested = True  # nothing more: this runs wherever the main thread is
