"""Corrects the frames of the mapping node before they are fused: by its own poses and images."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.correction.sequence import SequenceCorrector
from cinet_core.correction.settings import CorrectionSettings
from cinet_core.correction.statistics import correction_statistics
from cinet_core.label_sets import LabelSet
from cinet_ros.mapping.frame_arrays import FrameArrays

__all__ = ["MapCorrection"]

SHOWN = ("correction", "depth_factor", "depth_factor_sigma", "anchor_age", "anchored", "correction_reason")
"""What of the correction the diagnostics show."""


class MapCorrection:
    """Corrects frames in the order of their fusion, from the worker's thread.

    Attributes:
        statistics: of the frame corrected last, for diagnostics; empty where none was.
    """

    def __init__(self) -> None:
        self.statistics: Mapping[str, Any] = {}
        self._corrector: SequenceCorrector | None = None
        self._of: tuple[CorrectionSettings, LabelSet] | None = None

    def corrected(
        self,
        arrays: FrameArrays,
        stamp: int,
        pose: npt.NDArray[np.float64],
        settings: CorrectionSettings,
        label_set: LabelSet,
    ) -> FrameArrays:
        """The frame with corrected depth, and with labels and confidence that are fused over time where asked for.

        Args:
            arrays: of the frame.
            stamp: nanoseconds; after a gap, or back in time, nothing is carried.
            pose: (4, 4), the optical frame's coordinates to those of the map.
            settings: what is to be done. Others than before begin anew.
            label_set: of the labels.
        """
        if not settings.active:
            self.statistics, self._corrector, self._of = {}, None, None
            return arrays
        if self._corrector is None or self._of != (settings, label_set):
            self._corrector, self._of = SequenceCorrector(label_set, settings), (settings, label_set)
        image = arrays.color if arrays.color is not None else label_set.palette[arrays.labels]
        outputs: dict[str, npt.NDArray[Any]] = {
            "depth": arrays.depth,
            "labels": arrays.labels,
            "confidence": arrays.confidence,
        }
        intrinsics = arrays.intrinsics
        frame = self._corrector.correct(stamp * 1e-9, image, intrinsics, outputs, intrinsics, pose)
        found = correction_statistics(frame)
        self.statistics = {name.replace("_", " "): found[name] for name in SHOWN}
        return dataclasses.replace(arrays, depth=frame.depth, labels=frame.labels, confidence=frame.confidence)
