"""The benchmark of traffic: its arithmetic, a row of every topic on the wire, and what a process takes."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import rclpy
from rclpy.node import Node

pytest.importorskip("torch", reason="about PyTorch itself: the benchmarks time it beside the runtimes")

import torch

from cinet_core.messages.topics import COMPRESSED
from cinet_ros.frame_messages import MESSAGE_TYPES
from scripts.benchmarks.nodes.frame import LABEL_SET, example_result
from scripts.benchmarks.nodes.phases import ALL
from scripts.benchmarks.nodes.processes import running, usage
from scripts.benchmarks.nodes.traffic import PREFIX, SMALL, TOPICS, TopicCost, topic_rows
from scripts.benchmarks.run import QUICK, BenchmarkRun

HEIGHT, WIDTH = 80, 120


def test_a_row_has_bytes_rates_and_share_of_the_whole() -> None:
    whole, small = TopicCost(1_000_000, [0.001, 0.003], [0.002, 0.002]), TopicCost(50_000, [0.01], [0.001])
    row = small.row("points_downsampled", (480, 640), whole)
    assert row.median == pytest.approx(11.0)
    assert row.beside == {
        "kB a frame": 50.0,
        "of the whole [%]": pytest.approx(5.0),
        "MB/s at 5 Hz": pytest.approx(0.25),
        "MB/s at 30 Hz": pytest.approx(1.5),
        "build and compress [ms]": pytest.approx(10.0),
        "publish [ms]": pytest.approx(1.0),
    }
    both = TopicCost.total([whole, small])
    assert (both.length, both.whole) == (1_050_000, [pytest.approx(0.002 + 0.002 + 0.011)])


@pytest.fixture
def nodes() -> Iterator[tuple[Node, Node]]:
    rclpy.init()
    yield Node("traffic"), Node("subscriber")
    rclpy.try_shutdown()


def test_every_topic_has_a_row_with_the_bytes_of_its_message(nodes: tuple[Node, Node]) -> None:
    publisher, subscriber = nodes
    for topic, kind in MESSAGE_TYPES.items():
        subscriber.create_subscription(kind, PREFIX + topic, lambda message: None, 1)
    run = BenchmarkRun(dataclasses.replace(QUICK, most=1), torch.device("cpu"), Path(), say=lambda text: None)
    rows = {row.subject: row for row in topic_rows(publisher, example_result(HEIGHT, WIDTH), LABEL_SET, run)}
    assert list(rows)[: len(TOPICS)] == list(TOPICS)
    assert len(rows) == len(TOPICS) + 2
    sizes = {name: 1000 * float(row.beside["kB a frame"]) for name, row in rows.items()}
    for topic, content in {"points": 32, "depth_registered/image_rect": 4, "semantic/image_raw": 1}.items():
        assert HEIGHT * WIDTH * content < sizes[topic] < HEIGHT * WIDTH * content + 500, topic
    for topic in set(COMPRESSED) & set(TOPICS):
        plain, _ = COMPRESSED[topic]
        assert rows[topic].beside["of the whole [%]"] == pytest.approx(100 * sizes[topic] / sizes[plain])
    everything, small = list(sizes.values())[-2:]
    assert everything == pytest.approx(sum(sizes[topic] for topic in ALL))
    assert small == pytest.approx(sum(sizes[topic] for topic in SMALL))


def test_share_and_memory_of_a_process_are_its_own(tmp_path: Path) -> None:
    begin = (
        "import signal, sys, time\nsignal.signal(signal.SIGINT, lambda *_: sys.exit())\nprint('ready', flush=True)\n"
    )
    busy = [sys.executable, "-c", f"{begin}while True: time.process_time()"]
    asleep = [sys.executable, "-c", f"{begin}time.sleep(100)"]
    with running("busy", busy, tmp_path, "ready") as one, running("asleep", asleep, tmp_path, "ready") as other:
        found = usage({"busy": one, "asleep": other}, 0.5)
    assert found["busy"].share > 10.0 > 5.0 > found["asleep"].share
    assert 1.0 < found["asleep"].private < found["asleep"].resident < 200.0
