"""Service calls that the worker answers later, on its own thread, without blocking the executor."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from std_srvs.srv import Trigger

Send = Callable[[Trigger.Response], None]


class Request:
    """One service call. The first answer counts. Thread-safe.

    Args:
        key: which service was called.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self._answer: Trigger.Response | None = None
        self._send: Send | None = None
        self._lock = threading.Lock()

    def answer(self, success: bool, message: str) -> None:
        """Answer the call unless it has been answered."""
        with self._lock:
            if self._answer is not None:
                return
            self._answer = Trigger.Response(success=success, message=message)
            send = self._send
        if send is not None:
            send(self._answer)

    def send_by(self, send: Send) -> None:
        """Set how the answer is sent. It is sent at once if it is known already."""
        with self._lock:
            self._send, answer = send, self._answer
        if answer is not None:
            send(answer)


class RequestQueue:
    """A first-in-first-out queue of calls, so that a save before a reset saves the old map. Thread-safe."""

    def __init__(self) -> None:
        self._waiting: deque[Request] = deque()

    def __len__(self) -> int:
        """Calls that wait."""
        return len(self._waiting)

    def put(self, request: Request) -> None:
        """Append a call to the queue."""
        self._waiting.append(request)

    def take(self) -> Request | None:
        """Remove and return the oldest call, or None."""
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def clear(self, reason: str) -> None:
        """Answer all calls with a failure and its reason."""
        while (request := self.take()) is not None:
            request.answer(False, f"given up: {reason}")


class DeferredService:
    """A std_srvs/Trigger service whose calls are answered whenever their `Request` is.

    Every executor of rclpy, from Humble to Lyrical, calls a service's callback and hands what it returns to
    ``send_response(response, header)`` of the service. Here the callback returns an empty response, and what stands in
    place of that method keeps the header until there is an answer. A coroutine as a callback would say the same in
    fewer lines, but the EventsExecutor of rclpy 7.1.4 to 7.1.10 (Jazzy) raises TypeError at the first call of one,
    which ends the process, and others look at a coroutine that waits only when the next message comes.

    Args:
        node: that offers it, not spun yet.
        name: of the service.
        key: of its requests.
        called: called with each request, on the executor's thread; does not raise.
    """

    def __init__(self, node: Node, name: str, key: str, called: Callable[[Request], None]) -> None:
        self._logger = node.get_logger()
        self._name, self._key, self._called = name, key, called
        # By the identity of the response that the executor has made for it, and holds until it is handed over.
        self._begun: dict[int, Request] = {}
        service: Any = node.create_service(Trigger, name, self._begin)
        self._send_response: Callable[[Trigger.Response, Any], None] = service.send_response
        service.send_response = self._defer

    def _begin(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        request = Request(self._key)
        self._begun[id(response)] = request
        self._called(request)
        return response

    def _defer(self, response: Trigger.Response, header: Any) -> None:
        self._begun.pop(id(response)).send_by(lambda answer: self._send(answer, header))

    def _send(self, answer: Trigger.Response, header: Any) -> None:
        try:
            self._send_response(answer, header)
        except (rclpy_implementation.RCLError, rclpy_implementation.InvalidHandle) as error:
            # Whoever called has gone, or the node ends: neither is the worker's trouble.
            self._logger.warning(f"an answer of {self._name} could not be sent: {error}")
        # rclpy takes one severity from a line, and no other.
        if answer.success:
            self._logger.info(f"{self._name}: {answer.message}")
        else:
            self._logger.warning(f"{self._name}: {answer.message}")
