"""Every group of the benchmark gives its rows, on tiny images, and a report that can be read."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from quick_benchmark import TINY, leave_others_out

from cinet_core.checkpoint import random_checkpoint
from scripts.benchmarks import (
    anchors,
    generations,
    harness,
    loading,
    network,
    obstacles,
    scaling,
    steps,
    training,
    variants,
)
from scripts.benchmarks.machine import Limits
from scripts.benchmarks.memory import in_fresh_process
from scripts.benchmarks.roofline import ComputeCost, Operation
from scripts.benchmarks.rows import BenchmarkReport, Row
from scripts.benchmarks.run import BenchmarkRun
from scripts.benchmarks.start import CHECKOUT

CPU = torch.device("cpu")


@pytest.fixture
def quick_run(tmp_path: Path) -> BenchmarkRun:
    return BenchmarkRun(TINY, CPU, tmp_path, tmp_path, say=lambda text: None)


@pytest.fixture
def only_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_others_out(monkeypatch)


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh process imports torch for seconds; that it starts is seen in `make bench`."""

    def call(function: Callable[..., object], *arguments: object) -> object:
        return function(*arguments)

    for module in (network, scaling, training):
        monkeypatch.setattr(module, "in_fresh_process", call)


@pytest.mark.usefixtures("only_torch", "in_this_process")
def test_the_command_writes_json_and_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "QUICK", TINY)
    groups = {name: harness.CORE_GROUPS[name] for name in ("network", "peers")}
    report, table = tmp_path / "report.json", tmp_path / "benchmarks.md"
    arguments = ["--quick", "--configs", "lite", "--output", str(report), "--table", str(table)]
    assert harness.main(groups, arguments) == 0
    read = BenchmarkReport.load(report)
    assert {"processor", "cores", "torch", "load_before", "seconds of network"} <= set(read.machine)
    quantities = {row.quantity for row in read.rows}
    assert {"matrix throughput", "memory bandwidth", "image to predictions", "peak memory"} == quantities
    (whole,) = (row for row in read.rows if row.quantity == "image to predictions")
    assert (whole.group, whole.subject, whole.size, whole.runs) == ("network", "lite, torch", (32, 48), 1)
    assert whole.median > 0
    operations, share = (float(whole.beside[name]) for name in ("GFLOP", "of matrix throughput [%]"))
    throughput = next(row.median for row in read.rows if row.quantity == "matrix throughput")
    assert share == pytest.approx(100 * operations / (whole.median / 1e3) / throughput, rel=0.2)  # of another median
    assert any(note.startswith("peers: clone") for note in read.notes)
    assert "### network" in table.read_text(encoding="utf-8")


def test_a_device_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert harness.main(harness.CORE_GROUPS, ["--device", "cuda:77"]) == 2
    assert "cuda:77" in capsys.readouterr().out


@pytest.mark.usefixtures("in_this_process")
def test_training_steps_of_every_stage(quick_run: BenchmarkRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "in_fresh_process", lambda function, *arguments: function(*arguments))
    monkeypatch.setattr(training, "keep_freed_memory", lambda: True)  # it would last in the process of all tests
    quick_run.configs = ("lite", "resnet101")
    rows = list(training.measure(quick_run))
    found = [(row.subject, row.beside["precision"], row.beside.get("freed memory")) for row in rows[::2]]
    stages = [f"lite, stage {number}" for number in (1, 2, 3)]
    assert found == [
        *((stage, precision, None) for precision in ("32-true", "bf16-mixed") for stage in stages),
        ("lite, stage 3", "32-true", "given back"),
    ]
    assert [row.unit for row in rows[:2]] == ["ms", "MB"]
    assert all(row.median > 0 for row in rows[::2])
    assert quick_run.notes == ["no training step of resnet101 on a CPU: it takes half a minute"]


