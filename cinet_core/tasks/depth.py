"""Metric depth, as everybody sees it who does not train it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cinet_core.tasks.spec import (
    COMPRESSED_DEPTH,
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
    from cinet_core.messages.frame import OutputSettings

__all__ = ["DEPTH"]


def _adjust(outputs: dict[str, Array], settings: OutputSettings) -> None:
    """Scale depth, then make what lies outside of the range of the settings invalid."""
    depth = outputs["depth"]
    if settings.depth_scale != 1.0:
        depth *= np.float32(settings.depth_scale)
    if settings.depth_min > 0 or settings.depth_max > 0:
        depth[(depth < settings.depth_min) | (depth > (settings.depth_max or math.inf))] = np.nan


def _finish(outputs: dict[str, Array], depth_range: tuple[float, float]) -> dict[str, Array]:
    """NaN outside of the depth range."""
    depth = outputs["depth"]
    nearest, farthest = (np.float32(limit) for limit in depth_range)
    if not (depth.min() >= nearest and depth.max() <= farthest):
        depth[~((depth >= nearest) & (depth <= farthest))] = np.nan
    return outputs


def _millimetres(outputs: Outputs) -> Array:
    from cinet_core.depth_image import depth_millimetres

    return depth_millimetres(outputs["depth"])


def _render(outputs: Outputs, settings: RenderSettings) -> list[Tile]:
    """Depth in colours beside their scale."""
    import cv2

    from cinet_core.visualize.depth import colorize_depth, depth_range, depth_scale_bar

    depth = outputs["depth"]
    near, far = settings.depth_range or depth_range(depth)
    height, width = settings.image.shape[:2]
    colors = cv2.resize(colorize_depth(depth, near, far), (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    title = "depth along z" if (depth > 0).any() else "depth: nothing valid"
    return [Tile(title, (colors, depth_scale_bar(near, far, height)))]


DEPTH = TaskSpec(
    name="depth",
    title="Depth",
    outputs=(
        OutputSpec(
            name="depth",
            dtype="float32",
            invalid=math.nan,
            description="Distance along the optical axis; NaN outside the depth range.",
            unit="m",
            resize="bilinear",
            agreement="relative",
        ),
    ),
    metrics=(
        MetricSpec("delta1", "δ1", better=1, headline=True),
        MetricSpec("delta2", "δ2", better=1),
        MetricSpec("delta3", "δ3", better=1),
        MetricSpec("rms", "rms", better=-1, unit="m", headline=True),
        MetricSpec("rms_log", "rms log", better=-1),
        MetricSpec("abs_rel", "abs rel", better=-1, headline=True),
        MetricSpec("sq_rel", "sq rel", better=-1, unit="m"),
    ),
    topics=(
        ImageTopic(
            "depth_registered/image_rect",
            encoding=lambda settings: settings.depth_encoding,
            fill=lambda buffer, result, settings, label_set: buffer.fill_depth(result["depth"], result.header),
            codec=COMPRESSED_DEPTH,
        ),
    ),
    files=(ImageFile("depth", _millimetres, "16-bit, millimetres, 0 = invalid"),),
    render=_render,
    adjust=_adjust,
    finish=_finish,
)
