"""The transfer function of sRGB (IEC 61966-2-1), between linear light and display values, and its luminance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["LUMA", "decoded", "encoded"]

LUMA = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
"""Weights of linear red, green and blue in luminance (ITU-R BT.709)."""


def encoded(linear: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Display values of linear light, both from 0 to 1, of any shape."""
    low = linear * 12.92
    return np.where(linear <= 0.0031308, low, 1.055 * np.maximum(linear, 1e-8) ** (1 / 2.4) - 0.055).astype(np.float32)


def decoded(display: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Linear light of display values, both from 0 to 1, of any shape: the inverse of `encoded`."""
    low, high = display / 12.92, ((display + 0.055) / 1.055) ** 2.4
    return np.where(display <= 0.04045, low, high).astype(np.float32)
