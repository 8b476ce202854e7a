"""What of an image no anchor may stand on: people and other movers, by their class."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.label_sets import LabelSet

__all__ = ["MOVERS", "movers_mask", "movers_table"]

MOVERS = frozenset(
    {"person", "people", "animal", "cat", "dog", "bicycle", "car", "motorcycle", "bus", "truck", "rider"}
)
"""Names of classes whose members move by themselves."""

MARGIN = 3
"""Pixels by which the area of movers is widened: a network's borders are not exact, and tracks at them slide."""


def movers_table(label_set: LabelSet) -> npt.NDArray[np.bool_]:
    """Return a (256,) table of whether a label belongs to people or other movers; all False where a set has none."""
    table = np.zeros(256, dtype=bool)
    for label, name in enumerate(label_set.classes):
        table[label] = name.lower() in MOVERS
    return table


def movers_mask(labels: npt.NDArray[np.uint8], table: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_] | None:
    """Return where an image (H, W) of labels shows movers, widened by `MARGIN`; None where it shows none.

    Args:
        labels: class ids; 255 = none.
        table: of `movers_table`.
    """
    found = cv2.LUT(labels, table.view(np.uint8))
    if not found.any():
        return None
    side = 2 * MARGIN + 1
    return cv2.dilate(found, np.ones((side, side), np.uint8)).view(bool)
