"""Loads images on a background thread, so that decoding and rendering do not delay frames."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

__all__ = ["DEPTH", "POLL_SECONDS", "Preloaded", "ReadAhead"]

Item = TypeVar("Item")

# A signal sets a flag and cannot wake a waiting thread: waits are cut into pieces this long (seconds).
POLL_SECONDS = 0.05
# Items that may wait: enough to hide a slow frame, few enough for large images.
DEPTH = 4
# How long closing waits for the item in work. A thread that is inside a C++ library when the interpreter exits aborts
# the process, so threads are joined; only one that hangs (a network drive) is left behind.
JOIN_SECONDS = 2.0


class ReadAhead(Generic[Item]):
    """Iterates over ``items`` on a background thread, at most `DEPTH` items ahead; for one pass, by one consumer.

    Args:
        items: iterated on the thread; what it raises is raised to the consumer in its place.
        stopped: asked while waiting; the iteration ends when it answers True.
    """

    def __init__(self, items: Iterable[Item], stopped: Callable[[], bool]) -> None:
        self._items = items
        self._stopped = stopped
        self._ready: deque[Item] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._finished = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._load, name="read_ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Item]:
        """Items in order, each as soon as it is loaded."""
        try:
            while True:
                with self._changed:
                    while not self._ready and not self._finished and not self._stopped():
                        self._changed.wait(POLL_SECONDS)
                    if self._stopped() or not self._ready:
                        break
                    item = self._ready.popleft()
                    self._changed.notify()
                yield item
            if self._error is not None and not self._stopped():
                raise self._error
        finally:
            self.close()

    def close(self) -> None:
        """End the thread after the item it is loading, and forget what was loaded."""
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._changed.notify()
        self._thread.join(JOIN_SECONDS)

    def _load(self) -> None:
        try:
            for item in self._items:
                with self._changed:
                    while len(self._ready) >= DEPTH and not self._closed:
                        self._changed.wait()
                    if self._closed:
                        return
                    self._ready.append(item)
                    self._changed.notify()
        except BaseException as error:  # the consumer raises it
            self._error = error
        finally:
            with self._changed:
                self._finished = True
                self._changed.notify()


class Preloaded(Generic[Item]):
    """All items of a source that is too slow to be read in time, loaded once on a background thread and kept.

    Args:
        items: iterated once.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self._source = items
        self._items: list[Item] = []
        self._error: BaseException | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._load, name="preload", daemon=True)
        self._thread.start()

    def wait(self, stopped: Callable[[], bool]) -> None:
        """Return when everything is loaded, or ``stopped()`` is True; raise what loading raised."""
        while self._thread.is_alive() and not stopped():
            self._thread.join(POLL_SECONDS)
        if self._error is not None:
            raise self._error

    def __iter__(self) -> Iterator[Item]:
        """Items that are loaded, in order; `wait` first for all of them."""
        return iter(self._items)

    def close(self) -> None:
        """End the thread after the item it is loading."""
        self._closed = True
        self._thread.join(JOIN_SECONDS)

    def _load(self) -> None:
        try:
            for item in self._source:
                self._items.append(item)
                if self._closed:
                    return
        except BaseException as error:  # the consumer raises it
            self._error = error
