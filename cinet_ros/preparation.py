"""From an image message to an image that the network can take: decoded, calibrated, rectified, or refused by name."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
from rclpy.clock import Clock

from cinet_core.geometry import MIN_NETWORK_SIDE, Intrinsics
from cinet_core.messages.camera import CameraModel, CameraModelCache
from cinet_core.messages.errors import ConversionError
from cinet_core.messages.fields import stamp_of
from cinet_ros.camera import Camera, Job
from cinet_ros.diagnostics import WARN
from cinet_ros.parameters import Settings

# Why images are dropped that come before the first camera_info.
WAITING = "waiting_for_camera_info"

Array = npt.NDArray[Any]


@dataclass
class Frame:
    """One image on its way through the pipeline."""

    camera: Camera
    job: Job
    image: Array
    valid: Array | None
    intrinsics: Intrinsics | None
    seconds: dict[str, float]


class Preparation:
    """Makes frames of image messages.

    Args:
        decode: image message -> (H, W, 3) uint8 RGB.
        focal_warning: what is to be said about a lens, or None.
        clock: of the node, for the age of stamps.
    """

    def __init__(
        self, decode: Callable[[Any], Array], focal_warning: Callable[[Intrinsics], str | None], clock: Clock
    ) -> None:
        self._decode = decode
        self._focal_warning = focal_warning
        self._clock = clock
        self._models: defaultdict[str, CameraModelCache] = defaultdict(CameraModelCache)

    def __call__(self, camera: Camera, job: Job, settings: Settings) -> Frame:
        """Decode and rectify.

        Raises:
            ConversionError: the frame is to be dropped, for the reason that the error names.
        """
        started = time.perf_counter()
        self._refuse_old(job, settings)
        image = self._decode(job.message)
        self._refuse_small(image)
        decoded = time.perf_counter()
        model = self._camera_model(camera, job, image.shape[1], image.shape[0], settings)
        valid = None
        if model is not None and model.distorted:
            image, valid = model.rectify(image)
        seconds = {"decode": decoded - started, "rectify": time.perf_counter() - decoded}
        intrinsics = model.intrinsics if model is not None else self._assumed(image, settings)
        return Frame(camera, job, image, valid, intrinsics, seconds)

    @staticmethod
    def _refuse_small(image: Array) -> None:
        if min(image.shape[:2]) < MIN_NETWORK_SIDE:
            needed = f"the network needs {MIN_NETWORK_SIDE} pixels a side; raise the camera's resolution"
            raise ConversionError("size", f"image is {image.shape[1]}x{image.shape[0]}: {needed}")

    def _refuse_old(self, job: Job, settings: Settings) -> None:
        if settings.max_stamp_age <= 0 or stamp_of(job.message) == 0:  # which is no time at all
            return
        age = self._clock.now().nanoseconds * 1e-9 - stamp_of(job.message) * 1e-9
        if age > settings.max_stamp_age:
            raise ConversionError(
                "stale",
                f"image stamp is {age:.3f} s old, above max_stamp_age = {settings.max_stamp_age:g} s; raise it, or set "
                "use_sim_time if the images come from a bag",
            )

    def _camera_model(
        self, camera: Camera, job: Job, width: int, height: int, settings: Settings
    ) -> CameraModel | None:
        """Model for this image; None where there is no valid calibration and the frame is used without."""
        info = camera.input.camera_info(stamp_of(job.message))
        if info is None:
            camera.waiting_since = camera.waiting_since or job.received
            if job.received - camera.waiting_since < settings.camera_info_timeout:
                raise ConversionError(
                    WAITING,
                    f"images wait up to camera_info_timeout = {settings.camera_info_timeout:g} s for a first "
                    f"message on {camera.input.info_topic}",
                )
            self._report_uncalibrated(camera, f"no camera_info on {camera.input.info_topic}", settings)
            return None
        camera.waiting_since = None
        try:
            model = self._models[camera.name].get(info, width, height, camera.rectified)
        except ConversionError as error:
            if error.reason != "no_intrinsics":
                raise
            self._report_uncalibrated(camera, str(error), settings)
            return None
        camera.conditions.clear("uncalibrated")
        self._watch_focal(camera, model.intrinsics)
        return model

    def _watch_focal(self, camera: Camera, intrinsics: Intrinsics) -> None:
        """Warn about a lens unlike those of the training set, whenever the calibration changes."""
        if camera.focal_checked == intrinsics:
            return
        camera.focal_checked = intrinsics
        warning = self._focal_warning(intrinsics)
        if warning is None:
            camera.conditions.clear("focal")
        else:
            camera.conditions.report("focal", WARN, warning, lasting=True)

    @staticmethod
    def _report_uncalibrated(camera: Camera, cause: str, settings: Settings) -> None:
        if settings.assumed_fov > 0:
            consequence = f"a field of view of {settings.assumed_fov:g} degrees is assumed; distances are only as good"
        else:
            consequence = (
                "the training camera's focal length is assumed: distances are off by the ratio, and neither points nor "
                "camera_info are published; calibrate the camera or set assumed_fov"
            )
        camera.conditions.report("uncalibrated", WARN, f"{cause}: {consequence}")

    @staticmethod
    def _assumed(image: Array, settings: Settings) -> Intrinsics | None:
        if settings.assumed_fov <= 0:
            return None
        return Intrinsics.from_fov(image.shape[1], image.shape[0], settings.assumed_fov)
