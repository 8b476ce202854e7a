"""The report of an adaptation: what went in, what came out, what got worse, and whether it may be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cinet_core.adaptation.figures import ROOMS, Change
from cinet_core.evaluation.tables import TextTable, number, percent

__all__ = ["AdaptationReport"]

_SETS = {
    "sensor": "held-out rooms, against a sensor's depth and the recording's labels",
    "anchors": "held-out rooms, against what scan and sparse points measured",
    "agreed": "held-out rooms, against the teacher where other views agree",
    ROOMS: "rooms that must not get worse",
}
_FIGURES = {
    "abs_rel": "abs rel",
    "aligned_abs_rel": "abs rel, scale aligned",
    "rms": "rms, m",
    "delta1": "δ1",
    "scale_ratio": "true / predicted scale",
    "depth_change": "change of static depth from frame to frame",
    "mean_iou": "mean IoU, %",
    "pixel_accuracy": "pixel accuracy, %",
}
_PERCENT = frozenset({"mean_iou", "pixel_accuracy"})


@dataclass(frozen=True)
class AdaptationReport:
    """What an adaptation came to.

    Attributes:
        folder: of the adaptation.
        best: adapted, calibrated weights; None where they were refused.
        graph: the same for every runtime, as an ONNX file; None where they were refused, or ONNX is not installed.
        refused: why the weights were not written as best; empty where they were.
        changes: every figure, before and after.
        frames: of each test set.
        counts: of recordings and frames, by step.
        failed: reason of each recording of which nothing could be used, by name.
        faults: the same of those of which a part could.
        settings: of the adaptation, as JSON types.
        costs: of each step, "seconds" and "processor_seconds".
        notes: what else to know.
    """

    folder: Path
    best: Path | None
    graph: Path | None
    refused: tuple[str, ...]
    changes: tuple[Change, ...]
    frames: Mapping[str, int]
    counts: Mapping[str, int]
    failed: Mapping[str, str]
    faults: Mapping[str, str]
    settings: Mapping[str, Any]
    costs: Mapping[str, Mapping[str, float]]
    notes: Sequence[str] = ()

    @property
    def worse(self) -> list[Change]:
        """The figures that got worse, whether by too much or not."""
        return [change for change in self.changes if change.worse]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "format": "cinet adaptation",
            "version": 1,
            "best": None if self.best is None else self.best.name,
            "graph": None if self.graph is None else self.graph.name,
            "refused": list(self.refused),
            "changes": [
                {"set": c.test_set, "figure": c.figure, "before": c.before, "after": c.after, "worse": c.worse}
                for c in self.changes
            ],
            "frames": dict(self.frames),
            "counts": dict(self.counts),
            "failed": dict(self.failed),
            "faults": dict(self.faults),
            "settings": dict(self.settings),
            "costs": {name: dict(cost) for name, cost in self.costs.items()},
            "notes": list(self.notes),
        }

    def markdown(self) -> str:
        """As a page."""
        parts = ["# Adaptation", "", f"**{self.verdict()}**", ""]
        parts += [f"- {reason}" for reason in self.refused]
        parts += ["", *(table.markdown() for table in self.tables())]
        parts += ["## What got worse", ""]
        parts += [f"- {_SETS[c.test_set]}: {_FIGURES[c.figure]} {_both(c)}" for c in self.worse] or ["- nothing"]
        for title, reasons in (("Recordings that could not be used", self.failed), ("Damaged recordings", self.faults)):
            if reasons:
                parts += ["", f"## {title}", "", *(f"- {name}: {reason}" for name, reason in reasons.items())]
        if self.notes:
            parts += ["", "## Notes", "", *(f"- {note}" for note in self.notes)]
        return "\n".join(parts) + "\n"

    def verdict(self) -> str:
        """One sentence on whether the weights may be used."""
        if self.best is None:
            return "REFUSED: the adapted weights are worse than those before, and were not written as best"
        return f"The adapted weights are in {self.best.name}"

    def tables(self) -> list[TextTable]:
        """Figures by set, what went in, and what each step took."""
        tables = []
        for name, title in _SETS.items():
            rows = tuple(
                (_FIGURES[c.figure], *_values(c), "worse" if c.worse else "better" if c.after != c.before else "equal")
                for figure in _FIGURES
                for c in self.changes
                if (c.test_set, c.figure) == (name, figure)
            )
            if rows:
                heading = f"{title[0].upper()}{title[1:]} ({self.frames[name]} frames)"
                tables.append(TextTable(heading, ("figure", "before", "after", "it is"), rows))
        counts = tuple((name, str(count)) for name, count in self.counts.items())
        tables.append(TextTable("What went in", ("", "number"), counts))
        costs = tuple((n, number(c["seconds"], 1), number(c["processor_seconds"], 1)) for n, c in self.costs.items())
        tables.append(TextTable("What it took", ("step", "seconds", "of processor"), costs))
        return tables


def _values(change: Change) -> tuple[str, str]:
    def text(value: float) -> str:
        return percent(value) if change.figure in _PERCENT else number(value, 4)

    return text(change.before), text(change.after)


def _both(change: Change) -> str:
    return " -> ".join(_values(change))
