"""The bond with nav2_lifecycle_manager, on the wire: against a stand-in of the manager that keeps to its protocol."""

from __future__ import annotations

import functools
import json
import signal
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fork_server import ForkServer
from lifecycle_msgs.msg import State
from managed import ACTIVE, Managed
from std_srvs.srv import Trigger

SUPPORT = Path(__file__).resolve().parents[1] / "support"
SMALL = {"device": "cpu", "network_width": 64, "network_height": 48}
AT_IDENTITY = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
PERIOD, BOND_TIMEOUT = 0.25, 4.0
# A busy machine may be late by this much, seconds.
SLACK = 2.0

fault = functools.partial(pytest.mark.fault, area="life")


@pytest.fixture(scope="module")
def node_server(equipped_server: ForkServer) -> ForkServer:
    """In place of the one of all tests: these nodes have the messages of a bond."""
    return equipped_server


class Manager:
    """The stand-in, in a process of its own; see `lifecycle_manager`."""

    def __init__(self, wire: Any, start: Callable[..., Any], *names: str) -> None:
        self._wire = wire
        script = str(SUPPORT / "lifecycle_manager.py")
        self.process = start(script, {"node_names": list(names), "bond_timeout": BOND_TIMEOUT}, until='"ready"')

    def events(self) -> list[dict[str, Any]]:
        """All that it has seen so far."""
        return [json.loads(line) for line in self.process.output().splitlines() if line.startswith("{")]

    def await_event(self, event: str, since: int, timeout: float = 60.0) -> dict[str, Any]:
        """The first event of a kind after as many events."""
        deadline = time.monotonic() + timeout
        while not (found := [item for item in self.events()[since:] if item["event"] == event]):
            assert time.monotonic() < deadline, f"no {event!r} within {timeout:g} s:\n{self.process.output()}"
            time.sleep(0.02)
        return found[0]

    def do(self, command: str) -> list[dict[str, Any]]:
        """Give a command; return what it saw until it was done."""
        since = len(self.events())
        self._wire.call(Trigger, f"/lifecycle_manager/{command}", Trigger.Request())
        self.await_event({"report": "reported"}.get(command, command), since)
        return self.events()[since:]

    def heard(self) -> dict[str, dict[str, Any]]:
        """What it heard of each node since that was activated."""
        return {item["node"]: item for item in self.do("report") if item["event"] == "heard"}


@pytest.fixture
def perception(start: Callable[..., Any], tiny_weights: Path) -> Callable[[], Any]:
    """Start the perception node, for a manager."""
    return lambda: start("perception_node", {"weights": str(tiny_weights), **SMALL, "autostart": False})


def named(events: list[dict[str, Any]], event: str) -> list[str]:
    """Nodes of all events of a kind."""
    return [item["node"] for item in events if item["event"] == event]


