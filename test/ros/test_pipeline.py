"""The pipeline without a wire: every frame is accounted for exactly once, under a reason that names the cause."""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from light_network import RANDOM
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from cinet_core.inference.engine import Network
from cinet_core.inference.networks import named_network
from cinet_core.inference.predictor import Predictor
from cinet_core.messages.images import decode_image
from cinet_core.messages.topics import COMPRESSED, topics_of
from cinet_core.model.config import DEFAULT_TASKS
from cinet_ros.camera import Camera, Job
from cinet_ros.camera_input import CameraInput
from cinet_ros.diagnostics import ERROR, Conditions
from cinet_ros.frame_messages import MESSAGE_TYPES
from cinet_ros.navigation.topics import message_types
from cinet_ros.parameters import SWITCHED, Settings
from cinet_ros.pipeline import Pipeline
from cinet_ros.publishers import CameraOutputs, PublishGate

WAIT = 20.0
SETTINGS = Settings(weights="random", assumed_fov=60.0, camera_info_timeout=0.0)


@pytest.fixture(scope="module")
def network() -> Network:
    return named_network(RANDOM)


class Rig:
    """A pipeline with the cameras `front` and `rear`, and settings and subscribed topics that a test may replace."""

    def __init__(self, node: Node, predictor: Predictor) -> None:
        self.settings = SETTINGS
        self.subscribed = frozenset({"semantic/image_raw"})
        self.predictor = predictor
        self.cameras = {name: self._camera(node, name) for name in ("front", "rear")}
        self.pipeline = Pipeline(predictor, self.cameras, decode_image, lambda: self.settings, node.get_clock())

    def _camera(self, node: Node, name: str) -> Camera:
        camera_input = CameraInput(node, f"{name}/", False, "auto", lambda message: None)
        outputs = CameraOutputs(node, f"{name}/", self.predictor.label_set)
        outputs.subscribed = lambda: self.subscribed  # type: ignore[method-assign]  # there is no wire here
        return Camera(name, camera_input, outputs, Conditions(node.get_logger()))

    def process(self, *names: str, width: int = 32, height: int = 24, seconds: int = 0) -> None:
        """One batch with a grey image of each of the cameras."""
        batch = {}
        for name in names:
            message = Image(width=width, height=height, encoding="mono8", step=width)
            message.data = np.full(width * height, 99, np.uint8).tobytes()
            message.header.stamp.sec = seconds
            batch[name] = Job(message, self.cameras[name].counters.receive(0))
        self.pipeline.process(batch)

    def counts(self, name: str) -> tuple[int, int, dict[str, int]]:
        """Frames received, used, and dropped by reason."""
        counts = self.cameras[name].counters.now()
        assert counts.received == counts.used + counts.dropped
        return counts.received, counts.used, dict(counts.drops)


@pytest.fixture
def rig(make_node: Callable[..., Node], network: Network) -> Rig:
    return Rig(make_node("rig"), Predictor(network, device="cpu", network_size=(24, 32)))


@pytest.mark.parametrize(
    ("subscribed", "changes", "reason"),
    [
        ((), {}, "unwanted"),
        (("stats",), {}, "unwanted"),
        (("stats", "points"), {"disabled_outputs": ("points",)}, "unwanted"),
        (("semantic/image_raw/compressed", "points"), {"enabled": False}, "disabled"),
    ],
)
def test_a_frame_of_which_nothing_is_wanted_is_neither_decoded_nor_predicted(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, subscribed: tuple[str, ...], changes: dict[str, Any], reason: str
) -> None:
    def worked(*arguments: Any) -> Any:
        raise AssertionError("worked on")

    monkeypatch.setattr(rig.pipeline._prepare._images["front"], "_decode", worked)
    monkeypatch.setattr(rig.predictor, "predict_batch", worked)
    rig.subscribed = frozenset(subscribed)
    rig.settings = dataclasses.replace(SETTINGS, **changes)
    rig.process("front")
    assert rig.counts("front") == (1, 0, {reason: 1})
    assert not rig.cameras["front"].conditions.current(), "that is nothing to be told of"


