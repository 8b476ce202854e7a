"""How right pseudo-labels are, on frames whose depth and labels are known: before and after other views had their say.

A score is a table of sums by stage, so that those of frames add up:

- ``teacher``: the teachers' answers as they come; relative depth has none;
- ``anchored``: depth after anchors;
- ``agreed``: what is left to learn from;
- ``weighted``: the same, each pixel with its trust;
- ``by_trust``: what is left, in classes of trust a quarter of an octave wide, for whether trust orders the errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from cinet_core.data.trust import FULL_TRUST
from cinet_core.label_sets import UNLABELLED
from cinet_core.labelling.trusted import FrameTruth

__all__ = ["BY_TRUST", "STAGES", "added", "figures", "frame_score", "markdown"]

STAGES = ("teacher", "anchored", "agreed", "weighted")
BY_TRUST = "by_trust"
HALVES = ("trusted most", "trusted least")
"""The halves of what is left, each of depth and of labels."""
WITHIN = 0.1
"""Part of the true depth within which a depth counts as right."""

Float = npt.NDArray[np.float32]
Sums = Mapping[str, Mapping[str, float]]


def frame_score(
    depths: Mapping[str, Float | None], labels: npt.NDArray[np.uint8] | None, truth: FrameTruth, true_depth: Float,
    true_labels: npt.NDArray[np.uint8],
) -> dict[str, dict[str, float]]:  # fmt: skip
    """Sums of a frame.

    Args:
        depths: (H, W) metres by stage, of "teacher" and "anchored".
        labels: (H, W) class ids of the teachers.
        truth: what is left.
        true_depth: (H, W) metres, 0 where unknown.
        true_labels: (H, W) class ids, 255 where unknown.
    """
    full = np.ones(true_depth.shape, np.float32)
    trust = truth.trusted.trust.astype(np.float32) / FULL_TRUST
    found = {}
    for stage, depth, own, weight in (
        ("teacher", depths["teacher"], labels, (full, full)),
        ("anchored", depths["anchored"], labels, (full, full)),
        ("agreed", truth.depth, truth.labels, (full, full)),
        ("weighted", truth.depth, truth.labels, (trust[0], trust[1])),
    ):
        sums = {
            **_depth_sums(depth, true_depth, weight[0]),
            **_label_sums(own, true_labels, weight[1]),
        }
        found[stage] = {name: round(value, 3) for name, value in sums.items()}
    found[BY_TRUST] = _sums_by_trust(truth, true_depth, true_labels)
    return found


def added(scores: Iterable[Sums]) -> dict[str, dict[str, float]]:
    """The sums of several frames."""
    total: dict[str, dict[str, float]] = {}
    for score in scores:
        for stage, sums in score.items():
            own = total.setdefault(stage, {})
            for name, value in sums.items():
                own[name] = own.get(name, 0.0) + value
    return total


def figures(sums: Sums) -> dict[str, dict[str, float | None]]:
    """Precision and coverage by stage, of sums.

    Returns:
        By stage: "label_precision", part of the labels that are right; "label_coverage", part of the pixels with a true
        label that have one; "depth_precision", part of the depths within 10 % of the truth; "depth_coverage"; and
        "abs_rel", mean relative error of depth. None where there is nothing to divide by. Of the half of what is left
        that is "trusted most", and of that "trusted least", the first, the third and "abs_rel".
    """
    found = {}
    for stage, values in sums.items():
        if stage == BY_TRUST:
            continue
        found[stage] = {
            "label_precision": _part(values["labels_right"], values["labels"]),
            "label_coverage": _part(values["labels"], values["labels_true"]),
            "depth_precision": _part(values["depths_right"], values["depths"]),
            "depth_coverage": _part(values["depths"], values["depths_true"]),
            "abs_rel": _part(values["error"], values["depths"]),
        }
    classes = sums.get(BY_TRUST)
    if classes is not None:
        wanted = (
            ("label_precision", "labels", "right"),
            ("depth_precision", "depths", "within"),
            ("abs_rel", "depths", "error"),
        )
        for part, half in enumerate(HALVES):
            found[half] = {name: _halves(classes, whole, share)[part] for name, whole, share in wanted}
    return found


def markdown(table: Mapping[str, Mapping[str, float | None]]) -> str:
    """A table of `figures` in Markdown."""
    names = ("label_precision", "label_coverage", "depth_precision", "depth_coverage", "abs_rel")
    heads = ("stage", "labels right", "labelled", "depth within 10 %", "with depth", "abs rel")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for stage, values in table.items():
        cells = [values.get(name) for name in names]
        shown = ["-" if cell is None else f"{cell:.3f}" if name == "abs_rel" else f"{100 * cell:.1f} %"
                 for name, cell in zip(names, cells, strict=True)]  # fmt: skip
        lines.append(f"| {stage} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _depth_sums(depth: Float | None, truth: Float, weight: Float) -> dict[str, float]:
    there = truth > 0
    known = there & (depth > 0) if depth is not None else np.zeros(truth.shape, bool)
    error = np.abs(depth[known] / truth[known] - 1) if depth is not None else np.zeros(0, np.float32)
    share = weight[known]
    return {
        "depths_true": float(there.sum()),
        "depths": float(share.sum()),
        "depths_right": float(share[error <= WITHIN].sum()),
        "error": float((share * error).sum()),
    }


def _label_sums(labels: npt.NDArray[np.uint8] | None, truth: npt.NDArray[np.uint8], weight: Float) -> dict[str, float]:
    there = truth != UNLABELLED
    own = np.full(truth.shape, UNLABELLED, np.uint8) if labels is None else labels
    known = there & (own != UNLABELLED)
    return {
        "labels_true": float(there.sum()),
        "labels": float(weight[known].sum()),
        "labels_right": float(weight[known & (own == truth)].sum()),
    }


def _sums_by_trust(truth: FrameTruth, true_depth: Float, true_labels: npt.NDArray[np.uint8]) -> dict[str, float]:
    """Numbers of depths and labels by class of trust, their errors and how many are right; no empty classes."""
    known = (true_depth > 0) & (truth.depth > 0)
    error = np.abs(truth.depth[known] / true_depth[known] - 1)
    columns = {"depths": np.ones_like(error), "within": error <= WITHIN, "error": error}
    found = _binned(truth.trusted.trust[0][known], columns)
    if truth.labels is not None:
        known = (true_labels != UNLABELLED) & (truth.labels != UNLABELLED)
        right = truth.labels[known] == true_labels[known]
        found |= _binned(truth.trusted.trust[1][known], {"labels": np.ones(right.shape), "right": right})
    return found


def _binned(codes: npt.NDArray[np.uint8], columns: Mapping[str, npt.NDArray]) -> dict[str, float]:
    classes = np.floor(4 * np.log2(np.maximum(codes, 1))).astype(np.intp)
    found: dict[str, float] = {}
    for name, values in columns.items():
        sums = np.bincount(classes, values)
        found |= {f"{name}_{number:02d}": round(float(sums[number]), 3) for number in np.unique(classes)}
    return found


def _halves(classes: Mapping[str, float], whole: str, share: str) -> tuple[float | None, float | None]:
    """``share`` by ``whole`` in the half of the pixels in the classes of most trust, and in the others.

    Of the class that the middle lies in each half has the same mix.
    """
    numbers = sorted((name[-2:] for name in classes if name.startswith(f"{whole}_")), reverse=True)
    left = half = sum(classes[f"{whole}_{number}"] for number in numbers) / 2
    upper = total = 0.0
    for number in numbers:
        count, value = classes[f"{whole}_{number}"], classes[f"{share}_{number}"]
        upper += value * min(1.0, left / count)
        total += value
        left = max(0.0, left - count)
    return _part(upper, half), _part(total - upper, half)


def _part(share: float, whole: float) -> float | None:
    return share / whole if whole > 0 else None
