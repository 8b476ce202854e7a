"""One picture that shows a prediction: input, depth, labels, overlay, and the cloud from two sides."""

from __future__ import annotations

from typing import Literal, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics, unproject
from cinet_core.label_sets import LabelSet
from cinet_core.visualize.cloud import View, render_cloud
from cinet_core.visualize.depth import colorize_depth, depth_range, depth_scale_bar
from cinet_core.visualize.labels import colorize_labels, legend, overlay
from cinet_core.visualize.scale import SCALE_WIDTH
from cinet_core.visualize.text import BACKGROUND, FAINT, INK, Color, Pen, Picture, blank, shortened, wrapped

TILE = 480
"""Pixels: the longer side of each picture in the panel."""

MIN_TILE = 48
MIN_CELL_HEIGHT = 240
TITLE = 26
GAP = 12
LEGEND_WIDTH = 176
CAPTION_SIZE = 16
WARNING: Color = (176, 24, 32)


class PredictionLike(Protocol):
    """What a panel shows; cinet_core.inference's Prediction is one."""

    @property
    def depth(self) -> npt.NDArray[np.floating]:
        """(h, w) metres, NaN where unknown."""
        ...

    @property
    def labels(self) -> npt.NDArray[np.uint8]:
        """(h, w) class ids, 255 for none."""
        ...

    @property
    def confidence(self) -> npt.NDArray[np.uint8]:
        """(h, w), 0 to 255."""
        ...

    @property
    def intrinsics(self) -> Intrinsics | None:
        """Of the depth image, at its size; None where unknown."""
        ...


def panel(
    image: Picture,
    prediction: PredictionLike,
    label_set: LabelSet,
    caption: str | None = None,
    near: float | None = None,
    far: float | None = None,
    warning: bool = False,
) -> Picture:
    """Six pictures of one prediction, each with its title.

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
    if prediction.depth.shape != prediction.labels.shape:
        raise ValueError(f"depth is {prediction.depth.shape} but labels are {prediction.labels.shape}")
    size = _fit(image.shape[1], image.shape[0])
    height = max(size[1], MIN_CELL_HEIGHT)
    widths = (size[0], size[0] + GAP + SCALE_WIDTH, size[0] + GAP + LEGEND_WIDTH)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    labels = cv2.resize(prediction.labels, size, interpolation=cv2.INTER_NEAREST_EXACT)
    own_near, own_far = depth_range(prediction.depth)
    near, far = (own_near if near is None else near), (own_far if far is None else far)
    depth = colorize_depth(prediction.depth, near, far)
    depth_title = "depth along z" if (prediction.depth > 0).any() else "depth: nothing valid"
    depth = cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST_EXACT)
    colors = cv2.resize(image, prediction.depth.shape[::-1], interpolation=cv2.INTER_AREA)
    label_colors = colorize_labels(prediction.labels, label_set)
    confidence = f"{prediction.confidence.mean() / 255.0:.0%}".replace("%", " %")

    first_row = [
        _cell("input", [small], widths[0], height),
        _cell(depth_title, [depth, depth_scale_bar(near, far, size[1])], widths[1], height),
        _cell(
            f"labels, mean confidence {confidence}",
            [colorize_labels(labels, label_set), legend(labels, label_set, LEGEND_WIDTH, height)],
            widths[2],
            height,
        ),
    ]
    second_row = [
        _cell("labels over input", [overlay(small, labels, label_set)], widths[0], height),
        _cell(
            "cloud from above, in label colours",
            [_cloud(prediction, label_colors, "above", widths[1], height)],
            widths[1],
            height,
        ),
        _cell(
            "cloud from the side, in camera colours",
            [_cloud(prediction, colors, "side", widths[2], height)],
            widths[2],
            height,
        ),
    ]
    body = _joined([_joined(first_row, axis=1), _joined(second_row, axis=1)], axis=0)
    body = cv2.copyMakeBorder(body, GAP, GAP, GAP, GAP, cv2.BORDER_CONSTANT, value=BACKGROUND)
    return np.vstack([caption_bar(caption, body.shape[1], warning), body]) if caption else body


def _fit(width: int, height: int) -> tuple[int, int]:
    """Width and height of the image in the panel; never so flat that a scale has no room beside it."""
    factor = TILE / max(width, height)
    return max(MIN_TILE, round(width * factor)), max(MIN_TILE, round(height * factor))


def _cell(title: str, pictures: list[Picture], width: int, height: int) -> Picture:
    """A title over pictures side by side, on a ground of (TITLE + height, width)."""
    cell = blank(TITLE + height, width)
    left = 0
    for picture in pictures:
        h, w = picture.shape[:2]
        cell[TITLE : TITLE + h, left : left + w] = picture
        left += w + GAP
    with Pen(cell) as pen:
        pen.text((0, TITLE / 2 - 2), shortened(title, 15, width), 15, INK, "lm")
    return cell


def _cloud(prediction: PredictionLike, colors: npt.NDArray[np.uint8], view: View, width: int, height: int) -> Picture:
    if prediction.intrinsics is None:
        picture = blank(height, width)
        with Pen(picture) as pen:
            lines = wrapped("no cloud: the camera's intrinsics are unknown", 15, width - GAP)
            for number, line in enumerate(lines):
                pen.text((width / 2, height / 2 + 20 * number), line, 15, FAINT, "mm")
        return picture
    return render_cloud(unproject(prediction.depth, prediction.intrinsics), colors, view, width, height)


def _joined(pictures: list[Picture], axis: Literal[0, 1]) -> Picture:
    """Pictures of equal height (axis 1) or width (axis 0) with a gap between them."""
    parts = [pictures[0]]
    for picture in pictures[1:]:
        gap = (GAP, picture.shape[1]) if axis == 0 else (picture.shape[0], GAP)
        parts += [blank(*gap), picture]
    return np.concatenate(parts, axis=axis)


def caption_bar(text: str, width: int, warning: bool = False) -> Picture:
    """A caption of as many lines as it takes, ``width`` pixels wide; as a warning it stands on red."""
    lines = wrapped(text, CAPTION_SIZE, width - 2 * GAP)
    line_height = round(CAPTION_SIZE * 1.5)
    picture = blank(line_height * len(lines) + GAP, width, WARNING if warning else BACKGROUND)
    with Pen(picture) as pen:
        for number, line in enumerate(lines):
            middle = GAP / 2 + line_height * (number + 0.5)
            pen.text((GAP, middle), line, CAPTION_SIZE, (255, 255, 255) if warning else INK, "lm")
    return picture
