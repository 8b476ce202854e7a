"""Counters of the frames of one camera: received = used + dropped (by reason) + in the worker."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import NamedTuple

from cinet_core.messages.stamps import StampWatch

RATE_WINDOW = 5.0


class Rate:
    """Events per second over the last ``RATE_WINDOW`` seconds of the steady clock."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=4096)

    def tick(self, now: float) -> None:
        """Count one event."""
        self._times.append(now)

    def value(self, now: float) -> float:
        """Return the rate in Hz, or 0 if fewer than two events lie in the window."""
        while self._times and now - self._times[0] > RATE_WINDOW:
            self._times.popleft()
        if len(self._times) < 2:
            return 0.0
        return (len(self._times) - 1) / max(self._times[-1] - self._times[0], 1e-9)


class FrameCounts(NamedTuple):
    """A consistent snapshot of the counters."""

    received: int
    used: int
    drops: Mapping[str, int]  # by reason
    stamps: Mapping[str, int]  # by what is odd about them

    @property
    def dropped(self) -> int:
        """The number of frames that were dropped for any reason."""
        return sum(self.drops.values())


class FrameCounters:
    """Thread-safe counts of one camera, since activation."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rate_in, self._rate_out = Rate(), Rate()
        self._watch = StampWatch()
        self._received = 0
        self._used = 0
        self._drops: Counter[str] = Counter()
        self._stamps: Counter[str] = Counter()
        self.last_received: float | None = None

    def receive(self, stamp: int) -> float:
        """Count an arrival with its stamp in nanoseconds, and return its steady time in seconds.

        Zero, duplicate and backward stamps are counted by name; such frames are processed like any other.
        """
        now = time.monotonic()
        with self._lock:
            self._received += 1
            self.last_received = now
            self._rate_in.tick(now)
            odd = self._watch.odd(stamp)
            if odd:
                self._stamps[odd] += 1
        return now

    def use(self) -> None:
        """Count a frame whose outputs were published."""
        with self._lock:
            self._used += 1
            self._rate_out.tick(time.monotonic())

    def drop(self, reason: str) -> None:
        """Count a frame that will not be published, under a short reason."""
        with self._lock:
            self._drops[reason] += 1

    def now(self) -> FrameCounts:
        """Return a consistent snapshot of all counters."""
        with self._lock:
            return FrameCounts(self._received, self._used, dict(self._drops), dict(self._stamps))

    def rates(self) -> tuple[float, float]:
        """Return the rates of arrivals and of published frames, in Hz."""
        now = time.monotonic()
        with self._lock:
            return self._rate_in.value(now), self._rate_out.value(now)
