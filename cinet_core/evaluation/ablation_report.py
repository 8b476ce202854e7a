"""Tables of an ablation: metrics of every row over its seeds, and which differences are significant."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cinet_core.atomic_file import atomic_write_bytes
from cinet_core.evaluation.paired import CONFIDENCE, PairedGain, paired_gain
from cinet_core.evaluation.published import PUBLISHED
from cinet_core.evaluation.tables import MISSING, TextTable
from cinet_core.model.config import DEFAULT_TASKS
from cinet_core.tasks import DEPTH, SEGMENTATION, TASKS, MetricSpec

__all__ = [
    "BALANCED_BASELINE",
    "BASELINE",
    "TUNED",
    "AblationReport",
    "Comparison",
    "MetricsByRow",
    "compare",
    "further_row",
    "mean_and_error",
]

MetricsByRow = Mapping[str, Mapping[int, Mapping[str, float]]]
"""By row and seed: see `Evaluation.metrics`."""

_METRICS = (
    *(metric for task in TASKS for metric in task.metrics if metric.headline),
    MetricSpec("attention/average_precision", "attention AP %", better=1, percent=True),
)
_OF_EVERY_NETWORK = {metric.name for metric in (*DEPTH.metrics, *SEGMENTATION.metrics, _METRICS[-1])}

ORDER = (
    ("+FSM", "Baseline"),
    ("+LSU", "Baseline"),
    ("+FSM", "+LSU"),
    ("+SUM", "Baseline"),
    ("+SUM", "+FSM"),
    ("+SUM+FSM", "+SUM"),
    ("Full", "+SUM+FSM"),
    ("Full", "Baseline"),
    ("Full", "Full without attention loss"),
)
"""What the paper found: the first of each pair is the better."""

_PUBLISHED_ROWS = {
    "Baseline": ("Table 1", "baseline"),
    "+FSM": ("Table 1", "baseline + FSM"),
    "+LSU": ("Table 3", "baseline + LSU"),
    "+SUM": ("Table 1", "baseline + SUM"),
    "+SUM+FSM": ("Table 1", "baseline + FSM + SUM"),
    "Full": ("Table 1", "CI-Net (FSM + SUM + L_con)"),
}
STANDARD_ERRORS = 2.0
BASELINE, BALANCED_BASELINE, TUNED = "Baseline", "Baseline, uncertainty weighting", "Full, tuned"
_BALANCED = (TUNED, "Full, uncertainty weighting")
_GAINS = ("delta1", "rms", "mean_iou")
"""The metrics of which every row's gain over the baseline is given with its interval."""


def further_row(task: str) -> str:
    """The row of the full network that learns a task beyond depth and segmentation, too."""
    return f"Full + {task}"


FURTHER = tuple((further_row(task.name), "Full") for task in TASKS if task.name not in DEFAULT_TASKS)
"""Of these pairs the paper says nothing: its future work."""


@dataclass(frozen=True)
class Comparison:
    """The comparison of two rows over their common seeds.

    Attributes:
        better, worse: names of the rows, as the paper ranks them, or would hope.
        metric: name of the metric.
        difference: mean over the common seeds of how much better the first is, in the metric's unit; negative where it
            is worse.
        standard_error: of that mean; NaN for fewer than two seeds.
        seeds: how many.
    """

    better: str
    worse: str
    metric: str
    difference: float
    standard_error: float
    seeds: int

    @property
    def verdict(self) -> str:
        """ "as published" or "reversed"; of `FURTHER` "gain" or "loss"; within two standard errors "undecided"."""
        if math.isnan(self.standard_error) or abs(self.difference) <= STANDARD_ERRORS * self.standard_error:
            return "undecided"
        gain, loss = ("gain", "loss") if (self.better, self.worse) in FURTHER else ("as published", "reversed")
        return gain if self.difference > 0 else loss


