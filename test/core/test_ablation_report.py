"""What an ablation's metrics say, and what they do not."""

from __future__ import annotations

import json
import math

import pytest

from cinet_core.evaluation.ablation_report import BALANCED_BASELINE, AblationReport, compare, mean_and_error
from cinet_core.evaluation.paired import paired_gain

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
    gain = read["gains_over_baseline"]["+SUM"]["rms"]
    assert gain["mean"] == pytest.approx(-0.2)
    assert gain["interval"] == pytest.approx([-0.2 - 0.2484, -0.2 + 0.2484], abs=1e-4)


def test_intervals_are_those_of_the_t_distribution() -> None:
    # Three pairs, gains .03, .04, .02 with s = .01: t(.975; 2) = 4.3027 of a table.
    gain = AblationReport("test", METRICS).gains()["+SUM"]["delta1"]
    half = 4.3027 * 0.01 / math.sqrt(3)
    assert (gain.mean, gain.low, gain.high) == pytest.approx((0.03, 0.03 - half, 0.03 + half), abs=1e-5)
    assert gain.decided
    # Six seeds: t(.975; 5) = 2.5706. A seed that only one row has does not count.
    six = paired_gain({seed: float(seed) for seed in range(7)}, dict.fromkeys(range(6), 0.0), -1)
    half = 2.5706 * math.sqrt(3.5) / math.sqrt(6)
    assert (six.mean, six.low, six.high, six.seeds) == pytest.approx((-2.5, -2.5 - half, -2.5 + half, 6), abs=1e-4)


def test_gains_over_the_baseline_are_printed_with_their_intervals() -> None:
    text = AblationReport("rooms", METRICS).markdown()
    (row,) = [line for line in text.splitlines() if line.startswith("| +SUM | +0.0")]
    assert row == "| +SUM | +0.0300 [+0.0052, +0.0548] * | -0.2000 [-0.4484, +0.0484] | -0.10 [-2.83, +2.63] | 3 |"
    assert "95 % interval by t" in text


def test_of_one_seed_or_without_the_baseline_there_is_no_interval() -> None:
    one = AblationReport("rooms", {row: {0: own[0]} for row, own in METRICS.items()})
    assert "| +SUM | +0.0300 | -0.1000 | +1.00 | 1 |" in one.markdown()
    assert one.to_dict()["gains_over_baseline"]["+SUM"]["rms"]["interval"] is None
    assert "Paired gains over" not in AblationReport("rooms", {"+SUM": METRICS["+SUM"]}).markdown()
    with pytest.raises(ValueError, match="no seed in common"):
        paired_gain({0: 1.0}, {1: 1.0}, 1)


def test_rows_balanced_by_uncertainty_have_a_baseline_of_their_own() -> None:
    rows = {
        "Baseline": METRICS["Baseline"],
        "Full": METRICS["+SUM"],
        BALANCED_BASELINE: METRICS["Baseline"],
        "Full, uncertainty weighting": METRICS["+SUM"],
    }
    report = AblationReport("rooms", rows)
    assert set(report.gains()) == {"Full", BALANCED_BASELINE, "Full, uncertainty weighting"}
    balanced = report.gains(BALANCED_BASELINE)
    assert balanced == {"Full, uncertainty weighting": report.gains()["Full"]}
    assert report.to_dict()["gains_over_balanced_baseline"].keys() == balanced.keys()
    assert f"Paired gains over {BALANCED_BASELINE} (+" in report.markdown()
