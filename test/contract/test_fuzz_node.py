"""Malformed messages by the ten thousands, through the callbacks of a real node: each is counted, none does harm.

CINET_FUZZ_MESSAGES=5000 pytest -m soak test/contract/test_fuzz_node.py  for a short run.
"""

from __future__ import annotations

import copy
import gc
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
import rclpy
from hypothesis import HealthCheck, Phase, given, seed, settings
from malformed import INFO_OUTCOMES, SIZES, USED, Case
from malformed_files import frames, image_file
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from cinet_core.messages.errors import REASONS
from cinet_ros.counters import FrameCounts
from cinet_ros.msg import PerceptionStats
from cinet_ros.perception import PerceptionNode

MESSAGES = int(os.environ.get("CINET_FUZZ_MESSAGES", "100000"))
# One pair of image and camera_info in so many goes over the wire.
WIRE_SHARE = 200
# Longer than any message may take, however busy the machine; the watchdog's own limit is 30 s.
HANG = 25.0
BURST = 2000
MEMORY_GROWTH = 100 << 20
# Hypothesis remembers every example of a run: 10 KB each, which would hide a leak of the node's.
BATCH = 1000


class Rig:
    """A node in this process with a tiny network input, and a driver and a consumer of it."""

    def __init__(self, context: Context, transport: str) -> None:
        parameters = {
            "weights": "random",
            "device": "cpu",
            "network_width": 16,
            "network_height": 16,
            "camera_info_timeout": 0.0,
            "image_transport": transport,
        }
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.node = PerceptionNode(context=context, parameter_overrides=overrides)
        self.peer = rclpy.create_node("peer", context=context)
        kind, topic = (Image, "image") if transport == "raw" else (CompressedImage, "image/compressed")
        self.image_publisher = self.peer.create_publisher(kind, topic, 10)
        self.info_publisher = self.peer.create_publisher(CameraInfo, "camera_info", 10)
        self.clouds: list[PointCloud2] = []
        self.peer.create_subscription(PerceptionStats, "stats", lambda message: None, 10)
        self.peer.create_subscription(Image, "semantic/image_raw", lambda message: None, 10)
        self.peer.create_subscription(PointCloud2, "points", self.clouds.append, 10)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self._executor.add_node(self.peer)
        assert self.node.autostart()
        self.camera = self.node._cameras[""]
        self.spin_until(lambda: len(self._subscriptions(topic, "camera_info")) == 2, "subscriptions")
        image_subscription, info_subscription = self._subscriptions(topic, "camera_info")
        # What rclpy's executor calls with the message that it took.
        self.on_image, self.on_info = image_subscription.callback, info_subscription.callback

    def _subscriptions(self, *topics: str) -> list[Any]:
        named = {subscription.topic_name: subscription for subscription in self.node.subscriptions}
        return [named[f"/{topic}"] for topic in topics if f"/{topic}" in named]

    def spin_until(self, condition: Callable[[], bool], what: str) -> None:
        """Serve both nodes until a condition holds."""
        deadline = time.monotonic() + HANG
        while not condition():
            assert time.monotonic() < deadline, f"no {what}"
            self._executor.spin_once(timeout_sec=0.05)

    def wait_for(self, received: int) -> FrameCounts:
        """The counts once every frame that was received is accounted for."""
        deadline = time.monotonic() + HANG
        while True:
            counts = self.camera.counters.now()
            if counts.received == received and counts.used + counts.dropped == received:
                return counts
            assert time.monotonic() < deadline, f"{counts} after {HANG} s: {received} frames should be accounted for"
            time.sleep(0.0002)

    def send_over_the_wire(self, image: Any, info: CameraInfo) -> None:
        """As a driver does."""
        received = self.camera.counters.now().received
        before = self.camera.input.camera_info(stamp(info))
        self.info_publisher.publish(info)
        self.spin_until(lambda: self.camera.input.camera_info(stamp(info)) is not before, "camera_info")
        self.image_publisher.publish(image)
        self.spin_until(lambda: self.camera.counters.now().received > received, "image")

    def close(self) -> None:
        """End the node and its peer."""
        self.node.close()
        self.node.destroy_node()
        self.peer.destroy_node()


def stamp(message: Any) -> int:
    """Nanoseconds."""
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def sound(transport: str, seconds: int) -> tuple[Any, CameraInfo]:
    """An image and its camera_info that must come through."""
    width, height = SIZES[1]
    if transport == "raw":
        image = Image(width=width, height=height, encoding="mono8", step=width, data=bytes([77]) * (width * height))
    else:
        image = CompressedImage(format="png", data=image_file(".png", width, height))
    image.header.stamp.sec = seconds
    k = [25.0, 0.0, 16.0, 0.0, 25.0, 12.0, 0.0, 0.0, 1.0]
    info = CameraInfo(header=copy.deepcopy(image.header), width=width, height=height, k=k)
    return image, info


