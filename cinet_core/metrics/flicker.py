"""Flicker of predicted depth: how far it changes when the image changes in a way that depth does not."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics
from cinet_core.metrics.smooth_field import DEVIATION, SmoothErrorMetrics

__all__ = ["IMAGE_CHANGES", "MARGIN", "FlickerMetrics", "ImageChange", "ScaleSteps"]

MARGIN = 24
"""Pixels at each border of the image that are not compared: what enters there, the change made up."""


@dataclass(frozen=True)
class ImageChange:
    """A change of an image after which every point has the depth that it had.

    Shifting an image moves the principal point, and rolling it turns the camera about its axis: neither changes z. What
    enters at the borders repeats the pixel there.

    >>> ImageChange(shift=4).name, ImageChange(roll=1.0).name, ImageChange(blur=9).name
    ('shift of 4 px', 'roll of 1 degree', 'blur of 9 px')

    Attributes:
        shift: pixels to the right.
        roll: degrees, clockwise in the image, about the principal point.
        blur: pixels over which a motion along the rows is smeared; odd, and 1 for none.
    """

    shift: int = 0
    roll: float = 0.0
    blur: int = 1

    def __post_init__(self) -> None:
        """Refuse what no pixel of the interior would survive, or would move.

        Raises:
            ValueError: a shift beyond the margin, or an even blur.
        """
        if abs(self.shift) > MARGIN:
            raise ValueError(f"shift is {self.shift}: it may be up to the margin, {MARGIN} pixels")
        if self.blur < 1 or self.blur % 2 == 0:
            raise ValueError(f"blur is {self.blur}: it must be odd, so that the middle stays where it is")

    @property
    def name(self) -> str:
        """What it is called in tables."""
        parts = [f"shift of {self.shift} px"] if self.shift else []
        parts += [f"roll of {self.roll:g} degree{'s' * (self.roll != 1)}"] if self.roll else []
        parts += [f"blur of {self.blur} px"] if self.blur > 1 else []
        return ", ".join(parts) or "no change"

    def apply(self, image: npt.NDArray[np.uint8], camera: Intrinsics | None = None) -> npt.NDArray[np.uint8]:
        """The changed image.

        Args:
            image: (H, W, 3) uint8.
            camera: of the image, whose principal point a roll is about; None: the middle of the image.
        """
        changed = image
        if self.blur > 1:
            changed = cv2.blur(changed, (self.blur, 1), borderType=cv2.BORDER_REPLICATE)
        if self.shift or self.roll:
            height, width = image.shape[:2]
            matrix = self._matrix(image.shape[:2], camera)
            changed = cv2.warpAffine(
                changed, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
        return np.asarray(changed, dtype=np.uint8)

    def back(self, values: npt.NDArray[np.floating], camera: Intrinsics | None = None) -> npt.NDArray[np.float64]:
        """Values (H, W) of the changed image at the places of the original's pixels, bilinearly; float64.

        Where the change moved a pixel out of the image it is NaN.
        """
        field = np.asarray(values, dtype=np.float64)
        if not self.shift and not self.roll:
            return field
        height, width = field.shape
        u, v = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
        (a, b, c), (d, e, f) = self._matrix(field.shape, camera)
        x, y = a * u + b * v + c, d * u + e * v + f
        inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        x, y = np.where(inside, x, 0.0), np.where(inside, y, 0.0)
        left, top = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
        x, y = x - left, y - top
        upper = (1 - x) * field[top, left] + x * field[top, left + 1]
        lower = (1 - x) * field[top + 1, left] + x * field[top + 1, left + 1]
        return np.where(inside, (1 - y) * upper + y * lower, np.nan)

    def _matrix(self, size: tuple[int, ...], camera: Intrinsics | None) -> npt.NDArray[np.float64]:
        """(2, 3): where a pixel of the original is in the changed image."""
        cx, cy = (camera.cx, camera.cy) if camera is not None else ((size[1] - 1) / 2, (size[0] - 1) / 2)
        angle = math.radians(self.roll)
        cosine, sine = math.cos(angle), math.sin(angle)
        return np.array(
            [
                [cosine, -sine, cx - cosine * cx + sine * cy + self.shift],
                [sine, cosine, cy - sine * cx - cosine * cy],
            ]
        )


IMAGE_CHANGES = (
    ImageChange(shift=1),
    ImageChange(shift=4),
    ImageChange(shift=16),
    ImageChange(roll=1.0),
    ImageChange(blur=9),
)
"""What flicker is measured with, in pixels of the image."""


class FlickerMetrics:
    """Flicker under one change of the image, over frames.

    With p the depth predicted for an image, and q that for the changed image taken back to the places of the original,
    e = ln(q / p) in the interior. The change of the frame's scale is the mean of e; the smooth field is
    `smooth_field` of e without that mean.

    Args:
        deviation: see `smooth_field`.
        margin: pixels at each border that are not compared.
    """

    def __init__(self, deviation: float = DEVIATION, margin: int = MARGIN) -> None:
        self._parts, self._margin = SmoothErrorMetrics(deviation), margin
        self._frames: list[tuple[float, float, float]] = []

    def update(self, before: npt.NDArray[np.floating], after: npt.NDArray[np.floating]) -> None:
        """Add a frame.

        Args:
            before: (H, W) metres above 0, predicted for the image.
            after: (H, W) metres above 0, for the changed one, at the places of the original; NaN where it has none.

        Raises:
            ValueError: the shapes differ, or no interior is left within the margin.
        """
        margin = self._margin
        if before.shape != after.shape or min(before.shape) <= 2 * margin:
            raise ValueError(
                f"depths of {before.shape} and {after.shape}: both must be of one size, above {2 * margin} pixels"
            )
        inside = (slice(margin, before.shape[0] - margin), slice(margin, before.shape[1] - margin))
        error = np.log(after[inside].astype(np.float64)) - np.log(before[inside].astype(np.float64))
        self._frames.append(self._parts.parts(error, np.isfinite(error)))

    @property
    def frames(self) -> int:
        """How many were added."""
        return len(self._frames)

    def compute(self) -> dict[str, float]:
        """The metrics, all of ln depth: 0.01 is 1 %; NaN without a frame.

        Returns:
            `scale_deviation`, the standard deviation over the frames of the change of scale; `scale_mean`, its mean,
            above 0 where the change makes everything farther; `smooth_field` and `rough_field`, root mean squares.
        """
        if not self._frames:
            return dict.fromkeys(("scale_deviation", "scale_mean", "smooth_field", "rough_field"), math.nan)
        means, smooth, rough = np.array(self._frames).T
        return {
            "scale_deviation": float(means.std()),
            "scale_mean": float(means.mean()),
            "smooth_field": math.sqrt(float(smooth.mean())),
            "rough_field": math.sqrt(float(rough.mean())),
        }


class ScaleSteps:
    """How far the median depth moves from frame to frame of a sequence, as predicted and in truth."""

    def __init__(self) -> None:
        self._last: tuple[str, int, float, float] | None = None
        self._steps: list[tuple[float, float]] = []

    def update(
        self, number: int, prediction: npt.NDArray[np.floating], truth: npt.NDArray[np.floating], recording: str = ""
    ) -> None:
        """Add a frame: (H, W) metres each; the truth is 0 where unknown, and only the pixels that it knows count.

        Args:
            number: of the frame; two frames of a recording make a step where it rises by 1.
            prediction, truth: the depths.
            recording: that the frame is of.
        """
        known = truth > 0
        if not known.any():
            self._last = None
            return
        predicted, true = (math.log(float(np.median(depth[known]))) for depth in (prediction, truth))
        if self._last is not None and (recording, number) == (self._last[0], self._last[1] + 1):
            self._steps.append((predicted - self._last[2], true - self._last[3]))
        self._last = (recording, number, predicted, true)

    @property
    def steps(self) -> int:
        """How many there are."""
        return len(self._steps)

    def compute(self) -> dict[str, float]:
        """Root mean squares of ln ratios from frame to frame; NaN without a step.

        Returns:
            `predicted_step`, of the predicted median; `true_step`, of the true one; `scale_step`, of their ratio.
        """
        if not self._steps:
            return dict.fromkeys(("predicted_step", "true_step", "scale_step"), math.nan)
        predicted, true = np.array(self._steps).T
        return {
            name: math.sqrt(float((values**2).mean()))
            for name, values in (
                ("predicted_step", predicted),
                ("true_step", true),
                ("scale_step", predicted - true),
            )
        }
