"""One image that shows a prediction: input, depth, labels, overlay, and the cloud from two sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics, unproject
from cinet_core.label_sets import LabelSet
from cinet_core.tasks import TASKS, RenderSettings, Tile
from cinet_core.tasks.segmentation import LEGEND_WIDTH
from cinet_core.visualize.cloud import CloudView, render_cloud
from cinet_core.visualize.depth import depth_range
from cinet_core.visualize.labels import colorize_labels
from cinet_core.visualize.scale import SCALE_WIDTH
from cinet_core.visualize.text import BACKGROUND, FAINT, INK, Color, Pen, RgbImage, blank, shortened, wrapped

__all__ = ["WARNING", "PredictionLike", "caption_bar", "panel"]

TILE = 480
"""Pixels: the longer side of each image in the panel."""

MIN_TILE = 48
MIN_CELL_HEIGHT = 240
TITLE = 26
GAP = 12
COLUMNS = 3
CAPTION_SIZE = 16
WARNING: Color = (176, 24, 32)


class PredictionLike(Protocol):
    """What a panel shows; cinet_core.inference's Prediction is one."""

    @property
    def outputs(self) -> Mapping[str, npt.NDArray[Any]]:
        """Of the tasks by name, (h, w) each: depth, labels, confidence, and those of further tasks."""
        ...

    @property
    def intrinsics(self) -> Intrinsics | None:
        """Of the depth image, at its size; None where unknown."""
        ...


def panel(
    image: RgbImage,
    prediction: PredictionLike,
    label_set: LabelSet,
    caption: str | None = None,
    near: float | None = None,
    far: float | None = None,
    warning: bool = False,
) -> RgbImage:
    """The images of one prediction with their titles: six of depth and labels, and those of further tasks.

    Args:
        image: (H, W, 3) uint8 RGB that the network saw.
        prediction: of this image, at any size of the same aspect.
        label_set: what its labels mean.
        caption: a line above it all.
        near: metres where the depth colours start; chosen from the depth where None.
        far: metres where they end; chosen from the depth where None.
        warning: the caption stands on a red bar: what is shown must not be trusted.

    Returns:
        (h, w, 3) uint8 RGB; 1752 x 808 pixels for a 640x480 image without caption.

    Raises:
        ValueError: depth and labels differ in size, or near is not below far.
    """
    outputs = prediction.outputs
    if outputs["depth"].shape != outputs["labels"].shape:
        raise ValueError(f"depth is {outputs['depth'].shape} but labels are {outputs['labels'].shape}")
    size = _fit(image.shape[1], image.shape[0])
    height = max(size[1], MIN_CELL_HEIGHT)
    widths = (size[0], size[0] + GAP + SCALE_WIDTH, size[0] + GAP + LEGEND_WIDTH)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    own_near, own_far = depth_range(outputs["depth"])
    limits = (own_near if near is None else near), (own_far if far is None else far)
    settings = RenderSettings(small, label_set, height, limits)
    tiles = [Tile("input", (small,))]
    for task in TASKS:
        if all(output.name in outputs for output in task.outputs):
            tiles += task.render(outputs, settings)
    colors = cv2.resize(image, outputs["depth"].shape[::-1], interpolation=cv2.INTER_AREA)
    clouds: tuple[tuple[str, RgbImage, CloudView], ...] = (
        ("cloud from above, in label colours", colorize_labels(outputs["labels"], label_set), "above"),
        ("cloud from the side, in camera colours", colors, "side"),
    )
    for title, points_colors, view in clouds:
        width = widths[len(tiles) % COLUMNS]
        tiles.append(Tile(title, (_cloud(prediction, points_colors, view, width, height),)))
    cells = [_cell(tile.title, tile.images, widths[place % COLUMNS], height) for place, tile in enumerate(tiles)]
    while len(cells) % COLUMNS:
        cells.append(blank(TITLE + height, widths[len(cells) % COLUMNS]))
    rows = [_joined(cells[start : start + COLUMNS], axis=1) for start in range(0, len(cells), COLUMNS)]
    body = _joined(rows, axis=0)
    body = cv2.copyMakeBorder(body, GAP, GAP, GAP, GAP, cv2.BORDER_CONSTANT, value=BACKGROUND)
    return np.vstack([caption_bar(caption, body.shape[1], warning), body]) if caption else body


def _fit(width: int, height: int) -> tuple[int, int]:
    """Width and height of the image in the panel; never so flat that a scale has no room beside it."""
    factor = TILE / max(width, height)
    return max(MIN_TILE, round(width * factor)), max(MIN_TILE, round(height * factor))


def _cell(title: str, images: Sequence[RgbImage], width: int, height: int) -> RgbImage:
    """A title over images side by side, on a ground of (TITLE + height, width)."""
    cell = blank(TITLE + height, width)
    left = 0
    for image in images:
        h, w = image.shape[:2]
        cell[TITLE : TITLE + h, left : left + w] = image
        left += w + GAP
    with Pen(cell) as pen:
        pen.text((0, TITLE / 2 - 2), shortened(title, 15, width), 15, INK, "lm")
    return cell


def _cloud(
    prediction: PredictionLike, colors: npt.NDArray[np.uint8], view: CloudView, width: int, height: int
) -> RgbImage:
    if prediction.intrinsics is None:
        image = blank(height, width)
        with Pen(image) as pen:
            lines = wrapped("no cloud: the camera's intrinsics are unknown", 15, width - GAP)
            for number, line in enumerate(lines):
                pen.text((width / 2, height / 2 + 20 * number), line, 15, FAINT, "mm")
        return image
    return render_cloud(unproject(prediction.outputs["depth"], prediction.intrinsics), colors, view, width, height)


def _joined(images: list[RgbImage], axis: Literal[0, 1]) -> RgbImage:
    """Images of equal height (axis 1) or width (axis 0) with a gap between them."""
    parts = [images[0]]
    for image in images[1:]:
        gap = (GAP, image.shape[1]) if axis == 0 else (image.shape[0], GAP)
        parts += [blank(*gap), image]
    return np.concatenate(parts, axis=axis)


def caption_bar(text: str, width: int, warning: bool = False) -> RgbImage:
    """A caption of as many lines as it takes, ``width`` pixels wide; as a warning it stands on red."""
    lines = wrapped(text, CAPTION_SIZE, width - 2 * GAP)
    line_height = round(CAPTION_SIZE * 1.5)
    image = blank(line_height * len(lines) + GAP, width, WARNING if warning else BACKGROUND)
    with Pen(image) as pen:
        for number, line in enumerate(lines):
            middle = GAP / 2 + line_height * (number + 0.5)
            pen.text((GAP, middle), line, CAPTION_SIZE, (255, 255, 255) if warning else INK, "lm")
    return image
