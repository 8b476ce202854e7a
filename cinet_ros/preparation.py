"""What the node adds to the preparation of an image: stamps by its clock, waiting for camera_info, and diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
from rclpy.clock import Clock
from sensor_msgs.msg import CameraInfo

from cinet_core.geometry import Intrinsics
from cinet_core.messages.errors import ConversionError
from cinet_core.messages.fields import stamp_of
from cinet_core.messages.preparation import ImagePreparation, PreparedImage
from cinet_ros.camera import Camera, Job
from cinet_ros.diagnostics import WARN
from cinet_ros.parameters import Settings

# Why images are dropped that come before the first camera_info.
WAITING = "waiting_for_camera_info"


@dataclass(frozen=True)
class PreparedFrame:
    """An image that is ready for the network."""

    camera: Camera
    job: Job
    prepared: PreparedImage


class Preparation:
    """Makes frames of image messages, for one thread.

    Args:
        cameras: by name.
        decode: image message -> (H, W, 3) uint8 RGB.
        focal_warning: what is to be said about a lens, or None.
        clock: of the node, for the age of stamps.
    """

    def __init__(
        self,
        cameras: Mapping[str, Camera],
        decode: Callable[[Any], npt.NDArray[Any]],
        focal_warning: Callable[[Intrinsics], str | None],
        clock: Clock,
    ) -> None:
        self._images = {
            name: ImagePreparation(decode, camera.input.image_topic, camera.input.info_topic)
            for name, camera in cameras.items()
        }
        self._focal_warning = focal_warning
        self._clock = clock

    def __call__(self, camera: Camera, job: Job, settings: Settings) -> PreparedFrame:
        """Decode and rectify.

        Raises:
            ConversionError: the frame is to be dropped, for the reason that the error names.
        """
        self._refuse_old(job, settings)
        prepare = self._images[camera.name]
        prepared = prepare(job.message, lambda: _camera_info(camera, job, settings), settings)
        self._report(camera, prepared, settings)
        return PreparedFrame(camera, job, prepared)

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

    def _report(self, camera: Camera, prepared: PreparedImage, settings: Settings) -> None:
        """Say what is wrong with a camera's calibration, or that it is right again."""
        if prepared.camera is None:
            _report_uncalibrated(camera, prepared.uncalibrated, settings)
            return
        camera.conditions.clear("uncalibrated")
        intrinsics = prepared.camera.intrinsics
        if camera.focal_checked == intrinsics:  # of a lens unlike those of the training set, once a calibration
            return
        camera.focal_checked = intrinsics
        warning = self._focal_warning(intrinsics)
        if warning is None:
            camera.conditions.clear("focal")
        else:
            camera.conditions.report("focal", WARN, warning, lasting=True)


def _camera_info(camera: Camera, job: Job, settings: Settings) -> CameraInfo | None:
    """The image's camera_info; None where it has been waited for long enough.

    Raises:
        ConversionError: it is waited for.
    """
    info = camera.input.camera_info(stamp_of(job.message))
    if info is not None:
        camera.waiting_since = None
        return info
    camera.waiting_since = camera.waiting_since or job.received
    if job.received - camera.waiting_since < settings.camera_info_timeout:
        raise ConversionError(
            WAITING,
            f"images wait up to camera_info_timeout = {settings.camera_info_timeout:g} s for a first "
            f"message on {camera.input.info_topic}",
        )
    return None


def _report_uncalibrated(camera: Camera, cause: str | None, settings: Settings) -> None:
    if settings.assumed_fov > 0:
        consequence = f"a field of view of {settings.assumed_fov:g} degrees is assumed; distances are only as good"
    else:
        consequence = (
            "the training camera's focal length is assumed: distances are off by the ratio, and neither points nor "
            "camera_info are published; calibrate the camera or set assumed_fov"
        )
    camera.conditions.report("uncalibrated", WARN, f"{cause}: {consequence}")
