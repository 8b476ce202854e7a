"""Builds the output messages of a frame: one builder per topic, each with a message that is allocated once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from cinet_core.geometry import Intrinsics, depth_edges
from cinet_core.label_sets import LabelSet
from cinet_core.messages.cloud import CloudBuffer
from cinet_core.messages.compression import compress_depth, compress_jpeg, compress_png
from cinet_core.messages.downsampled_cloud import DownsampledCloud
from cinet_core.messages.encoding import ImageBuffer, camera_info_message
from cinet_core.messages.fields import MessageTypes
from cinet_core.messages.result import Result
from cinet_core.messages.settings import OutputSettings
from cinet_core.messages.topics import COMPRESSED, DOWNSAMPLED_POINTS, IMAGES, POINTS, RAW_DEPTH, UNCERTAINTY
from cinet_core.tasks import ImageTopic
from cinet_core.tasks.spec import COMPRESSED_DEPTH, JPEG

__all__ = ["Array", "FrameMessageBuilder", "OutputSettings", "Result"]

Array = npt.NDArray[Any]


class FrameMessageBuilder:
    """Builds the messages of one camera. Use one instance per thread.

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
        self._info: tuple[Intrinsics, Any] | None = None
        self._messages: dict[str, Callable[[Result, OutputSettings], Any]] = {
            "depth_registered/camera_info": self._camera_info,
            "semantic/camera_info": self._camera_info,
            "rgb/camera_info": self._camera_info,
            POINTS: self._cloud,
            DOWNSAMPLED_POINTS: self._downsampled_cloud,
            RAW_DEPTH: self._raw_depth,
            UNCERTAINTY: self._uncertainty,
        }

    def build(self, topic: str, result: Result, settings: OutputSettings) -> Any | None:
        """The message for one of `topics_of` the tasks; None where the frame has not what the topic needs.

        That is a camera that is known, or for `UNCERTAINTY` an anchor or a network that knows how sure it is.

        Its memory is reused for the next frame, and for topics of equal messages: serialise it before.
        """
        if topic in COMPRESSED:
            return self._compressed(topic, result, settings)
        if topic in IMAGES:
            return self._image(IMAGES[topic], result, settings).message
        return self._messages[topic](result, settings)

    def _compressed(self, topic: str, result: Result, settings: OutputSettings) -> Any:
        plain, codec = COMPRESSED[topic]
        # Filled once more where the image itself is wanted, too: that takes a tenth of what compressing does.
        image = self._image(IMAGES[plain], result, settings)
        if codec == JPEG:
            return compress_jpeg(self._types, image.message, image.array, settings.compressed_jpeg_quality)
        compress = compress_depth if codec == COMPRESSED_DEPTH else compress_png
        return compress(self._types, image.message, image.array, settings.compressed_png_level)

    def _image(self, topic: ImageTopic, result: Result, settings: OutputSettings) -> ImageBuffer:
        """The buffer of an image topic, filled."""
        height, width = result.depth.shape
        encoding = topic.encoding if isinstance(topic.encoding, str) else topic.encoding(settings)
        buffer = self._buffer(topic.name, encoding, height, width)
        topic.fill(buffer, result, settings, self._label_set)
        return buffer

    def _buffer(self, name: str, encoding: str, height: int, width: int) -> ImageBuffer:
        """The buffer of an image, one a topic: what another size or encoding left is dropped."""
        key = (name, encoding, height, width)
        if key not in self._images:
            self._images = {known: buffer for known, buffer in self._images.items() if known[0] != name}
            self._images[key] = ImageBuffer(self._types, encoding, height, width)
        return self._images[key]

    def _raw_depth(self, result: Result, settings: OutputSettings) -> Any:
        depth = result.outputs.get("raw_depth", result.depth)
        buffer = self._buffer(RAW_DEPTH, settings.depth_encoding, *depth.shape)
        buffer.fill_depth(depth, result.header)
        return buffer.message

    def _uncertainty(self, result: Result, settings: OutputSettings) -> Any | None:
        uncertainty = result.uncertainty
        if uncertainty is None:
            return None
        buffer = self._buffer(UNCERTAINTY, "32FC1", *uncertainty.shape)
        buffer.fill_depth(uncertainty, result.header)
        return buffer.message

    def _camera_info(self, result: Result, settings: OutputSettings) -> Any | None:
        if result.intrinsics is None:
            return None
        if self._info is None or self._info[0] != result.intrinsics:
            self._info = result.intrinsics, camera_info_message(self._types, result.intrinsics, result.header)
        message = self._info[1]
        message.header = result.header
        return message

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
