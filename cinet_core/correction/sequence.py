"""Corrects the predictions of a recording, frame by frame: by poses where it has some, and by its images alone."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.anchors import AnchorMeasurement, MotionAnchor, OdometryAnchor
from cinet_core.correction.corrector import CorrectedFrame, DepthCorrector
from cinet_core.correction.settings import CorrectionSettings
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import LabelSet

__all__ = ["FRAME_SECONDS", "IMAGE_ANCHORS", "MAX_GAP", "POSED_ANCHORS", "SequenceCorrector", "check_anchor"]

FRAME_SECONDS = 1 / 30
"""Between two frames of a sequence that says nothing of times: those of 7-Scenes and 3DMatch."""

MAX_GAP = 1.0
"""Seconds between two frames over which nothing is carried: everything may have moved."""

POSED_ANCHORS = ("none", "auto", "odometry", "motion")
"""Anchors of a recording that has poses."""

IMAGE_ANCHORS = ("none", "motion")
"""Anchors of a recording whose poses may not be used, since it is scored by them."""


def check_anchor(anchor: str, available: Collection[str]) -> None:
    """Raise ValueError where a recording lacks what an anchor needs."""
    if anchor not in available:
        raise ValueError(f"anchor is {anchor!r}, which a recording has not: choose one of {', '.join(available)}")


class SequenceCorrector:
    """Corrects the frames of a recording in their order.

    Args:
        label_set: of the labels.
        settings: what is to be done.
        max_gap: seconds between two frames over which nothing is carried.
    """

    def __init__(self, label_set: LabelSet, settings: CorrectionSettings, max_gap: float = MAX_GAP) -> None:
        self._settings = settings
        self._max_gap = max_gap
        self._corrector = DepthCorrector(label_set)
        self._odometry, self._motion = OdometryAnchor(), MotionAnchor()
        self._before: tuple[float, npt.NDArray[np.float64] | None] | None = None

    def correct(
        self,
        seconds: float,
        image: npt.NDArray[np.uint8],
        image_intrinsics: Intrinsics,
        outputs: Mapping[str, npt.NDArray[Any]],
        intrinsics: Intrinsics,
        pose: npt.NDArray[np.float64] | None = None,
        sensed: Sequence[AnchorMeasurement] = (),
    ) -> CorrectedFrame:
        """Correct a frame.

        Args:
            seconds: stamp of the frame, rising.
            image: (H, W, 3) uint8 RGB.
            image_intrinsics: of the image.
            outputs: of the network: "depth", "labels" and "confidence", (h, w).
            intrinsics: of the outputs.
            pose: (4, 4), the optical frame's coordinates to those of a frame that does not move; None where it is not
                known.
            sensed: what other sensors measured in this image, such as a lidar; those of anchors that the settings do
                not use are left out.

        Raises:
            ValueError: images, intrinsics or pose do not fit together.
        """
        settings, before = self._settings, self._before
        apart = math.inf if before is None else seconds - before[0]
        near = before is not None and 0 < apart <= self._max_gap
        motion: npt.NDArray[np.float64] | None = None
        if near and before is not None and before[1] is not None and pose is not None:
            motion = np.linalg.inv(pose) @ before[1]
        measurements = [measurement for measurement in sensed if settings.uses(measurement.source)]
        if settings.uses("odometry"):
            self._odometry.track(image, pose, seconds)
            measurements.append(self._odometry.measure(image_intrinsics))
        if settings.uses("motion") and pose is None:
            self._motion.track(image, seconds)
            measurements.append(self._motion.measure(outputs["depth"], image_intrinsics))
            motion = self._motion.motion if near else None
        self._before = (seconds, pose)
        return self._corrector.correct(outputs, intrinsics, measurements, motion, apart, settings)
