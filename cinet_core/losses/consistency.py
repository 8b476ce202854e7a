"""Consistency loss (paper, Eq. 7): depth and semantic features change by the same amount across class borders."""

from __future__ import annotations

import math
from typing import get_args

import torch
from torch import Tensor, nn

from cinet_core.losses.masks import full_precision, valid_labels
from cinet_core.losses.recipe import VarianceStart
from cinet_core.losses.reduction import LossTerm, global_sum
from cinet_core.model.scene_understanding import ideal_attention_labels

__all__ = [
    "GROWTH",
    "MEASURED_BATCHES",
    "SHRINKAGE",
    "FeatureVariance",
    "border_distances",
    "consistency_loss",
    "dissimilarity",
]

# Eq. 7 compares every position with 8 others, at +-1 and +-2 along x and y. D and psi are symmetric, so these four
# (rows, columns) see every pair once.
OFFSETS = ((0, 1), (0, 2), (1, 0), (2, 0))
# How far sigma^2 may shrink and grow from where it starts. Without an upper bound sigma -> infinity makes both D equal
# 1, which solves the loss and teaches nothing.
SHRINKAGE, GROWTH = 16.0, 2.0
# Batches that the start is measured on: class borders of 8 batches are some 100,000 pairs.
MEASURED_BATCHES = 8
# The histogram of squared distances, from 2^-30 to 2^18 in steps of 1/32 octave: the median is right to 1 %.
_FIRST_OCTAVE, _OCTAVES, _STEPS = -30, 48, 32


class FeatureVariance(nn.Module):
    """The learned sigma^2 of the Mahalanobis distance in Eq. 7, one for each task.

    With "median" it starts where D has a slope: at the median of ||f_i - f_i(l)||^2 over the border pairs of the first
    batches that the consistency loss sees, of all processes. Neighbouring features are far more alike than those of two
    random positions, since the decoder upsamples them bilinearly: the channel count C, which is what the distance of
    random unit-variance features suggests, is a hundred times too large, D is .999 everywhere, and the loss is inert
    (spec/method.md, "What measurement showed"). "channels" starts at C all the same, and is the default here as in
    `LossSettings`: alive at the paper's beta = 5 the loss spoils short trainings (docs/training.md).

    From there sigma^2 is learned, and stays within [start / 16, 2 start]. Train `log_sigma` without weight decay, and
    freeze it in stages without the consistency loss.

    Args:
        channels: C, channels of the features that are compared.
        start: where sigma^2 starts.

    Attributes:
        log_sigma: (2,) parameter: ln sigma for the depth and for the semantic features.

    Raises:
        ValueError: an argument is out of range.
    """

    batches: Tensor
    centre: Tensor
    counts: Tensor

    def __init__(self, channels: int, start: VarianceStart = "channels") -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"channels is {channels}: it must be at least 1")
        if start not in get_args(VarianceStart):
            raise ValueError(f"start is {start!r}: choose one of {', '.join(get_args(VarianceStart))}")
        self.log_sigma = nn.Parameter(torch.full((2,), 0.5 * math.log(channels)))
        self.register_buffer("batches", torch.tensor(0 if start == "median" else MEASURED_BATCHES))
        self.register_buffer("centre", self.log_sigma.detach().clone())
        self.register_buffer("counts", torch.zeros(2, _OCTAVES * _STEPS, dtype=torch.int64))
        self._measured = False

    @torch.no_grad()
    def observe(self, distances: Tensor) -> None:
        """Take the squared distances of a training batch into the start, as long as it is being measured.

        Every process must call it at the same time; what they have seen is summed up, so that N processes arrive at
        what one process with the whole batch does.

        Args:
            distances: (2, P) of the depth and of the semantic features, P >= 0.
        """
        # Once it is known on the host, no step waits for the device any more.
        self._measured = self._measured or int(self.batches) >= MEASURED_BATCHES
        if self._measured or not self.training:
            return
        self.batches += 1
        steps = ((distances.clamp(min=1e-30).log2() - _FIRST_OCTAVE) * _STEPS).long().clamp(0, _OCTAVES * _STEPS - 1)
        counts = torch.stack([torch.bincount(row, minlength=_OCTAVES * _STEPS) for row in steps])
        self.counts += global_sum(counts)
        total = self.counts.sum(dim=1, keepdim=True)
        middle = (2 * self.counts.cumsum(dim=1) < total).sum(dim=1)
        median = ((middle + 0.5) / _STEPS + _FIRST_OCTAVE) * math.log(2)
        # No border in sight: as before.
        self.centre.copy_(torch.where(total.squeeze(1) > 0, 0.5 * median, self.centre))
        self.log_sigma.copy_(self.centre)

    def forward(self) -> Tensor:
        """sigma^2, (2,): depth, semantic."""
        # The parameter itself is put back, not only the value that is used: a clamp in the graph would leave one that
        # stepped over the edge outside for ever, since its gradient is 0 there.
        with torch.no_grad():
            lowest, highest = self.centre - 0.5 * math.log(SHRINKAGE), self.centre + 0.5 * math.log(GROWTH)
            self.log_sigma.copy_(self.log_sigma.clamp(lowest, highest))
        return (2 * self.log_sigma).exp()