def test_cost_as_the_work_grows(quick_run: BenchmarkRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def cost(function: object, size: tuple[int, int], cameras: int, *rest: object) -> tuple[list[float], float]:
        return [1e-6 * (size[0] * size[1] * cameras) ** 1.5] * 2, 1e-3 * size[0] * size[1] * cameras

    monkeypatch.setattr(scaling, "in_fresh_process", cost)
    rows = list(scaling.measure(quick_run))
    exponents = {row.quantity: row.median for row in rows if row.quantity.startswith("exponent")}
    assert exponents == {
        "exponent of time against pixels of the image": pytest.approx(1.5),
        "exponent of peak memory against pixels of the image": pytest.approx(1.0),
        "exponent of time against cameras": pytest.approx(1.5),
        "exponent of peak memory against cameras": pytest.approx(1.0),
    }
    assert (quick_run.scratch / scaling.PLOT).stat().st_size > 0


def test_the_cost_of_a_size_is_measured(quick_run: BenchmarkRun, monkeypatch: pytest.MonkeyPatch) -> None:
    # In a process where nothing was freed before that could be used again; it finds modules where this one does.
    monkeypatch.setattr(sys, "path", [*sys.path, str(CHECKOUT)])
    seconds, peak = in_fresh_process(scaling.cost, (32, 48), 2, False, TINY, "cpu")
    assert len(seconds) == TINY.most
    assert min(seconds) > 0
    assert peak > 0


def test_on_a_gpu_every_precision_and_replay_is_a_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        variants,
        "missing_requirement",
        lambda name, device, precision: "no" if name in ("tensorrt", "openvino") else None,
    )
    found = variants.variants(torch.device("cuda"), compiled=True)
    assert found[0] == variants.BackendVariant("torch")
    assert [variant.name for variant in found] == [
        f"{backend}{half}{replayed}"
        for half in ("", " half")
        for backend, replays in (("torch", [""]), ("torch_compile", ["", " CUDA graph"]), ("onnxruntime", [""]))
        for replayed in replays
    ]
    assert found[-1].columns(torch.device("cuda")) == {"precision": "half", "CUDA graph": "no"}
    assert found[0].columns(CPU) == {}


def test_on_a_cpu_other_precisions_are_variants_of_what_has_instructions_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = {"half": ("torch", "openvino"), "int8": ("torch_compile", "openvino", "onnxruntime")}
    monkeypatch.setattr(
        variants,
        "missing_requirement",
        lambda name, device, precision: None if name in there.get(precision, (name,)) else "no",
    )
    names = [variant.label(CPU) for variant in variants.variants(CPU, compiled=False)]
    floating = ["torch", "openvino", "onnxruntime", "tensorrt", "openvino half"]
    assert names == [*floating, "openvino int8", "onnxruntime int8"]
    assert [variant.label(CPU) for variant in variants.variants(CPU, compiled=False, quantized=False)] == floating


def test_on_a_gpu_the_time_on_the_device_stands_beside_its_roofline() -> None:
    variant = variants.BackendVariant("torch_compile", "half", replayed=True)
    timed = network.Timed(variant, [0.013, 0.013], [0.010, 0.010])
    cost = ComputeCost((Operation(4_000_000_000, 1_000_000), Operation(1_000, 6_000_000)), least_numbers=30_000_000)
    limits = Limits(operations=1e12, bytes=12e9)
    whole, forward, ratio = timed.rows("resnet101", (480, 640), cost, limits, torch.device("cuda"))
    columns = {"precision": "half", "CUDA graph": "yes"}
    assert (whole.median, whole.beside) == (13, columns)
    assert (forward.median, forward.quantity) == (10, "network, on the device")
    assert forward.beside == columns | {
        "GFLOP": pytest.approx(4.000001),
        "of matrix throughput [%]": pytest.approx(40.00001),
        "least bytes [MB]": pytest.approx(60e6 / 2**20),
        "bytes [MB]": pytest.approx(14e6 / 2**20),
        "roofline [ms]": pytest.approx(5),  # 60 MB, longer than the operations
        "times that": pytest.approx(2),
        "layer by layer [ms]": pytest.approx(5),  # 4 ms of operations, and 1 ms of 12 MB
        "times it": pytest.approx(2),
    }
    assert (ratio.median, ratio.unit, ratio.beside) == (pytest.approx(1.3), "x", columns)


def test_a_group_that_breaks_off_costs_nothing_of_the_others(tmp_path: Path) -> None:
    def broken(run: BenchmarkRun) -> Iterator[Row]:
        yield Row.of("before", "it", "ms", [1.0])
        raise RuntimeError("a defect, not a lack")

    groups = {"broken": broken, "fine": lambda run: [Row.of("after", "it", "ms", [2.0])]}
    path = tmp_path / "new" / "report.json"
    assert harness.main(groups, ["--output", str(path)]) == 1
    report = BenchmarkReport.load(path)
    assert [(row.group, row.quantity) for row in report.rows] == [("broken", "before"), ("fine", "after")]
    assert report.failures == ["broken: RuntimeError: a defect, not a lack"]


