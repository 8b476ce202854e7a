"""Corrects the frames of one camera: first by anchors, then by the frames before.

Nodes, bags and commands share it. It knows neither topics nor files: whoever has anchors' measurements and the motion
of the camera hands them in with the frame, and gets the frame back with what was done to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.anchors import (
    AnchorMeasurement,
    CorrectedDepth,
    CorrectionReport,
    FieldEstimator,
    movers_mask,
    movers_table,
)
from cinet_core.correction.settings import CorrectionSettings
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import LabelSet
from cinet_core.temporal import TemporalFusion

__all__ = ["CorrectedFrame", "DepthCorrector"]


@dataclass(frozen=True, eq=False)
class CorrectedFrame:
    """A frame after correction; all images are (H, W).

    Attributes:
        depth: float32 metres, NaN where the prediction is invalid.
        labels: uint8 class ids, 255 = unlabelled.
        confidence: uint8, 0 to 255.
        raw_depth: float32 metres, the prediction.
        report: of the field; None without anchor.
        agreement: share of the points that this frame and the last one see whose depths agree; NaN where frames are
            not fused, or there was no last one that could be.
        deviation: works out `uncertainty`; None without anchor.
    """

    depth: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]
    confidence: npt.NDArray[np.uint8]
    raw_depth: npt.NDArray[np.float32]
    report: CorrectionReport | None
    agreement: float
    deviation: Callable[[], npt.NDArray[np.float32]] | None = None

    @cached_property
    def uncertainty(self) -> npt.NDArray[np.float32] | None:
        """Float32 metres, one standard deviation after correction; None without anchor. Made when asked for."""
        return None if self.deviation is None else self.deviation()


class DepthCorrector:
    """Corrects the frames of one camera, in their order. It is not thread-safe.

    Args:
        label_set: of the labels; its people and other movers carry no anchor and are not carried.
    """

    def __init__(self, label_set: LabelSet) -> None:
        self._movers = movers_table(label_set)
        self._estimator = FieldEstimator()
        self._fusion = TemporalFusion(np.flatnonzero(self._movers).tolist())
        self._settings: CorrectionSettings | None = None

    def restart(self) -> None:
        """Forget all frames, as after a jump of the clock."""
        self._estimator.reset()
        self._fusion.restart()

    def correct(
        self,
        outputs: Mapping[str, npt.NDArray[Any]],
        intrinsics: Intrinsics,
        measurements: Sequence[AnchorMeasurement],
        motion: npt.NDArray[np.float64] | None,
        seconds: float,
        settings: CorrectionSettings,
    ) -> CorrectedFrame:
        """Correct a frame.

        Args:
            outputs: of the network: "depth", "labels" and "confidence", (H, W), which are not changed, and perhaps
                "depth_uncertainty", metres, from which the field's own is then made.
            intrinsics: of these images.
            measurements: of the anchors, of this frame.
            motion: (4, 4) rigid, the coordinates of the camera at the frame before to those of the camera now, metres;
                None where it is not known.
            seconds: since the frame before; for the first one anything.
            settings: what is to be done. Other ones than for the frame before start anew.

        Raises:
            ValueError: images, intrinsics or motion do not fit together.
        """
        if settings != self._settings:
            self.restart()
            self._settings = settings
        raw = outputs["depth"]
        depth, labels, confidence = raw, outputs["labels"], outputs["confidence"]
        deviation: Callable[[], npt.NDArray[np.float32]] | None = None
        report, agreement = None, math.nan
        if settings.anchor != "none":
            if settings.temporal == "off":  # what this frame is told, it is told for the first time
                self._estimator.reset()
                seconds = math.inf
            corrected = self._estimator.update(
                depth,
                intrinsics,
                measurements,
                motion=motion,
                excluded=movers_mask(labels, self._movers),
                uncertainty=_log_uncertainty(outputs),
                seconds=seconds,
            )
            depth, report = corrected.depth, corrected.report
            deviation = partial(_metres, corrected)
        if settings.temporal == "fused":
            depth, labels, confidence = self._fusion.update(depth, labels, confidence, intrinsics, motion)
            if self._fusion.last is not None:
                agreement = self._fusion.last.agreement
        return CorrectedFrame(depth, labels, confidence, raw, report, agreement, deviation)


def _metres(corrected: CorrectedDepth) -> npt.NDArray[np.float32]:
    """Standard deviation of corrected depth, metres."""
    return corrected.uncertainty * corrected.depth


def _log_uncertainty(outputs: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32] | None:
    """Standard deviation of ln depth, as a network with the task "uncertainty" says; None from one without it."""
    metres = outputs.get("depth_uncertainty")
    return None if metres is None else metres / outputs["depth"]
