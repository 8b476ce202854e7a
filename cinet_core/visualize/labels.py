"""Labels as images: exact palette colours, an overlay on the image, and a legend of the classes present."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cinet_core.label_sets import UNLABELLED, LabelSet
from cinet_core.visualize.text import FAINT, INK, Pen, RgbImage, blank, shortened, text_width

__all__ = ["ROW", "colorize_labels", "legend", "overlay", "wide_legend"]

ROW = 19
SWATCH = 13


def colorize_labels(labels: npt.NDArray[np.integer], label_set: LabelSet) -> RgbImage:
    """(H, W) class ids as (H, W, 3) uint8 RGB: the palette's colours, unblended; no class is black.

    >>> from cinet_core.label_sets import NYU40
    >>> colorize_labels(np.array([[0, 255]]), NYU40).tolist()  # wall, and no label
    [[[128, 0, 0], [0, 0, 0]]]
    """
    return label_set.palette[_as_bytes(labels)]


def overlay(image: RgbImage, labels: npt.NDArray[np.integer], label_set: LabelSet, opacity: float = 0.5) -> RgbImage:
    """The image under its labels' colours; pixels without a class keep the image's.

    Args:
        image: (H, W, 3) uint8 RGB.
        labels: (H, W) class ids.
        label_set: what they mean.
        opacity: 0 shows the image alone, 1 the labels alone.

    Raises:
        ValueError: sizes differ, or the opacity is not within 0 and 1.
    """
    if labels.shape != image.shape[:2]:
        raise ValueError(f"labels are {labels.shape} and the image is {image.shape[:2]}: resize one to the other")
    if not 0.0 <= opacity <= 1.0:
        raise ValueError(f"opacity is {opacity}: it must be between 0 and 1")
    ids = _as_bytes(labels)
    blended = image.astype(np.float32) * (1.0 - opacity) + label_set.palette[ids] * np.float32(opacity)
    return np.where((ids < len(label_set.classes))[..., None], (blended + 0.5).astype(np.uint8), image)


def legend(
    labels: npt.NDArray[np.integer], label_set: LabelSet, width: int = 160, max_height: int | None = None
) -> RgbImage:
    """The classes present, largest first, with their colour and share of all pixels.

    Args:
        labels: (H, W) class ids.
        label_set: what they mean.
        width: of the legend, in pixels.
        max_height: what does not fit is summed up in the last row; None for no limit.

    Returns:
        (rows * 19, width, 3) uint8 RGB.
    """
    rows = _shares(labels, label_set)
    fitting = len(rows) if max_height is None else max(1, max_height // ROW)
    if len(rows) > fitting:
        rest = rows[fitting - 1 :]
        rows = [*rows[: fitting - 1], (f"{len(rest)} more", None, sum(share for *_, share in rest))]
    image = blank(ROW * max(1, len(rows)), width)
    with Pen(image) as pen:
        for number, (name, color, share) in enumerate(rows):
            top, middle = number * ROW + (ROW - SWATCH) // 2, number * ROW + ROW / 2
            if color is not None:
                pen.rectangle((0, top, SWATCH, top + SWATCH), FAINT)
                pen.rectangle((1, top + 1, SWATCH - 1, top + SWATCH - 1), color)
            percent = "< 1 %" if share < 0.005 else f"{share:.0%}".replace("%", " %")
            pen.text((SWATCH + 7, middle), shortened(name, 13, width - SWATCH - 60), 13, INK, "lm")
            pen.text((width - 6, middle), percent, 13, FAINT, "rm")
    return image


def wide_legend(labels: npt.NDArray[np.integer], label_set: LabelSet, width: int) -> RgbImage:
    """The classes present, largest first, with their colours, in as many lines as they take.

    Args:
        labels: class ids, of any shape.
        label_set: what they mean.
        width: of the legend, in pixels.

    Returns:
        (lines * 19, width, 3) uint8 RGB.
    """
    places: list[tuple[int, int, str, tuple[int, int, int] | None]] = []
    left, line = 0, 0
    for name, color, _ in _shares(labels.reshape(1, -1), label_set):
        name = shortened(name, 13, width - SWATCH - 7)
        needed = SWATCH + 7 + text_width(name, 13)
        if left and left + needed > width:
            left, line = 0, line + 1
        places.append((left, line, name, color))
        left += needed + SWATCH + 7
    image = blank(ROW * (line + 1), width)
    with Pen(image) as pen:
        for left, line, name, color in places:
            top = line * ROW + (ROW - SWATCH) // 2
            pen.rectangle((left, top, left + SWATCH, top + SWATCH), FAINT)
            pen.rectangle((left + 1, top + 1, left + SWATCH - 1, top + SWATCH - 1), color or (0, 0, 0))
            pen.text((left + SWATCH + 7, line * ROW + ROW / 2), name, 13, INK, "lm")
    return image


def _shares(
    labels: npt.NDArray[np.integer], label_set: LabelSet
) -> list[tuple[str, tuple[int, int, int] | None, float]]:
    """Name, colour and share of each class present, largest first, what has no class last."""
    counts = np.bincount(_as_bytes(labels).ravel(), minlength=256)
    known = counts[: len(label_set.classes)]
    rows: list[tuple[str, tuple[int, int, int] | None, float]] = []
    for class_id in np.argsort(-known, kind="stable"):
        if known[class_id]:
            red, green, blue = label_set.colors[class_id].tolist()
            rows.append((label_set.classes[class_id], (red, green, blue), float(known[class_id] / labels.size)))
    if labels.size > known.sum():
        rows.append(("unlabelled", (0, 0, 0), float(1.0 - known.sum() / labels.size)))
    return rows


def _as_bytes(labels: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    """Ids as an index into 256 rows; what does not fit is no class."""
    return np.where((labels >= 0) & (labels < UNLABELLED), labels, UNLABELLED).astype(np.uint8)
