"""Brings a corrected frame into the result that messages are built of."""

from __future__ import annotations

import math

import numpy as np

from cinet_core.correction.corrector import CorrectedFrame
from cinet_core.label_sets import UNLABELLED
from cinet_core.messages.result import Result
from cinet_core.messages.settings import OutputSettings

__all__ = ["take_over"]


def take_over(result: Result, frame: CorrectedFrame, settings: OutputSettings) -> None:
    """Replace the outputs of a result by those of the corrected frame; add raw depth and what tells uncertainty.

    What the settings want nothing of is invalid afterwards, too: depth out of their range, labels below their least
    confidence.

    Args:
        result: of the frame.
        frame: what became of its outputs.
        settings: current ones.
    """
    depth, labels = frame.depth, frame.labels
    if settings.depth_min > 0 or settings.depth_max > 0:
        outside = (depth < settings.depth_min) | (depth > (settings.depth_max or math.inf))
        depth = np.where(outside, np.float32(np.nan), depth)
    if settings.label_min_confidence > 0:
        unsure = frame.confidence < settings.label_min_confidence * 255.0
        labels = np.where(unsure, np.uint8(UNLABELLED), labels)
    result.outputs.update(depth=depth, labels=labels, confidence=frame.confidence, raw_depth=frame.raw_depth)
    result.deviation = frame.deviation
