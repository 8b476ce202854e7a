"""Segmentation loss (paper, Eq. 12): cross entropy in which frequent classes weigh less."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cinet_core.losses.masks import full_precision, valid_labels
from cinet_core.losses.recipe import ClassWeighting
from cinet_core.losses.reduction import LossTerm

__all__ = ["class_weights", "segmentation_loss"]

# Of ENet (Paszke 2016, 5.2), whose weights reach 50; the limit keeps a class of a few pixels from leading.
INVERSE_LOG_OFFSET = 1.02
INVERSE_LOG_LIMIT = 5.0
_VOID = -100


def class_weights(pixel_counts: Tensor, kind: ClassWeighting = "linear", power: float = 1.0) -> Tensor:
    """omega_c of Eq. 12, from p_c = N_c / N_total.

    >>> class_weights(torch.tensor([60, 30, 10])).tolist()
    [0.4000000059604645, 0.699999988079071, 0.8999999761581421]

    Args:
        pixel_counts: (C,) N_c, non-void training pixels of each class; N_total is their sum.
        kind: "linear" is the paper's 1 - p_c, which with 40 classes hardly weighs. "inverse_log" is ENet's
            1 / ln(1.02 + p_c), divided by its mean over all pixels and at most 5: a class of 1 % of the pixels weighs
            about ten times as much as one of 40 %.
        power: of the weights before they are divided by their mean; 1 leaves them, 0 weighs all alike. What a network
            learns to answer goes with weight times frequency, so that rare classes are found, and are also found where
            they are not; 0.5 takes half of that back (in logarithms).

    Returns:
        (C,) float32. A class that does not occur has the largest weight, and where nothing was counted all weigh 1.

    Raises:
        ValueError: a count is negative or not finite, or the power is not from 0 to 1.
    """
    if not 0 <= power <= 1:
        raise ValueError(f"the power of class weights is {power}: it must be from 0 to 1")
    counts = pixel_counts.double()
    if not (torch.isfinite(counts) & (counts >= 0)).all():
        raise ValueError(f"pixel counts must be finite and not negative, got {pixel_counts.tolist()}")
    if counts.sum() == 0:
        return torch.ones(len(counts))
    shares = counts / counts.sum()
    if kind == "linear":
        return (1 - shares).pow(power).float()
    weights = (INVERSE_LOG_OFFSET + shares).log().pow(-power)
    return (weights / (weights * shares).sum()).clamp(max=INVERSE_LOG_LIMIT).float()


def segmentation_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> LossTerm:
    """Eq. 12: -omega_c log p(c) of the true class c, summed over the valid pixels.

    The count is that of the pixels, not the sum of their weights by which PyTorch's weighted mean divides.

    >>> logits = torch.zeros(1, 2, 1, 2)  # two classes, equally likely
    >>> loss = segmentation_loss(logits, torch.tensor([[[0, 255]]]), torch.ones(2))
    >>> round(loss.sum.item(), 4), loss.count.item()
    (0.6931, 1)

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
