"""What one processed frame is on the wire: one builder a topic, each on a message that is allocated once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from cinet_core.data.label_sets import LabelSet
from cinet_core.geometry import Intrinsics, depth_edges
from cinet_ros.conversions.camera import camera_info_message
from cinet_ros.conversions.cloud import CloudBuffer
from cinet_ros.conversions.colors import LabelPainter, unpack_rgb
from cinet_ros.conversions.encoding import ImageBuffer
from cinet_ros.parameters import Settings

# In the order of publishing: the small ones first, so that a synchroniser never waits for a camera_info.
MESSAGE_TYPES: dict[str, type] = {
    "depth_registered/camera_info": CameraInfo,
    "semantic/camera_info": CameraInfo,
    "rgb/camera_info": CameraInfo,
    "depth_registered/image_rect": Image,
    "semantic/image_raw": Image,
    "semantic/confidence": Image,
    "semantic/mask": Image,
    "semantic_color/image_raw": Image,
    "semantic_overlay/image_raw": Image,
    "rgb/image_rect": Image,
    "points": PointCloud2,
}

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

    header: Header
    image: Array
    depth: Array
    labels: Array
    confidence: Array
    intrinsics: Intrinsics | None
    painter: LabelPainter

    @cached_property
    def packed_color(self) -> Array:
        """(H, W) uint32: the exact palette colour of every pixel, as a cloud packs it."""
        return self.painter.packed(self.labels)

    @cached_property
    def color(self) -> Array:
        """(H, W, 3) uint8 RGB: the exact palette colour of every pixel."""
        return unpack_rgb(self.packed_color, np.empty((*self.labels.shape, 3), dtype=np.uint8))


class FrameMessages:
    """Builds the messages of one camera, for one thread.

    Args:
        label_set: of the model.
    """

    def __init__(self, label_set: LabelSet) -> None:
        self._label_set = label_set
        self._images: dict[tuple[str, str, int, int], ImageBuffer] = {}
        self._clouds: dict[tuple[int, int, int], CloudBuffer] = {}
        self._builders: dict[str, Callable[[Result, Settings], Any]] = {
            "depth_registered/camera_info": self._camera_info,
            "semantic/camera_info": self._camera_info,
            "rgb/camera_info": self._camera_info,
            "depth_registered/image_rect": self._depth,
            "semantic/image_raw": self._labels,
            "semantic/confidence": self._confidence,
            "semantic/mask": self._mask,
            "semantic_color/image_raw": self._color,
            "semantic_overlay/image_raw": self._overlay,
            "rgb/image_rect": self._rgb,
            "points": self._cloud,
        }

    def build(self, topic: str, result: Result, settings: Settings) -> Any | None:
        """The message for one of `MESSAGE_TYPES`; None where the camera is unknown and the topic needs it.

        Its memory is reused for the next frame: publishing serialises it before it returns.
        """
        return self._builders[topic](result, settings)

    def _image(self, topic: str, encoding: str, result: Result) -> ImageBuffer:
        height, width = result.depth.shape
        key = (topic, encoding, height, width)
        if key not in self._images:
            # one buffer a topic: drop what another size or encoding left
            self._images = {known: buffer for known, buffer in self._images.items() if known[0] != topic}
            self._images[key] = ImageBuffer(encoding, height, width)
        return self._images[key]

    def _camera_info(self, result: Result, settings: Settings) -> CameraInfo | None:
        return None if result.intrinsics is None else camera_info_message(result.intrinsics, result.header)

    def _depth(self, result: Result, settings: Settings) -> Image:
        return self._image("depth", settings.depth_encoding, result).fill_depth(result.depth, result.header)

    def _labels(self, result: Result, settings: Settings) -> Image:
        return self._image("labels", settings.label_encoding, result).fill(result.labels, result.header)

    def _confidence(self, result: Result, settings: Settings) -> Image:
        return self._image("confidence", "mono8", result).fill(result.confidence, result.header)

    def _mask(self, result: Result, settings: Settings) -> Image:
        table = np.zeros(256, dtype=np.uint8)
        table[self._label_set.ids(name for name in settings.mask_classes if name)] = 1
        return self._image("mask", "mono8", result).fill(table[result.labels], result.header)

    def _color(self, result: Result, settings: Settings) -> Image:
        return self._image("color", "rgb8", result).fill(result.color, result.header)

    def _overlay(self, result: Result, settings: Settings) -> Image:
        opacity = settings.overlay_opacity
        blended = cv2.addWeighted(result.image, 1.0 - opacity, result.color, opacity, 0.0)
        return self._image("overlay", "rgb8", result).fill(blended, result.header)

    def _rgb(self, result: Result, settings: Settings) -> Image:
        return self._image("rgb", "rgb8", result).fill(result.image, result.header)

    def _cloud(self, result: Result, settings: Settings) -> PointCloud2 | None:
        if result.intrinsics is None:
            return None
        height, width = result.depth.shape
        key = (height, width, settings.cloud_decimation)
        if key not in self._clouds:
            self._clouds = {key: CloudBuffer(*key)}
        semantic = settings.cloud_color == "semantic"
        return self._clouds[key].fill(
            result.depth,
            result.intrinsics,
            result.packed_color if semantic else result.image,
            result.labels,
            result.confidence,
            result.header,
            min_range=settings.cloud_min_range,
            max_range=settings.cloud_max_range or math.inf,
            drop=depth_edges(result.depth, settings.cloud_edge_filter) if settings.cloud_edge_filter > 0 else None,
        )
