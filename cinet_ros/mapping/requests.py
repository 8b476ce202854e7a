"""Service calls that the worker answers while the executor goes on."""

from __future__ import annotations

import threading
from typing import Any

from rclpy.task import Future
from std_srvs.srv import Trigger


class Request:
    """One call; whoever answers first is heard. Safe from any thread."""

    def __init__(self) -> None:
        self._future: Future[Trigger.Response] = Future()
        self._lock = threading.Lock()

    def answer(self, success: bool, message: str) -> None:
        """Give the answer, unless there is one."""
        with self._lock:
            if not self._future.done():
                self._future.set_result(Trigger.Response(success=success, message=message))

    async def answered(self) -> Any:
        """The answer, once it is there."""
        return await self._future
