"""Segmentation loss (paper, Eq. 12): cross entropy in which frequent classes weigh less."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cinet_core.losses.masks import full_precision, valid_labels
from cinet_core.losses.reduction import LossTerm

_VOID = -100


def class_weights(pixel_counts: Tensor) -> Tensor:
    """omega_c = (N_total - N_c) / N_total of Eq. 12.

    Args:
        pixel_counts: (C,) N_c, non-void training pixels of each class; N_total is their sum.

    Returns:
        (C,) float32 in 0..1. A class that does not occur weighs 1, and so do all of them where nothing was counted.

    Raises:
        ValueError: a count is negative or not finite.
    """
    counts = pixel_counts.double()
    if not (torch.isfinite(counts) & (counts >= 0)).all():
        raise ValueError(f"pixel counts must be finite and not negative, got {pixel_counts.tolist()}")
    return (1 - counts / counts.sum().clamp(min=1)).float()


def segmentation_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> LossTerm:
    """Eq. 12: -omega_c log p(c) of the true class c, summed over the valid pixels.

    The count is that of the pixels, not the sum of their weights by which PyTorch's weighted mean divides.

    Args:
        logits: (B, C, H, W).
        labels: (B, H, W) integer class ids; ids outside 0..C-1 are void and left out.
        weights: (C,) omega, from `class_weights`.

    Returns:
        The sum in nats, and the number of valid pixels.

    Raises:
        ValueError: labels or weights do not fit the logits.
    """
    if logits.shape[2:] != labels.shape[1:] or len(logits) != len(labels) or weights.shape != logits.shape[1:2]:
        raise ValueError(
            f"logits {tuple(logits.shape)}, labels {tuple(labels.shape)} and weights {tuple(weights.shape)} must be "
            "(B, C, H, W), (B, H, W) and (C,)"
        )
    logits = full_precision(logits)
    valid = valid_labels(labels, logits.shape[1])
    targets = torch.where(valid, labels.long(), _VOID)
    weights = weights.to(logits)
    return LossTerm(F.cross_entropy(logits, targets, weights, ignore_index=_VOID, reduction="sum"), valid.sum())
