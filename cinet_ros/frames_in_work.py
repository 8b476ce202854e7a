"""The frames that a worker has in work, each of which is counted once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from cinet_ros.camera import Camera


class FramesInWork:
    """The frames that a worker processes. Each is counted once, whether it completes or is abandoned.

    Args:
        cameras: by name.
    """

    def __init__(self, cameras: Mapping[str, Camera]) -> None:
        self._cameras = cameras
        self._in_work: set[str] = set()
        self._given_up: str | None = None
        self._lock = threading.Lock()

    def begin(self, names: Iterable[str]) -> None:
        """Register one frame of each of these cameras."""
        with self._lock:
            self._in_work = set(names)
            self._drop_given_up()

    def use(self, camera: Camera) -> bool:
        """Count the frame of a camera as used. Returns False if it was counted before."""
        return self._end(camera, camera.counters.use)

    def drop(self, camera: Camera, reason: str) -> bool:
        """Count the frame of a camera as dropped. Returns False if it was counted before."""
        return self._end(camera, lambda: camera.counters.drop(reason))

    def give_up(self, reason: str) -> None:
        """Count all current and future frames as dropped."""
        with self._lock:
            self._given_up = reason
            self._drop_given_up()

    def _drop_given_up(self) -> None:
        if self._given_up is not None:
            while self._in_work:
                self._cameras[self._in_work.pop()].counters.drop(self._given_up)

    def _end(self, camera: Camera, count: Callable[[], None]) -> bool:
        with self._lock:
            if camera.name not in self._in_work:
                return False
            self._in_work.remove(camera.name)
            count()
            return True
