"""The rulers of the long runs: they see a leak, a growing latency, a lost frame, a stamp from nowhere."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from soak.analysis import (
    dropped_share,
    frame_counts,
    growth,
    latencies,
    latency_change,
    memory_growth,
    outer_thirds,
    strange_stamps,
    unaccounted,
    within,
)
from soak.listener import stamp_of
from soak.processes import Samples


def test_growth_of_a_leak_and_of_noise() -> None:
    seconds = np.arange(1500.0)
    noise = np.random.default_rng(0).normal(0, 1, 1500)
    flat = growth(seconds, 700 + noise)
    assert abs(flat.over_span) < 3 * flat.standard_error < 1
    leak = growth(seconds + 1e6, 700 + noise + 0.01 * seconds)  # 10 kB a second
    assert leak.per_hour == pytest.approx(36, abs=1)
    assert leak.over_span == pytest.approx(15, abs=0.4)
    with pytest.raises(ValueError, match="2 samples have no trend"):
        growth([0, 1], [1, 2])


def test_latencies_are_milliseconds() -> None:
    assert latencies(np.linspace(0, 0.1, 101)) == pytest.approx({"p50": 50, "p90": 90, "p99": 99, "max": 100})


def test_outer_thirds() -> None:
    first, last = outer_thirds(range(8))
    assert (first.tolist(), last.tolist()) == ([0, 1], [6, 7])
    with pytest.raises(ValueError, match="2 values have no thirds"):
        outer_thirds([1, 2])


def test_frames_add_up() -> None:
    assert unaccounted([10.0, 20.0], [3.0, 5.0], [7.0, 14.0]).tolist() == [0, 1]


def test_stamps_from_nowhere_and_twice() -> None:
    sent = np.array([10**18, 10**18 + 1, 10**18 + 2])
    assert strange_stamps(sent, {"stamps/points": sent[[2, 0]], "used": sent}) == {"never_sent": 0, "repeated": 0}
    got = {"stamps/points": sent, "stamps/stats": sent[[1, 1]]}
    assert strange_stamps(sent[1:], got) == {"never_sent": 1, "repeated": 1}


def run_of(counts: np.ndarray, latency: np.ndarray) -> dict[str, np.ndarray]:
    """What a listener notes of a frame each second."""
    received, used, dropped = counts
    arrival = np.arange(len(latency), dtype=float)
    results = {"arrival": arrival, "receive_latency": latency, "received": received, "used": used, "dropped": dropped}
    return {**results, "stamps/stats": arrival.astype(np.int64)}


def test_frames_and_latency_of_a_run() -> None:
    used = np.arange(1.0, 13)
    got = run_of(np.array([10 * used, used, 9 * used]), np.linspace(0.1, 0.2, 12))
    frames = frame_counts({"stamps": np.arange(125), "span": np.array([0.0, 12.5])}, got)
    assert (frames["sent_hz"], frames["received"], frames["used"], frames["dropped"]) == (10, 120, 12, 108)
    assert (frames["received_share"], frames["unaccounted_least"], frames["unaccounted_most"]) == (0.96, 0, 0)
    change = latency_change(got, warm=-1)
    assert change["first_third"]["max"] == pytest.approx(127.27)
    assert change["last_third"]["max"] == 200
    assert dropped_share(got, [np.array([0.0, 12.0])], warm_up=1 / 6) == pytest.approx(0.9)


def test_parts_of_a_run_without_their_warm_up() -> None:
    got = run_of(np.zeros((3, 100)), np.zeros(100))
    chosen = within(got, [np.array([10.0, 20.0]), np.array([50.0, 60.0])], warm_up=0.5)
    assert chosen["arrival"].tolist() == [16, 17, 18, 19, 56, 57, 58, 59]
    assert "stamps/stats" not in chosen


def test_memory_after_the_warm_up() -> None:
    seconds = [float(second) for second in range(100)]
    resident = [min(second, 20.0) + 500 for second in seconds]
    samples = Samples(seconds, resident, [value + second for value, second in zip(resident, seconds, strict=True)])
    results = memory_growth(samples, warm=20)
    assert results["resident"]["growth"] == pytest.approx(0, abs=1e-6)
    assert results["private"]["growth"] == pytest.approx(78, abs=1e-6)
    assert results["private"]["growth_per_hour"] == pytest.approx(3600, abs=1e-3)


@pytest.mark.parametrize("order", ["<", ">"])
def test_stamp_is_read_from_the_bytes_of_a_message(order: str) -> None:
    image = Image()
    image.header.stamp.sec, image.header.stamp.nanosec = 1_700_000_000, 987_654_321
    serialized = serialize_message(image)
    assert stamp_of(serialized) == 1_700_000_000_987_654_321
    swapped = bytes([0, order == "<", 0, 0]) + struct.pack(f"{order}iI", 1_700_000_000, 987_654_321)
    assert stamp_of(swapped) == 1_700_000_000_987_654_321