class TestTwoNodes:
    """Perception and mapping under one manager, one test after the other."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def nodes(cls, start: Callable[..., Any], tiny_weights: Path) -> dict[str, Any]:
        mapping = {"camera_in_base": AT_IDENTITY, "autostart": False}
        perception = {"weights": str(tiny_weights), **SMALL, "autostart": False}
        return {"perception": start("perception_node", perception), "mapping": start("mapping_node", mapping)}

    @pytest.fixture(scope="class")
    @classmethod
    def manager(cls, own_wire: Any, start: Callable[..., Any], nodes: dict[str, Any]) -> Manager:
        return Manager(own_wire, start, *nodes)

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def begun(cls, manager: Manager) -> list[dict[str, Any]]:
        """What the manager said when it brought them up, for whichever test is first."""
        begun = manager.do("startup")
        assert begun[-1]["success"], begun
        return begun

    def test_the_manager_brings_them_up_and_hears_them(
        self, manager: Manager, nodes: dict[str, Any], begun: list[dict[str, Any]]
    ) -> None:
        assert named(begun, "bonded") == list(nodes)
        for name, node in nodes.items():
            node.wait_for("] [" + name + "]: activated: ")
            assert f"the bond {name} waits for a lifecycle manager" in node.output()
        time.sleep(4 * BOND_TIMEOUT / 3)
        for name, heard in manager.heard().items():
            assert heard["state"] == "alive", heard
            assert heard["seconds"] > BOND_TIMEOUT, heard
            assert heard["longest"] < BOND_TIMEOUT / 2, heard
            assert 0.5 < heard["count"] * PERIOD / heard["seconds"] < 1.5, heard
            assert (heard["period"], heard["timeout"]) == (PERIOD, 4.0)
            (instance,) = heard["instances"]
            assert str(uuid.UUID(instance)) == instance, name

    def test_pause_and_resume_break_it_orderly_and_make_another(self, manager: Manager, nodes: dict[str, Any]) -> None:
        before = manager.heard()
        paused = manager.do("pause")
        assert paused[-1]["success"], paused
        ended = {item["node"]: (item["bond"], item["reason"]) for item in paused if item["event"] == "deactivated"}
        assert ended == dict.fromkeys(nodes, ("dead", "farewell"))
        for node in nodes.values():
            node.wait_for("]: deactivated: no longer ")
        resumed = manager.do("resume")
        assert resumed[-1]["success"], resumed
        for name, heard in manager.heard().items():
            assert set(heard["instances"]).isdisjoint(before[name]["instances"])
        assert not named(manager.events(), "down")

    @fault(
        injected="the manager ends: it says farewell to both nodes",
        expected="answered at once; the nodes stay active and are silent",
    )
    def test_a_manager_that_goes_is_answered_and_leaves_the_nodes_at_work(
        self, own_wire: Any, manager: Manager, nodes: dict[str, Any], observed: Callable[[str], None]
    ) -> None:
        assert manager.process.stop() == 0
        farewells = [item for item in manager.events() if item["event"] == "farewell"]
        assert {item["node"]: item["answered"] for item in farewells} == dict.fromkeys(nodes, True)
        for name, node in nodes.items():
            node.wait_for("the lifecycle manager has ended the bond; the node goes on")
            assert Managed(own_wire, f"/{name}").state == ACTIVE
        own_wire.spin_until(lambda: own_wire.node.count_subscribers("/bond") == 0, "end of the subscriptions")
        observed("answered; active, no longer subscribed to bond")


@fault(
    injected="the active node is killed, then frozen, then stopped by SIGINT, and each time started anew (or thawed)",
    expected="the manager notices within bond_timeout, at SIGINT at once, and brings it up again",
)
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP, signal.SIGINT], ids=["killed", "frozen", "stopped"])
def test_a_node_that_is_gone_is_noticed_and_brought_up_again(
    own_wire: Any,
    start: Callable[..., Any],
    perception: Callable[[], Any],
    observed: Callable[[str], None],
    end: signal.Signals,
) -> None:
    node = perception()
    manager = Manager(own_wire, start, "perception")
    assert manager.do("startup")[-1]["success"], manager.events()
    time.sleep(3 * PERIOD)
    since, began = len(manager.events()), time.monotonic()
    node.process.send_signal(end)
    down = manager.await_event("down", since)
    took = time.monotonic() - began
    assert down["node"] == "perception"
    if end == signal.SIGINT:
        assert down["reason"] == "farewell"
        assert took < BOND_TIMEOUT / 2
    else:
        assert down["reason"].startswith("silent")
        assert BOND_TIMEOUT - PERIOD - SLACK / 2 < took < BOND_TIMEOUT + SLACK
    if end == signal.SIGSTOP:
        node.process.send_signal(signal.SIGCONT)
    else:
        node.process.wait(20)
        perception()
    manager.await_event("respawned", since)
    assert manager.await_event("startup", since)["success"], manager.events()
    assert named(manager.events()[since:], "bonded") == ["perception"]
    observed(f"{end.name}: noticed as {down['reason'].partition(' ')[0]}, active and bonded again")


@fault(
    injected="no lifecycle manager comes (the node waits 1 s here, 10 s by default)",
    expected="the node works, and no longer listens to the topic of bonds",
)
def test_without_a_manager_it_ceases_to_wait(
    own_wire: Any, start: Callable[..., Any], tiny_weights: Path, observed: Callable[[str], None]
) -> None:
    start(str(SUPPORT / "lonely_node.py"), {"weights": str(tiny_weights), **SMALL}, until="activated: ")
    own_wire.spin_until(lambda: own_wire.node.count_subscribers("/bond") == 0, "end of the subscription")
    assert Managed(own_wire).state == State.PRIMARY_STATE_ACTIVE
    observed("active, silent")


def test_a_period_of_zero_makes_no_bond(own_wire: Any, start: Callable[..., Any], tiny_weights: Path) -> None:
    parameters = {"weights": str(tiny_weights), **SMALL, "bond_heartbeat_period": 0}
    start("perception_node", parameters, until="no bond (bond_heartbeat_period is 0)")
    assert Managed(own_wire).state == ACTIVE
    own_wire.spin_for(0.5)
    assert own_wire.node.count_publishers("/bond") == 0
