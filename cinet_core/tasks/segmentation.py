"""Semantic segmentation, as everybody sees it who does not train it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cinet_core.label_sets import UNLABELLED
from cinet_core.tasks.spec import (
    JPEG,
    PNG,
    Array,
    ImageFile,
    ImageTopic,
    MetricSpec,
    Outputs,
    OutputSpec,
    RenderSettings,
    TaskSpec,
    Tile,
)

if TYPE_CHECKING:
    from cinet_core.label_sets import LabelSet
    from cinet_core.messages.encoding import ImageBuffer
    from cinet_core.messages.frame import OutputSettings, Result

__all__ = ["LEGEND_WIDTH", "SEGMENTATION"]

LEGEND_WIDTH = 176


def _adjust(outputs: dict[str, Array], settings: OutputSettings) -> None:
    """Take the label of every pixel whose confidence is below the least of the settings."""
    if settings.label_min_confidence > 0:
        outputs["labels"][outputs["confidence"] < settings.label_min_confidence * 255.0] = UNLABELLED


def _fill_mask(buffer: ImageBuffer, result: Result, settings: OutputSettings, label_set: LabelSet) -> None:
    import cv2

    table = np.zeros(256, dtype=np.uint8)
    table[label_set.ids(name for name in settings.mask_classes if name)] = 1
    buffer.fill(cv2.LUT(result["labels"], table), result.header)


def _fill_overlay(buffer: ImageBuffer, result: Result, settings: OutputSettings, label_set: LabelSet) -> None:
    import cv2

    opacity = settings.overlay_opacity
    cv2.addWeighted(result.image, 1.0 - opacity, result.color, opacity, 0.0, dst=buffer.array)
    buffer.message.header = result.header


def _render(outputs: Outputs, settings: RenderSettings) -> list[Tile]:
    """Labels in their colours beside the classes, and over the image."""
    import cv2

    from cinet_core.visualize.labels import colorize_labels, legend, overlay

    height, width = settings.image.shape[:2]
    labels = cv2.resize(outputs["labels"], (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    confidence = f"{outputs['confidence'].mean() / 255.0:.0%}".replace("%", " %")
    classes = legend(labels, settings.label_set, LEGEND_WIDTH, settings.height)
    return [
        Tile(f"labels, mean confidence {confidence}", (colorize_labels(labels, settings.label_set), classes)),
        Tile("labels over input", (overlay(settings.image, labels, settings.label_set),)),
    ]


SEGMENTATION = TaskSpec(
    name="segmentation",
    title="Labels",
    outputs=(
        OutputSpec(
            name="labels",
            dtype="uint8",
            invalid=UNLABELLED,
            description="Class ids of the label set; 255 where there is none.",
            agreement="equal",
        ),
        OutputSpec(
            name="confidence",
            dtype="uint8",
            invalid=0,
            description="Probability of the label, 0 to 255.",
        ),
    ),
    metrics=(
        MetricSpec("pixel_accuracy", "pAcc %", better=1, percent=True, headline=True),
        MetricSpec("mean_recall", "mean recall %", better=1, percent=True),
        MetricSpec("mean_iou", "mIoU %", better=1, percent=True, headline=True),
    ),
    topics=(
        ImageTopic(
            "semantic/image_raw",
            encoding=lambda settings: settings.label_encoding,
            fill=lambda buffer, result, settings, label_set: buffer.fill(result["labels"], result.header),
            codec=PNG,
        ),
        ImageTopic(
            "semantic/confidence",
            encoding="mono8",
            fill=lambda buffer, result, settings, label_set: buffer.fill(result["confidence"], result.header),
            codec=PNG,
        ),
        # Classes are read back from ids and from the palette's colours: these may not lose a bit.
        ImageTopic("semantic/mask", encoding="mono8", fill=_fill_mask, codec=PNG),
        ImageTopic(
            "semantic_color/image_raw",
            encoding="rgb8",
            fill=lambda buffer, result, settings, label_set: buffer.fill(result.color, result.header),
            codec=PNG,
        ),
        ImageTopic("semantic_overlay/image_raw", encoding="rgb8", fill=_fill_overlay, codec=JPEG),
    ),
    files=(ImageFile("labels", lambda outputs: outputs["labels"], "8-bit class ids, 255 = unlabelled"),),
    render=_render,
    adjust=_adjust,
)