@dataclass(frozen=True)
class AblationReport:
    """The metrics of an ablation, and the comparisons between its rows.

    Attributes:
        title: what was trained and scored, for headings.
        metrics: by row and seed.
    """

    title: str
    metrics: MetricsByRow

    def values(self, row: str, metric: str) -> dict[int, float]:
        """Return a metric of a row by seed. Depth metrics are those of the first protocol."""
        found = {}
        for seed, own in self.metrics.get(row, {}).items():
            name = next((name for name in own if name == metric or name.endswith(f"/{metric}")), None)
            if name is not None:
                found[seed] = own[name]
        return found

    def comparisons(self) -> list[Comparison]:
        """Every pair of `ORDER` and `FURTHER` that was run, under every metric that both rows have."""
        return [
            compare(
                better,
                worse,
                metric.name,
                self.values(better, metric.name),
                self.values(worse, metric.name),
                metric.better,
            )
            for better, worse in (*ORDER, *FURTHER)
            for metric in _METRICS
            if self.values(better, metric.name).keys() & self.values(worse, metric.name).keys()
        ]

    def gains(self, baseline: str = BASELINE) -> dict[str, dict[str, PairedGain]]:
        """How much better each row is than a baseline, in pairs of the same seed, under delta1, rms and mean_iou.

        By row and metric; empty where the baseline was not run, and without rows that share no seed with it. Only rows
        that are balanced alike are compared with `BALANCED_BASELINE`.
        """
        found: dict[str, dict[str, PairedGain]] = {}
        for row in self.metrics:
            if row == baseline or (baseline == BALANCED_BASELINE and row not in _BALANCED):
                continue
            for metric in _METRICS:
                own, other = self.values(row, metric.name), self.values(baseline, metric.name)
                if metric.name in _GAINS and own.keys() & other.keys():
                    found.setdefault(row, {})[metric.name] = paired_gain(own, other, metric.better)
        return found

    def tables(self) -> list[TextTable]:
        """Return the tables: results with standard errors, gains over the baseline with their intervals, the results
        of the paper, and the comparisons.
        """
        metrics = self._metrics()
        headings = tuple(_heading(metric) for metric in metrics)
        ours = [
            (row, *(self._cell(self.values(row, metric.name), _factor(metric)) for metric in metrics))
            for row in self.metrics
        ]
        seeds = sorted({seed for own in self.metrics.values() for seed in own})
        return [
            TextTable(f"{self.title}: mean ± standard error over seeds {seeds}", ("row", *headings), tuple(ours)),
            *self._gains_table(BASELINE),
            *self._gains_table(BALANCED_BASELINE),
            TextTable(
                "Published on NYU-Depth-v2, ResNet-101",
                ("row", *headings),
                tuple((row, *_published(row, metrics)) for row in self.metrics if row in _PUBLISHED_ROWS),
            ),
            self._verdicts(),
        ]

    def _metrics(self) -> list[MetricSpec]:
        """The columns: of further tasks only where a row has learnt them."""
        return [
            metric
            for metric in _METRICS
            if metric.name in _OF_EVERY_NETWORK or any(self.values(row, metric.name) for row in self.metrics)
        ]

    def markdown(self) -> str:
        """Return all tables as Markdown."""
        return "\n".join(table.markdown() for table in self.tables())

    def save(self, folder: str | Path) -> tuple[Path, Path]:
        """Write ``ablation.json`` and ``ablation.md`` into a folder; returns where they lie.

        Raises:
            OSError: one cannot be written.
        """
        numbers, tables = Path(folder) / "ablation.json", Path(folder) / "ablation.md"
        numbers.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_bytes(numbers, (json.dumps(self.to_dict(), indent=1) + "\n").encode())
        atomic_write_bytes(tables, self.markdown().encode())
        return numbers, tables

    def to_dict(self) -> dict[str, Any]:
        """Return the content as JSON types."""
        return {
            "title": self.title,
            "metrics": {
                row: {str(seed): dict(own) for seed, own in runs.items()} for row, runs in self.metrics.items()
            },
            "comparisons": [
                {
                    "better": pair.better,
                    "worse": pair.worse,
                    "metric": pair.metric,
                    "difference": pair.difference,
                    "standard_error": None if math.isnan(pair.standard_error) else pair.standard_error,
                    "seeds": pair.seeds,
                    "verdict": pair.verdict,
                }
                for pair in self.comparisons()
            ],
            "gains_over_baseline": self._gains_as_dict(BASELINE),
            "gains_over_balanced_baseline": self._gains_as_dict(BALANCED_BASELINE),
        }

    def _gains_as_dict(self, baseline: str) -> dict[str, Any]:
        return {
            row: {
                metric: {
                    "mean": gain.mean,
                    "interval": None if math.isnan(gain.low) else [gain.low, gain.high],
                    "confidence": CONFIDENCE,
                    "seeds": gain.seeds,
                }
                for metric, gain in own.items()
            }
            for row, own in self.gains(baseline).items()
        }

    def _gains_table(self, baseline: str) -> list[TextTable]:
        """None where there is nothing to compare with."""
        gains = self.gains(baseline)
        if not gains:
            return []
        metrics = [metric for metric in _METRICS if metric.name in _GAINS]
        rows = []
        for row, own in gains.items():
            cells = [_gain(own.get(metric.name), _factor(metric)) for metric in metrics]
            rows.append((row, *cells, str(max(gain.seeds for gain in own.values()))))
        title = (
            f"Paired gains over {baseline} (+ is better) [{100 * CONFIDENCE:g} % interval by t over seeds]; "
            "* where it does not hold 0"
        )
        return [TextTable(title, ("row", *(_heading(metric) for metric in metrics), "seeds"), tuple(rows))]

    def _verdicts(self) -> TextTable:
        rows = []
        metrics = {metric.name: metric for metric in _METRICS}
        for pair in self.comparisons():
            metric = metrics[pair.metric]
            factor = _factor(metric)
            gain = f"{factor * pair.difference:+.3f} ± {factor * pair.standard_error:.3f}"
            rows.append((f"{pair.better} over {pair.worse}", _heading(metric), gain, pair.verdict))
        title = f"Paired gains (+ is better) ± standard error; decided beyond {STANDARD_ERRORS:g} standard errors"
        return TextTable(title, ("paper's order", "metric", "gain", "here"), tuple(rows))

    @staticmethod
    def _cell(values: Mapping[int, float], factor: float) -> str:
        if not values:
            return MISSING
        mean, error = mean_and_error([factor * value for value in values.values()])
        digits = 1 if factor > 1 else 3
        return f"{mean:.{digits}f} ± {error:.{digits}f}" if not math.isnan(error) else f"{mean:.{digits}f}"


