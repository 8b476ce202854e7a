"""Converts the messages of a frame to the arrays to fuse, after checking that they belong together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics
from cinet_core.messages.camera import CameraModelCache
from cinet_core.messages.errors import ConversionError
from cinet_core.messages.images import decode_image
from cinet_core.messages.planes import read_depth, read_labels, read_plane

DEPTH = "depth_registered/image_rect"
CAMERA_INFO = "depth_registered/camera_info"
LABELS = "semantic/image_raw"
CONFIDENCE = "semantic/confidence"
COLOR = "rgb/image_rect"

_CONFIDENCE_TYPES = {"mono8": "u1", "8UC1": "u1"}


@dataclass(frozen=True)
class FrameArrays:
    """The arrays of one frame, all at the size (H, W) of the depth.

    Attributes:
        depth: (H, W) float32 metres along z, NaN where invalid.
        labels: (H, W) uint8 class ids, 255 unlabelled.
        confidence: (H, W) uint8, 0 .. 255.
        color: (H, W, 3) uint8 RGB; None where no colour is fused.
        intrinsics: of this size.
    """

    depth: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]
    confidence: npt.NDArray[np.uint8]
    color: npt.NDArray[np.uint8] | None
    intrinsics: Intrinsics


class FrameReader:
    """Reads the frames of one camera."""

    def __init__(self) -> None:
        self._models = CameraModelCache()

    def __call__(self, messages: Mapping[str, Any]) -> FrameArrays:
        """The arrays of a frame; they may share the messages' memory.

        Args:
            messages: by the topic names of this module; without `COLOR` there is no colour.

        Raises:
            ConversionError: a message cannot be read, or images differ in size: for the reason that the error names.
        """
        depth = read_depth(messages[DEPTH])
        height, width = depth.shape
        frame = FrameArrays(
            depth,
            read_labels(messages[LABELS]),
            read_plane(messages[CONFIDENCE], _CONFIDENCE_TYPES, "confidence"),
            decode_image(messages[COLOR]) if COLOR in messages else None,
            self._models.get(messages[CAMERA_INFO], width, height, True).intrinsics,
        )
        for topic, image in ((LABELS, frame.labels), (CONFIDENCE, frame.confidence), (COLOR, frame.color)):
            if image is not None and image.shape[:2] != depth.shape:
                raise ConversionError(
                    "size",
                    f"{topic} is {image.shape[1]}x{image.shape[0]} and {DEPTH} {width}x{height}: all images of a frame "
                    "must be of one size; publish them from one node, or resize them to the depth's size",
                )
        return frame
