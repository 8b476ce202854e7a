"""What one processed frame is as messages: one builder a topic, each on a message that is allocated once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics, depth_edges
from cinet_core.label_sets import LabelSet
from cinet_core.messages.cloud import CloudBuffer
from cinet_core.messages.colors import LabelPainter, unpack_rgb
from cinet_core.messages.compression import compress_depth, compress_jpeg, compress_png
from cinet_core.messages.downsampled_cloud import DownsampledCloud
from cinet_core.messages.encoding import ImageBuffer, camera_info_message
from cinet_core.messages.fields import MessageTypes
from cinet_core.messages.topics import COMPRESSED, DOWNSAMPLED_POINTS, IMAGES, POINTS
from cinet_core.tasks import TASKS, ImageTopic, erase
from cinet_core.tasks.spec import COMPRESSED_DEPTH, JPEG

if TYPE_CHECKING:
    from cinet_core.inference.predictor import Prediction

Array = npt.NDArray[Any]


class OutputSettings(Protocol):
    """Parameters of the perception node that decide what its outputs hold; the README's table explains each.

    Properties, because settings are frozen.
    """

    @property
    def depth_encoding(self) -> str: ...  # noqa: D102
    @property
    def depth_scale(self) -> float: ...  # noqa: D102
    @property
    def depth_min(self) -> float: ...  # noqa: D102
    @property
    def depth_max(self) -> float: ...  # noqa: D102
    @property
    def label_encoding(self) -> str: ...  # noqa: D102
    @property
    def label_min_confidence(self) -> float: ...  # noqa: D102
    @property
    def mask_classes(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def overlay_opacity(self) -> float: ...  # noqa: D102
    @property
    def cloud_color(self) -> str: ...  # noqa: D102
    @property
    def cloud_decimation(self) -> int: ...  # noqa: D102
    @property
    def cloud_min_range(self) -> float: ...  # noqa: D102
    @property
    def cloud_max_range(self) -> float: ...  # noqa: D102
    @property
    def cloud_edge_filter(self) -> float: ...  # noqa: D102
    @property
    def cloud_voxel_size(self) -> float: ...  # noqa: D102
    @property
    def compressed_jpeg_quality(self) -> int: ...  # noqa: D102
    @property
    def compressed_png_level(self) -> int: ...  # noqa: D102


@dataclass
class Result:
    """Everything about one processed frame, all images at the published size (H, W).

    Attributes:
        header: of the input image, copied to every output.
        image: (H, W, 3) uint8 RGB.
        outputs: of the tasks by name, (H, W) or (H, W, channels), as `cinet_core.tasks.OutputSpec` describes them;
            those of depth and segmentation are there always, and have properties.
        intrinsics: of the published size; None where the camera is unknown (no cloud, no camera_info then).
        painter: of the label set.
    """

    header: Any
    image: Array
    outputs: dict[str, Array]
    intrinsics: Intrinsics | None
    painter: LabelPainter

    @property
    def depth(self) -> Array:
        """(H, W) float32 metres along z, NaN where invalid."""
        return self.outputs["depth"]

    @property
    def labels(self) -> Array:
        """(H, W) uint8 class ids, 255 unlabelled."""
        return self.outputs["labels"]

    @property
    def confidence(self) -> Array:
        """(H, W) uint8, 0 .. 255."""
        return self.outputs["confidence"]

    def __getitem__(self, name: str) -> Array:
        """An output by its name."""
        return self.outputs[name]

    @classmethod
    def of(
        cls,
        prediction: Prediction,
        image: Array,
        valid: Array | None,
        header: Any,
        painter: LabelPainter,
        settings: OutputSettings,
    ) -> Result:
        """What is published of a prediction, whose arrays are changed in place.

        Args:
            prediction: of the image.
            image: (h, w, 3) uint8 RGB, of the camera's size.
            valid: (h, w) bool, False where rectification left no source; None where all of it is valid.
            header: of the input image.
            painter: of the label set.
            settings: current ones.
        """
        outputs = dict(prediction.outputs)
        height, width = outputs["depth"].shape
        if image.shape[:2] != (height, width):
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            valid = None if valid is None else cv2.resize(
                valid.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST
            ).astype(bool)  # fmt: skip
        for task in TASKS:
            if task.adjust is not None and task.outputs[0].name in outputs:
                task.adjust(outputs, settings)
        if valid is not None:
            erase(outputs, ~valid)
        return cls(header, image, outputs, prediction.intrinsics, painter)

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
        types: that the messages are of.
        label_set: of the model.
    """

    def __init__(self, types: MessageTypes, label_set: LabelSet) -> None:
        self._types = types
        self._label_set = label_set
        self._images: dict[tuple[str, str, int, int], ImageBuffer] = {}
        self._clouds: dict[tuple[int, int, int], CloudBuffer] = {}
        self._downsampled: dict[tuple[int, int, int], DownsampledCloud] = {}
        self._messages: dict[str, Callable[[Result, OutputSettings], Any]] = {
            "depth_registered/camera_info": self._camera_info,
            "semantic/camera_info": self._camera_info,
            "rgb/camera_info": self._camera_info,
            POINTS: self._cloud,
            DOWNSAMPLED_POINTS: self._downsampled_cloud,
        }

    def build(self, topic: str, result: Result, settings: OutputSettings) -> Any | None:
        """The message for one of `topics_of` the tasks; None where the camera is unknown and the topic needs it.

        Its memory is reused for the next frame: serialise it before.
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
        key = (topic.name, encoding, height, width)
        if key not in self._images:
            # one buffer a topic: drop what another size or encoding left
            self._images = {known: buffer for known, buffer in self._images.items() if known[0] != topic.name}
            self._images[key] = ImageBuffer(self._types, encoding, height, width)
        topic.fill(self._images[key], result, settings, self._label_set)
        return self._images[key]

    def _camera_info(self, result: Result, settings: OutputSettings) -> Any | None:
        if result.intrinsics is None:
            return None
        return camera_info_message(self._types, result.intrinsics, result.header)

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
