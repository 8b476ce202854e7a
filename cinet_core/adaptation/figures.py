"""Figures of weights on sets that nothing was learnt from, before and after, and whether they may be kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cinet_core.data.scene_dataset import Split
from cinet_core.evaluation.scoring import evaluate
from cinet_core.progress import SILENT, Progress

__all__ = ["ROOMS", "Change", "TestSet", "changes", "figures_of", "refusals"]

ROOMS = "rooms"
"""Name of the set of rooms that must not get worse."""

DEPTH = ("abs_rel", "rms", "delta1", "scale_ratio")
GREATER_IS_BETTER = frozenset({"delta1", "mean_iou", "pixel_accuracy"})


@dataclass(frozen=True)
class TestSet:
    """Frames to be judged on.

    Attributes:
        name: one of `divide.FIGURES`, or `ROOMS`.
        root, kind, split: of the data set.
        options: of its class.
    """

    __test__ = False  # for pytest: it is no test

    name: str
    root: str
    kind: str = "auto"
    split: Split = "all"
    options: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Change:
    """A figure before and after.

    Attributes:
        test_set: what it is of.
        figure: its name, for example "abs_rel".
        before, after: its values.
    """

    test_set: str
    figure: str
    before: float
    after: float

    @property
    def worse(self) -> bool:
        """Whether it has become worse, by however little; of `scale_ratio`, whether it is further from 1."""
        if self.figure == "scale_ratio":
            return abs(self.after - 1) > abs(self.before - 1)
        return self.after < self.before if self.figure in GREATER_IS_BETTER else self.after > self.before


def figures_of(
    weights: str | Path, sets: Sequence[TestSet], limit: int, device: str, progress: Progress = SILENT
) -> dict[str, dict[str, float]]:
    """Score weights on each set, as they are deployed.

    Args:
        weights: a checkpoint.
        sets: to score on.
        limit: frames of a set at most.
        device: to run on.
        progress: is told of the frames.

    Returns:
        By name of the set: "frames", and what could be measured of `DEPTH`, "aligned_abs_rel" (after every image was
        given its true median), "mean_iou", "pixel_accuracy", and "depth_change", by which depth of a static point
        differs between two frames, of 1.
    """
    found = {}
    for item in sets:
        report = evaluate(
            item.root,
            weights,
            split=item.split,
            kind=item.kind,
            options=item.options,
            limit=limit,
            device=device,
            progress=progress,
        )
        evaluation = report.evaluation
        values = {"frames": float(evaluation.counts.frames)}
        for score in evaluation.depth:
            if score.aligned:
                values["aligned_abs_rel"] = score.metrics["abs_rel"]
            else:
                values |= {name: score.metrics[name] for name in DEPTH}
        for labels in evaluation.labels[:1]:
            values |= {name: labels.metrics[name] for name in ("mean_iou", "pixel_accuracy")}
        if evaluation.stability is not None and evaluation.stability.pairs:
            values["depth_change"] = evaluation.stability.metrics["depth_change"]
        found[item.name] = {name: float(value) for name, value in values.items()}
    return found


def changes(before: Mapping[str, Mapping[str, float]], after: Mapping[str, Mapping[str, float]]) -> list[Change]:
    """Every figure that both have."""
    return [
        Change(test_set, figure, value, after[test_set][figure])
        for test_set, values in before.items()
        for figure, value in values.items()
        if figure != "frames" and figure in after.get(test_set, {})
    ]


def refusals(found: Sequence[Change], worse: float, worse_points: float) -> list[str]:
    """Why the weights must not be kept: depth (abs rel) or labels (mean IoU) are worse by more than they may be.

    Args:
        found: of all sets.
        worse: part by which abs rel may be worse.
        worse_points: points of mean IoU, of 100, by which labels may be.
    """
    reasons = []
    for change in found:
        if change.figure == "abs_rel" and not change.after <= change.before * (1 + worse):
            reasons.append(
                f"depth on {change.test_set}: abs rel {change.before:.4f} -> {change.after:.4f}, more than "
                f"{100 * worse:g} % worse"
            )
        if change.figure == "mean_iou" and not 100 * (change.before - change.after) <= worse_points:
            reasons.append(
                f"labels on {change.test_set}: mean IoU {100 * change.before:.1f} -> {100 * change.after:.1f} %, more "
                f"than {worse_points:g} points worse"
            )
    return reasons
