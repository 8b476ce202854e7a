"""Predicts with one backend while another, faster one is being prepared."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from cinet_core.inference.backend import Backend, BackendOutput

__all__ = ["BackgroundBackend", "is_preparing"]

_log = logging.getLogger(__name__)

_threads: set[threading.Thread] = set()


def is_preparing() -> bool:
    """Whether something is being prepared in this process, for a backend that may be closed already.

    At an orderly end of the interpreter such a thread, in the middle of a runtime, would end the process with an abort.
    """
    return any(thread.is_alive() for thread in tuple(_threads))


class BackgroundBackend:
    """Runs `first`, and from some frame on what `prepare` has returned, on a thread of its own.

    Where that fails, it stays with the first, and a warning says why.

    Args:
        first: ready now.
        prepare: builds the other one; may take minutes.
    """

    def __init__(self, first: Backend, prepare: Callable[[], Backend]) -> None:
        self._backend = first
        self._next: Backend | None = None
        self._reason = "until another one is ready"
        self._closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._prepare, args=(prepare,), name="backend preparation", daemon=True)
        _threads.add(self._thread)
        self._thread.start()

    @property
    def name(self) -> str:
        """See `Backend`; the value is that of the current backend."""
        return self._backend.name

    @property
    def reason(self) -> str:
        """Why this backend was chosen, as a sentence for people."""
        return self._reason

    @property
    def device(self) -> str:
        """See `Backend`; the value is that of the current backend."""
        return self._backend.device

    def run(self, images: npt.NDArray[np.uint8], intrinsics: npt.NDArray[np.float32]) -> BackendOutput:
        """See `Backend.run`."""
        with self._lock:
            following, self._next = self._next, None
        if following is not None:
            self._backend.close()
            self._backend, self._reason = following, following.reason
        return self._backend.run(images, intrinsics)

    def close(self) -> None:
        """See `Backend.close`; what is still being prepared is closed when it is done."""
        with self._lock:
            self._closed = True
            following, self._next = self._next, None
        if following is not None:
            following.close()
        self._backend.close()

    def wait(self, timeout: float) -> bool:
        """Wait until the preparation has ended, and return whether it has."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _prepare(self, prepare: Callable[[], Backend]) -> None:
        try:
            self._take_over(prepare)
        finally:
            _threads.discard(threading.current_thread())

    def _take_over(self, prepare: Callable[[], Backend]) -> None:
        begun = time.monotonic()
        try:
            prepared = prepare()
        except Exception as error:  # the first one works: nothing that a runtime does may end the process
            self._reason = f"no other one could be prepared: {error}"
            _log.warning("backend %s: %s", self._backend.name, self._reason)
            return
        _log.info("backend %s: %s (ready after %.0f s)", prepared.name, prepared.reason, time.monotonic() - begun)
        with self._lock:
            if not self._closed:
                self._next = prepared
                return
        prepared.close()
