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
# Of logits against labels.
STRIDES = (1, 2, 4, 8)


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


def segmentation_loss(logits: Tensor, labels: Tensor, weights: Tensor, trust: Tensor | None = None) -> LossTerm:
    """Eq. 12: -omega_c log p(c) of the true class c, summed over the valid pixels.

    The count is that of the pixels, not the sum of their weights by which PyTorch's weighted mean divides.

    >>> logits = torch.zeros(1, 2, 1, 2)  # two classes, equally likely
    >>> loss = segmentation_loss(logits, torch.tensor([[[0, 255]]]), torch.ones(2))
    >>> round(loss.sum.item(), 4), loss.count.item()
    (0.6931, 1)

    Logits that are coarser than the labels learn every label that lies within a position of theirs: the shares of the
    classes by area, and not the one class that a resampling picks.

    Args:
        logits: (B, C, H, W), or (B, C, ceil(H/s), ceil(W/s)) for a stride s of 2, 4 or 8.
        labels: (B, H, W) integer class ids; ids outside 0..C-1 are void and left out.
        weights: (C,) omega, from `class_weights`.
        trust: (B, H, W) 0 to 1, that each label's loss is multiplied by; None: 1.

    Returns:
        The sum in nats, and the number of valid pixels.

    Raises:
        ValueError: labels or weights do not fit the logits.
    """
    stride = _stride(logits, labels)
    if stride is None or len(logits) != len(labels) or weights.shape != logits.shape[1:2]:
        raise ValueError(
            f"logits {tuple(logits.shape)}, labels {tuple(labels.shape)} and weights {tuple(weights.shape)} must be "
            "(B, C, H, W), or coarser by 2, 4 or 8, (B, H, W) and (C,)"
        )
    logits = full_precision(logits)
    valid = valid_labels(labels, logits.shape[1])
    targets = torch.where(valid, labels.long(), _VOID)
    weights = weights.to(logits)
    if stride == 1 and trust is not None:
        losses = F.cross_entropy(logits, targets, weights, ignore_index=_VOID, reduction="none")
        return LossTerm((losses * trust).sum(), valid.sum())
    if stride == 1:
        return LossTerm(F.cross_entropy(logits, targets, weights, ignore_index=_VOID, reduction="sum"), valid.sum())
    targets = _folded(targets, stride)
    known = targets != _VOID
    targets = torch.where(known, targets, 0)
    # Linear in the shares: the sum over the labels of a position is what soft targets would give.
    likelihoods = logits.log_softmax(dim=1).gather(1, targets)
    losses = torch.where(known, weights[targets] * likelihoods, 0.0)
    if trust is not None:
        losses = losses * _folded(trust, stride, 0)
    return LossTerm(-losses.sum(), valid.sum())


def _stride(logits: Tensor, labels: Tensor) -> int | None:
    """How much coarser the logits are than the labels; None where they do not fit."""
    for stride in STRIDES:
        if tuple(logits.shape[2:]) == tuple(-(-length // stride) for length in labels.shape[1:]):
            return stride
    return None


def _folded(targets: Tensor, stride: int, missing: int = _VOID) -> Tensor:
    """(B, H, W) -> (B, stride^2, ceil(H/stride), ceil(W/stride)); what lies beyond the end has the value missing."""
    down, right = (-length % stride for length in targets.shape[1:])
    padded = F.pad(targets, (0, right, 0, down), value=missing)
    return F.pixel_unshuffle(padded[:, None], stride)
