"""Multi-scale gradients of log depth (MegaDepth, Li 2018, Eq. 5): steps in their place, and flat what is flat."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cinet_core.losses.depth import log_depth
from cinet_core.losses.masks import valid_depth
from cinet_core.losses.reduction import LossTerm

__all__ = ["SCALES", "gradient_loss"]

SCALES = 4
"""Each half as fine as the one before: the coarsest compares pixels that are 8 apart."""


def gradient_loss(prediction: Tensor, target: Tensor, scales: int = SCALES, trust: Tensor | None = None) -> LossTerm:
    """``|dx e| + |dy e|`` of e = ln prediction - ln target, at several scales, summed over pairs of valid pixels.

    A constant factor costs nothing; an edge in the wrong place, a smeared one and a wave on a wall do. Each scale is
    the mean of 2 x 2 valid errors of the one before.

    >>> truth = torch.full((1, 8, 8), 2.0)
    >>> round(gradient_loss(3 * truth, truth).sum.item(), 6)
    0.0

    Args:
        prediction: (B, H, W) predicted depth, > 0.
        target: (B, H, W) true depth; pixels at 0, NaN or inf are left out.
        scales: how many, at least 1.
        trust: (B, H, W) 0 to 1, halved like the error: a pair's loss is multiplied by that of both; None: 1.

    Returns:
        The sum over all scales, and the number of pairs.

    Raises:
        ValueError: the shapes are not these.
    """
    if prediction.shape != target.shape or prediction.dim() != 3:
        raise ValueError(
            f"prediction {tuple(prediction.shape)} and target {tuple(target.shape)} must both be (B, H, W)"
        )
    valid = valid_depth(target)
    error = torch.where(valid, log_depth(prediction) - log_depth(target), 0.0)[:, None]
    weight = valid.to(error)[:, None]
    trusted = None if trust is None else torch.where(valid, trust, 0.0)[:, None]
    total, count = error.sum() * 0.0, weight.sum() * 0.0
    for scale in range(scales):
        if scale and min(error.shape[-2:]) < 2:
            break
        if scale:
            known = F.avg_pool2d(weight, 2)
            error = F.avg_pool2d(error * weight, 2) / known.clamp(min=1e-6)
            trusted = None if trusted is None else F.avg_pool2d(trusted * weight, 2) / known.clamp(min=1e-6)
            weight = (known > 0).to(error)
        for dim in (-1, -2):
            length = error.shape[dim] - 1
            pairs = weight.narrow(dim, 0, length) * weight.narrow(dim, 1, length)
            steps = error.narrow(dim, 1, length) - error.narrow(dim, 0, length)
            losses = steps.abs() * pairs
            if trusted is not None:
                losses = losses * trusted.narrow(dim, 0, length) * trusted.narrow(dim, 1, length)
            total = total + losses.sum()
            count = count + pairs.sum()
    return LossTerm(total, count.long())
