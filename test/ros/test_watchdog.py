"""The supervisor of the worker: what hangs or dies is replaced, a bounded number of times; nothing late gets out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import rclpy

from cinet_ros.camera import Job
from cinet_ros.diagnostics import ERROR, WARN, Conditions
from cinet_ros.publishers import PublishGate
from cinet_ros.supervisor import MAX_LEFT_BEHIND, WorkerSupervisor

WAIT = 10.0
HUNG_AFTER = 0.02


class Script:
    """In place of a pipeline: does with each frame what that says, and remembers what it was asked for."""

    def __init__(self, gate: threading.Event) -> None:
        self.published = False
        self.fallback: str | None = None
        self.lost_device: str | None = None
        self.progressed = 0.0
        self.abandoned: list[str] = []
        self.done: list[str] = []
        self._gate = gate

    def process(self, batch: dict[str, Job]) -> None:
        for job in batch.values():
            if job.message == "hang":
                assert self._gate.wait(WAIT)
            if job.message == "die":
                raise SystemExit
            self.done.append(job.message)
            self.published = True

    def failed(self, error: Exception, batch: dict[str, Job]) -> None:
        raise AssertionError(error)

    def abandon(self, reason: str) -> None:
        self.abandoned.append(reason)


class Stage:
    """A supervisor with scripts, and what it has reported."""

    def __init__(self) -> None:
        self.conditions = Conditions(rclpy.logging.get_logger("stage"))
        self.gate = threading.Event()
        self.scripts: list[Script] = []
        self.left_behind = 0
        self.supervisor = WorkerSupervisor(self.conditions, self._count)

    def _count(self) -> None:
        self.left_behind += 1

    def make(self) -> Any:
        self.scripts.append(Script(self.gate))
        return self.scripts[-1]

    def send(self, *messages: str) -> None:
        """Frames of one camera, each taken to work unless one hangs before it."""
        for message in messages:
            self.supervisor.submit("", Job(message, 0.0))
            time.sleep(HUNG_AFTER)

    def hang(self) -> str | None:
        """Let the worker hang, and return what the check says then."""
        self.send("hang")
        wait_until(lambda: self.supervisor.busy_for() > HUNG_AFTER, "frame in work")
        return self.supervisor.check(HUNG_AFTER)

    def texts(self, level: bytes) -> list[str]:
        """Conditions of one level."""
        return [item.text for item in self.conditions.current() if item.level == level]


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    stage.supervisor.start(stage.make)
    yield stage
    stage.gate.set()
    stage.supervisor.stop(WAIT, "over")


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(0.002)


def test_a_worker_that_works_is_left_alone(stage: Stage) -> None:
    stage.send("one", "two")
    wait_until(lambda: stage.scripts[0].done == ["one", "two"], "frames")
    assert stage.supervisor.check(HUNG_AFTER) is None
    stage.supervisor.report()
    assert (stage.supervisor.restarts, stage.supervisor.left_behind) == (0, 0)
    assert stage.conditions.current() == []


def test_one_that_hangs_is_replaced_and_the_frame_that_waited_goes_to_its_successor(stage: Stage) -> None:
    stage.send("hang", "next")
    wait_until(lambda: stage.supervisor.busy_for() > HUNG_AFTER, "frame in work")
    assert stage.supervisor.check(HUNG_AFTER) is None
    assert stage.scripts[0].abandoned == ["hung"]
    wait_until(lambda: stage.scripts[1].done == ["next"], "frame of the new worker")
    assert (stage.supervisor.restarts, stage.supervisor.left_behind, stage.left_behind) == (1, 1, 1)
    assert len(stage.texts(WARN)) == 1


def test_the_error_goes_with_the_next_frame_and_the_warning_with_the_thread(stage: Stage) -> None:
    assert stage.hang() is None
    stage.supervisor.report()
    (error,) = stage.texts(ERROR)
    assert "watchdog_timeout" in error
    stage.send("next")
    wait_until(lambda: stage.scripts[1].published, "frame")
    stage.supervisor.report()
    assert stage.texts(ERROR) == []
    (warning,) = stage.texts(WARN)
    assert "1 of at most" in warning
    stage.gate.set()
    wait_until(lambda: stage.supervisor.left_behind == 0, "end of the thread")
    stage.supervisor.report()
    assert stage.conditions.current() == []


def test_a_long_turn_that_comes_forward_has_not_hung(stage: Stage) -> None:
    stage.send("hang")
    wait_until(lambda: stage.supervisor.busy_for() > 2 * HUNG_AFTER, "frame in work")
    stage.scripts[0].progressed = time.monotonic() + WAIT  # just now, however slow the test is
    assert stage.supervisor.check(HUNG_AFTER) is None
    assert stage.supervisor.restarts == 0
    stage.scripts[0].progressed = time.monotonic() - 2 * HUNG_AFTER
    assert stage.supervisor.check(HUNG_AFTER) is None
    assert stage.supervisor.restarts == 1


def test_without_a_timeout_nothing_hangs(stage: Stage) -> None:
    stage.send("hang")
    wait_until(lambda: stage.supervisor.busy_for() > HUNG_AFTER, "frame in work")
    assert stage.supervisor.check(0.0) is None
    assert stage.supervisor.restarts == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_one_that_died_is_replaced_and_its_frame_accounted_for(stage: Stage) -> None:
    stage.send("die")
    wait_until(lambda: stage.supervisor.check(WAIT) is not None or stage.supervisor.restarts == 1, "new worker")
    assert stage.scripts[0].abandoned == ["hung"]
    assert stage.supervisor.left_behind == 0
    assert "died" in stage.texts(ERROR)[0]
    stage.send("next")
    wait_until(lambda: stage.scripts[1].done == ["next"], "frame")


def test_more_than_may_be_left_behind_end_the_process(stage: Stage) -> None:
    assert [stage.hang() for _ in range(MAX_LEFT_BEHIND)] == [None] * MAX_LEFT_BEHIND
    failure = stage.hang()
    assert failure is not None
    assert f"more than the {MAX_LEFT_BEHIND}" in failure
    assert not stage.supervisor.working
    assert stage.supervisor.check(HUNG_AFTER) is None, "it is said once"
    with pytest.raises(RuntimeError, match="threads hang"):
        stage.supervisor.start(stage.make)
    stage.gate.set()
    wait_until(lambda: stage.supervisor.left_behind == 0, "end of the threads")
    stage.supervisor.start(stage.make)


def test_no_thread_to_be_had_ends_the_process(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    failure = stage.hang()
    assert failure is not None
    assert "can't start new thread" in failure
    assert not stage.supervisor.working


def test_a_lost_device_ends_the_process(stage: Stage) -> None:
    stage.scripts[0].lost_device = "cuda:0 failed"
    failure = stage.supervisor.check(WAIT)
    assert failure is not None
    assert failure.startswith("cuda:0 failed")


def test_stopping_one_that_hangs_leaves_it_behind_for_the_reason_given(stage: Stage) -> None:
    stage.send("hang", "next")
    assert [job.message for job in stage.supervisor.stop(0.01, "deactivated").values()] == ["next"]
    assert stage.scripts[0].abandoned == ["deactivated"]
    assert stage.left_behind == 1
    with pytest.raises(RuntimeError, match="no worker"):
        stage.supervisor.submit("", Job("late", 0.0))


def test_a_fallback_to_the_cpu_is_a_warning_with_the_way_back(stage: Stage) -> None:
    stage.scripts[0].fallback = "cuda:0 is out of memory"
    stage.supervisor.report()
    (warning,) = stage.texts(WARN)
    assert "cuda:0 is out of memory" in warning
    assert "configure" in warning


class Publisher:
    """Takes messages, the first only after `gate` is set."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun = threading.Event()
        self.sent: list[int] = []

    def publish(self, message: int) -> None:
        self.begun.set()
        assert self.gate.wait(WAIT)
        self.sent.append(message)


def test_a_shut_gate_lets_nothing_pass_and_waits_for_what_is_on_its_way() -> None:
    gate, publisher = PublishGate(), Publisher()
    thread = threading.Thread(target=gate.publish, args=(publisher, 1))
    thread.start()
    assert publisher.begun.wait(WAIT)
    threading.Timer(0.05, publisher.gate.set).start()
    gate.shut()
    assert publisher.sent == [1]
    assert not gate.publish(publisher, 2)
    assert publisher.sent == [1]
    thread.join()


def test_a_gate_does_not_wait_for_publishing_that_hangs() -> None:
    gate, publisher = PublishGate(), Publisher()
    thread = threading.Thread(target=gate.publish, args=(publisher, 1))
    thread.start()
    assert publisher.begun.wait(WAIT)
    gate.shut(timeout=0.01)
    assert gate.is_shut
    publisher.gate.set()
    thread.join()
