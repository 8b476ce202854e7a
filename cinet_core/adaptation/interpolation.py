"""Weights between those before an adaptation and those after it, and how far to go from the ones to the others.

A straight line between a network and the same network after fine-tuning passes through networks that are good at both
of what they are good at (Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022: WiSE-FT): what was learnt
anew fades more slowly on the way back than what was forgotten.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import torch

from cinet_core.adaptation.figures import changes, refusals
from cinet_core.checkpoint import load_checkpoint, save_checkpoint

__all__ = ["METRICS_KEY", "farthest", "write_between"]

Figures = Mapping[str, Mapping[str, float]]
DEPTH = "abs_rel"
METRICS_KEY = "interpolation"
"""In the metrics of mixed weights: the part of the way that they are at."""


def write_between(before: str | Path, after: str | Path, part: float, path: Path) -> None:
    """Write the weights that lie on the way from one checkpoint to another.

    All weights and statistics of BatchNorm are (1 - part) times those before and part times those after. Classes,
    camera and all else that the file says are those after.

    Args:
        before: checkpoint that the training began with.
        after: checkpoint that it ended with.
        part: of the way, 0 to 1.
        path: of the file to write.

    Raises:
        ValueError: the part is no such number, or the networks differ: a head that began anew has no weights before.
        CheckpointError: a checkpoint cannot be read.
        OSError: the file cannot be written.
    """
    if not 0 <= part <= 1:
        raise ValueError(f"the part of the way is {part}: it must be from 0 to 1")
    first, last = load_checkpoint(before), load_checkpoint(after)
    there, here = first.model.state_dict(), last.model.state_dict()
    different = [name for name in here if name not in there or there[name].shape != here[name].shape]
    if different or first.metadata.label_set.classes != last.metadata.label_set.classes:
        raise ValueError(
            f"{before} and {after} have no weights between them: {different[0] if different else 'their classes'} "
            "differ"
        )
    if first.metadata.camera.canonical_focal != last.metadata.camera.canonical_focal:
        raise ValueError(f"{before} and {after} have no weights between them: their canonical cameras differ")
    mixed = {
        name: torch.lerp(there[name], value, part) if value.is_floating_point() else value
        for name, value in here.items()
    }
    last.model.load_state_dict(mixed)
    metrics = {**last.metadata.metrics, METRICS_KEY: part}
    save_checkpoint(path, last.model, dataclasses.replace(last.metadata, metrics=metrics))


def farthest(before: Figures, scored: Mapping[float, Figures], worse: float, worse_points: float) -> tuple[float, bool]:
    """How far to go: the largest part of the way that is borne.

    It is borne where depth and labels are worse than before by at most half of what they may be on other rooms, and
    depth is worse than at the best of all parts by no more than all of it. Without the second, the largest part that
    passes is one that passes by chance: the figures fall and rise again along the way, and on the far slope those of
    other rooms are worse.

    Args:
        before: figures of the weights before, by set, see `figures.figures_of`.
        scored: those at parts of the way.
        worse: part by which abs rel may be worse on other rooms.
        worse_points: points of mean IoU, of 100, by which labels may be.

    Returns:
        The part, and whether it is borne: the smallest one where none is.
    """
    ordered = sorted(scored, reverse=True)
    least: dict[str, dict[str, float]] = {}
    for figures in (before, *scored.values()):
        for name, values in figures.items():
            if DEPTH in values:
                least[name] = {DEPTH: min(values[DEPTH], least.get(name, values)[DEPTH])}
    for part in ordered:
        reasons = refusals(changes(before, scored[part]), worse / 2, worse_points / 2)
        if not reasons and not refusals(changes(least, scored[part]), worse, worse_points):
            return part, True
    return ordered[-1], False
