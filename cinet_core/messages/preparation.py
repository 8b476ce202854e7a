"""Prepares image messages for the network: decodes, calibrates and rectifies them, or refuses them with a reason.

A frame goes one way, in a node as for a bag:
message -> `ImagePreparation` -> `Predictor` -> `Result` -> `FrameMessages` -> message.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import MIN_NETWORK_SIDE, Intrinsics
from cinet_core.messages.camera import CameraModel, CameraModelCache
from cinet_core.messages.errors import ConversionError
from cinet_core.messages.fields import CameraInfoFields
from cinet_core.messages.settings import OutputSettings
from cinet_core.messages.topic_names import arrive_rectified

__all__ = ["Image", "ImagePreparation", "PreparedImage"]

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class PreparedImage:
    """An image that can be predicted.

    Attributes:
        message: it came in.
        image: (H, W, 3) uint8 RGB, rectified.
        valid: (H, W) bool, False where rectification left no source; None where all of it is valid.
        intrinsics: of the image: of the camera, or of the assumed field of view; None where there is neither.
        camera: model by which it was rectified; None where the camera is unknown.
        uncalibrated: why the camera is unknown; None where it is known.
        seconds: that each stage took, "decode" and "rectify".
    """

    message: Any
    image: Image
    valid: npt.NDArray[np.bool_] | None = None
    intrinsics: Intrinsics | None = None
    camera: CameraModel | None = None
    uncalibrated: str | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)


class ImagePreparation:
    """Prepares the images of one camera, for one thread.

    Args:
        decode: image message -> (H, W, 3) uint8 RGB.
        image_topic: resolved name, which ``input_rectified: auto`` goes by.
        info_topic: of the camera_info, for texts; None where there is none.
    """

    def __init__(self, decode: Callable[[Any], Image], image_topic: str, info_topic: str | None) -> None:
        self._decode = decode
        self._image_topic = image_topic
        self._without = f"no camera_info on {info_topic}" if info_topic else "there is no camera_info"
        self._models = CameraModelCache()

    def __call__(
        self, message: Any, camera_info: Callable[[], CameraInfoFields | None], settings: OutputSettings
    ) -> PreparedImage:
        """Decode and rectify an image.

        Args:
            message: sensor_msgs/Image or CompressedImage, of any library.
            camera_info: returns the image's, or None. It is called once the image is decoded, by when a camera_info
                that was sent after it has come.
            settings: current ones.

        Raises:
            ConversionError: the image is to be left out, for the reason that the error names.
        """
        started = time.perf_counter()
        image = self._decode(message)
        _refuse_small(image)
        decoded = time.perf_counter()
        camera, uncalibrated = self._camera(camera_info(), image, settings)
        intrinsics = _assumed(image, settings.assumed_fov) if camera is None else camera.intrinsics
        valid = None
        if camera is not None and camera.distorted:
            image, valid = camera.rectify(image)
        seconds = {"decode": decoded - started, "rectify": time.perf_counter() - decoded}
        return PreparedImage(message, image, valid, intrinsics, camera, uncalibrated, seconds)

    def _camera(
        self, info: CameraInfoFields | None, image: Image, settings: OutputSettings
    ) -> tuple[CameraModel | None, str | None]:
        """Model for this image, or why there is none and it is used without."""
        if info is None:
            return None, self._without
        rectified = arrive_rectified(settings.input_rectified, self._image_topic)
        try:
            return self._models.get(info, image.shape[1], image.shape[0], rectified), None
        except ConversionError as error:
            if error.reason != "no_intrinsics":
                raise
            return None, str(error)


def _refuse_small(image: Image) -> None:
    if min(image.shape[:2]) < MIN_NETWORK_SIDE:
        needed = f"the network needs {MIN_NETWORK_SIDE} pixels a side; raise the camera's resolution"
        raise ConversionError("size", f"image is {image.shape[1]}x{image.shape[0]}: {needed}")


def _assumed(image: Image, fov: float) -> Intrinsics | None:
    return Intrinsics.from_fov(image.shape[1], image.shape[0], fov) if fov > 0 else None
