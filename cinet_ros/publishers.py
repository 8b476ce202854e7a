"""Outputs of one camera: builds and publishes only what somebody subscribes to, on messages allocated once."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from cinet_core.data.label_sets import LabelSet
from cinet_core.geometry import Intrinsics, depth_edges
from cinet_ros.conversions.camera import camera_info_message
from cinet_ros.conversions.cloud import CloudBuffer
from cinet_ros.conversions.colors import LabelPainter, unpack_rgb
from cinet_ros.conversions.encoding import ImageBuffer
from cinet_ros.conversions.labels import label_info_message, semantic_classes_message
from cinet_ros.msg import PerceptionStats, SemanticClasses
from cinet_ros.parameters import Settings

OUTPUT_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE)
LATCHED_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)

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


class CameraOutputs:
    """Publishers of one camera.

    Args:
        node: that publishes.
        prefix: of the relative topic names, "" or "front/".
        label_set: of the model.
    """

    def __init__(self, node: Node, prefix: str, label_set: LabelSet) -> None:
        self._node = node
        self._label_set = label_set
        self._images: dict[tuple[str, str, int, int], ImageBuffer] = {}
        self._clouds: dict[tuple[int, int, int], CloudBuffer] = {}
        # In the order of publishing: the small ones first, so that a synchroniser never waits for a camera_info.
        self._builders: dict[str, tuple[type, Callable[[Result, Settings], Any]]] = {
            "depth_registered/camera_info": (CameraInfo, self._camera_info),
            "semantic/camera_info": (CameraInfo, self._camera_info),
            "rgb/camera_info": (CameraInfo, self._camera_info),
            "depth_registered/image_rect": (Image, self._depth),
            "semantic/image_raw": (Image, self._labels),
            "semantic/confidence": (Image, self._confidence),
            "semantic/mask": (Image, self._mask),
            "semantic_color/image_raw": (Image, self._color),
            "semantic_overlay/image_raw": (Image, self._overlay),
            "rgb/image_rect": (Image, self._rgb),
            "points": (PointCloud2, self._cloud),
        }
        self._publishers: dict[str, Any] = {
            topic: self._publisher(kind, prefix + topic, OUTPUT_QOS) for topic, (kind, _) in self._builders.items()
        }
        self._stats = self._publisher(PerceptionStats, f"{prefix}stats", OUTPUT_QOS)
        self._latched = [self._latch(SemanticClasses, f"{prefix}semantic/classes", semantic_classes_message(label_set))]
        try:
            label_info = label_info_message(label_set)
        except ModuleNotFoundError:  # vision_msgs comes with a distribution only
            node.get_logger().info("semantic/label_info is not published: vision_msgs is not installed")
        else:
            self._latched.append(self._latch(type(label_info), f"{prefix}semantic/label_info", label_info))

    def _publisher(self, kind: type, topic: str, qos: QoSProfile) -> Any:
        # A copy: rclpy writes the overrides of this topic into the profile that it is given.
        return self._node.create_publisher(
            kind, topic, copy.copy(qos), qos_overriding_options=QoSOverridingOptions.with_default_policies()
        )

    def _latch(self, kind: type, topic: str, message: Any) -> Any:
        publisher = self._publisher(kind, topic, LATCHED_QOS)
        publisher.publish(message)
        return publisher

    def wanted(self) -> frozenset[str]:
        """Topics that somebody subscribes to, without prefix; latched ones are not counted."""
        topics = {topic for topic, publisher in self._publishers.items() if publisher.get_subscription_count() > 0}
        if self._stats.get_subscription_count() > 0:
            topics.add("stats")
        return frozenset(topics)

    def publish(self, result: Result, wanted: frozenset[str], settings: Settings) -> Mapping[str, float]:
        """Publish the wanted outputs of a frame; return the seconds spent in ``build`` and ``publish``."""
        seconds = {"build": 0.0, "publish": 0.0}
        for topic, (_, build) in self._builders.items():
            if topic not in wanted:
                continue
            started = time.perf_counter()
            message = build(result, settings)
            built = time.perf_counter()
            seconds["build"] += built - started
            if message is None:
                continue
            self._publishers[topic].publish(message)
            seconds["publish"] += time.perf_counter() - built
        return seconds

    def publish_stats(self, stats: PerceptionStats) -> None:
        """Publish the statistics of a frame."""
        self._stats.publish(stats)

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in (*self._publishers.values(), self._stats, *self._latched):
            self._node.destroy_publisher(publisher)
        self._publishers.clear()
        self._latched.clear()

    # Each builder returns a message whose memory is reused for the next frame: publish() serialises before it returns.

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
