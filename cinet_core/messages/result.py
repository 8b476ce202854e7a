"""What is published of one frame, before it becomes messages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import UNLABELLED
from cinet_core.messages.colors import LabelPainter, unpack_rgb
from cinet_core.messages.preparation import PreparedImage
from cinet_core.messages.settings import OutputSettings

if TYPE_CHECKING:
    from cinet_core.inference.prediction import Prediction

__all__ = ["Result"]

Array = npt.NDArray[Any]


@dataclass
class Result:
    """Everything about one processed frame, all images at the published size (H, W).

    Attributes:
        header: of the input image, copied to every output.
        image: (H, W, 3) uint8 RGB.
        depth: (H, W) float32 metres along z, NaN where invalid.
        labels: (H, W) uint8 class ids, 255 unlabelled.
        confidence: (H, W) uint8, 0 .. 255.
        intrinsics: of the published size; None where the camera is unknown (no cloud, no camera_info then).
        painter: of the label set.
    """

    header: Any
    image: Array
    depth: Array
    labels: Array
    confidence: Array
    intrinsics: Intrinsics | None
    painter: LabelPainter

    @classmethod
    def of(
        cls,
        prediction: Prediction,
        prepared: PreparedImage,
        painter: LabelPainter,
        settings: OutputSettings,
    ) -> Result:
        """What is published of a prediction, whose arrays are changed in place.

        Args:
            prediction: of the image.
            prepared: the image, of the camera's size.
            painter: of the label set.
            settings: current ones.
        """
        height, width = prediction.depth.shape
        depth, labels, confidence = prediction.depth, prediction.labels, prediction.confidence
        image, valid = prepared.image, prepared.valid
        if image.shape[:2] != (height, width):
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            valid = None if valid is None else cv2.resize(
                valid.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST
            ).astype(bool)  # fmt: skip
        if settings.depth_scale != 1.0:
            depth *= np.float32(settings.depth_scale)
        if settings.depth_min > 0 or settings.depth_max > 0:
            depth[(depth < settings.depth_min) | (depth > (settings.depth_max or math.inf))] = np.nan
        if settings.label_min_confidence > 0:
            labels[confidence < settings.label_min_confidence * 255.0] = UNLABELLED
        if valid is not None:
            depth[~valid], labels[~valid], confidence[~valid] = np.nan, UNLABELLED, 0
        return cls(prepared.message.header, image, depth, labels, confidence, prediction.intrinsics, painter)

    @cached_property
    def packed_color(self) -> Array:
        """(H, W) uint32: the exact palette colour of every pixel, as a cloud packs it."""
        return self.painter.packed(self.labels)

    @cached_property
    def color(self) -> Array:
        """(H, W, 3) uint8 RGB: the exact palette colour of every pixel."""
        return unpack_rgb(self.packed_color, np.empty((*self.labels.shape, 3), dtype=np.uint8))
