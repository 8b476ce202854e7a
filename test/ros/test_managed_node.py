"""What all managed nodes have in common: every transition is answered, and what they do is told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from lifecycle_msgs.srv import ChangeState
from managed import ACTIVATE, ALLOWED, CLEANUP, CONFIGURE, DEACTIVATE, INACTIVE, TRANSITIONS, UNCONFIGURED
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.parameter import Parameter

from cinet_core.parameters import check, parameter
from cinet_ros import bond
from cinet_ros.managed_node import ManagedNode
from cinet_ros.node_process import make_executor

WAIT = 20.0


@dataclass(frozen=True)
class IdleSettings:
    """Of `Idle`."""

    autostart: bool = parameter(False, "configure and activate without waiting for a lifecycle manager")
    bond_heartbeat_period: float = bond.bond_parameter()
    pace: float = parameter(1.0, "how fast it does nothing", limits=(0.0, 10.0), run_time=True)

    def __post_init__(self) -> None:
        check(self)


class Idle(ManagedNode):
    """Has nothing to do, and does that while active."""

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__("idle", IdleSettings, **node_arguments)

    def configure(self) -> None:
        pass

    activate = free = publish_diagnostics = configure

    def activity(self) -> str:
        return "idles on /nothing"

    def halt(self, timeout: float) -> None:
        pass


@pytest.fixture
def make_idle(context: Context) -> Iterator[Callable[[], Idle]]:
    nodes: list[Idle] = []

    def build() -> Idle:
        nodes.append(Idle(context=context))
        return nodes[-1]

    yield build
    for node in nodes:
        node.destroy_node()


@pytest.fixture(params=["C++", "Python"])
def executor(request: pytest.FixtureRequest, context: Context, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    if request.param == "Python":
        monkeypatch.setitem(sys.modules, "rclpy.experimental", None)
    elif not hasattr(rclpy_implementation, "EventsExecutor"):
        pytest.skip("rclpy has it from 7.1.4 on")
    executor = make_executor(context)
    yield executor
    executor.shutdown()


@pytest.fixture
def ask(context: Context, executor: Any, make_node: Callable[..., Node]) -> Iterator[Callable[..., bool]]:
    """Ask the node for a transition, served by the executor; whether it succeeded."""
    caller, asking = make_node("caller"), SingleThreadedExecutor(context=context)
    client = caller.create_client(ChangeState, "/idle/change_state")
    asking.add_node(caller)

    def call(transition: int, label: str = "") -> bool:
        assert client.wait_for_service(WAIT)
        request = ChangeState.Request()
        request.transition.id, request.transition.label = transition, label
        future = client.call_async(request)
        for _ in range(int(WAIT / 0.02)):
            executor.spin_once(timeout_sec=0.01)
            asking.spin_once(timeout_sec=0.01)
            if future.done():
                return bool(future.result().success)
        raise AssertionError(f"transition {transition} was not answered")

    yield call
    asking.shutdown()


@pytest.mark.parametrize("raises", [False, True], ids=["as it is here", "as up to Jazzy"])
def test_a_transition_that_the_state_does_not_allow_is_answered(
    make_idle: Callable[[], Idle],
    executor: Any,
    ask: Callable[..., bool],
    monkeypatch: pytest.MonkeyPatch,
    raises: bool,
) -> None:
    if raises:
        name = "_LifecycleNodeMixin__on_change_state"
        original = getattr(LifecycleNode, name)

        def raise_instead(self: Any, request: Any, response: Any) -> Any:
            answer = original(self, request, response)
            if not answer.success:
                raise rclpy_implementation.RCLError("Failed to trigger lifecycle state machine transition")
            return answer

        monkeypatch.setattr(LifecycleNode, name, raise_instead)
    node = make_idle()
    executor.add_node(node)
    state = UNCONFIGURED
    for transition in (ACTIVATE, DEACTIVATE, CONFIGURE, CONFIGURE, CLEANUP, CLEANUP, 250):
        goal = ALLOWED.get((state, transition))
        assert ask(transition) == (goal is not None), (state, transition)
        state = state if goal is None else goal
        assert node._state_machine.current_state[0] == state
    assert not ask(CONFIGURE, "no such transition")
    assert ask(0, "configure")
    assert node._state_machine.current_state[0] == INACTIVE
    assert set(TRANSITIONS) == {CONFIGURE, CLEANUP, ACTIVATE, DEACTIVATE}


def test_what_an_active_node_does_is_logged(
    make_idle: Callable[[], Idle], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bond, "available", lambda: False)
    node = make_idle()
    assert node.autostart()
    assert "activated: idles on /nothing; no bond (the package bond is not installed)" in capfd.readouterr().err
    node.trigger_deactivate()
    assert "deactivated: no longer idles on /nothing" in capfd.readouterr().err


def test_a_bond_that_cannot_be_made_keeps_nobody_from_work(
    make_idle: Callable[[], Idle], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bond, "available", lambda: True)
    monkeypatch.setitem(sys.modules, "bond.msg", None)  # and then they cannot be imported
    node = make_idle()
    assert node.autostart()
    assert "activated: idles on /nothing; no bond (ModuleNotFoundError" in capfd.readouterr().err


def test_whole_numbers_become_doubles_in_the_node_itself_too(make_idle: Callable[[], Idle]) -> None:
    node = make_idle()
    double, text = node.set_parameters([Parameter("pace", value=3), Parameter("pace", value="fast")])
    assert double.successful
    assert not text.successful
    assert "pace = 'fast' must be a number in 0 .. 10" in text.reason
    assert (node.get_parameter("pace").type_, node.get_parameter("pace").value) == (Parameter.Type.DOUBLE, 3.0)
    (fixed,) = node.set_parameters([Parameter("bond_heartbeat_period", value=1)])
    assert "read-only" in fixed.reason
