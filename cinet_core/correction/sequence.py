"""Corrects the predictions of a recorded sequence, frame by frame, by the poses that it has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.anchors import AnchorMeasurement, OdometryAnchor
from cinet_core.correction.corrector import CorrectedFrame, DepthCorrector
from cinet_core.correction.settings import CorrectionSettings
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import LabelSet

__all__ = ["FRAME_SECONDS", "MAX_FRAMES_APART", "POSED_ANCHORS", "SequenceCorrector", "check_posed"]

FRAME_SECONDS = 1 / 30
"""Between two frames of a sequence that says nothing of times: those of 7-Scenes and 3DMatch."""

MAX_FRAMES_APART = 30
"""Frames of the recording over which nothing is carried: everything may have moved."""

POSED_ANCHORS = ("none", "auto", "odometry")
"""Anchors that a sequence with poses and nothing else has."""


def check_posed(settings: CorrectionSettings) -> None:
    """Raise ValueError where a sequence with poses and nothing else lacks what an anchor needs."""
    if settings.anchor not in POSED_ANCHORS:
        raise ValueError(
            f"anchor is {settings.anchor!r}, but a recorded sequence has nothing beside its poses: choose one of "
            f"{', '.join(POSED_ANCHORS)}"
        )


class SequenceCorrector:
    """Corrects the frames of a sequence in their order.

    Args:
        label_set: of the labels.
        settings: what is to be done.
        every: frames of the recording from one to the next.

    Raises:
        ValueError: the sequence lacks what the anchor needs.
    """

    def __init__(self, label_set: LabelSet, settings: CorrectionSettings, every: int = 1) -> None:
        check_posed(settings)
        self._settings = settings
        self._every = every
        self._corrector = DepthCorrector(label_set)
        self._anchor = OdometryAnchor()
        self._before: tuple[int, npt.NDArray[np.float64]] | None = None

    def correct(
        self,
        number: int,
        image: npt.NDArray[np.uint8],
        outputs: Mapping[str, npt.NDArray[Any]],
        intrinsics: Intrinsics,
        pose: npt.NDArray[np.float64],
    ) -> CorrectedFrame:
        """Correct a frame.

        Args:
            number: of the frame in the recording, rising.
            image: (H, W, 3) uint8 RGB.
            outputs: of the network: "depth", "labels" and "confidence", (H, W).
            intrinsics: of both.
            pose: (4, 4), the optical frame's coordinates to those of a frame that does not move.

        Raises:
            ValueError: images, intrinsics or pose do not fit together.
        """
        motion, seconds = None, math.inf
        if self._before is not None:
            seconds = (number - self._before[0]) * FRAME_SECONDS
            if 0 < number - self._before[0] <= max(MAX_FRAMES_APART, self._every):
                motion = np.linalg.inv(pose) @ self._before[1]
        measurements: list[AnchorMeasurement] = []
        if self._settings.uses("odometry"):
            self._anchor.track(image, pose, number * FRAME_SECONDS)
            measurements.append(self._anchor.measure(intrinsics))
        self._before = (number, pose)
        return self._corrector.correct(outputs, intrinsics, measurements, motion, seconds, self._settings)
