"""The node's benchmark: its phases, its arithmetic, and listener and floor on the real wire."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor

pytest.importorskip("torch", reason="about PyTorch itself: the benchmarks time it beside the runtimes")

import torch

from cinet_core.open3d_loading import load_open3d
from scripts.benchmarks.nodes import cloud
from scripts.benchmarks.nodes.camera import play
from scripts.benchmarks.nodes.floor import BaselinePublisher
from scripts.benchmarks.nodes.frame import example_result
from scripts.benchmarks.nodes.listener import FRAME_STATISTICS, STAGES, OutputListener, run_phase
from scripts.benchmarks.nodes.node_metrics import NodeRecording, frame_rate_rows, memory_rows, phase_rows, whole_frames
from scripts.benchmarks.nodes.phases import (
    ALL,
    ALL_NAME,
    PAIR,
    PAIR_NAME,
    Phase,
    floor_name,
    floor_of,
    planned,
    read_phases,
    write_phases,
)
from scripts.benchmarks.nodes.processes import Samples
from scripts.benchmarks.rows import Row
from scripts.benchmarks.run import QUICK, BenchmarkRun

NETWORK, AROUND, WAITING, INPUT, FLOOR_SECONDS = 0.040, 0.020, 0.002, 0.003, 0.012


def test_every_set_of_subscribers_has_a_phase(tmp_path: Path) -> None:
    phases = planned(8.0)
    names = [phase.name for phase in phases]
    assert {ALL_NAME, PAIR_NAME, *ALL, floor_name(ALL_NAME), floor_name(PAIR_NAME)} == set(names)
    assert names.count(ALL_NAME) == names.count(floor_name(ALL_NAME)) == 2
    assert all(phase.topics for phase in phases), "without an output the node does nothing"
    floor = floor_of(Phase(PAIR_NAME, PAIR, 8.0))
    assert floor.expected == ("floor/depth_registered/image_rect", "floor/semantic/image_raw")
    write_phases(tmp_path / "phases.json", phases)
    assert read_phases(tmp_path / "phases.json") == phases


@pytest.fixture
def recording() -> NodeRecording:
    """Two phases of the node, each with its floor, at 10 Hz and 100 % of a core; the frames between are strange."""
    phases = [Phase(ALL_NAME, ALL, 10.0), Phase(PAIR_NAME, PAIR, 10.0)]
    phases = [each for phase in phases for each in (phase, floor_of(phase))]
    spans = np.array([(10.0, 20.0), (30.0, 40.0), (50.0, 60.0), (70.0, 80.0)])
    arrival = np.arange(0.05, 100.0, 0.1)
    inside = np.any([(arrival > begin) & (arrival < end) for begin, end in spans[::2]], axis=0)
    got = {name: np.full(len(arrival), np.where(inside, 0.0, 9.0)) for name in (*FRAME_STATISTICS, *STAGES)}
    got |= {"arrival": arrival, "spans": spans, "network": np.where(inside, NETWORK, 9.0)}
    got["publish"] = np.where(inside, AROUND - WAITING, 9.0)
    got["receive_latency"] = np.where(inside, NETWORK + AROUND, 9.0)
    got["latency"] = got["receive_latency"] + INPUT
    samples = Samples([0.0, 100.0], [500.0, 510.0], [300.0, 310.0], [0.0, 100.0], [50.0, 50.0])
    sent = np.arange(len(arrival)) % 2  # every second one faster, as the node sends it
    floor = {"begun": arrival, "seconds": np.where(sent, FLOOR_SECONDS / 2, FLOOR_SECONDS), "serialised": sent}
    return NodeRecording(phases, got, floor, samples)


def test_overhead_is_what_is_not_the_network_and_stands_beside_its_floor(recording: NodeRecording) -> None:
    rows = {(row.quantity, row.subject): row for row in phase_rows(recording)}

    def median(quantity: str, subject: str) -> float:
        return rows[quantity, subject].median

    for name in (ALL_NAME, PAIR_NAME):
        overhead = rows["overhead: callback to last publish - network", name]
        assert (overhead.runs, overhead.median) == (100, pytest.approx(1000 * AROUND))
        assert overhead.beside["times the floor"] == pytest.approx(AROUND / FLOOR_SECONDS)
        assert median("ready messages published (floor)", name) == pytest.approx(1000 * FLOOR_SECONDS)
        assert median("the same, serialised beforehand as the node does", name) == pytest.approx(500 * FLOOR_SECONDS)
        subscribed = rows["stamp to last publish", name]
        assert subscribed.median == pytest.approx(1000 * (NETWORK + AROUND + INPUT))
        assert subscribed.beside == {
            "p99 [ms]": pytest.approx(1000 * (NETWORK + AROUND + INPUT)),
            "from callback, p50 [ms]": pytest.approx(1000 * (NETWORK + AROUND)),
            "from callback, p99 [ms]": pytest.approx(1000 * (NETWORK + AROUND)),
            "processor a frame [ms]": pytest.approx(100),
            "processor [% of a core]": pytest.approx(100),
        }
    assert median("input: stamp to image callback", ALL_NAME) == pytest.approx(1000 * INPUT)
    stages = {subject: row.median for (quantity, subject), row in rows.items() if quantity == f"stage, {PAIR_NAME}"}
    assert stages == {
        "network": pytest.approx(1000 * NETWORK),
        "publish": pytest.approx(1000 * (AROUND - WAITING)),
        "all that is in none": pytest.approx(1000 * WAITING),
    }


def test_a_phase_without_frames_is_no_row_of_zeros(recording: NodeRecording) -> None:
    recording.got["arrival"][:] = 5.0  # type: ignore[index]
    with pytest.raises(ValueError, match="no frame came"):
        list(phase_rows(recording))


def test_frames_count_where_every_topic_has_come() -> None:
    stamps, arrivals = np.arange(30), np.linspace(1.05, 3.95, 30)
    got = {
        "spans": np.array([(1.0, 4.0)]),
        "stamps/stats": stamps,
        "arrivals/stats": arrivals,
        "stamps/points": np.delete(stamps, [0, 1, 2, 3, 4]),
        "stamps/floor/points": stamps[:1],
        "arrival": np.linspace(0.05, 3.95, 40),
        **{stage: np.repeat([9.0, 0.001], (10, 30)) for stage in STAGES},
        "network": np.repeat([9.0, NETWORK], (10, 30)),
    }
    assert whole_frames(got).tolist() == list(range(5, 30))
    row, network, worked = frame_rate_rows(got, 30.0)
    assert (row.median, row.low, row.runs) == (10.0, pytest.approx(6.0), 3)
    assert (network.median, worked.median) == (pytest.approx(42.0), pytest.approx(40.0 + len(STAGES) - 1))
    assert network.runs == worked.runs == 30, "those of before the phase are not counted"


def test_memory_names_the_most() -> None:
    rows: list[Row] = list(memory_rows(Samples([0, 1, 2], [500, 700, 600], [1, 2, 3], [0, 0, 0], [0, 0, 0])))
    assert (rows[0].median, rows[0].beside) == (600, {"most": 700})


@pytest.fixture
def executor() -> Iterator[SingleThreadedExecutor]:
    rclpy.init()
    executor = SingleThreadedExecutor()
    yield executor
    executor.shutdown()
    rclpy.try_shutdown()


def test_listener_and_floor_on_the_wire(executor: SingleThreadedExecutor, tmp_path: Path) -> None:
    floor, listener = BaselinePublisher(), OutputListener()
    executor.add_node(listener)
    beats = iter(range(10_000))

    def spin() -> None:
        play([(100.0, floor.send)], lambda: next(beats) % 4 == 3)
        executor.spin_once(timeout_sec=0.01)

    pair, points = floor_of(Phase(PAIR_NAME, PAIR, 0.3)), floor_of(Phase("points", ("points",), 0.3))
    spans = [run_phase(listener, spin, phase) for phase in (pair, points)]
    listener.save(tmp_path / "listener.npz", spans)
    floor.save(tmp_path / "floor.npz")
    with np.load(tmp_path / "listener.npz") as got, np.load(tmp_path / "floor.npz") as published:
        topics = {f"stamps/{topic}" for topic in pair.topics + points.topics}
        assert {name for name in got if name.startswith("stamps/")} == topics
        first, second = spans
        assert got["arrivals/floor/points"].min() > first[1]
        assert (got["arrivals/floor/points"] > second[0]).sum() >= 3
        assert ((published["begun"] > second[0]) & (published["begun"] < second[1])).sum() >= 3
        assert set(published["serialised"]) == {0, 1}
        assert 0 < published["seconds"].min() < published["seconds"].max() < 1.0
    floor.destroy_node()
    listener.destroy_node()


def test_a_topic_that_does_not_come_is_named(executor: SingleThreadedExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.benchmarks.nodes.listener.PATIENCE", 0.1)
    listener = OutputListener()
    with pytest.raises(TimeoutError, match="semantic/mask"):
        run_phase(listener, lambda: None, Phase("mask", ("semantic/mask",), 1.0))
    listener.destroy_node()


def test_the_cloud_is_compared_with_the_same_of_open3d() -> None:
    result = example_result()
    assert np.isfinite(result.depth).all()
    open3d = load_open3d()
    legacy, tensor = cloud._legacy(open3d, result)(), cloud._tensor(open3d, result)()
    assert len(legacy.points) == len(tensor.point.positions) == result.depth.size
    rows = list(cloud.measure(BenchmarkRun(QUICK, torch.device("cpu"), Path(), say=lambda text: None)))
    assert [row.unit for row in rows] == ["ms"] * 4 + ["x"] * 2
    assert all(row.median > 0 for row in rows)