def test_samples_of_a_loader(quick_run: BenchmarkRun) -> None:
    threads = torch.get_num_threads()
    rows = list(loading.measure(quick_run))
    assert [row.subject for row in rows] == [loading.TORCHVISION, loading.OURS, loading.NONE, loading.OURS]
    assert [row.unit for row in rows] == ["1/s", "1/s", "1/s", "x"]
    assert all(row.median > 0 for row in rows)
    assert torch.get_num_threads() == threads
    quick_run.device = torch.device("cuda")
    assert list(loading.measure(quick_run)) == []
    assert quick_run.notes == ["loading: workers run on the CPU; measure them there"]


def test_steps_against_a_checkout(quick_run: BenchmarkRun) -> None:
    quick_run.against = steps.HERE  # itself
    rows = list(steps.measure(quick_run))
    assert [row.unit for row in rows] == ["ms"] * 3 + ["1/s", "1/s", "x"] * 2
    assert [row.beside.get("of the usual") for row in rows[:3]] == ["0.25", "1", "4"]
    assert [row.subject for row in rows[3:]] == ["before", "now", "seconds"] * 2
    assert all(row.median > 0 for row in rows)


def test_steps_of_a_checkout_that_is_none_are_named(quick_run: BenchmarkRun, tmp_path: Path) -> None:
    (tmp_path / "cinet_core").mkdir()
    (tmp_path / "cinet_core" / "__init__.py").write_text("")
    quick_run.against = tmp_path
    with pytest.raises(RuntimeError, match=r"(?s)the worker ended: .*No module named 'cinet_core.training'"):
        list(steps.measure(quick_run))


def test_obstacles_are_timed_beside_open3d(quick_run: BenchmarkRun) -> None:
    pytest.importorskip("open3d", exc_type=ImportError)
    quick_run.budget = dataclasses.replace(TINY, image_size=(96, 128))
    rows = {(row.quantity, row.subject): row for row in obstacles.measure(quick_run)}
    ours = rows["depth and labels to obstacles", obstacles.HALF]
    assert 0 < ours.median < rows["depth and labels to obstacles", obstacles.FULL].median * 5
    for name in obstacles.NEIGHBOURS:
        assert rows[f"{name} / this", obstacles.HALF].median > 0
        assert rows[f"{name} / this, processor time", obstacles.HALF].median > 0
    points = rows["points of a frame", obstacles.HALF]
    assert points.beside["bytes"] == 20 * points.median > 0, "as on the wire: label and confidence of four bytes"
    assert ("beside obstacles", "scan") in rows


@pytest.mark.usefixtures("only_torch")
def test_two_generations_take_turns(quick_run: BenchmarkRun) -> None:
    tiny = {"encoder": "test_efficientnet", "feature_channels": 16, "query_channels": 4, "decoder_channels": (8, 8, 8)}
    pair = (random_checkpoint(name, **tiny) for name in (generations.BEFORE, generations.NOW))
    rows = {(row.quantity, row.subject): row for row in generations.compare(quick_run, *pair)}
    for variant in variants.variants(quick_run.device, compiled=False):
        subject = f"{generations.NOW}, {variant.name}"
        assert rows[network.WHOLE, subject].median > 0
        assert rows[f"{generations.BEFORE} / this", subject].median > 0


@pytest.mark.usefixtures("only_torch")
def test_whole_frames_with_every_anchor_are_timed_beside_those_with_none(
    quick_run: BenchmarkRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anchors, "STEPS", 4)
    quick_run.budget = dataclasses.replace(TINY, least=3, most=3, image_size=(96, 128))
    rows = {(row.quantity, row.subject): row for row in anchors.measure(quick_run)}
    for source in anchors.SOURCES:
        assert rows["whole frames", source].median > 0
        assert 0 < rows["whole frames, of those without anchor", source].median < 500
        assert rows["correction", source].median > 0
    assert {subject for quantity, subject in rows if quantity == "tracking"} == {"odometry", "motion"}
    quick_run.device = torch.device("cuda")
    assert list(anchors.measure(quick_run)) == []
    assert any(note.startswith("anchors: ") for note in quick_run.notes)