@pytest.fixture(params=["raw", "compressed"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    context = Context()
    rclpy.init(context=context)
    rig = Rig(context, request.param)
    yield rig
    rig.close()
    context.try_shutdown()


@pytest.mark.soak
@pytest.mark.fault(
    area="input",
    injected=f"{MESSAGES} malformed images, compressed images and camera_infos, every field of them changed",
    expected="no crash, no hang, no unnamed error; received = used + dropped by reason, exactly",
)
def test_malformed_messages(rig: Rig, request: pytest.FixtureRequest, observed: Callable[[str], None]) -> None:
    transport = request.node.callspec.params["rig"]
    process = psutil.Process()
    malformed: Counter[str] = Counter()
    seen: Counter[str] = Counter()

    @settings(
        max_examples=BATCH,
        database=None,
        deadline=None,
        phases=[Phase.generate],  # a smaller example would not fail in the state that the larger ones led to
        suppress_health_check=list(HealthCheck),
    )
    @given(frames(compressed=transport == "compressed"))
    def send(pair: tuple[Case, Case]) -> None:
        image, info = pair
        before = rig.camera.counters.now()
        allowed = image.outcomes | (info.outcomes if USED in image.outcomes else set())
        if "stamp" in (*image.changes, *info.changes):  # an earlier camera_info may have the image's stamp
            allowed |= INFO_OUTCOMES if USED in image.outcomes else set()
        else:
            image.message.header.stamp.sec = info.message.header.stamp.sec = before.received + 2
        if before.received % WIRE_SHARE:
            rig.on_info(info.message)
            rig.on_image(image.message)
        else:
            rig.send_over_the_wire(image.message, info.message)
        after = rig.wait_for(before.received + 1)
        outcome = USED
        if after.dropped > before.dropped:
            (outcome,) = Counter(after.drops) - Counter(before.drops)
        seen[outcome] += 1
        assert outcome in allowed, f"{outcome}: {image.changes} {info.changes} {texts(rig)}"
        for case in pair:
            if case.changes:
                malformed[type(case.message).__name__] += 1

    memory: list[int] = []
    while sum(malformed.values()) < MESSAGES / 2:  # half over raw images, half over compressed ones
        seed(len(memory))(send)()
        gc.collect()
        memory.append(process.memory_info().rss)
    counts = rig.camera.counters.now()
    assert counts.received == counts.used + sum(counts.drops.values()) == sum(seen.values())
    assert dict(counts.drops) == {reason: count for reason, count in seen.items() if reason != USED}
    assert set(counts.drops) <= set(REASONS), texts(rig)
    growth = memory[-1] - memory[0]  # the first batch warms up
    assert growth < MEMORY_GROWTH

    assert_alive(rig, transport)
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.drops.items()))
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(malformed.items()))
    observed(
        f"{transport}: {kinds} malformed; {counts.received} frames received = {counts.used} used + {counts.dropped} "
        f"dropped ({reasons}); memory {growth / 2**20:+.0f} MB"
    )


@pytest.mark.soak
@pytest.mark.fault(
    area="input",
    injected=f"{BURST} images, every other one malformed, as fast as the callback takes them",
    expected="received = used + dropped by reason, most of them `overload`; then it works on",
)
def test_a_burst_of_malformed_messages(
    rig: Rig, request: pytest.FixtureRequest, observed: Callable[[str], None]
) -> None:
    transport = request.node.callspec.params["rig"]
    for index in range(BURST):
        image, info = sound(transport, index + 1)
        if index % 2:
            image.data = image.data[:20]
        rig.on_info(info)
        rig.on_image(image)
    counts = rig.wait_for(BURST)
    assert counts.drops["overload"] > BURST / 2
    assert set(counts.drops) <= {"overload", "data"}
    assert_alive(rig, transport)
    observed(f"{transport}: {counts.received} received = {counts.used} used + {dict(counts.drops)}")


def assert_alive(rig: Rig, transport: str) -> None:
    """A sound frame comes through the wire to a subscriber, with its own stamp."""
    rig.clouds.clear()
    image, info = sound(transport, seconds=123_456)
    used = rig.camera.counters.now().used
    rig.send_over_the_wire(image, info)
    rig.spin_until(lambda: any(stamp(cloud) == stamp(image) for cloud in rig.clouds), "cloud")
    assert rig.camera.counters.now().used == used + 1


def texts(rig: Rig) -> list[str]:
    """What diagnostics say."""
    return [condition.text for condition in rig.camera.conditions.current()]
