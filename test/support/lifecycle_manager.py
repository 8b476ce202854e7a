#!/usr/bin/env python3
"""Stand-in of nav2_lifecycle_manager: brings nodes up, bonds with them, and brings them down when a bond breaks.

It does what `lifecycle_manager.cpp` and `bond.cpp` do, in their order and with their times: configure and activate one
node after the other; bond with each as soon as it is active, which must succeed within half of `bond_timeout`; look at
the bonds five times a second; where one is broken, deactivate and clean up all, and start them anew once all answer.
Other than there, its services are Triggers. Parameters: node_names, bond_timeout, as there. What it sees it prints, one
JSON object a line.
"""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import sys
import threading
import time
import uuid
from itertools import pairwise
from typing import Any

import rclpy
from bond.msg import Constants, Status
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_srvs.srv import Trigger

HEARTBEAT_PERIOD = 0.1
LOOK_PERIOD = 0.2
# How long a transition may take, and how long a node that is being brought down, and may be dead, is waited for.
ANSWER_TIMEOUT, LAST_ANSWER_TIMEOUT = 30.0, 2.0
BRING_UP = ((Transition.TRANSITION_CONFIGURE, "inactive"), (Transition.TRANSITION_ACTIVATE, "active"))
BRING_DOWN = ((Transition.TRANSITION_DEACTIVATE, "inactive"), (Transition.TRANSITION_CLEANUP, "unconfigured"))


def say(event: str, **facts: Any) -> None:
    print(json.dumps({"event": event, **facts}), flush=True)


class BondSide:
    """The manager's side of one bond, as bondcpp's state machine: waiting, alive, dying, dead."""

    def __init__(self, node: Node, name: str, timeout: float) -> None:
        self._node, self.name, self._timeout = node, name, timeout
        self._status = Status(id=name, instance_id=str(uuid.uuid4()))
        self._status.heartbeat_timeout, self._status.heartbeat_period = timeout, HEARTBEAT_PERIOD
        self.state = "waiting"
        self.reason = ""
        self.began = time.monotonic()
        self.heard: list[tuple[float, Status]] = []
        self._publisher = node.create_publisher(Status, "bond", 5)
        self._subscription = node.create_subscription(Status, "bond", self._hear, 100)
        self._timer = node.create_timer(HEARTBEAT_PERIOD, self._beat)

    def _hear(self, message: Status) -> None:
        if message.id != self.name or message.instance_id == self._status.instance_id:
            return
        self.heard.append((time.monotonic(), message))
        if message.active and self.state == "waiting":
            self.state = "alive"
        elif not message.active and self.state != "dead":
            if self.state != "dying":
                self._send(active=False)
            self._die("farewell")

    def _beat(self) -> None:
        silent = time.monotonic() - (self.heard[-1][0] if self.heard else self.began)
        if self.state == "waiting" and silent > Constants.DEFAULT_CONNECT_TIMEOUT:
            self._die("never heard of")
        elif self.state == "alive" and silent > self._timeout:
            self._die(f"silent for {silent:.1f} s")
        elif self.state != "dead":
            self._send(active=self.state != "dying")

    def _die(self, reason: str) -> None:
        self.state, self.reason = "dead", reason

    def _send(self, active: bool) -> None:
        self._status.active = active
        self._publisher.publish(self._status)

    def close(self) -> None:
        """Break it; as bondcpp's destructor, wait for the answer up to 0.1 s."""
        if self.state == "alive":
            self.state = "dying"
            self._send(active=False)
            give_up = time.monotonic() + 0.1
            while self.state == "dying" and time.monotonic() < give_up:
                time.sleep(0.005)
            say("farewell", node=self.name, answered=self.state == "dead")
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._subscription)
        self._node.destroy_publisher(self._publisher)

    def report(self) -> None:
        """Say what was heard."""
        times = [when for when, _ in self.heard]
        first = self.heard[0][1] if self.heard else None
        say(
            "heard",
            node=self.name,
            count=len(times),
            longest=max((later - earlier for earlier, later in pairwise(times)), default=None),
            seconds=times[-1] - times[0] if times else 0.0,
            instances=sorted({message.instance_id for _, message in self.heard}),
            period=None if first is None else first.heartbeat_period,
            timeout=None if first is None else first.heartbeat_timeout,
            state=self.state,
        )


