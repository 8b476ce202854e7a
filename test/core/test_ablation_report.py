"""What an ablation's metrics say, and what they do not."""

from __future__ import annotations

import json
import math

import pytest

from cinet_core.evaluation.ablation_report import AblationReport, compare, mean_and_error

METRICS = {
    "Baseline": {
        seed: {"full/delta1": 0.50 + 0.1 * seed, "full/rms": 1.0, "mean_iou": 0.20 + 0.001 * seed} for seed in (0, 1, 2)
    },
    "+SUM": {
        0: {"full/delta1": 0.53, "full/rms": 1.1, "mean_iou": 0.21, "attention/average_precision": 0.4},
        1: {"full/delta1": 0.64, "full/rms": 1.2, "mean_iou": 0.20, "attention/average_precision": 0.5},
        2: {"full/delta1": 0.72, "full/rms": 1.3, "mean_iou": 0.19, "attention/average_precision": 0.6},
    },
}


def verdict_of(report: AblationReport, metric: str) -> str:
    (pair,) = [pair for pair in report.comparisons() if pair.metric == metric]
    return pair.verdict


def test_mean_and_standard_error() -> None:
    mean, error = mean_and_error([1.0, 2.0, 6.0])
    assert mean == 3.0
    assert error == pytest.approx(math.sqrt(7.0 / 3.0))
    assert math.isnan(mean_and_error([1.0])[1])


def test_rows_are_compared_seed_by_seed() -> None:
    # The seeds differ by .1, ten times more than the rows: only in pairs is the gain beyond doubt.
    report = AblationReport("test", METRICS)
    assert verdict_of(report, "delta1") == "as published"
    assert verdict_of(report, "rms") == "reversed"  # less is better
    assert verdict_of(report, "mean_iou") == "undecided"
    (pair,) = [pair for pair in report.comparisons() if pair.metric == "delta1"]
    assert pair.difference == pytest.approx(0.03)
    assert pair.standard_error == pytest.approx(0.01 / math.sqrt(3))


def test_one_seed_decides_nothing() -> None:
    assert compare("+SUM", "Baseline", "delta1", {0: 0.9}, {0: 0.1, 1: 0.1}, 1).verdict == "undecided"


def test_tables_hold_ours_and_the_papers() -> None:
    text = AblationReport("rooms", METRICS).markdown()
    ours = next(line for line in text.splitlines() if line.startswith("| +SUM |"))
    assert "0.630 ± 0.055" in ours
    assert "20.0 ± 0.6" in ours
    assert "50.0 ± 5.8" in ours
    published = [line for line in text.splitlines() if line.startswith("| Baseline |")][1]
    assert "0.769" in published
    assert "37.2" in published
    assert "+SUM over Baseline" in text
    assert "+FSM" not in text  # was not run


def test_json_round_trip() -> None:
    report = AblationReport("rooms", METRICS)
    read = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert read["metrics"]["+SUM"]["1"]["full/rms"] == 1.2
    assert {entry["verdict"] for entry in read["comparisons"]} == {"as published", "reversed", "undecided"}
