"""What serves a node in its process: rclpy's executor in C++, or in Python where there is no other."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node

from cinet_ros.node_process import make_executor, spin


@pytest.fixture(params=["in C++", "in Python"])
def executor(request: pytest.FixtureRequest, context: Context, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    if request.param == "in Python":
        monkeypatch.setitem(sys.modules, "rclpy.experimental", None)  # as up to Jazzy
    elif not hasattr(rclpy_implementation, "EventsExecutor"):
        pytest.skip("rclpy has it from Kilted on, and in Jazzy from 7.1.4")
    executor = make_executor(context)
    assert isinstance(executor, SingleThreadedExecutor) == (request.param == "in Python")
    yield executor
    executor.shutdown()


def test_a_request_that_rclpy_refuses_does_not_end_the_node(make_node: Callable[..., Node], executor: Any) -> None:
    """Up to Jazzy, a transition that is not possible raises out of spin_once."""
    node, calls = make_node("spun"), []

    def refuse() -> None:
        calls.append(1)
        raise rclpy_implementation.RCLError("Failed to trigger lifecycle state machine transition")

    node.create_timer(0.01, refuse)
    executor.add_node(node)
    spin(executor, lambda: len(calls) >= 3, node.get_logger())
    assert len(calls) >= 3


def test_other_errors_are_not_hidden(make_node: Callable[..., Node], executor: Any) -> None:
    node = make_node("spun")

    def fail() -> None:
        raise ZeroDivisionError

    node.create_timer(0.01, fail)
    executor.add_node(node)
    with pytest.raises(ZeroDivisionError):
        spin(executor, lambda: False, node.get_logger())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_while_the_node_is_made_ends_it_at_once(number: signal.Signals) -> None:
    """It imports PyTorch: longer, on a busy machine, than launch waits after Ctrl-C before it kills."""
    slow = (
        "import sys, time\nfrom cinet_ros import node_process\n"
        "def make():\n    print('made', flush=True)\n    for _ in range(6000):\n        time.sleep(0.01)\n"
        "sys.exit(node_process.run('slow', make, []))"
    )
    process = subprocess.Popen([sys.executable, "-c", slow], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        begun = time.monotonic()
        process.send_signal(number)
        process.send_signal(number)  # a second one does not break the end
        assert process.wait(30) == 0
    assert time.monotonic() - begun < 20


def test_the_end_frees_what_is_in_cycles_and_skips_the_interpreters_teardown() -> None:
    script = (
        "import atexit\nfrom cinet_ros import node_process\n"
        "class Listener:\n    def __del__(self):\n        print('freed')\n"
        "listener = Listener()\nlistener.itself = listener\ndel listener\n"
        "atexit.register(print, 'torn down')\nnode_process.leave(3)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, "freed\n")
