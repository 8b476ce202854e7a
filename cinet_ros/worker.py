"""A thread that processes the latest frame of each camera. It has no queue: a slow model drops frames."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")

logger = logging.getLogger(__name__)


class LatestWorker(Generic[Item]):
    """Hands the newest item of every key to ``process``, in one call (a turn), on a thread of its own.

    An item that arrives while another of its key still waits replaces it. Nothing blocks the submitting thread for
    longer than a lock. The thread is a daemon: one that hangs does not keep the process.

    Args:
        process: called with ``{key: item}`` of all keys that have one; runs on the worker's thread. Where it returns
            True there is more to do of the same: it is called with the same again, unless newer items came.
        failed: called with the exception and the batch when ``process`` raises; the worker goes on.
        name: of the thread.
        order: all keys, where each is to have a turn of its own: the first of them that has an item is next.

    Raises:
        RuntimeError: the system gives no thread.
    """

    def __init__(
        self,
        process: Callable[[dict[str, Item]], bool | None],
        failed: Callable[[Exception, dict[str, Item]], None],
        name: str = "worker",
        order: Sequence[str] = (),
    ) -> None:
        self._process = process
        self._failed = failed
        self._order = tuple(order)
        self._waiting: dict[str, Item] = {}
        self._wake = threading.Condition()
        self._stopping = False
        self._begun: float | None = None  # of the batch in work, steady clock
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, key: str, item: Item) -> Item | None:
        """Submit an item, and return the unprocessed one of the same key that it replaces, or None.

        Raises:
            RuntimeError: the worker was stopped.
        """
        with self._wake:
            if self._stopping:
                raise RuntimeError("the worker is stopped; create a new one")
            replaced = self._waiting.get(key)
            self._waiting[key] = item
            self._wake.notify()
        return replaced

    def stop(self, timeout: float = 10.0) -> dict[str, Item]:
        """Stop the thread after its current batch, and return the items that were still waiting.

        A batch that does not end within ``timeout`` seconds is left to itself: see `running`.
        """
        with self._wake:
            self._stopping = True
            left, self._waiting = self._waiting, {}
            self._wake.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)
        return left

    @property
    def running(self) -> bool:
        """Whether the thread is there still; after `stop`: with a batch that did not end in time."""
        return self._thread.is_alive()

    def busy_for(self) -> float:
        """Seconds that the batch in work has taken so far; 0 while there is none."""
        begun = self._begun
        return 0.0 if begun is None else time.monotonic() - begun

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._stopping:
                    self._wake.wait()
                if self._stopping:
                    return
                batch = self._next()
                self._begun = time.monotonic()
            again = None
            try:
                again = self._process(batch)
            except Exception as error:  # a bad frame must not end the node
                self._report(error, batch)
            finally:
                self._begun = None
            if again:
                self._wait_again(batch)

    def _next(self) -> dict[str, Item]:
        """Take what the next turn is of; the caller has the lock."""
        key = next((key for key in self._order if key in self._waiting), None)
        if key is not None:
            return {key: self._waiting.pop(key)}
        batch, self._waiting = self._waiting, {}
        return batch

    def _wait_again(self, batch: dict[str, Item]) -> None:
        with self._wake:
            if not self._stopping:
                self._waiting = batch | self._waiting

    def _report(self, error: Exception, batch: dict[str, Item]) -> None:
        try:
            self._failed(error, batch)
        except Exception:
            logger.exception("the handler of a failed batch failed as well, on %r", error)
