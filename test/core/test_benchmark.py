"""The benchmark measures what it says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cinet_core import benchmark

MEGABYTE = 2**20


def test_peak_memory_is_that_of_the_call_alone() -> None:
    np.ones(256 * MEGABYTE, dtype=np.uint8)  # an earlier, larger peak, given back
    assert benchmark.peak_increase(lambda: np.ones(64 * MEGABYTE, dtype=np.uint8)) == pytest.approx(64, abs=8)


def test_a_row_holds_median_and_spread() -> None:
    row = benchmark.Row.of("forward time", "lite", (240, 320), "ms", [5.0, 1.0, 2.0, 3.0, 4.0])
    assert (row.median, row.runs) == (3.0, 5)
    assert row.low == pytest.approx(1.4)
    assert row.high == pytest.approx(4.6)


def test_the_report_names_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "SIZES", ((32, 48),))
    monkeypatch.setattr(benchmark, "MIN_RUNS", 1)
    monkeypatch.setattr(benchmark, "MAX_RUNS", 1)
    monkeypatch.setattr(benchmark, "peak_memory", lambda size: [])  # minutes of fresh processes
    path = tmp_path / "report.json"
    benchmark.main(["--output", str(path), "--configs", "lite"])
    report = json.loads(path.read_text(encoding="utf-8"))
    assert {"processor", "cores", "torch", "load_before"} <= set(report["machine"])
    (row,) = report["rows"]
    assert (row["quantity"], row["subject"], row["size"]) == ("forward time", "lite", [32, 48])
    assert row["median"] > 0
