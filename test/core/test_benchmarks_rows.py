"""The benchmark's arithmetic: rows, turns, power laws, operations, rooflines, imports, tables."""

from __future__ import annotations

import io
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cinet_core.model import build_model, get_config
from scripts.benchmarks.machine import Limits
from scripts.benchmarks.memory import peak_increase
from scripts.benchmarks.roofline import Operation, cost_of
from scripts.benchmarks.rows import BenchmarkReport, Row, milliseconds, ratios
from scripts.benchmarks.run import QUICK, BenchmarkBudget
from scripts.benchmarks.scaling import power_law
from scripts.benchmarks.start import by_package
from scripts.benchmarks.tables import BEGIN, END, markdown, print_report, short, write_table
from scripts.benchmarks.timing import take_turns

MEGABYTE = 2**20
REPORT = BenchmarkReport(
    {"processor": "some|kind", "cores": 2},
    [
        Row.of("forward", "lite", "ms", [1.0, 2.0, 3.0], (240, 320), {"GFLOP": 4.25}).within("network"),
        Row.of("forward", "lite, half", "ms", [1234.5], None, {"precision": "half"}).within("network"),
        Row.of("step", "lite", "MB", [7.0]).within("training"),
    ],
    ["no peers"],
    ["training: broke off"],
)


def test_a_row_holds_median_and_spread() -> None:
    row = Row.of("forward", "lite", "ms", [5.0, 1.0, 2.0, 3.0, 4.0])
    assert (row.median, row.runs) == (3.0, 5)
    assert (row.low, row.high) == (pytest.approx(1.4), pytest.approx(4.6))
    with pytest.raises(ValueError, match="has no runs"):
        Row.of("forward", "lite", "ms", [])


def test_ratios_are_of_pairs() -> None:
    assert ratios([4.0, 9.0], [2.0, 3.0]) == [2.0, 3.0]
    assert milliseconds([0.25]) == [250.0]
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


def test_a_report_comes_back_as_it_was(tmp_path: Path) -> None:
    REPORT.save(tmp_path / "report.json")
    assert BenchmarkReport.load(tmp_path / "report.json") == REPORT


def test_a_table_has_a_column_for_everything_that_stands_beside() -> None:
    lines = markdown(REPORT).splitlines()
    assert "| quantity | of | size | median | 10 % .. 90 % | runs | GFLOP | precision |" in lines
    assert "| forward | lite | 320x240 | 2 ms | 1.2 .. 2.8 | 3 | 4.25 |  |" in lines
    assert "| forward | lite, half |  | 1234 ms |  | 1 |  | half |" in lines
    assert "| processor | some/kind |" in lines
    assert lines[-2:] == ["- no peers", "- FAILED, training: broke off"]
    assert [short(value) for value in (0.012345, 12.345, "yes")] == ["0.0123", "12.3", "yes"]


