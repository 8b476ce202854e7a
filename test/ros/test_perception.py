"""The node in the test's own process: a frame that hangs, a configure that fails, requests that rclpy throws at it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from node_in_process import WAIT, status_of, values_of, wait_until, want_labels
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool

from cinet_core.threads import threads
from cinet_ros import managed_node, model
from cinet_ros.camera import Camera
from cinet_ros.perception import PerceptionNode

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


def errors(camera: Camera) -> list[str]:
    """What diagnostics call an error of a camera."""
    return [item.text for item in camera.conditions.current() if item.level == DiagnosticStatus.ERROR]


@pytest.mark.torch("how many threads it computes on")
def test_the_network_has_the_threads_of_the_parameter_or_one_for_each_core(
    make_perception: Callable[..., PerceptionNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for given, expected in ((1, 1), (3, 3), (0, len(os.sched_getaffinity(0)))):
        make_perception(threads=given)
        assert (torch.get_num_threads(), threads()) == (expected, expected)


class HangingFrame:
    """Holds the network of a node inside the frame that it was given, until `release`."""

    def __init__(self, node: PerceptionNode, monkeypatch: pytest.MonkeyPatch) -> None:
        assert node._predictor is not None
        self.predictor = node._predictor
        self._entered, self._gate = threading.Event(), threading.Event()
        self._predict = self.predictor.predict_batch
        monkeypatch.setattr(self.predictor, "predict_batch", self._hang)
        monkeypatch.setattr(managed_node, "STOP_TIMEOUT", 0.05)
        self.camera = node._cameras[""]
        self._node = node
        want_labels(node)
        for _ in range(2):  # one in work, one that waits for it
            node._on_image("", Image(width=32, height=24, encoding="mono8", step=32, data=bytes(32 * 24)))
            assert self._entered.wait(WAIT)

    def _hang(self, *arguments: Any) -> Any:
        self._entered.set()
        assert self._gate.wait(WAIT)
        return self._predict(*arguments)

    def release(self) -> None:
        """Let it go on, and wait until its thread has ended."""
        self._gate.set()
        wait_until(lambda: self._node._supervisor.left_behind == 0, "end of the thread")


def test_a_frame_that_hangs_is_left_behind_and_the_next_activation_has_a_worker_of_its_own(
    make_perception: Callable[..., PerceptionNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = make_perception(weights="random", device="cpu", camera_info_timeout=0.0)
    assert node.autostart()
    frame = HangingFrame(node, monkeypatch)
    old = frame.camera.counters
    assert node.trigger_deactivate() == SUCCESS
    assert old.now()[:3] == (2, 0, {"deactivated": 2})
    assert node._predictor is not frame.predictor, "that one is in use"
    assert node.trigger_activate() == SUCCESS
    frame.release()
    assert old.now()[:3] == (2, 0, {"deactivated": 2}), "a frame is counted once"
    assert node._cameras[""].counters.now().received == 0
    assert not errors(frame.camera), "no error is reported for what the user asked for"


def test_cleaning_up_under_a_frame_that_hangs_takes_nothing_from_it(
    make_perception: Callable[..., PerceptionNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = make_perception(weights="random", device="cpu", camera_info_timeout=0.0)
    assert node.autostart()
    frame = HangingFrame(node, monkeypatch)
    assert node.trigger_deactivate() == SUCCESS
    assert node.trigger_cleanup() == SUCCESS
    assert node.autostart(), "a new model and new outputs do not wait for the old ones"
    frame.release()
    assert not frame.predictor._closed
    assert frame.camera.counters.now()[:3] == (2, 0, {"deactivated": 2})
    assert not errors(frame.camera)
    assert node._cameras[""].counters.now().received == 0


def test_an_image_taken_just_before_the_cleanup_is_left_alone(
    make_perception: Callable[..., PerceptionNode],
) -> None:
    node = make_perception(weights="random", device="cpu")
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_cleanup() == SUCCESS
    node._on_image("", Image())


def test_the_switch_is_a_parameter_and_a_service_and_the_model_stays(
    make_perception: Callable[..., PerceptionNode],
) -> None:
    node = make_perception(weights="random", device="cpu", camera_info_timeout=0.0)
    answer = node._on_enable(SetBool.Request(data=False), SetBool.Response())
    assert answer.success
    assert "not active" in answer.message
    assert node.autostart(), "switched off it can be configured and activated all the same"
    want_labels(node)
    node._follow_demand()
    camera, predictor = node._cameras[""], node._predictor
    assert not camera.input.wanted
    row = camera.status("camera", node.settings, active=True)
    assert (row.level, values_of(row)["enabled"]) == (DiagnosticStatus.OK, "False")
    assert "~/enable" in row.message
    camera.conditions.report("focal", DiagnosticStatus.WARN, "an odd lens", lasting=True)
    row = camera.status("camera", node.settings, active=True)
    assert row.message.startswith("disabled")
    assert row.message.endswith("; an odd lens")
    image = Image(width=32, height=24, encoding="mono8", step=32, data=bytes(32 * 24))
    node._on_image("", image)  # taken from the wire just before
    assert camera.counters.now()[:3] == (1, 0, {"disabled": 1})
    (result,) = node.set_parameters([Parameter("enabled", value=True)])
    assert result.successful
    node._watch()
    assert camera.input.wanted
    node._on_image("", image)
    wait_until(lambda: camera.counters.now().used == 1, "frame")
    answer = node._on_enable(SetBool.Request(data=False), SetBool.Response())
    assert (answer.success, answer.message) == (True, "disabled")
    assert (node.get_parameter("enabled").value, node.settings.enabled, camera.input.wanted) == (False, False, False)
    assert node._predictor is predictor


def test_why_the_node_is_not_configured_stands_in_diagnostics(
    make_perception: Callable[..., PerceptionNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*arguments: Any) -> Any:
        raise RuntimeError("CUDA out of memory")

    node = make_perception(weights="random", device="cpu")
    monkeypatch.setattr(model, "named_network", exhausted)
    assert node.trigger_configure() == FAILURE
    status = status_of(node)
    assert status.level == DiagnosticStatus.ERROR
    assert "RuntimeError: CUDA out of memory" in status.message
    monkeypatch.undo()
    assert node.trigger_configure() == SUCCESS
    assert status_of(node).level == DiagnosticStatus.WARN  # random weights
    assert "out of memory" not in status_of(node).message


def test_a_class_that_the_weights_lack_is_refused_before_anything_is_loaded(
    make_perception: Callable[..., PerceptionNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "named_network", None)
    for weights in ("random", "default"):
        with pytest.raises(ValueError, match=r"mask_classes: .* no class 'persn': did you mean 'person' or"):
            make_perception(weights=weights, mask_classes=["person", "persn"])
        node = make_perception(weights=weights, mask_classes=["person"])
        (refused,) = node.set_parameters([Parameter("mask_classes", value=["unicorn"])])
        assert not refused.successful
        assert "mask_classes: label set 'nyu40' has no class 'unicorn': it has wall, floor, cabinet" in refused.reason
        assert node.settings.mask_classes == ("person",)


def test_an_absent_file_is_named_without_python_s_words(
    make_perception: Callable[..., PerceptionNode],
) -> None:
    node = make_perception(weights="/nowhere/model.safetensors", device="cpu")
    assert node.trigger_configure() == FAILURE
    message = status_of(node).message
    assert "/nowhere/model.safetensors" in message
    assert "Error:" not in message
