"""What one processed frame is as messages: one builder a topic, each on a message that is allocated once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.geometry import depth_edges
from cinet_core.label_sets import LabelSet
from cinet_core.messages.cloud import CloudBuffer
from cinet_core.messages.compression import compress_depth, compress_jpeg, compress_png
from cinet_core.messages.downsampled_cloud import DownsampledCloud
from cinet_core.messages.encoding import ImageBuffer, camera_info_message
from cinet_core.messages.fields import MessageTypes
from cinet_core.messages.result import Result
from cinet_core.messages.settings import OutputSettings
from cinet_core.messages.topics import COMPRESSED, DEPTH, DOWNSAMPLED_POINTS, JPEG, POINTS

Array = npt.NDArray[Any]


class FrameMessages:
    """Builds the messages of one camera, for one thread.

    Args:
        types: that the messages are of.
        label_set: of the model.
    """

    def __init__(self, types: MessageTypes, label_set: LabelSet) -> None:
        self._types = types
        self._label_set = label_set
        self._images: dict[tuple[str, str, int, int], ImageBuffer] = {}
        self._clouds: dict[tuple[int, int, int], CloudBuffer] = {}
        self._downsampled: dict[tuple[int, int, int], DownsampledCloud] = {}
        self._mask_table: tuple[tuple[str, ...], Array] | None = None
        self._messages: dict[str, Callable[[Result, OutputSettings], Any]] = {
            "depth_registered/camera_info": self._camera_info,
            "semantic/camera_info": self._camera_info,
            "rgb/camera_info": self._camera_info,
            POINTS: self._cloud,
            DOWNSAMPLED_POINTS: self._downsampled_cloud,
        }
        self._fillers: dict[str, Callable[[Result, OutputSettings], ImageBuffer]] = {
            "depth_registered/image_rect": self._depth,
            "semantic/image_raw": self._labels,
            "semantic/confidence": self._confidence,
            "semantic/mask": self._mask,
            "semantic_color/image_raw": self._color,
            "semantic_overlay/image_raw": self._overlay,
            "rgb/image_rect": self._rgb,
        }

    def build(self, topic: str, result: Result, settings: OutputSettings) -> Any | None:
        """The message for one of `topics.TOPICS`; None where the camera is unknown and the topic needs it.

        Its memory is reused for the next frame: serialise it before.
        """
        if topic in COMPRESSED:
            return self._compressed(topic, result, settings)
        if topic in self._fillers:
            return self._fillers[topic](result, settings).message
        return self._messages[topic](result, settings)

    def _compressed(self, topic: str, result: Result, settings: OutputSettings) -> Any:
        plain, codec = COMPRESSED[topic]
        # Filled once more where the image itself is wanted, too: that takes a tenth of what compressing does.
        image = self._fillers[plain](result, settings)
        if codec == JPEG:
            return compress_jpeg(self._types, image.message, image.array, settings.compressed_jpeg_quality)
        compress = compress_depth if codec == DEPTH else compress_png
        return compress(self._types, image.message, image.array, settings.compressed_png_level)

    def _image(self, topic: str, encoding: str, result: Result) -> ImageBuffer:
        height, width = result.depth.shape
        key = (topic, encoding, height, width)
        if key not in self._images:
            # one buffer a topic: drop what another size or encoding left
            self._images = {known: buffer for known, buffer in self._images.items() if known[0] != topic}
            self._images[key] = ImageBuffer(self._types, encoding, height, width)
        return self._images[key]

    def _filled(self, topic: str, encoding: str, pixels: Array, result: Result) -> ImageBuffer:
        buffer = self._image(topic, encoding, result)
        buffer.fill(pixels, result.header)
        return buffer

    def _camera_info(self, result: Result, settings: OutputSettings) -> Any | None:
        if result.intrinsics is None:
            return None
        return camera_info_message(self._types, result.intrinsics, result.header)

    def _depth(self, result: Result, settings: OutputSettings) -> ImageBuffer:
        buffer = self._image("depth", settings.depth_encoding, result)
        buffer.fill_depth(result.depth, result.header)
        return buffer

    def _labels(self, result: Result, settings: OutputSettings) -> ImageBuffer:
        return self._filled("labels", settings.label_encoding, result.labels, result)

    def _confidence(self, result: Result, settings: OutputSettings) -> ImageBuffer:
        return self._filled("confidence", "mono8", result.confidence, result)

    def _mask(self, result: Result, settings: OutputSettings) -> ImageBuffer:
        if self._mask_table is None or self._mask_table[0] != settings.mask_classes:
            table = np.zeros(256, dtype=np.uint8)
            table[self._label_set.ids(name for name in settings.mask_classes if name)] = 1
            self._mask_table = settings.mask_classes, table
        return self._filled("mask", "mono8", cv2.LUT(result.labels, self._mask_table[1]), result)

    def _color(self, result: Result, settings: OutputSettings) -> ImageBuffer:
        return self._filled("color", "rgb8", result.color, result)

    def _overlay(self, result: Result, settings: OutputSettings) -> ImageBuffer:
        opacity = settings.overlay_opacity
        buffer = self._image("overlay", "rgb8", result)
        cv2.addWeighted(result.image, 1.0 - opacity, result.color, opacity, 0.0, dst=buffer.array)
        buffer.message.header = result.header
        return buffer

    def _rgb(self, result: Result, settings: OutputSettings) -> ImageBuffer:
        return self._filled("rgb", "rgb8", result.image, result)

    def _cloud(self, result: Result, settings: OutputSettings) -> Any | None:
        if result.intrinsics is None:
            return None
        key = (*result.depth.shape, settings.cloud_decimation)
        if key not in self._clouds:
            self._clouds = {key: CloudBuffer(self._types, *key)}
        return self._clouds[key].fill(**_points(result, settings))

    def _downsampled_cloud(self, result: Result, settings: OutputSettings) -> Any | None:
        if result.intrinsics is None:
            return None
        key = (*result.depth.shape, settings.cloud_decimation)
        if key not in self._downsampled:
            self._downsampled = {key: DownsampledCloud(self._types, *key)}
        return self._downsampled[key].message(voxel_size=settings.cloud_voxel_size, **_points(result, settings))


def _points(result: Result, settings: OutputSettings) -> dict[str, Any]:
    """What both clouds are made of."""
    edges = settings.cloud_edge_filter
    return {
        "depth": result.depth,
        "intrinsics": result.intrinsics,
        "rgb": result.packed_color if settings.cloud_color == "semantic" else result.image,
        "labels": result.labels,
        "confidence": result.confidence,
        "header": result.header,
        "min_range": settings.cloud_min_range,
        "max_range": settings.cloud_max_range or math.inf,
        "drop": depth_edges(result.depth, edges) if edges > 0 else None,
    }
