"""Transitions that fail in the middle or for want of a device, or end for good; what diagnostics tell of a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from light_network import HAS_TORCH
from node_in_process import state_of, status_of, values_of, values_of_camera, wait_until, want_labels
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import Image

from cinet_core.inference.backend import OutOfDeviceMemoryError
from cinet_core.inference.predictor import Predictor
from cinet_core.inference.runtimes import RUNTIMES
from cinet_ros import model
from cinet_ros.camera_input import CameraInput
from cinet_ros.perception import PerceptionNode
from cinet_ros.publishers import CameraOutputs
from cinet_ros.supervisor import WorkerSupervisor

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
ERROR = TransitionCallbackReturn.ERROR


@pytest.mark.fault(area="life", injected="a device that this machine lacks", expected="unconfigured, one error")
def test_a_device_that_is_not_there_is_named_with_those_that_are(
    make_perception: Callable[..., PerceptionNode], observed: Callable[[str], None]
) -> None:
    node = make_perception(weights="random", device="cuda:7")
    assert node.trigger_configure() == FAILURE
    assert state_of(node) == "unconfigured"
    row = status_of(node)
    assert row.level == DiagnosticStatus.ERROR
    assert "cuda:7" in row.message
    assert (
        "this machine has cpu" if HAS_TORCH else "takes PyTorch, which a core graph runs without: set it to cpu"
    ) in row.message
    assert ";" not in row.message, "nothing else is said"
    observed("unconfigured; the error names the devices there are")


@pytest.mark.fault(
    area="machine",
    fault="out of GPU memory while the model loads",
    injected="the device takes no weights",
    expected="oom_fallback none: unconfigured, and a second configure succeeds; cpu: configured there, WARN",
)
@pytest.mark.parametrize("fallback", ["none", "cpu"])
def test_a_gpu_that_is_full_at_the_start(
    make_perception: Callable[..., PerceptionNode],
    monkeypatch: pytest.MonkeyPatch,
    observed: Callable[[str], None],
    fallback: str,
) -> None:
    def full(checkpoint: Any, device: str, *arguments: Any, **named: Any) -> Predictor:
        if device == "auto":
            raise OutOfDeviceMemoryError("cuda:0 is out of memory: tried to allocate 2 GiB")
        return Predictor(checkpoint, device, *arguments, **named)

    monkeypatch.setattr(model, "Predictor", full)
    node = make_perception(weights="random", oom_fallback=fallback)
    if fallback == "none":
        assert node.trigger_configure() == FAILURE
        assert status_of(node).level == DiagnosticStatus.ERROR
        monkeypatch.undo()
    assert node.trigger_configure() == SUCCESS
    row = status_of(node)
    assert row.level == DiagnosticStatus.WARN
    assert ("configured on the CPU: cuda:0" in row.message) == (fallback == "cpu")
    observed(f"{fallback}: as expected")


@pytest.mark.fault(
    area="life",
    injected="an exception in the middle of each transition",
    expected="the cause is told, all is freed, and the node can be configured and activated anew",
)
@pytest.mark.parametrize("transition", ["configure", "activate", "deactivate", "cleanup"])
def test_a_transition_that_fails_frees_everything_and_says_why(
    make_perception: Callable[..., PerceptionNode],
    monkeypatch: pytest.MonkeyPatch,
    observed: Callable[[str], None],
    transition: str,
) -> None:
    node = make_perception(weights="random", device="cpu")
    order = ["configure", "activate", "deactivate", "cleanup"]
    target, name = {
        "configure": (CameraOutputs, "_latch_label_info"),  # when all publishers but one are there
        "activate": (CameraInput, "update"),
        "deactivate": (WorkerSupervisor, "stop"),
        "cleanup": (CameraOutputs, "close"),
    }[transition]
    for earlier in order[: order.index(transition)]:
        assert getattr(node, f"trigger_{earlier}")() == SUCCESS
    original = getattr(target, name)

    def fail_once(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(target, name, original)
        original(*arguments, **named)
        raise OSError("the cable is loose")

    monkeypatch.setattr(target, name, fail_once)
    assert getattr(node, f"trigger_{transition}")() == (FAILURE if transition == "configure" else ERROR)
    assert state_of(node) == "unconfigured"
    row = status_of(node)
    assert row.level == DiagnosticStatus.ERROR
    assert "OSError: the cable is loose" in row.message
    assert (node._predictor, node._cameras, node._supervisor.working) == (None, {}, False)
    assert node.count_publishers("points") == 0
    assert node.autostart()
    assert status_of(node).level == DiagnosticStatus.WARN  # random weights
    observed(f"{transition}: unconfigured, the cause in diagnostics, active again")


@pytest.mark.fault(area="life", injected="shutdown, from each state", expected="finalized, everything freed")
@pytest.mark.parametrize("transitions", [[], ["configure"], ["configure", "activate"]])
def test_shutdown_frees_everything_from_any_state(
    make_perception: Callable[..., PerceptionNode], observed: Callable[[str], None], transitions: list[str]
) -> None:
    node = make_perception(weights="random", device="cpu")
    for transition in transitions:
        assert getattr(node, f"trigger_{transition}")() == SUCCESS
    before = state_of(node)
    assert node.trigger_shutdown() == SUCCESS
    assert state_of(node) == "finalized"
    assert (node._predictor, node._cameras, node._supervisor.working) == (None, {}, False)
    assert node.count_publishers("points") == 0
    assert node.count_publishers("/diagnostics") == 1
    observed(f"from {before}: finalized")


@pytest.mark.fault(
    area="diagnostics",
    injected="nothing; a frame is processed",
    expected="rates, age of the last frame, latency, drops, backend, device, memory, weights, label set",
)
def test_diagnostics_tell_what_is_to_be_known(
    make_perception: Callable[..., PerceptionNode], observed: Callable[[str], None]
) -> None:
    node = make_perception(weights="random", device="cpu", camera_info_timeout=0.0, network_width=32, network_height=24)
    assert node.autostart()
    camera = node._cameras[""]
    assert values_of_camera(camera)["age of the last output [s]"] == "none yet"
    image = Image(width=32, height=24, encoding="mono8", step=32, data=bytes(32 * 24))
    image.header.stamp = node.get_clock().now().to_msg()
    want_labels(node)
    node._on_image("", image)
    wait_until(lambda: camera.latencies.last_published is not None, "frame")
    node._on_image("", Image(width=32, height=24, encoding="nonsense"))
    wait_until(lambda: camera.counters.now().dropped == 1, "second frame")
    values = values_of_camera(camera)
    assert [values[name] for name in ("received", "used", "dropped: encoding")] == ["2", "1", "1"]
    assert float(values["rate in [Hz]"]) > 0 == float(values["rate out [Hz]"]), "of two images, and of one frame"
    assert 0 <= float(values["age of the last image [s]"]) <= float(values["age of the last output [s]"]) < 60
    assert 0 < float(values["latency, median [s]"]) <= float(values["latency, maximum [s]"]) < 10
    assert 0 < float(values["receive latency, median [s]"]) < 10
    values = values_of(status_of(node))
    assert values["backend"] in (("torch",) if HAS_TORCH else RUNTIMES)
    assert (values["device"], values["label set"]) == ("cpu", "nyu40, 40 classes")
    assert (values["model"], values["model hash"]) == ("lite", "random")
    assert 50 < float(values["host memory [MiB]"]) < 100_000
    assert (values["worker restarts"], values["threads that hang"]) == ("0", "0")
    observed("all there")
