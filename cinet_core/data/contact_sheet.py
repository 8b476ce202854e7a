"""A contact sheet of a data set: frames with their depth and labels side by side, and the classes' colours."""

from __future__ import annotations

import cv2
import numpy as np

from cinet_core.data.sample import Sample
from cinet_core.label_sets import LabelSet
from cinet_core.visualize import colorize_depth, colorize_labels, depth_range, depth_scale_bar, legend
from cinet_core.visualize.text import FAINT, INK, Pen, RgbImage, blank, shortened

__all__ = ["CELL", "ContactSheet"]

CELL = 160
"""Width of each of a frame's three images, in pixels."""

TITLE = 18
GAP = 12
LEGEND = 210


class ContactSheet:
    """Collects frames, scaled down as they come, and draws them.

    Args:
        title: over the sheet.
        label_set: what the labels mean.
        columns: frames in a row.
    """

    def __init__(self, title: str, label_set: LabelSet, columns: int = 3) -> None:
        self._title = title
        self._label_set = label_set
        self._columns = columns
        self._frames: list[tuple[str, RgbImage, np.ndarray | None, np.ndarray | None]] = []

    def add(self, sample: Sample) -> None:
        """Take a frame."""
        width, height = sample.size
        size = (CELL, max(1, round(CELL * height / width)))
        image = cv2.resize(sample.image.permute(1, 2, 0).numpy(), size, interpolation=cv2.INTER_AREA)
        # One pixel stands for many here: nearest shows what is stored, an average would invent depths and classes.
        depth = cv2.resize(sample.depth.numpy(), size, interpolation=cv2.INTER_NEAREST) if sample.has_depth else None
        labels = cv2.resize(sample.labels.numpy(), size, interpolation=cv2.INTER_NEAREST) if sample.has_labels else None
        self._frames.append((sample.name, image, depth, labels))

    def __len__(self) -> int:
        """Number of frames taken."""
        return len(self._frames)

    def draw(self) -> RgbImage:
        """The sheet, (h, w, 3) uint8 RGB; depth colours mean the same in all its frames.

        Raises:
            ValueError: there is no frame to draw.
        """
        if not self._frames:
            raise ValueError("a contact sheet needs at least one frame that can be read")
        depths = [depth.ravel() for _, _, depth, _ in self._frames if depth is not None]
        near, far = depth_range(np.concatenate(depths)) if depths else (0.0, 1.0)
        cell_height = TITLE + max(image.shape[0] for _, image, _, _ in self._frames) + GAP
        cell_width = 3 * CELL + GAP
        columns = min(self._columns, len(self._frames))
        rows = -(-len(self._frames) // columns)
        top = TITLE + GAP
        side = self._side(near, far, bool(depths))
        height = max(top + rows * cell_height, top + side.shape[0])
        sheet = blank(height, GAP + columns * cell_width + LEGEND)
        for number, frame in enumerate(self._frames):
            row, column = divmod(number, columns)
            self._frame(sheet, GAP + column * cell_width, top + row * cell_height, frame, near, far)
        sheet[top : top + side.shape[0], -LEGEND:] = side
        with Pen(sheet) as pen:
            pen.text((GAP, GAP), shortened(self._title, 15, sheet.shape[1] - 2 * GAP), 15, INK, "lm")
        return sheet

    def _frame(
        self,
        sheet: RgbImage,
        left: int,
        top: int,
        frame: tuple[str, RgbImage, np.ndarray | None, np.ndarray | None],
        near: float,
        far: float,
    ) -> None:
        name, image, depth, labels = frame
        images = [
            image,
            None if depth is None else colorize_depth(depth, near, far),
            None if labels is None else colorize_labels(labels, self._label_set),
        ]
        for place, rgb in enumerate(images):
            x = left + place * CELL
            if rgb is not None:
                sheet[top + TITLE : top + TITLE + rgb.shape[0], x : x + CELL] = rgb
        with Pen(sheet) as pen:
            pen.text((left, top + TITLE / 2), shortened(name, 12, 3 * CELL), 12, FAINT, "lm")
            for place, missing in ((1, "no depth"), (2, "no labels")):
                if images[place] is None:
                    middle = (left + place * CELL + CELL / 2, top + TITLE + image.shape[0] / 2)
                    pen.text(middle, missing, 12, FAINT, "mm")

    def _side(self, near: float, far: float, has_depth: bool) -> RgbImage:
        """Depth scale and the classes of all frames."""
        parts = []
        if has_depth:
            bar = depth_scale_bar(near, far, 180)
            parts.append(np.concatenate([bar, blank(bar.shape[0], LEGEND - bar.shape[1])], axis=1))
        labels = [labels.ravel() for *_, labels in self._frames if labels is not None]
        if labels:
            parts += [blank(GAP, LEGEND), legend(np.concatenate(labels)[None], self._label_set, LEGEND)]
        return np.concatenate(parts) if parts else blank(1, LEGEND)
