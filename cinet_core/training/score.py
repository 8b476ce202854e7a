"""One number to choose the best checkpoint by."""

from __future__ import annotations

import math
from collections.abc import Mapping

__all__ = ["score"]


def score(metrics: Mapping[str, float], kind: str) -> float | None:
    """How good a validation was: the higher, the better.

    Args:
        metrics: by name, of `CINetModule.validated`.
        kind: "joint" is the geometric mean of delta1 and mean IoU, both shares, so that neither task is bought with
            the other, or the one that there is truth for; "delta1" and "mean_iou" are those; "abs_rel" is its negative.

    Returns:
        None where the data have no truth for it.

    Raises:
        ValueError: there is no such kind.
    """
    if kind == "joint":
        parts = [metrics[name] for name in ("delta1", "mean_iou") if name in metrics]
        return math.prod(parts) ** (1 / len(parts)) if parts else None
    if kind not in ("delta1", "mean_iou", "abs_rel"):
        raise ValueError(f"there is no score {kind!r}: choose joint, delta1, mean_iou or abs_rel")
    value = metrics.get(kind)
    return -value if kind == "abs_rel" and value is not None else value
