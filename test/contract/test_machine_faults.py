"""Faults of the machine: the real node on the wire with a network that fails on demand (test/support/faults.py)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from faults import FAULTY_NODE, HANG_SECONDS, Fault, painted
from segments import segments_of
from sensor_msgs.msg import CameraInfo, Image

from cinet_ros.shared_memory import LEAST_AGE

pytestmark = pytest.mark.torch("the network that fails on demand is PyTorch's")

WIDTH, HEIGHT = 64, 48
IMAGE = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
MODEL, CAMERA = "perception: model", "perception: camera"
# So long that no frame takes it on a busy machine; tests that let one hang shorten it once that is in work.
PATIENT, IMPATIENT = 60.0, 0.5
PARAMETERS = {"weights": "random", "network_width": WIDTH, "network_height": HEIGHT, "watchdog_timeout": PATIENT}

Send = Callable[..., Any]


@pytest.fixture(scope="class")
def wire(own_wire: Any) -> Any:
    """Whose images are sent only once the node of this test takes them, whatever became of those before it."""
    return own_wire


@pytest.fixture
def send(wire: Any, make_image: Callable[..., Image], make_info: Callable[..., CameraInfo]) -> Send:
    """Send an image with or without a fault; return the stats of a sound one, None of the others."""

    def exchange(fault: Fault | None = None) -> Any:
        wire.subscribe_stats()
        wire.subscribe("depth_registered/image_rect", Image)
        image = make_image(IMAGE if fault is None else painted(IMAGE, fault))
        topics = ["stats"] if fault is None else []
        got = wire.exchange(image, make_info(image, WIDTH, HEIGHT), topics)
        return got.get("stats")

    return exchange


def values(status: DiagnosticStatus) -> dict[str, str]:
    """Values of a row of diagnostics."""
    return {item.key: item.value for item in status.values}


def diagnosed(wire: Any, part: str, condition: Callable[[DiagnosticStatus], bool]) -> DiagnosticStatus:
    """The first row of diagnostics about a part that meets a condition."""
    deadline = time.monotonic() + 20.0
    while not condition(row := wire.diagnosis(part)):
        assert time.monotonic() < deadline, row
    return row


def set_watchdog(wire: Any, seconds: float) -> None:
    """Change watchdog_timeout at run time."""
    assert wire.set_parameters("/perception", watchdog_timeout=seconds)[0].successful


class TestOneProcess:
    """What the node survives."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def node(cls, start: Callable[..., Any]) -> Any:
        return start(FAULTY_NODE, PARAMETERS, until="configured")

    @pytest.mark.fault(area="machine", expected="the frame is dropped by name, ERROR with a remedy, the next one used")
    @pytest.mark.parametrize(
        ("fault", "reason", "remedy"),
        [
            pytest.param(
                Fault.OUT_OF_MEMORY,
                "out_of_memory",
                "oom_fallback",
                marks=pytest.mark.fault(
                    fault="out of GPU memory",
                    injected="the network raises torch.OutOfMemoryError (no GPU here: CUDA's own is untested)",
                ),
            ),
            pytest.param(
                Fault.ERROR,
                "error",
                "configure the node",
                marks=pytest.mark.fault(fault="an exception in the backend", injected="it raises RuntimeError"),
            ),
        ],
    )
    def test_a_frame_that_the_network_fails_on_is_dropped_by_name_and_the_next_one_is_used(
        self, wire: Any, send: Send, observed: Callable[[str], None], fault: Fault, reason: str, remedy: str
    ) -> None:
        before = send()
        send(fault)
        row = diagnosed(wire, CAMERA, lambda row: row.level == DiagnosticStatus.ERROR and remedy in row.message)
        assert f"dropped: {reason}" in values(row)
        after = send()
        assert after.frames_used == before.frames_used + 1
        assert after.frames_dropped == before.frames_dropped + 1
        assert after.frames_received == after.frames_used + after.frames_dropped
        observed(f"1 frame dropped as {reason}, ERROR names {remedy}, the next frame published")

    @pytest.mark.fault(
        area="machine",
        fault="a worker that hangs",
        injected=f"the network takes {HANG_SECONDS:g} s, watchdog_timeout is {IMPATIENT:g} s",
        expected="ERROR, the frame dropped as hung, a new worker; nothing late is published; the thread is counted",
    )
    def test_a_worker_that_hangs_is_replaced_and_what_it_does_later_is_not_published(
        self, wire: Any, node: Any, send: Send, observed: Callable[[str], None]
    ) -> None:
        before = send()
        send(Fault.HANG)
        node.wait_for("fault HANG")
        wire.messages["depth_registered/image_rect"].clear()
        set_watchdog(wire, IMPATIENT)
        row = diagnosed(wire, MODEL, lambda row: row.level == DiagnosticStatus.ERROR)
        set_watchdog(wire, PATIENT)
        assert "watchdog_timeout" in row.message
        assert values(row)["worker restarts"] == "1"
        after = send()
        assert values(wire.diagnosis(CAMERA))["dropped: hung"] == "1"
        assert after.frames_received == after.frames_used + after.frames_dropped
        assert after.frames_dropped == before.frames_dropped + 1
        row = diagnosed(wire, MODEL, lambda row: row.level == DiagnosticStatus.WARN)
        assert "threads hang" in row.message
        row = diagnosed(wire, MODEL, lambda row: values(row)["threads that hang"] == "0")
        assert "threads hang" not in row.message
        wire.spin_for(0.5)
        assert len(wire.messages["depth_registered/image_rect"]) == 1, "only the frame of the new worker"
        assert send().frames_dropped == after.frames_dropped, "the late frame is not counted a second time"
        observed("1 frame dropped as hung, the next one published by a new worker, the late one not published")


