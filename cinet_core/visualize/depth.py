"""Depth as a picture: viridis, near bright and far dark, with a scale in metres."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.visualize.text import FAINT, INK, Pen, Picture, blank

INVALID_COLOR = (64, 64, 64)
ENOUGH = 20_000
"""Pixels, evenly taken, to find percentiles from: sorting them all takes longer and changes nothing to be seen."""

BAR_WIDTH = 14
SCALE_WIDTH = 64
MARGIN = 10
"""Pixels above and below the bar, so that the labels at its ends are not cut off."""


def depth_range(depth: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Metres that a depth picture spans unless told otherwise: the 1st and 99th percentile, at least 10 cm apart.

    (0, 1) where no depth is valid.
    """
    valid = depth[_valid(depth)]
    valid = valid[:: max(1, valid.size // ENOUGH)]
    if valid.size == 0:
        return 0.0, 1.0
    near, far = (float(value) for value in np.percentile(valid, (1, 99)))
    return near, max(far, near + 0.1)


def colorize_depth(depth: npt.NDArray[np.floating], near: float | None = None, far: float | None = None) -> Picture:
    """A depth image as colours.

    Args:
        depth: (H, W) metres; NaN, infinite or not positive is drawn dark grey.
        near: metres drawn brightest (yellow), as is all that is nearer; depth_range's where None.
        far: metres drawn darkest (violet), as is all that is farther; depth_range's where None.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: near is not below far.
    """
    near, far = _limits(depth, near, far)
    valid = _valid(depth)
    nearness = (far - np.where(valid, depth, far)) / (far - near)
    picture = _viridis(nearness)
    picture[~valid] = INVALID_COLOR
    return picture


def depth_scale_bar(near: float, far: float, height: int) -> Picture:
    """The scale to put beside a depth picture: (height, 64, 3), near below, with ticks at round metres.

    Raises:
        ValueError: near is not below far, or the height leaves no room for the bar.
    """
    if not near < far:
        raise ValueError(f"near {near} m is not below far {far} m")
    if height < 4 * MARGIN:
        raise ValueError(f"height is {height} pixels: a scale needs at least {4 * MARGIN}")
    picture = blank(height, SCALE_WIDTH)
    length = height - 2 * MARGIN
    nearness = np.linspace(0.0, 1.0, length)[:, None].repeat(BAR_WIDTH, axis=1)
    picture[MARGIN : MARGIN + length, :BAR_WIDTH] = _viridis(nearness)
    with Pen(picture) as pen:
        for metres in round_ticks(near, far, most=max(2, length // 36)):
            y = MARGIN + (length - 1) * (far - metres) / (far - near)
            pen.line([(BAR_WIDTH, y), (BAR_WIDTH + 4, y)], FAINT)
            pen.text((BAR_WIDTH + 8, y), f"{metres:g} m", 13, INK, "lm")
    return picture


def round_ticks(low: float, high: float, most: int) -> list[float]:
    """At most ``most`` round values from low to high, 1, 2 or 5 times a power of ten apart."""
    exact = (high - low) / max(most, 1)
    magnitude = 10.0 ** math.floor(math.log10(exact))
    step = next(
        m * magnitude for m in (1, 2, 5, 10, 20) if (high - low) / (m * magnitude) <= most - 1 + 1e-9 or m == 20
    )
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 9) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _limits(depth: npt.NDArray[np.floating], near: float | None, far: float | None) -> tuple[float, float]:
    if near is None or far is None:
        own_near, own_far = depth_range(depth)
        near, far = (own_near if near is None else near), (own_far if far is None else far)
    if not near < far:
        raise ValueError(f"near {near} m is not below far {far} m: give a range that holds the scene")
    return near, far


def _valid(depth: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    return (depth > 0) & (depth < np.inf)


def _viridis(share: npt.NDArray[np.floating]) -> Picture:
    """(H, W, 3) colours of values 0 (violet) to 1 (yellow)."""
    index = (np.clip(share, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(index, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
