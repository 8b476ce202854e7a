"""Does the prediction cover the range of the truth? The slope of ln predicted on ln true depth, and their spread."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cinet_core.metrics.summed import SummedMetric

__all__ = ["DepthSlope", "slope_sums"]


class DepthSlope(SummedMetric):
    """Regression of ln predicted on ln true depth over all pixels of a set.

    A network that guesses the same for everything is perfectly steady: its slope is 0. One whose range is compressed,
    too far where it is near and too near where it is far, has a slope below 1.

    Attributes:
        sums: pixels, and of x = ln true and y = ln predicted the sums of x, y, x^2, x y, y^2.
    """

    def __init__(self) -> None:
        self.sums = torch.zeros(6, dtype=torch.float64)

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        """Add images.

        Args:
            prediction: (B, H, W) metric depth, metres, > 0.
            truth: (B, H, W) metres; pixels at 0, NaN or inf are passed over.

        Raises:
            ValueError: the shapes differ.
        """
        self.sums += slope_sums(prediction, truth).cpu()

    def compute(self) -> dict[str, float]:
        """`depth_slope`, and `log_depth_sd` and `true_log_depth_sd`, standard deviations of ln depth.

        NaN where nothing was seen.
        """
        count, x, y, xx, xy, yy = self.sums.tolist()
        if not count:
            return dict.fromkeys(("depth_slope", "log_depth_sd", "true_log_depth_sd"), math.nan)
        spread, of_both, of_predicted = xx - x * x / count, xy - x * y / count, yy - y * y / count
        return {
            "depth_slope": of_both / spread if spread > 0 else math.nan,
            "log_depth_sd": math.sqrt(max(of_predicted, 0.0) / count),
            "true_log_depth_sd": math.sqrt(max(spread, 0.0) / count),
        }


def slope_sums(prediction: Tensor, truth: Tensor) -> Tensor:
    """What `DepthSlope.update` adds, (6,) float64, where the images are: nothing waits for a GPU.

    Raises:
        ValueError: the shapes differ.
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction {tuple(prediction.shape)} and truth {tuple(truth.shape)} must agree in shape")
    prediction, truth = prediction.detach(), truth.detach()
    valid = torch.isfinite(truth) & (truth > 0) & torch.isfinite(prediction) & (prediction > 0)
    x, y = (torch.where(valid, values, 1.0).log() for values in (truth, prediction))
    terms = (valid, x, y, x.square(), x * y, y.square())
    return torch.stack([term.sum(dtype=torch.float64) for term in terms])