def test_an_image_that_comes_while_others_are_in_work_overtakes_them(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    predict, seen = rig.predictor.predict_batch, []

    def predicted(*arguments: Any) -> Any:
        seen.append(rig.pipeline._overtaken())
        rig.cameras["rear"].counters.receive(0)
        seen.append(rig.pipeline._overtaken())
        return predict(*arguments)

    monkeypatch.setattr(rig.predictor, "predict_batch", predicted)
    rig.process("front")
    rig.process("front")
    assert seen == [False, True, False, True]
    rig.pipeline.abandon("hung")
    rig.pipeline._newest = math.inf
    assert rig.pipeline._overtaken(), "nothing waits for a frame that is not published"


def test_outputs_that_are_switched_off_are_not_built(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    build = rig.pipeline._messages["front"].build

    def noted(topic: str, *arguments: Any) -> Any:
        built.append(topic)
        return build(topic, *arguments)

    monkeypatch.setattr(rig.pipeline._messages["front"], "build", noted)
    rig.subscribed = frozenset(SWITCHED)
    rig.process("front")
    frame = [topic for topic in MESSAGE_TYPES if topic in topics_of(DEFAULT_TASKS)]
    there = [topic for topic in frame if topic not in COMPRESSED]
    there += [*message_types(), *(topic for topic in frame if topic in COMPRESSED)]
    assert built == there, "each once, in the order of publishing; of further tasks the network has none"
    built.clear()
    off = ("points", "semantic_color/image_raw", "stats")
    rig.settings = dataclasses.replace(SETTINGS, disabled_outputs=off)
    monkeypatch.setattr(rig.cameras["front"].outputs, "publish_stats", lambda *arguments: built.append("stats"))
    rig.process("front")
    assert built == [topic for topic in there if topic not in off]


@pytest.mark.parametrize(("width", "height"), [(15, 24), (32, 8), (1, 1)])
def test_an_image_too_small_for_the_network_is_dropped_by_name(rig: Rig, width: int, height: int) -> None:
    rig.process("front", width=width, height=height)
    assert rig.counts("front") == (1, 0, {"size": 1})
    (condition,) = [item for item in rig.cameras["front"].conditions.current() if "16 pixels" in item.text]
    assert f"{width}x{height}" in condition.text


def test_the_smallest_image_is_used(rig: Rig) -> None:
    rig.process("front", width=16, height=16)
    assert rig.counts("front") == (1, 1, {})


def test_failing_stats_cost_no_frame_of_any_camera_of_the_batch(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(stats: Any, gate: Any) -> None:
        raise RuntimeError("no stats today")

    monkeypatch.setattr(rig.cameras["front"].outputs, "wanted", lambda settings: frozenset({"semantic/mask", "stats"}))
    monkeypatch.setattr(rig.cameras["front"].outputs, "publish_stats", broken)
    rig.process("front", "rear")
    assert rig.counts("front") == (1, 1, {})
    assert rig.counts("rear") == (1, 1, {})
    assert any("no stats today" in item.text for item in rig.cameras["front"].conditions.current())


def test_a_failing_network_loses_every_frame_of_the_batch_once(rig: Rig) -> None:
    rig.predictor.close()
    rig.process("front", "rear")
    assert rig.counts("front") == rig.counts("rear") == (1, 0, {"error": 1})


def test_cameras_of_different_sizes_share_a_batch(rig: Rig) -> None:
    small, large = (
        {"width": 32, "height": 24, "encoding": "mono8", "step": 32},
        {"width": 48, "height": 36, "encoding": "mono8", "step": 48},
    )
    batch = {}
    for name, fields in (("front", small), ("rear", large)):
        message = Image(**fields, data=bytes(fields["width"] * fields["height"]))
        batch[name] = Job(message, rig.cameras[name].counters.receive(0))
    rig.pipeline.process(batch)
    assert rig.counts("front") == rig.counts("rear") == (1, 1, {})


def test_after_abandoning_nothing_is_published_and_frames_count_as_deactivated(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def publish(*arguments: Any) -> Any:
        raise AssertionError("published")

    for camera in rig.cameras.values():
        monkeypatch.setattr(camera.outputs, "publish", publish)
    rig.pipeline.abandon("deactivated")
    rig.process("front", "rear")
    assert rig.counts("front") == rig.counts("rear") == (1, 0, {"deactivated": 1})
    assert all("lost" not in item.text for item in rig.cameras["front"].conditions.current())


def test_images_wait_anew_when_the_camera_info_is_forgotten(rig: Rig) -> None:
    camera = rig.cameras["front"]
    rig.settings = Settings(weights="random", camera_info_timeout=0.2)
    rig.process("front")
    assert rig.counts("front") == (1, 0, {"waiting_for_camera_info": 1})
    info = CameraInfo(width=32, height=24, distortion_model="plumb_bob")
    info.k = [30.0, 0.0, 16.0, 0.0, 30.0, 12.0, 0.0, 0.0, 1.0]
    camera.input._remember_info(info)
    time.sleep(0.3)
    rig.process("front")
    assert rig.counts("front") == (2, 1, {"waiting_for_camera_info": 1})
    camera.input.close()  # the last subscriber left, another will come
    rig.process("front")
    assert rig.counts("front") == (3, 1, {"waiting_for_camera_info": 2})


def test_a_stamp_age_limit_drops_old_stamps_and_leaves_those_without_a_time(rig: Rig) -> None:
    rig.settings = Settings(weights="random", assumed_fov=60.0, camera_info_timeout=0.0, max_stamp_age=1.0)
    rig.process("front", seconds=1000)
    assert rig.counts("front") == (1, 0, {"stale": 1})
    rig.process("front", seconds=0)
    assert rig.counts("front") == (2, 1, {"stale": 1})


def oom(*arguments: Any) -> Any:
    """A network for whose batch no memory is left."""
    import torch

    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


@pytest.mark.fault(
    area="cameras", injected="two cameras with equal image sizes wait", expected="one call of the network"
)
def test_cameras_of_equal_sizes_share_one_call_of_the_network(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, observed: Callable[[str], None]
) -> None:
    sizes: list[int] = []
    predict = rig.predictor.predict_batch

    def counted(images: Any, intrinsics: Any) -> Any:
        sizes.append(len(images))
        return predict(images, intrinsics)

    monkeypatch.setattr(rig.predictor, "predict_batch", counted)
    rig.process("front", "rear")
    assert sizes == [2]
    assert rig.counts("front") == rig.counts("rear") == (1, 1, {})
    observed("one call with 2 images")


@pytest.mark.fault(area="cameras", injected="one camera's image is unusable", expected="it alone loses its frame")
def test_an_unusable_image_of_one_camera_costs_the_others_nothing(rig: Rig, observed: Callable[[str], None]) -> None:
    batch = {}
    for name, encoding in (("front", "nonsense"), ("rear", "mono8")):
        message = Image(width=32, height=24, encoding=encoding, step=32, data=bytes(32 * 24))
        batch[name] = Job(message, rig.cameras[name].counters.receive(0))
    rig.pipeline.process(batch)
    assert rig.counts("front") == (1, 0, {"encoding": 1})
    assert rig.counts("rear") == (1, 1, {})
    assert not [item for item in rig.cameras["rear"].conditions.current() if item.level == ERROR]
    observed("dropped as encoding; the other camera's frame used")


@pytest.mark.torch("its error of a GPU without memory")
def test_out_of_memory_drops_the_frame_by_name_and_the_next_one_is_tried(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cinet_core.inference.graph import DeployableGraph

    monkeypatch.setattr(DeployableGraph, "forward", oom)
    rig.process("front", "rear")
    assert rig.counts("front") == rig.counts("rear") == (1, 0, {"out_of_memory": 1})
    (condition,) = [item for item in rig.cameras["front"].conditions.current() if item.level == ERROR]
    assert "cpu is out of memory" in condition.text
    assert "oom_fallback" in condition.text
    monkeypatch.undo()
    rig.process("front")
    assert rig.counts("front") == (2, 1, {"out_of_memory": 1})


@pytest.mark.torch("its error of a GPU without memory")
@pytest.mark.fault(
    area="machine",
    fault="out of GPU memory, oom_fallback: cpu",
    injected="the network raises torch.OutOfMemoryError until it is on the CPU (no GPU here: CUDA's own is untested)",
    expected="the same frame is predicted on the CPU, and so are all that follow; WARN",
)
def test_out_of_memory_goes_on_on_the_cpu_where_that_is_wanted(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, observed: Callable[[str], None]
) -> None:
    from cinet_core.inference.graph import DeployableGraph

    forward = DeployableGraph.forward
    monkeypatch.setattr(
        DeployableGraph,
        "forward",
        lambda graph, *inputs: forward(graph, *inputs) if rig.predictor.device == "cpu" else oom(),
    )
    rig.predictor.device = "cuda:0"  # as far as anyone is told
    rig.process("front")
    assert rig.counts("front") == (1, 0, {"out_of_memory": 1}), "not unless it is asked for"
    rig.settings = dataclasses.replace(rig.settings, oom_fallback="cpu")
    for _ in range(2):
        rig.process("front", "rear")
    assert rig.counts("front") == (3, 2, {"out_of_memory": 1})
    assert rig.counts("rear") == (2, 2, {})
    assert rig.predictor.device == "cpu"
    assert rig.pipeline.fallback is not None
    assert "cuda:0" not in rig.predictor.device
    observed("no frame lost, the device is cpu from then on")


@pytest.mark.torch("its error of a GPU that is lost")
def test_a_device_that_is_lost_is_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    from cinet_core.inference.graph import DeployableGraph

    def lost(*arguments: Any) -> Any:
        raise RuntimeError("CUDA error: device-side assert triggered\nCUDA kernel errors might be ...")

    monkeypatch.setattr(DeployableGraph, "forward", lost)
    rig.process("front")
    assert rig.counts("front") == (1, 0, {"error": 1})
    assert rig.pipeline.lost_device == "cpu failed: CUDA error: device-side assert triggered"


@pytest.mark.parametrize("stage", ["decode", "network", "build"])
def test_a_frame_that_is_given_up_wherever_it_hangs_is_counted_once_and_not_published(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    gate, entered, sent = threading.Event(), threading.Event(), []

    def holding(function: Callable[..., Any]) -> Callable[..., Any]:
        def held(*arguments: Any) -> Any:
            entered.set()
            assert gate.wait(WAIT)
            return function(*arguments)

        return held

    target, name = {
        "decode": (rig.pipeline._prepare._images["front"], "_decode"),
        "network": (rig.predictor, "predict_batch"),
        "build": (rig.pipeline._messages["front"], "build"),
    }[stage]
    monkeypatch.setattr(target, name, holding(getattr(target, name)))
    monkeypatch.setattr(rig.cameras["front"].outputs, "wanted", lambda settings: frozenset(MESSAGE_TYPES) | {"stats"})
    monkeypatch.setattr(
        PublishGate, "publish", lambda gate, publisher, message: sent.append(message) or not gate.is_shut
    )
    worker = threading.Thread(target=rig.process, args=("front",))
    worker.start()
    assert entered.wait(WAIT)
    rig.pipeline.abandon("hung")
    assert rig.counts("front") == (1, 0, {"hung": 1}), "at once, although it hangs"
    gate.set()
    worker.join(WAIT)
    assert rig.counts("front") == (1, 0, {"hung": 1})
    assert len(sent) <= 1, "nothing after the shut gate has refused the first message"
    assert not rig.pipeline.published