def compare(
    better: str, worse: str, metric: str, first: Mapping[int, float], second: Mapping[int, float], sign: int
) -> Comparison:
    """Compare two rows by paired differences over their common seeds.

    Args:
        better, worse: names of the rows.
        metric: name of the metric.
        first, second: values of the better and of the worse row by seed; at least one seed in common.
        sign: 1 where more is better, -1 where less is.
    """
    gains = [sign * (first[seed] - second[seed]) for seed in sorted(first.keys() & second.keys())]
    mean, error = mean_and_error(gains)
    return Comparison(better, worse, metric, mean, error, len(gains))


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and its standard error, which is NaN for a single value."""
    mean = statistics.fmean(values)
    return mean, statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def _heading(metric: MetricSpec) -> str:
    return f"{metric.heading}, {metric.unit}" if metric.unit else metric.heading


def _factor(metric: MetricSpec) -> float:
    return 100.0 if metric.percent else 1.0


def _gain(gain: PairedGain | None, factor: float) -> str:
    if gain is None:
        return MISSING
    digits = 2 if factor > 1 else 4
    if math.isnan(gain.low):
        return f"{factor * gain.mean:+.{digits}f}"
    low, high = (f"{factor * value:+.{digits}f}" for value in (gain.low, gain.high))
    return f"{factor * gain.mean:+.{digits}f} [{low}, {high}]{' *' if gain.decided else ''}"


def _published(row: str, metrics: Sequence[MetricSpec]) -> list[str]:
    table, method = _PUBLISHED_ROWS[row]
    found = next(entry.metrics for entry in PUBLISHED if entry.table == table and entry.method == method)
    cells = []
    for metric in metrics:
        value = found.get(metric.name)
        digits = 1 if metric.percent else 3
        cells.append(MISSING if value is None else f"{_factor(metric) * value:.{digits}f}")
    return cells
