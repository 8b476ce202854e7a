"""Other nodes beside this one: subscribers that come, sleep and die, a namesake, cameras that are late."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import CameraInfo, Image

WIDTH, HEIGHT = 320, 240
SMALL_NETWORK = {"network_width": 64, "network_height": 48}
FRAMES, VISITS = 10, 5
# The node looks for subscribers every 0.2 s: after this it has taken leave of old ones and found new ones, seconds.
NOTICED = 0.6
DEPTH = "front/depth_registered/image_rect"

# Reliable, as rclpy's default is, and never looked after.
SUBSCRIBER = """
import sys, time, rclpy
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("sleeper")
subscription = node.create_subscription(Image, sys.argv[1], print, 10)
print("subscribed", flush=True)
time.sleep(600)
"""


class Sleeper:
    """A process with a reliable subscription that nobody serves."""

    def __init__(self, topic: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SUBSCRIBER, topic], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "subscribed\n"

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once; it can say goodbye to nobody."""
        self._process.kill()
        self._process.wait()


@pytest.fixture
def sleeper() -> Iterator[Sleeper]:
    sleeper = Sleeper(DEPTH)
    yield sleeper
    sleeper.kill()


@pytest.fixture(scope="module", autouse=True)
def node(start_for_module: Callable[..., Any]) -> Any:
    parameters = {"weights": "random", "cameras": ["front", "rear"], **SMALL_NETWORK}
    return start_for_module("perception_node", parameters, until="configured")


@pytest.fixture
def stats_of(wire: Any, make_image: Callable[..., Image], make_info: Callable[..., CameraInfo]) -> Callable[..., Any]:
    """Send an image of a camera and return the stats of its frame."""

    def exchange(camera: str) -> Any:
        if f"{camera}/stats" not in wire.messages:
            wire.subscribe_stats(f"{camera}/")
            wire.spin_for(NOTICED)
        image = make_image(np.full((HEIGHT, WIDTH, 3), 99, np.uint8))
        info = make_info(image, WIDTH, HEIGHT)
        return wire.exchange(image, info, [f"{camera}/stats"], prefix=f"{camera}/")[f"{camera}/stats"]

    return exchange


@pytest.mark.fault(
    area="machine",
    fault="subscribers that come and go",
    injected=f"{VISITS} subscriptions, made and destroyed one after another while images come in",
    expected="the node subscribes to the camera while there is one, and serves each",
)
def test_subscribers_that_come_and_go_are_each_served(
    wire: Any, stats_of: Callable[..., Any], observed: Callable[[str], None]
) -> None:
    for _ in range(VISITS):
        wire.subscribe(DEPTH, Image)
        stats_of("front")
        wire.spin_until(lambda: wire.messages[DEPTH], "depth")
        wire.unsubscribe_all()
    images = wire.publisher("front/image", Image)
    wire.spin_until(lambda: not images.get_subscription_count(), "end of the subscription to the camera")
    observed(f"{VISITS} of {VISITS} served")


@pytest.mark.fault(
    area="machine",
    fault="a subscriber that sleeps",
    injected="a reliable subscriber that never spins, then is stopped (SIGSTOP), then killed (SIGKILL)",
    expected="another subscriber of the same topic gets every frame all the while",
)
def test_a_subscriber_that_sleeps_keeps_nothing_from_the_others(
    wire: Any, stats_of: Callable[..., Any], sleeper: Sleeper, observed: Callable[[str], None]
) -> None:
    wire.subscribe(DEPTH, Image)
    before = stats_of("front")
    sent = 0
    for act in (None, signal.SIGSTOP, signal.SIGKILL):
        if act is not None:
            sleeper.signal(act)
        for _ in range(FRAMES):
            after = stats_of("front")
            sent += 1
    assert after.frames_used - before.frames_used == sent
    assert after.frames_dropped == before.frames_dropped
    wire.spin_until(lambda: len(wire.messages[DEPTH]) == sent + 1, "depth of every frame")
    observed(f"{sent} of {sent} frames")


@pytest.mark.fault(
    area="machine",
    fault="two nodes of the same name",
    injected="a second perception node is started beside the first",
    expected="WARN with the remedy, until it has ended",
)
def test_a_namesake_is_a_warning_while_it_is_there(
    wire: Any, start: Callable[..., Any], observed: Callable[[str], None]
) -> None:
    def rows() -> list[DiagnosticStatus]:
        return [wire.diagnosis("perception: model") for _ in range(3)]  # of both nodes

    second = start("perception_node", {"weights": "random", "autostart": False})
    wire.spin_until(lambda: any("-r __node:=" in row.message for row in rows()), "warning", timeout=180.0)
    assert all(row.level == DiagnosticStatus.WARN for row in rows())
    second.stop()
    wire.spin_until(lambda: not any("-r __node:=" in row.message for row in rows()), "end of the warning", timeout=60.0)
    observed("WARN names -r __node:=NAME and a namespace, and goes with the second node")


@pytest.mark.fault(
    area="cameras",
    fault="a camera that is late",
    injected="two cameras, of which one sends nothing",
    expected="the other one's frames come out at once; each camera has topics and counters of its own",
)
def test_a_camera_that_sends_nothing_delays_nobody(
    wire: Any, stats_of: Callable[..., Any], observed: Callable[[str], None]
) -> None:
    wire.subscribe("rear/depth_registered/image_rect", Image)
    first = stats_of("front")
    for _ in range(3):
        last = stats_of("front")
    assert last.frames_used == first.frames_used + 3
    assert last.frames_dropped == first.frames_dropped
    assert not wire.messages["rear/depth_registered/image_rect"], "nothing in the name of the other camera"
    rear = {item.key: item.value for item in wire.diagnosis("perception: camera rear").values}
    front = {item.key: item.value for item in wire.diagnosis("perception: camera front").values}
    assert rear["image topic"] == "/rear/image"
    assert int(front["received"]) == last.frames_received
    before = int(rear["received"])
    assert stats_of("rear").frames_received == before + 1
    assert stats_of("front").frames_received == last.frames_received + 1
    observed("3 of 3 frames of the other camera; counters of each camera apart")