@pytest.mark.fault(
    area="machine",
    fault="workers that hang for good",
    injected="three frames that never end, one after another",
    expected="two threads are left behind; with the third the process ends with status 3, for `respawn`",
)
def test_when_too_many_workers_hang_the_process_ends_with_an_error(
    wire: Any, start: Callable[..., Any], send: Send, observed: Callable[[str], None]
) -> None:
    node = start(FAULTY_NODE, PARAMETERS, until="configured")
    send()
    set_watchdog(wire, IMPATIENT)
    for count in range(1, 4):
        send(Fault.STUCK)
        deadline = time.monotonic() + 20.0
        while node.output().count("fault STUCK") < count:
            assert time.monotonic() < deadline, node.output()
            wire.spin_for(0.05)
    status = node.process.wait(20)
    assert status == 3, node.output()
    assert "respawn" in node.output()
    observed(f"two replaced, status {status} with the third")


@pytest.mark.fault(
    area="machine",
    fault="CUDA lost for good",
    injected="the network raises `CUDA error: an illegal memory access was encountered`",
    expected="no frame of this process can succeed: it ends with status 3, for `respawn`",
)
def test_a_device_that_is_lost_ends_the_process_with_an_error(
    start: Callable[..., Any], send: Send, observed: Callable[[str], None]
) -> None:
    node = start(FAULTY_NODE, PARAMETERS, until="configured")
    send(Fault.DEVICE_LOST)
    status = node.process.wait(20)
    assert status == 3, node.output()
    assert "illegal memory access" in node.output()
    assert "Traceback" not in node.output()
    observed(f"status {status}")


@pytest.mark.fault(
    area="machine",
    fault="the whole interpreter hangs",
    injected="the network sleeps for an hour in C code that keeps Python's interpreter lock",
    expected="no thread of Python can help: faulthandler's timer writes all tracebacks and ends the process, status 1",
)
def test_a_process_whose_interpreter_hangs_ends_itself(
    wire: Any, start: Callable[..., Any], send: Send, observed: Callable[[str], None]
) -> None:
    node = start(FAULTY_NODE, PARAMETERS, until="configured")
    send()
    set_watchdog(wire, IMPATIENT)
    send(Fault.HOLD_INTERPRETER)
    status = node.process.wait(30)
    assert status == 1, node.output()
    assert "in fail" in node.output(), "the traceback names the function that hangs"
    observed(f"status {status}, traceback of the thread that hangs")


@pytest.mark.fault(area="machine", expected="an orderly end with status 0")
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault.SLOW, marks=pytest.mark.fault(fault="SIGTERM in the middle of a frame", injected="SIGTERM")),
        pytest.param(
            Fault.STUCK,
            marks=pytest.mark.fault(fault="SIGTERM while a frame hangs", injected="SIGTERM; the frame never ends"),
        ),
    ],
)
def test_sigterm_in_the_middle_of_a_frame_is_an_orderly_end(
    start: Callable[..., Any], send: Send, observed: Callable[[str], None], fault: Fault
) -> None:
    node = start(FAULTY_NODE, PARAMETERS, until="configured")
    send()  # from now on both sides know each other, and no image is lost
    send(fault)
    node.wait_for(f"fault {fault.name}")
    node.process.send_signal(signal.SIGTERM)
    status = node.process.wait(20)
    assert status == 0, node.output()
    assert "Traceback" not in node.output()
    assert "frame lost" not in node.output()
    observed(f"status {status}, no traceback, within 10 s")


@pytest.mark.fault(
    area="machine",
    fault="SIGKILL in the middle of a frame",
    injected="SIGKILL; the node is started again beside the same camera and subscriber",
    expected="the new node publishes, although the old one cleaned nothing up",
)
def test_a_node_that_was_killed_in_the_middle_of_a_frame_works_again_when_it_is_started(
    wire: Any,
    start: Callable[..., Any],
    send: Send,
    make_image: Callable[..., Image],
    make_info: Callable[..., CameraInfo],
    observed: Callable[[str], None],
) -> None:
    node = start(FAULTY_NODE, PARAMETERS, until="configured")
    send()
    send(Fault.SLOW)
    node.wait_for("fault SLOW")
    held = segments_of(node.process.pid)
    os.kill(node.process.pid, signal.SIGKILL)
    assert node.process.wait(10) == -signal.SIGKILL
    wire.messages["stats"].clear()
    time.sleep(LEAST_AGE)  # a segment this young could be of a process that is only starting
    start(FAULTY_NODE, PARAMETERS, until="configured")
    # As a camera does: whatever is sent before the new node has found its camera and its subscribers is lost.
    images, infos = wire.publisher("image", Image), wire.publisher("camera_info", CameraInfo)
    deadline = time.monotonic() + 60.0
    while not wire.messages["stats"]:
        assert time.monotonic() < deadline
        image = make_image(IMAGE)
        infos.publish(make_info(image, WIDTH, HEIGHT))
        images.publish(image)
        wire.spin_for(0.2)
    assert wire.messages["stats"][0].frames_used == 1, "of the new node"
    assert held
    assert not any(segment.exists() for segment in held), "freed by the start"
    observed("publishing again, the shared memory of the killed process freed")
