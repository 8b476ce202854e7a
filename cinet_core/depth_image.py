"""Depth as the 16-bit images of the data sets have it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["depth_millimetres"]

MAX_MILLIMETRES = 65534
"""65535 means "unknown" to some readers of depth images."""


def depth_millimetres(depth: npt.NDArray[np.floating]) -> npt.NDArray[np.uint16]:
    """(H, W) metres as uint16 millimetres; 0 where the depth is invalid or beyond 65.534 m.

    >>> depth_millimetres(np.array([[1.2345, np.nan]])).tolist()
    [[1234, 0]]
    """
    millimetres = np.rint(depth.astype(np.float64) * 1000.0)
    valid = (millimetres >= 1) & (millimetres <= MAX_MILLIMETRES)  # comparisons with NaN are False
    return np.where(valid, millimetres, 0).astype(np.uint16)
