"""Metrics of the uncertainty of depth: is it as wrong as it says?"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cinet_core.metrics.summed import SummedMetric

__all__ = ["UncertaintyMetrics", "laplace_nll"]


def laplace_nll(error: Tensor, scale: Tensor) -> Tensor:
    """-ln of the Laplace density, ``|error| / b + ln 2b``: any shape, in nats.

    >>> round(laplace_nll(torch.tensor(0.1), torch.tensor(0.1)).item(), 4)  # b is best where it is the error's size
    -0.6094
    """
    return error.abs() / scale + (2 * scale).log()


class UncertaintyMetrics(SummedMetric):
    """Errors of ln depth against the standard deviation that was predicted for them, over all pixels of a set.

    Attributes:
        sums: negative log-likelihood, pixels within one and within two standard deviations, pixels.
    """

    def __init__(self) -> None:
        self.sums = torch.zeros(4, dtype=torch.float64)

    def update(self, prediction: Tensor, truth: Tensor, scale: Tensor) -> None:
        """Add images.

        Args:
            prediction: (B, H, W) depth, any unit, > 0; pixels where it is not finite are passed over.
            truth: (B, H, W) in the same unit; pixels at 0, NaN or inf are passed over.
            scale: (B, H, W) b of ln depth, > 0.

        Raises:
            ValueError: the shapes differ.
        """
        if not prediction.shape == truth.shape == scale.shape:
            raise ValueError(
                f"prediction {tuple(prediction.shape)}, truth {tuple(truth.shape)} and scale {tuple(scale.shape)} must "
                "agree in shape"
            )
        valid = torch.isfinite(truth) & (truth > 0) & torch.isfinite(prediction) & (prediction > 0)
        error = (prediction[valid].double().log() - truth[valid].double().log()).detach().cpu()
        b = scale[valid].detach().cpu().double()
        sigmas = error.abs() / (math.sqrt(2) * b)
        self.sums += torch.stack(
            [laplace_nll(error, b).sum(), (sigmas <= 1).sum(), (sigmas <= 2).sum(), torch.tensor(error.numel())]
        ).double()

    @property
    def is_empty(self) -> bool:
        """No pixel was seen."""
        return not bool(self.sums[-1])

    def compute(self) -> dict[str, float]:
        """`depth_nll` in nats, and `within_1_sigma` and `within_2_sigma` in 0..1: .757 and .941 are right.

        NaN where nothing was seen.
        """
        values = (self.sums[:3] / self.sums[-1]).tolist() if not self.is_empty else [math.nan] * 3
        return dict(zip(("depth_nll", "within_1_sigma", "within_2_sigma"), values, strict=True))
