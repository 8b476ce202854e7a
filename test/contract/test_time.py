"""Stamps and clocks: simulated time, its jumps and its absence; stamps that repeat, go back or are missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image

WIDTH, HEIGHT = 64, 48
SMALL_NETWORK = {"weights": "random", "network_width": 64, "network_height": 48}


def rgb_image() -> np.ndarray:
    """(H, W, 3) uint8; what it shows does not matter here."""
    return np.full((HEIGHT, WIDTH, 3), 128, np.uint8)


class TestSimulatedTime:
    """use_sim_time, while there is no simulated time yet, and with it."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def node(cls, start: Callable[..., Any]) -> Any:
        return start("perception_node", SMALL_NETWORK | {"use_sim_time": True}, until="configured")

    @pytest.mark.fault(
        area="input",
        injected="use_sim_time without a /clock",
        expected="frames are processed, the latency is NaN, diagnostics go on",
    )
    def test_frames_flow_and_diagnostics_speak_before_there_is_a_clock(
        self, wire: Any, make_image: Callable[..., Image], make_info: Callable[..., CameraInfo]
    ) -> None:
        wire.subscribe_stats()
        wire.subscribe("/diagnostics", DiagnosticArray)
        image = make_image(rgb_image())
        stats = wire.exchange(image, make_info(image, WIDTH, HEIGHT), ["stats"])["stats"]
        assert np.isnan(stats.latency)
        wire.spin_until(lambda: wire.messages["/diagnostics"], "diagnostics")

    @pytest.mark.fault(
        area="input",
        injected="/clock jumps from 5000 s back to 100 s, as a bag that starts again",
        expected="the latency is right before and after",
    )
    def test_latency_is_by_the_simulated_clock_whichever_way_it_jumps(
        self, wire: Any, make_image: Callable[..., Image], make_info: Callable[..., CameraInfo]
    ) -> None:
        wire.subscribe_stats()
        clock = wire.publisher("/clock", Clock)
        wire.spin_until(lambda: clock.get_subscription_count() > 0, "subscriber of /clock")
        for now in (5000, 100):  # a bag that starts again
            message = Clock()
            message.clock.sec = now
            for _ in range(10):  # best effort: on a busy machine the first may come before the reader is matched
                clock.publish(message)
                wire.spin_for(0.05)
            image = make_image(rgb_image())
            image.header.stamp.sec, image.header.stamp.nanosec = now - 1, 500_000_000
            stats = wire.exchange(image, make_info(image, WIDTH, HEIGHT), ["stats"])["stats"]
            assert stats.latency == pytest.approx(0.5, abs=1e-3)


@pytest.mark.fault(
    area="input",
    injected="a stamp twice, one that goes back, one of zero",
    expected="each is copied to the outputs, used and counted in diagnostics",
)
def test_odd_stamps_are_copied_counted_and_processed(
    wire: Any, start: Callable[..., Any], make_image: Callable[..., Image], make_info: Callable[..., CameraInfo]
) -> None:
    start("perception_node", SMALL_NETWORK, until="configured")
    wire.subscribe_stats()
    wire.subscribe("/diagnostics", DiagnosticArray)
    for seconds in (2000, 2000, 1999, 0):
        wire.messages["stats"].clear()
        image = make_image(rgb_image())
        image.header.stamp.sec, image.header.stamp.nanosec = seconds, 0
        got = wire.exchange(image, make_info(image, WIDTH, HEIGHT), ["stats"])["stats"]
        assert (got.header.stamp.sec, got.header.stamp.nanosec) == (seconds, 0)
    assert (got.frames_received, got.frames_used, got.frames_dropped) == (4, 4, 0)

    def values() -> dict[str, str]:
        rows = [status for status in wire.messages["/diagnostics"][-1].status if status.name.endswith("camera")]
        return {item.key: item.value for item in rows[0].values} if rows else {}

    wire.messages["/diagnostics"].clear()
    wire.spin_until(lambda: wire.messages["/diagnostics"], "diagnostics")
    assert [values().get(f"{kind} stamps") for kind in ("zero", "duplicate", "backward")] == ["1", "1", "1"]
