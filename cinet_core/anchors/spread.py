"""How far corrected depth may still be off: what a network says of its own errors, less what anchors have put right.

A network that publishes an uncertainty u (standard deviation of ln depth) says two things with it: how far the image
as a whole may be off, which is the least u that it has anywhere in it, u0, and where depth is worse than that: edges,
clutter, what it does not know, ``l^2 = u^2 - u0^2``. Anchors narrow both. With r the part of the smooth correction's
variance that is left,

    s^2 = f u0^2 + (k + (1 - k) f) l^2,    f = min(1, r + 5 r^2).

The second term of f is for what is inferred over some distance, which errors of real networks follow less than the
process by which the correction is estimated; k is what is finer than any smooth correction. Without anchors s is u.
Both numbers are those with which the parts of errors within s and 2 s are nearest to .68 and .95 on rendered rooms
that the network was not trained on and in the kitchen, over dense and sparse points, one half of the image, and a scan.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["corrected_sigma"]

COMMON = 10.0
"""Percentile of a network's uncertainty in an image that counts as what it says of the image as a whole."""

FINE = 0.03
"""k: part of the variance of a network's local errors that stays however well the smooth correction is known."""

FAR = 5.0
"""By how much what is inferred over some distance is less sure than the smooth correction's own variance says."""

FLOOR = 0.01
"""Standard deviation of ln depth below which no pixel is known."""

STRIDE = 8
"""Each so-manieth row and column of the image is looked at for the percentile."""


def corrected_sigma(
    narrowed: npt.NDArray[np.floating], uncertainty: npt.NDArray[np.floating]
) -> npt.NDArray[np.float32]:
    """Standard deviation (H, W) of ln depth after correction.

    Args:
        narrowed: (H, W) variance of the smooth correction, as a part of what it was before anything was measured.
        uncertainty: (H, W) standard deviation of ln depth by the network; NaN where depth is invalid.

    Returns:
        It is never above the network's own; NaN where that is.
    """
    own = np.square(uncertainty, dtype=np.float32)
    sampled = own[::STRIDE, ::STRIDE]
    sampled = sampled[np.isfinite(sampled)]
    common = np.float32(np.percentile(sampled, COMMON) if sampled.size else 0.0)
    part = np.clip(narrowed, 0.0, 1.0).astype(np.float32, copy=False)
    part = np.minimum(part + np.float32(FAR) * part * part, np.float32(1.0))
    local = np.maximum(own - common, 0.0)
    variance = part * np.minimum(own, common) + (np.float32(FINE) + np.float32(1.0 - FINE) * part) * local
    return np.sqrt(np.minimum(variance + np.float32(FLOOR**2), np.maximum(own, np.float32(FLOOR**2))))
