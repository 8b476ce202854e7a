"""Service calls that are answered later, under every executor that rclpy has: none of them may need coroutines."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import rclpy.executors
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from std_srvs.srv import Trigger

from cinet_ros.mapping.requests import DeferredService, Request, RequestQueue
from cinet_ros.node_process import make_executor

PATIENCE = 20.0
TICK = 0.02


class Server:
    """A node with a service whose calls are kept here, and a timer that shows whether the executor goes on."""

    def __init__(self, node: Any, executor: Any) -> None:
        self.node = node
        self.requests: list[Request] = []
        self.ticks = 0
        self.service = DeferredService(node, "~/save", "save", self.requests.append)
        DeferredService(node, "~/reset", "reset", lambda request: request.answer(False, "not active"))
        node.create_timer(TICK, self._tick)
        executor.add_node(node)
        self._executor = executor
        self._stop = threading.Event()
        self.thread = threading.Thread(target=self._spin)
        self.thread.start()

    def _tick(self) -> None:
        self.ticks += 1

    def _spin(self) -> None:
        while not self._stop.is_set():
            self._executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self._stop.set()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive(), "the executor does not come back"
        assert self._executor.shutdown(PATIENCE) is not False, "the executor's work does not end"


@pytest.fixture(params=["ours", "SingleThreadedExecutor", "MultiThreadedExecutor"])
def server(request: pytest.FixtureRequest, make_node: Callable[..., Any], context: Context) -> Iterator[Server]:
    if request.param == "ours":
        executor = make_executor(context)
    else:
        executor = getattr(rclpy.executors, request.param)(context=context)
    server = Server(make_node("server"), executor)
    yield server
    server.close()


class Caller:
    """Calls a service of the server."""

    def __init__(self, node: Any, context: Context) -> None:
        self._node = node
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(node)

    def client(self, name: str) -> Any:
        client = self._node.create_client(Trigger, f"/server/{name}")
        assert client.wait_for_service(PATIENCE)
        self.spin_until(lambda: False, 0.3)  # an answer is lost if the server has not matched its reader yet
        return client

    def spin_until(self, condition: Callable[[], bool], timeout: float = PATIENCE) -> bool:
        deadline = time.monotonic() + timeout
        while not condition() and time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.01)
        return condition()


@pytest.fixture
def caller(make_node: Callable[..., Any], context: Context) -> Caller:
    return Caller(make_node("caller"), context)


def test_calls_wait_without_holding_the_executor_up_and_each_gets_its_own_answer(
    server: Server, caller: Caller
) -> None:
    client = caller.client("save")
    futures = [client.call_async(Trigger.Request()) for _ in range(2)]
    assert caller.spin_until(lambda: len(server.requests) == 2)
    ticks = server.ticks
    assert caller.spin_until(lambda: server.ticks > ticks + 5)
    assert not any(future.done() for future in futures)
    for number in (1, 0):  # in another order, from another thread
        thread = threading.Thread(target=server.requests[number].answer, args=(number == 0, f"answer {number}"))
        thread.start()
        assert caller.spin_until(futures[number].done)
        thread.join(PATIENCE)  # it logs what it has sent, which must not meet the end of the node
        assert not thread.is_alive()
    answers = [future.result() for future in futures]
    by_request = sorted((answer.message, answer.success) for answer in answers)
    assert by_request == [("answer 0", True), ("answer 1", False)]
    server.requests[0].answer(False, "too late")  # who answers first is heard
    assert server.thread.is_alive()


def test_a_call_may_be_answered_at_once(server: Server, caller: Caller) -> None:
    future = caller.client("reset").call_async(Trigger.Request())
    assert caller.spin_until(future.done)
    assert future.result().message == "not active"


def test_an_answer_after_the_end_of_the_node_does_no_harm(server: Server, caller: Caller) -> None:
    caller.client("save").call_async(Trigger.Request())
    assert caller.spin_until(lambda: len(server.requests) == 1)
    server.close()
    server.node.destroy_node()
    server.requests[0].answer(True, "nobody hears it")


def test_no_service_of_the_mapper_has_a_coroutine_for_a_callback(context: Context) -> None:
    from cinet_ros.mapping.node import MappingNode

    node = MappingNode(context=context)
    own = [service for service in node.services if service.srv_type is Trigger]
    assert len(own) == 2
    assert not any(inspect.iscoroutinefunction(service.callback) for service in own)
    node.close(0.0)
    node.destroy_node()


def test_calls_are_taken_in_the_order_of_their_arrival() -> None:
    queue = RequestQueue()
    for key in ("save", "reset"):
        queue.put(Request(key))
    taken = [queue.take(), queue.take()]
    assert [request.key for request in taken if request is not None] == ["save", "reset"]
    assert queue.take() is None
