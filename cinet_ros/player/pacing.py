"""Schedules the frames by absolute deadlines, without drift and without a burst after a stall."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pacer:
    """Deadlines of a sequence of frames.

    Each deadline is the one before plus the interval, whatever time sending took, so errors do not add up. A frame
    that is late by more than its own interval is not caught up with: the schedule moves to now and `stalls` counts it.

    Args:
        clock: steady time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._deadline: float | None = None
        self.stalls = 0

    def next_deadline(self, interval: float) -> float:
        """Time (seconds of the clock) at which the next frame is due, ``interval`` seconds after the one before."""
        now = self._clock()
        if self._deadline is None:
            self._deadline = now
            return now
        self._deadline += interval
        if now - self._deadline > interval:
            self.stalls += 1
            self._deadline = now
        return self._deadline


class Intervals:
    """Seconds between an image and the one before it.

    Args:
        rate: images per second; 0: as far apart as their times say.
        nominal: interval used where times cannot tell: before a second image, and where time steps back
            because a source starts again or was recorded out of order.
    """

    def __init__(self, rate: float, nominal: float) -> None:
        self._rate = rate
        self._last = nominal
        self._time_ns: int | None = None

    def since_previous(self, time_ns: int) -> float:
        """Interval in seconds to the image before, for one taken at ``time_ns``; call it once an image."""
        if self._rate > 0:
            return 1.0 / self._rate
        if self._time_ns is not None and time_ns >= self._time_ns:
            self._last = (time_ns - self._time_ns) * 1e-9
        self._time_ns = time_ns
        return self._last


class Tally:
    """Counts the frames that were sent and measures their rate.

    Args:
        clock: steady time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first = self._last = 0.0
        self.sent = 0

    def count(self) -> None:
        """Count a frame that was sent just now."""
        self._last = self._clock()
        if self.sent == 0:
            self._first = self._last
        self.sent += 1

    @property
    def seconds(self) -> float:
        """Time from the first frame to the last."""
        return self._last - self._first

    @property
    def rate(self) -> float:
        """Achieved frames per second; 0 for fewer than two frames."""
        return (self.sent - 1) / self.seconds if self.sent > 1 and self.seconds > 0 else 0.0
