"""Synchronises the messages of a frame by stamp, and queues complete frames until they are fused."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cinet_core.messages.fields import stamp_of
from cinet_ros.counters import FrameCounters

# Stamps that may be incomplete at once, and finished ones that are remembered: what one process publishes for an image
# arrives within a frame or two.
OPEN_FRAMES = 8

# Why frames are dropped; what conversions and poses add is named there.
ZERO_STAMP = "zero_stamp"
DUPLICATE = "duplicate_stamp"
INCOMPLETE = "incomplete"
OVERLOAD = "overload"
TOO_OLD = "too_old"


@dataclass(frozen=True, eq=False)  # arrays of messages are not to be compared
class SynchronizedFrame:
    """All messages of one image.

    Attributes:
        messages: by topic.
        stamp: nanoseconds, of every message.
        received: when it was complete, steady clock, seconds.
    """

    messages: Mapping[str, Any]
    stamp: int
    received: float


class Synchroniser:
    """Collects messages with exactly equal stamps. It must be used from the executor's thread.

    A frame counts as received with its first message. It is dropped where its stamp is zero (which no pose has) or that
    of a frame just finished, and where others fill the ``OPEN_FRAMES`` places before the last of its messages comes.

    Args:
        topics: of all of which a frame needs a message.
        counters: where frames are counted.
    """

    def __init__(self, topics: Iterable[str], counters: FrameCounters) -> None:
        self._topics = tuple(topics)
        self._counters = counters
        self._open: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._finished: deque[int] = deque(maxlen=OPEN_FRAMES)

    def add(self, topic: str, message: Any) -> SynchronizedFrame | None:
        """Add a message, and return the frame that it completes, or None."""
        stamp = stamp_of(message)
        if stamp == 0 or stamp in self._finished:
            if topic == self._topics[0]:  # once a frame
                self._counters.receive(stamp)
                self._counters.drop(ZERO_STAMP if stamp == 0 else DUPLICATE)
            return None
        if stamp not in self._open:
            self._begin(stamp)
        messages = self._open[stamp]
        messages[topic] = message
        if len(messages) < len(self._topics):
            return None
        del self._open[stamp]
        self._finished.append(stamp)
        return SynchronizedFrame(messages, stamp, time.monotonic())

    def clear(self) -> None:
        """Drop incomplete frames."""
        while self._open:
            self._drop_oldest()

    def _begin(self, stamp: int) -> None:
        self._counters.receive(stamp)
        if len(self._open) >= OPEN_FRAMES:
            self._drop_oldest()
        self._open[stamp] = {}

    def _drop_oldest(self) -> None:
        self._open.popitem(last=False)
        self._counters.drop(INCOMPLETE)


class FrameQueue:
    """A bounded first-in-first-out queue of complete frames. Thread-safe.

    Args:
        capacity: frames; each holds its images.
        counters: where dropped frames are counted.
    """

    def __init__(self, capacity: int, counters: FrameCounters) -> None:
        self._capacity = capacity
        self._counters = counters
        self._frames: deque[SynchronizedFrame] = deque()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Frames that wait."""
        return len(self._frames)

    def put(self, frame: SynchronizedFrame) -> None:
        """Append a frame. If the queue is full, the oldest frame is dropped."""
        with self._lock:
            self._frames.append(frame)
            surplus = self._frames.popleft() if len(self._frames) > self._capacity else None
        if surplus is not None:
            self._counters.drop(OVERLOAD)

    def drop_older(self, age: float) -> int:
        """Drop the frames that were completed longer ago than this many seconds, and return their number."""
        oldest = time.monotonic() - age
        dropped = 0
        with self._lock:
            while self._frames and self._frames[0].received < oldest:
                self._frames.popleft()
                dropped += 1
        for _ in range(dropped):
            self._counters.drop(TOO_OLD)
        return dropped

    def first(self) -> SynchronizedFrame | None:
        """Return the oldest frame without removing it, or None."""
        with self._lock:
            return self._frames[0] if self._frames else None

    def remove(self, frame: SynchronizedFrame) -> bool:
        """Remove a frame. Returns False if it was dropped, and counted, in the meantime."""
        with self._lock:
            try:
                self._frames.remove(frame)
            except ValueError:
                return False
            return True

    def clear(self, reason: str) -> None:
        """Drop all frames for a reason."""
        with self._lock:
            dropped, self._frames = len(self._frames), deque()
        for _ in range(dropped):
            self._counters.drop(reason)
