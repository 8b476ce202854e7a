"""Which of several depths explains best what other views show: the image carried by it should look like theirs.

A depth of the wrong scale carries pixels to wrong places as soon as the camera moves. Unlike the agreement of depths,
which a network that errs steadily passes, this asks the images. Brightness that changes from view to view is taken out
by local means, and what is hidden, shines or moves is limited in its weight.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics
from cinet_core.temporal.carrying import carry

__all__ = ["appearance_errors", "textured"]

Float = npt.NDArray[np.float32]

AROUND = 21
"""Pixels of an image 320 wide over which the mean is taken out."""

LIMIT = 30.0
"""Grey values beyond which a difference counts no more."""

LEAST_SEEN = 0.03
"""Part of the image that another view must see."""


def textured(grey: npt.NDArray[np.uint8]) -> Float:
    """(H, W) grey values, 0 to 255, slightly smoothed and less their local mean."""
    side = max(3, round(AROUND * grey.shape[1] / 320) | 1)
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), grey.shape[1] / 320)
    return smooth - cv2.blur(smooth, (side, side))


def appearance_errors(
    depths: Sequence[Float],
    image: Float,
    camera: Intrinsics,
    others: Sequence[tuple[Float, npt.NDArray[np.float64]]],
) -> npt.NDArray[np.float64]:
    """Mean difference of grey values between a view and others, by each of several depths.

    All depths are judged by the same pixels: those that each of them carries into the other view.

    Args:
        depths: (H, W) metres each, NaN where unknown.
        image: of the view, see `textured`.
        camera: of all views.
        others: image of another view, of the same size, and the motion (4, 4) from its camera to this one's.

    Returns:
        (N,) of each depth; NaN where no other view sees enough.
    """
    total, count = np.zeros(len(depths)), 0
    for other, motion in others:
        if other.shape != image.shape:
            continue
        found = [carry(depth, np.ones_like(depth), camera, motion) for depth in depths]
        seen = np.logical_and.reduce([one.known for one in found])
        if seen.mean() < LEAST_SEEN:
            continue
        for place, one in enumerate(found):
            total[place] += np.minimum(np.abs(one.bilinear(other) - image)[seen], LIMIT).mean()
        count += 1
    return total / count if count else np.full(len(depths), np.nan)
