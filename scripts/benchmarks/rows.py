"""One measurement is one row; the rows of a run and the machine that they were taken on are one JSON file."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cinet_core.atomic_file import atomic_write_bytes

Value = float | str


@dataclass(frozen=True)
class Row:
    """One measurement: median, and the 10th and 90th percentile of its runs.

    Attributes:
        quantity: what was measured, for example "image to predictions".
        subject: of what, for example "lite, openvino".
        unit: "ms", "MB" (2^20 bytes), "1/s", "%", "x" for a ratio, or "" for a plain number.
        median, low, high: in that unit.
        runs: how many.
        size: (height, width) in pixels, of what the group says; None where there is none.
        beside: further columns by heading, with the unit in the heading.
        group: of rows that make one table.
    """

    quantity: str
    subject: str
    unit: str
    median: float
    low: float
    high: float
    runs: int
    size: tuple[int, int] | None = None
    beside: Mapping[str, Value] = field(default_factory=dict)
    group: str = ""

    @classmethod
    def of(
        cls,
        quantity: str,
        subject: str,
        unit: str,
        values: Sequence[float],
        size: tuple[int, int] | None = None,
        beside: Mapping[str, Value] | None = None,
    ) -> Row:
        """The row for these values, one a run.

        Raises:
            ValueError: there are none.
        """
        if len(values) == 0:
            raise ValueError(f"{quantity} of {subject} has no runs: a row needs one")
        low, high = np.percentile(values, (10, 90))
        median = float(statistics.median(values))
        return cls(quantity, subject, unit, median, float(low), float(high), len(values), size, beside or {})

    def within(self, group: str) -> Row:
        """The same row as one of a group."""
        return dataclasses.replace(self, group=group)


@dataclass(frozen=True)
class BenchmarkReport:
    """All that one run found out.

    Attributes:
        machine: see `machine.facts`.
        rows: in the order of measurement.
        notes: what was left out, and why.
        failures: groups that broke off; what they had measured until then is there.
    """

    machine: Mapping[str, Any]
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    failures: Sequence[str] = ()

    def save(self, path: Path) -> None:
        """Write it as JSON, whole or not at all.

        Raises:
            OSError: the file cannot be written.
        """
        content = {
            "machine": dict(self.machine),
            "notes": list(self.notes),
            "failures": list(self.failures),
            "rows": [dataclasses.asdict(row) for row in self.rows],
        }
        atomic_write_bytes(path, (json.dumps(content, indent=2) + "\n").encode())

    @classmethod
    def load(cls, path: Path) -> BenchmarkReport:
        """Inverse of `save`.

        Raises:
            OSError: the file cannot be read.
            ValueError, KeyError, TypeError: it is none of ours.
        """
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = [Row(**{**row, "size": tuple(row["size"]) if row["size"] else None}) for row in content["rows"]]
        return cls(content["machine"], rows, content["notes"], content["failures"])


def ratios(slow: Sequence[float], fast: Sequence[float]) -> list[float]:
    """How many times as long each run of the one took as that of the other beside it."""
    return [long / short for long, short in zip(slow, fast, strict=True)]


def milliseconds(seconds: Sequence[float]) -> list[float]:
    """The same times in ms."""
    return [1000 * value for value in seconds]
