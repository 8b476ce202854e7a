"""Two views of one image give one depth: what a zoom, a shift, a roll or a blur changes in the prediction, pooled."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cinet_core.losses.masks import full_precision
from cinet_core.losses.reduction import LossTerm

__all__ = ["POOLS", "view_consistency"]

POOLS = ((1, 1.0), (4, 0.5), (8, 0.25))
"""Cells along each side of the image that the difference is averaged over, and the weight of each: what steps from view
to view is the scale of the whole, then a smooth field, and hardly its detail."""
# Of a cell that counts.
LEAST_COVERED = 0.5


def view_consistency(prediction: Tensor, teacher: Tensor, visible: Tensor) -> LossTerm:
    """``|mean(prediction - teacher)|`` over cells of several sizes, weighed and summed.

    Both are ln of *metric* depth, in the pixels of the same view; the teacher gets no gradient.

    Args:
        prediction: (B, H, W) ln metres.
        teacher: (B, H, W) ln metres, of another view of the same image, warped to this one.
        visible: (B, H, W) bool: pixels that both views show.

    Returns:
        The sum over images of the weighted means over cells, and the number of images that have a cell.

    Raises:
        ValueError: the shapes differ.
    """
    if not prediction.shape == teacher.shape == visible.shape or prediction.dim() != 3:
        raise ValueError(
            f"prediction {tuple(prediction.shape)}, teacher {tuple(teacher.shape)} and visible {tuple(visible.shape)} "
            "must all be (B, H, W)"
        )
    difference = full_precision(prediction) - full_precision(teacher.detach())
    difference = torch.where(visible, difference, 0.0)[:, None]
    weight = visible.to(difference)[:, None]
    total = difference.sum() * 0.0
    seen = visible.flatten(1).any(dim=1)
    for cells, share in POOLS:
        covered = F.adaptive_avg_pool2d(weight, cells)
        means = F.adaptive_avg_pool2d(difference, cells) / covered.clamp(min=1e-6)
        counts = (covered >= LEAST_COVERED).to(means)
        of_images = (means.abs() * counts).flatten(1).sum(dim=1) / counts.flatten(1).sum(dim=1).clamp(min=1)
        total = total + share * of_images.sum()
    return LossTerm(total, seen.sum())
