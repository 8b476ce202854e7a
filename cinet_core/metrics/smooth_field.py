"""The smooth part of an error over the image: what a surface as a whole is off by, or how a wall waves."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["DEVIATION", "SmoothErrorMetrics", "smooth_field"]

DEVIATION = 60.0
"""Pixels: standard deviation of the Gaussian. Waves of 320 pixels pass at half of their amplitude."""

_REACH = 3.0
"""Standard deviations to which the Gaussian is computed."""


def smooth_field(
    values: npt.NDArray[np.floating], known: npt.NDArray[np.bool_], deviation: float = DEVIATION
) -> npt.NDArray[np.float64]:
    """The part of a field that is smooth: its mean around each pixel, weighted by a Gaussian, over what is known of it.

    With G the Gaussian and m the mask (normalised convolution; Knutsson and Westin, 1993)::

        smooth = (G * (m f)) / (G * m)

    A wave of wavelength L passes at exp(-2 pi^2 deviation^2 / L^2) of its amplitude.

    Args:
        values: (H, W); what is not known may be anything.
        known: (H, W), where it is known.
        deviation: of the Gaussian, pixels, above 0.

    Returns:
        (H, W) float64, to about 1e-6 of the largest value; NaN where it is not known.

    Raises:
        ValueError: the shapes differ, or the deviation is not above 0.
    """
    if values.shape != known.shape or values.ndim != 2:
        raise ValueError(f"values {values.shape} and mask {known.shape} must both be (H, W)")
    if not 0 < deviation < math.inf:
        raise ValueError(f"deviation is {deviation}: it must be above 0 pixels, for example {DEVIATION:g}")
    side = 2 * math.ceil(_REACH * deviation) + 1
    fields = np.where(known, values, 0.0).astype(np.float32), known.astype(np.float32)
    total, weight = (
        # float32, which takes a third of the time; beyond the border nothing is known
        cv2.GaussianBlur(field, (side, side), deviation, borderType=cv2.BORDER_CONSTANT).astype(np.float64)
        for field in fields
    )
    return np.where(known, total / np.where(known, weight, 1.0), np.nan)


class SmoothErrorMetrics:
    """The smooth error of predicted depth, as a mean over frames.

    In a frame with truth z and prediction p, e = ln(p / z), the frame's scale is the mean of e, its smooth error the
    root of the mean square of `smooth_field` of e without that mean, and its rough error that of what is left. Over
    frames the squares are averaged.

    Args:
        deviation: see `smooth_field`.
    """

    def __init__(self, deviation: float = DEVIATION) -> None:
        self._deviation = deviation
        self._squares: list[tuple[float, float]] = []

    def update(self, prediction: npt.NDArray[np.floating], truth: npt.NDArray[np.floating]) -> None:
        """Add a frame: (H, W) metres each; the truth is 0, NaN or infinite where unknown."""
        known = np.isfinite(truth) & (truth > 0) & np.isfinite(prediction) & (prediction > 0)
        if known.any():
            ratio = np.where(known, prediction, 1.0).astype(np.float64) / np.where(known, truth, 1.0)
            self._squares.append(self.parts(np.log(ratio), known)[1:])

    def parts(self, error: npt.NDArray[np.floating], known: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
        """Mean of an error (H, W), and mean squares of its smooth and of its rough part, over what is known."""
        mean = float(error[known].mean())
        smooth = smooth_field(error - mean, known, self._deviation)[known]
        rough = error[known] - mean - smooth
        return mean, float((smooth**2).mean()), float((rough**2).mean())

    def compute(self) -> dict[str, float]:
        """`smooth_error` and `rough_error`, of ln depth; NaN without a frame."""
        if not self._squares:
            return {"smooth_error": math.nan, "rough_error": math.nan}
        smooth, rough = np.sqrt(np.mean(self._squares, axis=0)).tolist()
        return {"smooth_error": smooth, "rough_error": rough}
