"""Numbers as the colours of viridis, and the scale that says which colour is which number."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.visualize.text import FAINT, INK, Pen, RgbImage, blank

__all__ = ["BAR_WIDTH", "INVALID_COLOR", "MARGIN", "SCALE_WIDTH", "color_map", "round_ticks", "scale_bar"]

INVALID_COLOR = (64, 64, 64)
BAR_WIDTH = 14
SCALE_WIDTH = 64
MARGIN = 10
"""Pixels above and below the bar, so that the labels at its ends are not cut off."""


def color_map(share: npt.NDArray[np.floating]) -> RgbImage:
    """(H, W, 3) uint8 RGB colours of (H, W) values from 0 (dark) to 1 (bright); what lies outside is clamped."""
    index = (np.clip(share, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(index, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)


def scale_bar(dark: float, bright: float, height: int, unit: str = "") -> RgbImage:
    """A bar of colours with ticks at round values: (height, 64, 3), the brightest below where it is the lesser value.

    Args:
        dark: value of the darkest colour.
        bright: value of the brightest.
        height: of the image, in pixels.
        unit: behind each number.

    Raises:
        ValueError: the two values are equal, or the height leaves no room for the bar.
    """
    low, high = min(dark, bright), max(dark, bright)
    if not low < high:
        raise ValueError(f"the darkest and the brightest colour both stand for {dark:g}: a scale needs two values")
    if height < 4 * MARGIN:
        raise ValueError(f"height is {height} pixels: a scale needs at least {4 * MARGIN}")
    image = blank(height, SCALE_WIDTH)
    length = height - 2 * MARGIN
    share = np.linspace(high - dark, low - dark, length) / (bright - dark)
    image[MARGIN : MARGIN + length, :BAR_WIDTH] = color_map(share[:, None].repeat(BAR_WIDTH, axis=1))
    with Pen(image) as pen:
        for value in _ticks(low, high, length):
            y = MARGIN + (length - 1) * (high - value) / (high - low)
            pen.line([(BAR_WIDTH, y), (BAR_WIDTH + 4, y)], FAINT)
            pen.text((BAR_WIDTH + 8, y), f"{value:g} {unit}".rstrip(), 13, INK, "lm")
    return image


def _ticks(low: float, high: float, length: int) -> list[float]:
    """Round values about 36 pixels apart; nearer where that would leave fewer than two: one number is no scale."""
    most = max(2, length // 36)
    while len(ticks := round_ticks(low, high, most)) < 2:
        most += 1
    return ticks


def round_ticks(low: float, high: float, most: int) -> list[float]:
    """At most ``most`` round values from low to high, 1, 2 or 5 times a power of ten apart."""
    exact = (high - low) / max(most, 1)
    magnitude = 10.0 ** math.floor(math.log10(exact))
    step = next(
        m * magnitude for m in (1, 2, 5, 10, 20) if (high - low) / (m * magnitude) <= most - 1 + 1e-9 or m == 20
    )
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 9) for i in range(first, math.floor(high / step + 1e-9) + 1)]