def consistency_loss(
    depth_features: Tensor, semantic_features: Tensor, labels: Tensor, variances: Tensor, num_classes: int
) -> LossTerm:
    """Eq. 7: the sum of ``|D(depth) - D(semantic)|`` over neighbouring positions whose labels differ (psi = 1).

    D(f_i, l) = exp(-1/2 ||f_i - f_i(l)||^2 / sigma^2), in (0, 1], for offsets l of 1 and 2 along x and y.

    Args:
        depth_features, semantic_features, labels, num_classes: see `border_distances`.
        variances: (2,) sigma^2 of the depth and of the semantic features, from `FeatureVariance`.

    Returns:
        The sum, and the number of pairs with psi = 1.

    Raises:
        ValueError: the features of the two tasks differ in shape.
    """
    return dissimilarity(border_distances(depth_features, semantic_features, labels, num_classes), variances)


def border_distances(depth_features: Tensor, semantic_features: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """||f_i - f_i(l)||^2 of both tasks for the P neighbouring positions whose labels differ: (2, P) float.

    Only those pairs are ever gathered: they lie along class borders, a few per cent of all.

    Args:
        depth_features, semantic_features: (B, C, h, w), what the heads read; both receive gradients.
        labels: (B, H, W) integer class ids at any size, brought to h x w by nearest-exact; ids outside
            0..num_classes-1 are void, and pairs that touch one are left out.
        num_classes: number of classes.

    Raises:
        ValueError: the features of the two tasks differ in shape.
    """
    if depth_features.shape != semantic_features.shape or depth_features.dim() != 4:
        raise ValueError(
            f"depth_features {tuple(depth_features.shape)} and semantic_features {tuple(semantic_features.shape)} must "
            "both be (B, C, h, w)"
        )
    pairs = _border_pairs(ideal_attention_labels(labels, *depth_features.shape[-2:]), num_classes)
    return torch.stack([_squared_distances(features, pairs) for features in (depth_features, semantic_features)])


def dissimilarity(distances: Tensor, variances: Tensor) -> LossTerm:
    """The sum of ``|D(depth) - D(semantic)|`` over pairs, and their number.

    Args:
        distances: (2, P), from `border_distances`.
        variances: (2,) sigma^2, from `FeatureVariance`.
    """
    depth, semantic = torch.exp(-0.5 * distances / full_precision(variances)[:, None])
    return LossTerm((depth - semantic).abs().sum(), _constant(distances.shape[1], distances.device))


def _constant(value: int, device: torch.device) -> Tensor:
    """A scalar that the device writes itself: `torch.tensor` copies it there, and waits."""
    return torch.full((), value, dtype=torch.int64, device=device)


def _border_pairs(labels: Tensor, num_classes: int) -> Tensor:
    """Flat indices into (B, h, w) of both ends of every pair with psi = 1: (2, P)."""
    height, width = labels.shape[-2:]
    positions = torch.arange(labels.numel(), device=labels.device).reshape(labels.shape)
    valid = valid_labels(labels, num_classes)
    differ, pairs = [], []
    for down, right in OFFSETS:
        here = (..., slice(0, max(height - down, 0)), slice(0, max(width - right, 0)))
        there = (..., slice(down, None), slice(right, None))
        differ.append(((labels[here] != labels[there]) & valid[here] & valid[there]).flatten())
        pairs.append(torch.stack((positions[here].flatten(), positions[there].flatten())))
    # How many there are only the device knows: it is asked once, and not for each offset and end.
    return torch.cat(pairs, dim=1)[:, torch.cat(differ).nonzero().squeeze(1)]


def _squared_distances(features: Tensor, pairs: Tensor) -> Tensor:
    """Features (B, C, h, w), flat indices (2, P) -> (P,)."""
    vectors = features.movedim(1, -1).flatten(0, 2)
    # Indexing with a tensor, unlike index_select, has a deterministic backward pass on CUDA too.
    first, second = full_precision(vectors[pairs])
    return (first - second).square().sum(dim=1)
