"""Consistency loss (paper, Eq. 7): depth and semantic features change by the same amount across class borders."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from cinet_core.losses.masks import full_precision, valid_labels
from cinet_core.losses.reduction import LossTerm
from cinet_core.model.scene_understanding import ideal_attention_labels

# Eq. 7 compares every position with 8 others, at +-1 and +-2 along x and y. D and psi are symmetric, so these four
# (rows, columns) see every pair once.
OFFSETS = ((0, 1), (0, 2), (1, 0), (2, 0))
# How far sigma^2 may move from C. Without bounds sigma -> infinity makes both D equal 1, which solves the loss.
VARIANCE_RANGE = 16.0


class FeatureVariance(nn.Module):
    """The learned sigma^2 of the Mahalanobis distance in Eq. 7, one for each task.

    It starts at the channel count C and stays within [C / 16, 16 C]: at sigma = 1 the distance of two random feature
    vectors, about 2 C, gives D = exp(-C), which is 0 in float32 together with its gradient. Train `log_sigma` without
    weight decay, and freeze it in stages without the consistency loss.

    Args:
        channels: C, channels of the features that are compared.

    Attributes:
        log_sigma: (2,) parameter: ln sigma for the depth and for the semantic features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"channels is {channels}: it must be at least 1")
        self.channels = channels
        self.log_sigma = nn.Parameter(torch.full((2,), 0.5 * math.log(channels)))

    def forward(self) -> Tensor:
        """sigma^2, (2,): depth, semantic."""
        centre, reach = 0.5 * math.log(self.channels), 0.5 * math.log(VARIANCE_RANGE)
        # The parameter itself is put back, not only the value that is used: a clamp in the graph would leave one that
        # stepped over the edge outside for ever, since its gradient is 0 there.
        with torch.no_grad():
            self.log_sigma.clamp_(centre - reach, centre + reach)
        return (2 * self.log_sigma).exp()


def consistency_loss(
    depth_features: Tensor, semantic_features: Tensor, labels: Tensor, variances: Tensor, num_classes: int
) -> LossTerm:
    """Eq. 7: the sum of ``|D(depth) - D(semantic)|`` over neighbouring positions whose labels differ (psi = 1).

    D(f_i, l) = exp(-1/2 ||f_i - f_i(l)||^2 / sigma^2), in (0, 1], for offsets l of 1 and 2 along x and y. Only those
    pairs are ever gathered: they lie along class borders, a few per cent of all.

    Args:
        depth_features, semantic_features: (B, C, h, w), what the heads read; both receive gradients.
        labels: (B, H, W) integer class ids at any size, brought to h x w by nearest-exact; ids outside
            0..num_classes-1 are void, and pairs that touch one are left out.
        variances: (2,) sigma^2 of the depth and of the semantic features, from `FeatureVariance`.
        num_classes: number of classes.

    Returns:
        The sum, and the number of pairs with psi = 1.

    Raises:
        ValueError: the features of the two tasks differ in shape.
    """
    if depth_features.shape != semantic_features.shape or depth_features.dim() != 4:
        raise ValueError(
            f"depth_features {tuple(depth_features.shape)} and semantic_features {tuple(semantic_features.shape)} must "
            "both be (B, C, h, w)"
        )
    pairs = _border_pairs(ideal_attention_labels(labels, *depth_features.shape[-2:]), num_classes)
    depth, semantic = (
        _similarity(features, pairs, variance)
        for features, variance in zip((depth_features, semantic_features), full_precision(variances), strict=True)
    )
    return LossTerm((depth - semantic).abs().sum(), torch.tensor(pairs.shape[1], device=labels.device))


def _border_pairs(labels: Tensor, num_classes: int) -> Tensor:
    """Flat indices into (B, h, w) of both ends of every pair with psi = 1: (2, P)."""
    height, width = labels.shape[-2:]
    positions = torch.arange(labels.numel(), device=labels.device).reshape(labels.shape)
    valid = valid_labels(labels, num_classes)
    pairs = []
    for down, right in OFFSETS:
        here = (..., slice(0, max(height - down, 0)), slice(0, max(width - right, 0)))
        there = (..., slice(down, None), slice(right, None))
        differ = (labels[here] != labels[there]) & valid[here] & valid[there]
        pairs.append(torch.stack((positions[here][differ], positions[there][differ])))
    return torch.cat(pairs, dim=1)


def _similarity(features: Tensor, pairs: Tensor, variance: Tensor) -> Tensor:
    """D of Eq. 7: features (B, C, h, w), flat indices (2, P) -> (P,)."""
    vectors = features.movedim(1, -1).flatten(0, 2)
    # Indexing with a tensor, unlike index_select, has a deterministic backward pass on CUDA too.
    first, second = full_precision(vectors[pairs])
    return torch.exp(-0.5 * (first - second).square().sum(dim=1) / variance)
