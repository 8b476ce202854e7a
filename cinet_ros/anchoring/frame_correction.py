"""The correction of the frames of one camera, on the worker's thread: what is known of a frame, and what is done.

Nothing here may cost a frame: what fails is counted and reported, and the frame goes out as it was predicted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.anchors import AnchorGap, AnchorMeasurement, measure_floor
from cinet_core.correction.corrector import DepthCorrector
from cinet_core.correction.settings import CorrectionSettings
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import LabelSet
from cinet_core.messages.corrected import take_over
from cinet_core.messages.errors import ConversionError
from cinet_core.messages.fields import stamp_of
from cinet_core.messages.result import Result
from cinet_ros.anchoring.inertial import ORIENTATION_SIGMA, up_of
from cinet_ros.anchoring.inputs import DEPTH, DEPTH_INFO, IMU, MAX_AGE, POINTS, SCAN, AnchorInputs
from cinet_ros.anchoring.sensors import DepthReader, cloud_measurement, scan_measurement
from cinet_ros.anchoring.state import CorrectionState
from cinet_ros.anchoring.tracking import TrackedImage, Tracker
from cinet_ros.diagnostics import WARN, Conditions
from cinet_ros.mapping.transforms import Matrix, PoseUnavailable
from cinet_ros.parameters import Settings

__all__ = ["FrameCorrection"]

TRACKING_WAIT = 0.005
"""Seconds that a predicted frame waits for tracking, which began when the network did, whatever else is to be done."""

LONGEST_WAIT = 0.2
"""Seconds that it waits where no other image has come: on a GPU the network is done long before the tracks are."""

MAX_STEP = 1.0
"""Seconds between two frames beyond which nothing is carried: everything may have moved."""

FLOOR_CLASSES = ("floor", "floor mat")
"""Names of classes that lie on the floor."""

REMEDY = "the frame is published as it was predicted; if this goes on, set anchor to none and report this text"


class FrameCorrection:
    """Corrects the frames of one camera, for one worker.

    Args:
        inputs: of the node.
        label_set: of the model.
        conditions: of the camera.
        state: of the camera.
        overtaken: whether the worker has something else to do, so that a frame should not wait for its tracks.
    """

    def __init__(
        self,
        inputs: AnchorInputs,
        label_set: LabelSet,
        conditions: Conditions,
        state: CorrectionState,
        overtaken: Callable[[], bool] = lambda: True,
    ) -> None:
        self._inputs = inputs
        self._overtaken = overtaken
        self._conditions = conditions
        self._state = state
        self._corrector = DepthCorrector(label_set)
        self._tracker = Tracker(inputs.poses.camera_pose, self._tracking_failed)
        self._depth_reader = DepthReader()
        self._floor = np.zeros(256, dtype=bool)
        self._floor[[label for label, name in enumerate(label_set.classes) if name in FLOOR_CLASSES]] = True
        self._used: dict[str, int] = {}
        self._before: tuple[int, Matrix | None] | None = None  # stamp and pose of the frame before
        self._tracked: TrackedImage | None = None
        self._moved: int | None = None  # stamp of the frame that `motion` was measured in last

    def begin(self, image: Any, header: Any, intrinsics: Intrinsics | None, settings: Settings) -> None:
        """Start what takes long, before the network does.

        Args:
            image: (H, W, 3) uint8 RGB, rectified.
            header: of its message.
            intrinsics: of the image; None where the camera is not known.
            settings: current ones.
        """
        correction, self._tracked = settings.correction, None
        odometry = correction.uses("odometry")
        # Where poses come the image alone has nothing to add.
        posed = odometry and self._before is not None and self._before[1] is not None
        motion = correction.uses("motion") and not posed
        if intrinsics is not None and (odometry or motion):
            self._tracked = TrackedImage(image, _stamp(header), header.frame_id, intrinsics, odometry, motion)
            self._tracker.submit(self._tracked)

    def apply(self, result: Result, settings: Settings) -> float | None:
        """Correct a frame, whose outputs are replaced; returns the seconds it took, None where nothing is to be done.

        The output "raw_depth" is added, and with an anchor `Result.uncertainty` is that after correction.
        """
        started = time.perf_counter()
        correction = settings.correction
        if not correction.active:
            self._state.set(None)
            self._before = None
            return None
        result.outputs["raw_depth"] = result.outputs["depth"]
        if result.intrinsics is None:
            self._state.count("no_intrinsics")
            self._restart()
            return 0.0
        try:
            self._correct(result, result.intrinsics, correction, settings)
        except Exception as error:  # a frame that is not corrected is better than none
            self._state.count("error")
            self._conditions.report("anchor", WARN, f"not corrected, {type(error).__name__}: {error}. {REMEDY}")
            self._restart()
        return time.perf_counter() - started

    def close(self) -> None:
        """End the thread."""
        self._tracker.close()

    def _restart(self) -> None:
        self._corrector.restart()
        self._before = None
        self._state.set(None)

    def _correct(
        self, result: Result, intrinsics: Intrinsics, correction: CorrectionSettings, settings: Settings
    ) -> None:
        stamp, frame = _stamp(result.header), result.header.frame_id
        pose = self._pose(stamp, frame, settings) if correction.needs_poses else None
        motion, seconds = self._motion(stamp, pose)
        measurements, seen = self._track(result.depth, stamp, pose)
        if motion is None:
            motion = seen
        measurements += self._measurements(stamp, frame, pose, intrinsics, correction, settings)
        if correction.uses("floor"):
            measurements += self._floor_measured(result, intrinsics, stamp, frame, settings)
        for measurement in measurements:
            if measurement.gap is not None:
                self._state.count(f"{measurement.source}, {measurement.gap.name.lower()}")
        corrected = self._corrector.correct(result.outputs, intrinsics, measurements, motion, seconds, correction)
        self._before = (stamp, pose)
        take_over(result, corrected, settings)
        self._state.set(corrected)

    def _pose(self, stamp: int, frame: str, settings: Settings) -> Matrix | None:
        try:
            return self._inputs.poses.camera_pose(stamp, frame, settings.anchor_pose_timeout)
        except PoseUnavailable as error:
            self._state.count(error.reason)
            return None

    def _motion(self, stamp: int, pose: Matrix | None) -> tuple[Matrix | None, float]:
        """From the camera at the frame before to that of this one, and the seconds in between."""
        if self._before is None:
            return None, math.inf
        seconds = (stamp - self._before[0]) * 1e-9
        if not 0 < seconds <= MAX_STEP:
            if seconds <= 0 or seconds > MAX_AGE:  # stamps that stand still or go back, or a pause
                self._corrector.restart()
            self._state.count("time_gap")
            return None, max(seconds, 0.0)
        if pose is None or self._before[1] is None:
            return None, seconds
        return np.linalg.inv(pose) @ self._before[1], seconds

    def _measurements(
        self,
        stamp: int,
        frame: str,
        pose: Matrix | None,
        intrinsics: Intrinsics,
        correction: CorrectionSettings,
        settings: Settings,
    ) -> list[AnchorMeasurement]:
        found: list[AnchorMeasurement] = []
        if correction.uses("scan"):
            found += self._sensed(SCAN, stamp, frame, pose, settings.scan_in_camera, settings, self._scan(intrinsics))
        if correction.uses("depth"):
            transform = settings.depth_in_camera
            found += self._sensed(DEPTH, stamp, frame, pose, transform, settings, self._depth(intrinsics))
            found += self._sensed(POINTS, stamp, frame, pose, transform, settings, self._cloud(intrinsics))
        return found

    def _track(
        self, depth: npt.NDArray[np.float32], stamp: int, pose: Matrix | None
    ) -> tuple[list[AnchorMeasurement], Matrix | None]:
        """What tracks say of the depth of this image, and of the motion since the frame before."""
        image, before = self._tracked, self._before
        if image is None:
            return [], None
        tracked = self._tracker.result(stamp, TRACKING_WAIT)
        until = time.monotonic() + LONGEST_WAIT
        while tracked is None and time.monotonic() < until and not self._overtaken():
            tracked = self._tracker.result(stamp, TRACKING_WAIT)
        if tracked is None:
            self._state.count("tracking_late")
            return [], None
        # That there is no pose is counted where it is asked for.
        found = [tracked] if image.odometry and tracked.gap != AnchorGap.NO_POSE else []
        if not image.motion:
            return found, None
        seen, motion = self._tracker.motion(depth, image.intrinsics)
        in_step = before is not None and self._moved == before[0]
        self._moved = stamp
        if pose is not None:  # poses have begun to come: they know the metres as well
            return found, None
        return [*found, seen], motion if in_step else None

    def _floor_measured(
        self, result: Result, intrinsics: Intrinsics, stamp: int, frame: str, settings: Settings
    ) -> list[AnchorMeasurement]:
        """What the height of the camera says of the depth of the floor."""
        poses, sigma = self._inputs.poses, ORIENTATION_SIGMA
        try:
            if settings.anchor_up == "imu":
                height = poses.height(frame, settings)
                up, sigma = self._up_by_imu(stamp, frame, settings)
            else:
                up, height = poses.up_and_height(frame, settings)
        except PoseUnavailable as error:
            self._state.count(f"floor, {error.reason}")
            return []
        except ConversionError as error:
            self._state.count(f"{IMU}, {error.reason}")
            self._conditions.report(IMU, WARN, f"{IMU}: {error}")
            return []
        return [measure_floor(self._floor[result.labels], result.depth, intrinsics, height, up, up_sigma=sigma)]

    def _up_by_imu(self, stamp: int, frame: str, settings: Settings) -> tuple[Matrix, float]:
        """Up in the optical frame by the message of the inertial unit nearest in time, and how well it is known.

        Raises:
            PoseUnavailable: there is none within ``anchor_max_age``, or its frame is not known.
            ConversionError: it does not say.
        """
        message = self._inputs.nearest(IMU, stamp, None)
        if message is None or abs(stamp_of(message) - stamp) > settings.anchor_max_age * 1e9:
            raise PoseUnavailable("no_imu", True, f"{IMU} has no message within anchor_max_age of the image")
        transform = self._inputs.poses.between(frame, message.header.frame_id, settings.imu_in_camera)
        up, sigma = up_of(message)
        return (up if transform is None else transform[:3, :3] @ up), sigma

    def _scan(self, intrinsics: Intrinsics) -> Callable[[Any, Matrix | None], AnchorMeasurement]:
        return lambda message, transform: scan_measurement(message, intrinsics, transform)

    def _cloud(self, intrinsics: Intrinsics) -> Callable[[Any, Matrix | None], AnchorMeasurement]:
        return lambda message, transform: cloud_measurement(message, intrinsics, transform)

    def _depth(self, intrinsics: Intrinsics) -> Callable[[Any, Matrix | None], AnchorMeasurement]:
        def measure(message: Any, transform: Matrix | None) -> AnchorMeasurement:
            info = self._inputs.latest(DEPTH_INFO)
            if info is None:
                raise ConversionError("no_intrinsics", f"there is no message on {DEPTH_INFO}: publish it")
            return self._depth_reader.measurement(message, info, intrinsics, transform)

        return measure

    def _sensed(
        self,
        topic: str,
        stamp: int,
        frame: str,
        pose: Matrix | None,
        parameter: tuple[float, ...],
        settings: Settings,
        measure: Callable[[Any, Matrix | None], AnchorMeasurement],
    ) -> list[AnchorMeasurement]:
        """The measurement of the message of a sensor that is nearest in time, or none."""
        message = self._inputs.nearest(topic, stamp, self._used.get(topic))
        if message is None:
            self._state.count(f"no {topic}")
            return []
        try:
            transform = self._inputs.poses.between(frame, message.header.frame_id, parameter)
            since = self._moved_since(stamp_of(message), stamp, frame, pose, settings)
            if since is not None:
                transform = since if transform is None else since @ transform
            measurement = measure(message, transform)
        except PoseUnavailable as error:
            self._state.count(f"{topic}, {error.reason}")
            return []
        except ConversionError as error:
            self._state.count(f"{topic}, {error.reason}")
            self._conditions.report(topic, WARN, f"{topic}: {error}")
            return []
        self._used[topic] = stamp_of(message)
        return [measurement]

    def _moved_since(self, then: int, now: int, frame: str, pose: Matrix | None, settings: Settings) -> Matrix | None:
        """The camera's coordinates then to those now; None where the two are near enough in time to be one.

        Raises:
            PoseUnavailable: they are not, and the motion is not known.
        """
        if then == now:
            return None
        if pose is not None:
            try:
                return np.linalg.inv(pose) @ self._inputs.poses.camera_pose(then, frame)
            except PoseUnavailable:
                pass
        if abs(then - now) <= settings.anchor_max_age * 1e9:
            return None
        raise PoseUnavailable("too_old", False, "the message is older than anchor_max_age, and motion is not known")

    def _tracking_failed(self, error: Exception) -> None:
        self._state.count("tracking_failed")
        self._conditions.report("tracking", WARN, f"not tracked, {type(error).__name__}: {error}. {REMEDY}")


def _stamp(header: Any) -> int:
    return header.stamp.sec * 1_000_000_000 + header.stamp.nanosec