class LifecycleManager(Node):
    """The node; `run` does one thing after the other while its executor has a thread of its own."""

    def __init__(self) -> None:
        super().__init__("lifecycle_manager")
        self._names: list[str] = list(self.declare_parameter("node_names", [""]).value)
        self._bond_timeout = float(self.declare_parameter("bond_timeout", 4.0).value)
        self._bonds: dict[str, BondSide] = {}
        self._active = self._respawning = False
        self._commands: queue.Queue[str] = queue.Queue()
        group = ReentrantCallbackGroup()
        self._change = {
            n: self.create_client(ChangeState, f"{n}/change_state", callback_group=group) for n in self._names
        }
        self._get = {n: self.create_client(GetState, f"{n}/get_state", callback_group=group) for n in self._names}
        for command in ("startup", "pause", "resume", "reset", "report"):
            self.create_service(Trigger, f"~/{command}", lambda q, a, c=command: self._take(c, a))

    def _take(self, command: str, answer: Trigger.Response) -> Trigger.Response:
        self._commands.put(command)
        answer.success = True
        return answer

    def run(self, stop: threading.Event) -> None:
        """Obey commands and look at the bonds, until a stop; then break all bonds."""
        say("ready")
        while not stop.is_set():
            try:
                getattr(self, f"_{self._commands.get(timeout=LOOK_PERIOD)}")()
            except queue.Empty:
                self._look()
        for bond in self._bonds.values():
            bond.close()

    def _startup(self) -> None:
        self._active = all(self._all(*step) for step in BRING_UP)
        say("startup", success=self._active)

    def _resume(self) -> None:
        self._active = self._all(*BRING_UP[1])
        say("resume", success=self._active)

    def _pause(self) -> None:
        self._active = False
        say("pause", success=self._all(*BRING_DOWN[0]))

    def _reset(self) -> None:
        self._active = False
        deactivated, cleaned = [self._all(*step, whatever=True) for step in BRING_DOWN]
        say("reset", success=deactivated and cleaned)

    def _report(self) -> None:
        for bond in self._bonds.values():
            bond.report()
        say("reported")

    def _all(self, transition: int, goal: str, whatever: bool = False) -> bool:
        names = self._names if (transition, goal) in BRING_UP else self._names[::-1]
        results = []
        for name in names:
            results.append(self._one(name, transition, goal, LAST_ANSWER_TIMEOUT if whatever else ANSWER_TIMEOUT))
            if not results[-1] and not whatever:
                return False
        return all(results)

    def _one(self, name: str, transition: int, goal: str, timeout: float) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        if not self._change[name].wait_for_service(timeout_sec=LAST_ANSWER_TIMEOUT):
            say("unavailable", node=name)
            return False
        done = self._call(self._change[name], request, timeout)
        if done is None or not done.success or self._state(name) != goal:
            return False
        if goal == "active":
            return self._bond(name)
        if transition == Transition.TRANSITION_DEACTIVATE and name in self._bonds:
            bond = self._bonds.pop(name)
            say("deactivated", node=name, bond=bond.state, reason=bond.reason)
            bond.close()
        return True

    def _bond(self, name: str) -> bool:
        if name in self._bonds or self._bond_timeout <= 0:
            return True
        bond = self._bonds[name] = BondSide(self, name, self._bond_timeout)
        while bond.state == "waiting":
            if time.monotonic() - bond.began > self._bond_timeout / 2:
                say("unreachable", node=name)
                return False
            time.sleep(0.01)
        say("bonded", node=name, seconds=time.monotonic() - bond.began)
        return True

    def _look(self) -> None:
        broken = next((bond for bond in self._bonds.values() if bond.state == "dead"), None) if self._active else None
        if broken is not None:
            say("down", node=broken.name, reason=broken.reason)
            self._reset()
            for bond in self._bonds.values():
                bond.close()
            self._bonds.clear()
            self._respawning = True
        elif self._respawning and all(self._get[n].service_is_ready() and self._state(n) for n in self._names):
            self._respawning = False
            say("respawned")
            self._startup()

    def _state(self, name: str) -> str:
        answer = self._call(self._get[name], GetState.Request(), LAST_ANSWER_TIMEOUT)
        return "" if answer is None else str(answer.current_state.label)

    def _call(self, client: Any, request: Any, timeout: float) -> Any:
        future, done = client.call_async(request), threading.Event()
        future.add_done_callback(lambda _: done.set())
        return future.result() if done.wait(timeout) else None


def main() -> int:
    """Run until SIGINT."""
    stop = threading.Event()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    signal.signal(signal.SIGINT, lambda number, frame: stop.set())
    manager = LifecycleManager()
    executor = SingleThreadedExecutor()
    executor.add_node(manager)

    def spin() -> None:
        with contextlib.suppress(ExternalShutdownException):
            executor.spin()

    thread = threading.Thread(target=spin)
    thread.start()
    manager.run(stop)
    rclpy.shutdown()
    thread.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