def test_units_in_brackets_reach_the_terminal() -> None:
    row = Row.of("forward", "lite", "ms", [1.0], None, {"p99 [ms]": 2.0}).within("network")
    console = Console(file=io.StringIO(), width=120)
    print_report(BenchmarkReport({}, [row], ["see [1]"]), console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "p99 [ms]" in text
    assert "see [1]" in text


def test_a_table_is_renewed_between_its_markers_only(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.md"
    path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    write_table(REPORT, path)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert "### training" in text
    write_table(REPORT, path)
    assert path.read_text(encoding="utf-8") == text
    path.write_text("no markers", encoding="utf-8")
    with pytest.raises(ValueError, match="put both lines"):
        write_table(REPORT, path)


def test_works_take_turns_equally_often() -> None:
    order: list[str] = []
    works = {name: (lambda name=name: order.append(name)) for name in "ab"}  # type: ignore[misc]
    times = take_turns(works, BenchmarkBudget(seconds=0.0, least=3, most=3, warm_up=1))
    assert order == ["a", "b"] + ["a", "b"] * 3
    assert {name: len(values) for name, values in times.items()} == {"a": 3, "b": 3}


def test_a_slow_work_stops_at_its_least_runs() -> None:
    times = take_turns({"slow": lambda: time.sleep(0.02)}, BenchmarkBudget(seconds=0.01, least=2, most=50, warm_up=5))
    assert len(times["slow"]) == 2
    assert min(times["slow"]) >= 0.02


def test_the_power_law_through_points_of_one() -> None:
    law = power_law([1, 2, 4, 8], [3 * x**1.5 for x in (1, 2, 4, 8)])
    assert (law.factor, law.exponent) == (pytest.approx(3), pytest.approx(1.5))
    assert law(16) == pytest.approx(192)
    for x, y in (([2, 2], [1, 1]), ([1, 2], [0, 1])):
        with pytest.raises(ValueError, match="no power law"):
            power_law(x, y)


def test_operations_and_numbers_of_known_layers() -> None:
    convolution = nn.Conv2d(3, 8, 3, padding=1)
    cost = cost_of(convolution, torch.zeros(1, 3, 16, 16))
    assert cost.operations == 2 * 3 * 9 * 8 * 256
    assert cost.numbers == cost.least_numbers == 3 * 256 + 3 * 9 * 8 + 8 + 8 * 256
    assert convolution.weight.device.type == "cpu"
    assert cost_of(nn.Linear(10, 20, bias=False), torch.zeros(5, 10)).operations == 2 * 5 * 10 * 20


def test_operations_of_the_network_are_those_that_pytorch_counts() -> None:
    model, image = build_model(get_config("lite"), seed=0).eval(), torch.zeros(1, 3, 48, 64)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(image)
    assert cost_of(model, image).operations == counter.get_total_flops() > 1e7


def test_the_roofline_is_bound_by_whatever_takes_longer() -> None:
    limits = Limits(operations=100.0, bytes=10.0)
    assert Operation(operations=200, numbers=1).seconds(limits, 4) == 2.0
    assert Operation(operations=1, numbers=5).seconds(limits, 4) == 2.0
    assert Operation(operations=1, numbers=5).seconds(limits, 2) == 1.0
    two = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    cost = cost_of(two, torch.zeros(1, 4))
    assert cost.layer_by_layer(limits) == pytest.approx(2 * max(32 / 100, (4 + 16 + 4) * 4 / 10))
    assert cost.roofline(limits) == pytest.approx((4 + 2 * 16 + 4) * 4 / 10)  # what lies between them is not moved
    assert cost.roofline(Limits(operations=1.0, bytes=1e9)) == 64


def test_imports_are_summed_by_package() -> None:
    text = (
        "import time: self [us] | cumulative | imported package\n"
        "import time:       100 |        100 |     torch._dynamo.utils\n"
        "import time:        20 |        120 |   torch._dynamo\n"
        "import time:      2000 |       2120 | torch\n"
        "import time:        50 |       2150 | cinet_core.geometry\n"
    )
    assert by_package(text) == {
        "torch": pytest.approx(2e-3),
        "torch._dynamo": pytest.approx(1.2e-4),
        "cinet_core.geometry": pytest.approx(5e-5),
    }


def test_peak_memory_is_that_of_the_call_alone() -> None:
    np.ones(256 * MEGABYTE, dtype=np.uint8)  # an earlier, larger peak, given back
    assert peak_increase(lambda: np.ones(64 * MEGABYTE, dtype=np.uint8)) == pytest.approx(64, abs=8)


def test_plots_have_points_and_law_on_logarithmic_axes() -> None:
    pytest.importorskip("matplotlib", reason="charts are an extra: pip install 'cinet[charts]'")
    from scripts.benchmarks.log_plot import Series, log_plots

    x, y = [1e4, 1e5, 1e6], [2.0, 21.0, 190.0]
    one = Series("time", "pixels", "ms", x, y, power_law(x, y), "exponent 0.99")
    figure = log_plots([one] * 3)
    assert [bool(axes.lines) for axes in figure.axes] == [True, True, True, False]
    axes = figure.axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("time", "pixels", "ms")
    law, points = axes.lines
    assert points.get_xydata().tolist() == [list(pair) for pair in zip(x, y, strict=True)]
    assert law.get_ydata() == pytest.approx([one.law(1e4), one.law(1e6)])
    figure.canvas.draw()
    assert {"10k", "100k", "1M"} <= {label.get_text() for label in axes.get_xticklabels()}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["exponent 0.99", "measured"]
    with pytest.raises(ValueError, match="nothing to draw"):
        log_plots([])


def test_a_quick_run_is_no_longer_than_its_least() -> None:
    assert QUICK.least == QUICK.most
