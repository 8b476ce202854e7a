"""A point cloud seen from above or from the side, drawn to scale on a grid of metres."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from cinet_core.visualize.depth import ENOUGH
from cinet_core.visualize.scale import round_ticks
from cinet_core.visualize.text import FAINT, INK, Pen, RgbImage, blank

__all__ = ["CAMERA", "CloudView", "render_cloud"]

CloudView = Literal["above", "side"]
GRID = (58, 62, 70)
CAMERA = (255, 176, 32)
BORDER = 34
"""Pixels left free at the left and below for the numbers."""

TITLE_HEIGHT = 24
"""Pixels at the top left that the name of the upward axis takes."""

MAX_HEIGHT_ABOVE_CAMERA = 1.0
"""Metres: seen from above, a room has its roof off, or its ceiling would hide it."""

POINT_OFFSETS = ((0, 0), (0, 1), (1, 0), (1, 1))


def render_cloud(
    xyz: npt.NDArray[np.floating],
    rgb: npt.NDArray[np.uint8],
    view: CloudView = "above",
    width: int = 480,
    height: int = 360,
) -> RgbImage:
    """Draw points without perspective, with the camera, and a grid whose lines are labelled in metres.

    Args:
        xyz: (..., 3) metres in camera coordinates (x right, y down, z forward); NaN rows are left out.
        rgb: (..., 3) uint8 colours of the points.
        view: "above" looks along the camera's y axis (forward is up in the image), without what is more than
            1 m above the camera; "side" looks along its x axis from the right (forward is right, up is up).
        width: of the image, in pixels.
        height: of the image, in pixels.

    Returns:
        (height, width, 3) uint8 RGB. The nearest 99 % of the points fit into it; the camera is always in view.

    Raises:
        ValueError: points and colours differ in number, or the view is unknown.
    """
    if view not in ("above", "side"):
        raise ValueError(f'view is {view!r}: choose "above" or "side"')
    points, colors = xyz.reshape(-1, 3), rgb.reshape(-1, 3)
    if len(points) != len(colors):
        raise ValueError(f"{len(points)} points but {len(colors)} colours: give one colour a point")
    keep = np.isfinite(points).all(axis=1)
    if view == "above":
        keep &= points[:, 1] > -MAX_HEIGHT_ABOVE_CAMERA
    points, colors = points[keep], colors[keep]
    if view == "above":
        across, up, toward_viewer = points[:, 0], points[:, 2], -points[:, 1]
    else:
        across, up, toward_viewer = points[:, 2], -points[:, 1], points[:, 0]
    frame = _PlotFrame(across, up, width, height)
    image = blank(height, width)
    frame.grid(image)
    order = np.argsort(toward_viewer, kind="stable")  # what is nearer to the viewer is painted later
    frame.points(image, across[order], up[order], colors[order])
    frame.numbers(image, view)
    return image


class _PlotFrame:
    """Where metres lie in an image: the same scale on both axes, the camera (0, 0) included."""

    def __init__(self, across: npt.NDArray[np.floating], up: npt.NDArray[np.floating], width: int, height: int) -> None:
        if across.size:
            across, up = (values[:: max(1, values.size // ENOUGH)] for values in (across, up))
            left, right = (float(value) for value in np.percentile(across, (0.5, 99.5)))
            low, high = (float(value) for value in np.percentile(up, (0.5, 99.5)))
        else:
            left, right, low, high = -1.0, 1.0, 0.0, 2.0
        left, right, low, high = min(left, -0.2), max(right, 0.2), min(low, -0.2), max(high, 0.2)
        inner_width, inner_height = width - BORDER - 8, height - BORDER - 8
        self._scale = min(inner_width / (right - left), inner_height / (high - low)) / 1.04
        self._x0 = BORDER + inner_width / 2 - self._scale * (left + right) / 2
        self._y0 = 8 + inner_height / 2 + self._scale * (low + high) / 2
        self._width, self._height = width, height

    def x(self, metres: float) -> float:
        return self._x0 + metres * self._scale

    def y(self, metres: float) -> float:
        return self._y0 - metres * self._scale

    def _ticks(self) -> tuple[list[float], list[float]]:
        across = ((BORDER - self._x0) / self._scale, (self._width - self._x0) / self._scale)
        up = ((self._y0 - self._height + BORDER) / self._scale, self._y0 / self._scale)
        longer = max(across[1] - across[0], up[1] - up[0])
        every = round_ticks(0.0, longer, most=9)[1]
        return tuple(  # type: ignore[return-value]
            [i * every for i in range(int(np.ceil(low / every)), int(np.floor(high / every)) + 1)]
            for low, high in (across, up)
        )

    def grid(self, image: RgbImage) -> None:
        across, up = self._ticks()
        with Pen(image) as pen:
            for metres in across:
                pen.line([(self.x(metres), 0), (self.x(metres), self._height - BORDER)], GRID)
            for metres in up:
                pen.line([(BORDER, self.y(metres)), (self._width, self.y(metres))], GRID)

    def points(
        self,
        image: RgbImage,
        across: npt.NDArray[np.floating],
        up: npt.NDArray[np.floating],
        colors: npt.NDArray[np.uint8],
    ) -> None:
        columns = np.rint(self._x0 + across * self._scale)
        rows = np.rint(self._y0 - up * self._scale)
        for down, right in POINT_OFFSETS:
            inside = (columns + right >= BORDER) & (columns + right < self._width)
            inside &= (rows + down >= 0) & (rows + down < self._height - BORDER)
            at = ((rows[inside] + down).astype(np.intp), (columns[inside] + right).astype(np.intp))
            image[at] = colors[inside]

    def numbers(self, image: RgbImage, view: CloudView) -> None:
        across, up = self._ticks()
        x, y = self.x(0.0), self.y(0.0)
        with Pen(image) as pen:
            for metres in across:
                pen.text((self.x(metres), self._height - BORDER + 4), f"{metres:g}", 12, FAINT, "ma")
            for metres in up:
                if self.y(metres) > TITLE_HEIGHT:
                    pen.text((BORDER - 5, self.y(metres)), f"{metres:g}", 12, FAINT, "rm")
            title = "m right" if view == "above" else "m forward"
            pen.text((self._width - 6, self._height - 3), title, 12, INK, "rs")
            pen.text((4, 3), "m forward" if view == "above" else "m up", 12, INK, "la", halo=True)
            arrow = [(0, 14), (-7, 0), (7, 0)]  # the camera is at the middle of its foot
            pen.polygon([(x + a, y - b) if view == "above" else (x + b, y + a) for a, b in arrow], CAMERA, INK)
            pen.text((x, y + 9), "camera", 12, CAMERA, "ma", halo=True)
