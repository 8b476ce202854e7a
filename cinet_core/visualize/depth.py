"""Depth as an image: viridis, near bright and far dark, with a scale in metres."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cinet_core.visualize.scale import INVALID_COLOR, color_map, scale_bar
from cinet_core.visualize.text import RgbImage

__all__ = ["ENOUGH", "INVALID_COLOR", "colorize_depth", "depth_range", "depth_scale_bar"]

ENOUGH = 20_000
"""Pixels, evenly taken, to find percentiles from: sorting them all takes longer and changes nothing to be seen."""


def depth_range(depth: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Metres that a depth image spans unless told otherwise: the 1st and 99th percentile, at least 10 cm apart.

    (0, 1) where no depth is valid.
    """
    valid = depth[_valid(depth)]
    valid = valid[:: max(1, valid.size // ENOUGH)]
    if valid.size == 0:
        return 0.0, 1.0
    near, far = (float(value) for value in np.percentile(valid, (1, 99)))
    return near, max(far, near + 0.1)


def colorize_depth(depth: npt.NDArray[np.floating], near: float | None = None, far: float | None = None) -> RgbImage:
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
    image = color_map(nearness)
    image[~valid] = INVALID_COLOR
    return image


def depth_scale_bar(near: float, far: float, height: int) -> RgbImage:
    """The scale to put beside a depth image: (height, 64, 3), near below, with ticks at round metres.

    Raises:
        ValueError: near is not below far, or the height leaves no room for the bar.
    """
    if not near < far:
        raise ValueError(f"near {near} m is not below far {far} m")
    return scale_bar(far, near, height, "m")


def _limits(depth: npt.NDArray[np.floating], near: float | None, far: float | None) -> tuple[float, float]:
    if near is None or far is None:
        own_near, own_far = depth_range(depth)
        near, far = (own_near if near is None else near), (own_far if far is None else far)
    if not near < far:
        raise ValueError(f"near {near} m is not below far {far} m: give a range that holds the scene")
    return near, far


def _valid(depth: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    return (depth > 0) & (depth < np.inf)
