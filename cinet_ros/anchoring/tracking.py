"""Tracks the images of one camera on a thread of its own, while the network works on the same image."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.anchors import AnchorGap, AnchorMeasurement, MotionAnchor, OdometryAnchor, nothing
from cinet_core.geometry import Intrinsics
from cinet_ros.mapping.transforms import Matrix, PoseUnavailable
from cinet_ros.worker import LatestWorker

__all__ = ["TrackedImage", "Tracker"]

POSE_PATIENCE = 0.2
"""Seconds that tracking waits for the pose of an image: nothing else waits for it."""

KEY = "image"


@dataclass(frozen=True)
class TrackedImage:
    """An image to be tracked.

    Attributes:
        image: (H, W, 3) uint8 RGB, rectified.
        stamp: nanoseconds.
        frame: frame_id.
        intrinsics: of the image.
        odometry: whether it is wanted for the anchor *odometry*.
        motion: whether it is wanted for the anchor *motion*.
    """

    image: npt.NDArray[np.uint8]
    stamp: int
    frame: str
    intrinsics: Intrinsics
    odometry: bool = True
    motion: bool = False


class Tracker:
    """The anchors *odometry* and *motion* of one camera, on a thread that starts with the first image.

    Args:
        pose: (stamp, frame, timeout) -> (4, 4) pose of the camera; raises PoseUnavailable.
        failed: called with the error where tracking an image fails; tracking then begins anew.
    """

    def __init__(self, pose: Callable[[int, str, float], Matrix], failed: Callable[[Exception], None]) -> None:
        self._pose = pose
        self._failed = failed
        self._odometry, self._motion = OdometryAnchor(), MotionAnchor()
        self._worker: LatestWorker[TrackedImage] | None = None
        self._done = threading.Condition()
        self._result: tuple[int, AnchorMeasurement] | None = None
        self._submitted = 0

    def submit(self, image: TrackedImage) -> None:
        """Begin with an image; one that still waits is skipped."""
        if self._worker is None:
            self._worker = LatestWorker(self._process, self._fail, name="tracker")
        self._submitted = image.stamp
        self._worker.submit(KEY, image)

    def result(self, stamp: int, timeout: float) -> AnchorMeasurement | None:
        """Return the measurement by *odometry*; None where it is not there within so many seconds, or never will be."""
        deadline = time.monotonic() + timeout
        with self._done:
            while self._result is None or self._result[0] != stamp:
                if self._submitted != stamp or not self._done.wait(max(0.0, deadline - time.monotonic())):
                    return None
            return self._result[1]

    def motion(
        self, depth: npt.NDArray[np.float32], intrinsics: Intrinsics
    ) -> tuple[AnchorMeasurement, npt.NDArray[np.float64] | None]:
        """Return the measurement by *motion* in the image that `result` told of, and the motion since the one before.

        Nothing may be submitted in between: the thread must be idle.

        Args:
            depth: (h, w) predicted metres of the image.
            intrinsics: of the image, at its own size.
        """
        measurement = self._motion.measure(depth, intrinsics)
        return measurement, self._motion.motion

    def close(self) -> None:
        """End the thread after the image that it works on, without waiting for it."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop(timeout=0.0)

    def _process(self, batch: dict[str, TrackedImage]) -> None:
        image = batch[KEY]
        size = (image.intrinsics.width, image.intrinsics.height)
        measurement = nothing("odometry", AnchorGap.NO_POSE, size)
        if image.motion:
            self._motion.track(image.image, image.stamp * 1e-9)
        if image.odometry:
            pose: Matrix | None = None
            with contextlib.suppress(PoseUnavailable):  # which whoever asks for the motion counts
                pose = self._pose(image.stamp, image.frame, POSE_PATIENCE)
            self._odometry.track(image.image, pose, image.stamp * 1e-9)
            measurement = self._odometry.measure(image.intrinsics)
        self._publish(image.stamp, measurement)

    def _fail(self, error: Exception, batch: dict[str, Any]) -> None:
        self._odometry, self._motion = OdometryAnchor(), MotionAnchor()
        image = batch[KEY]
        size = (image.intrinsics.width, image.intrinsics.height)
        self._publish(image.stamp, nothing("odometry", AnchorGap.NO_VALUES, size))
        self._failed(error)

    def _publish(self, stamp: int, measurement: AnchorMeasurement) -> None:
        with self._done:
            self._result = (stamp, measurement)
            self._done.notify_all()
