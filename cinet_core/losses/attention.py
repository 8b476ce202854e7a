"""Attention loss (paper, Eq. 4): binary cross entropy between the predicted and the ideal attention map."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from cinet_core.losses.masks import full_precision, valid_labels
from cinet_core.losses.reduction import LossTerm

__all__ = ["LOSS_BLOCK_PAIRS", "attention_loss"]

# Pairs of the map, over all images, that exist at any one time. On a CPU 4 MB a tensor, of which there are about four:
# on two cores at batch 8, N = 4800, 1.9 s forward and backward with blocks of this order, 7 s with four times larger
# ones. A GPU has no such cache and pays for every kernel: 134 MB a tensor, 6 blocks a step there instead of 178.
LOSS_BLOCK_PAIRS = 2**20
LOSS_BLOCK_PAIRS_ON_GPU = 2**25


def attention_loss(
    query: Tensor, key: Tensor, labels: Tensor, num_classes: int, block_pairs: int | None = None
) -> LossTerm:
    """Eq. 4 on the logits `query @ key.mT` against A = M M^T of the labels (Eq. 3), summed over valid pairs.

    Neither map ever exists as a whole, in the forward or in the backward pass: only blocks of rows of about
    `block_pairs` entries do. The result does not depend on the block size. It can be differentiated once.

    Args:
        query: (B, N, Cq), already scaled, as `CINetOutput.query` is.
        key: (B, N, Cq).
        labels: (B, h, w) or (B, N) integer class ids at the size of the features, N = h * w
            (`ideal_attention_labels` resizes them); ids outside 0..num_classes-1 are void.
        num_classes: C.
        block_pairs: B * rows * N entries of the map at a time, at least one row of each image; None: as many as suit
            the device.

    Returns:
        The sum in nats over ordered pairs (i, j), i = j included, of which neither position is void; their count is
        the square of each image's valid positions, summed over the images.

    Raises:
        ValueError: query, key and labels do not describe the same positions.
    """
    labels = labels.flatten(1)
    if query.shape != key.shape or query.shape[:2] != labels.shape:
        raise ValueError(
            f"query {tuple(query.shape)}, key {tuple(key.shape)} and labels {tuple(labels.shape)} must be (B, N, Cq), "
            "(B, N, Cq) and (B, N): resize the labels with ideal_attention_labels"
        )
    valid = valid_labels(labels, num_classes)
    if block_pairs is None:
        block_pairs = LOSS_BLOCK_PAIRS if query.device.type == "cpu" else LOSS_BLOCK_PAIRS_ON_GPU
    block_rows = max(1, block_pairs // labels.numel())
    # Products under autocast would round the logits to half precision, in steps of 1/128 around 1.
    with torch.autocast(query.device.type, enabled=False):
        total = _AttentionCrossEntropy.apply(full_precision(query), full_precision(key), labels, valid, block_rows)
    return LossTerm(total, valid.sum(dim=1).square().sum())


class _AttentionCrossEntropy(torch.autograd.Function):
    """The sum of Eq. 4, with its gradient taken block by block while the block exists.

    The loss is a plain sum, so its gradient is known up to the factor that the backward pass supplies: what is kept
    for that pass has the size of Q and K, and no block has to be computed a second time.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, labels: Tensor, valid: Tensor, block_rows: int) -> Tensor:
        """Sum over the valid pairs of query, key (B, N, Cq), labels (B, N) int, valid (B, N) bool; scalar."""
        recording = any(ctx.needs_input_grad)
        total = query.new_zeros(())
        query_gradients = []
        key_gradient = torch.zeros_like(key)
        blocks = (x.split(block_rows, dim=1) for x in (query, labels, valid))
        for rows, row_labels, row_valid in zip(*blocks, strict=True):
            same = row_labels.unsqueeze(-1) == labels.unsqueeze(-2)
            # -log sigmoid(x) = softplus(-x) for pairs of one class, -log(1 - sigmoid(x)) = softplus(x) for the others.
            sign = torch.where(same, -1.0, 1.0).to(query.dtype)
            logits = (rows @ key.mT).mul_(sign)
            # softplus(-inf) and its slope are 0: pairs that touch a void position add nothing.
            logits.masked_fill_(~(row_valid.unsqueeze(-1) & valid.unsqueeze(-2)), -torch.inf)
            total += F.softplus(logits).sum()
            if recording:
                slope = logits.sigmoid_().mul_(sign)
                query_gradients.append(slope @ key)
                key_gradient += slope.mT @ rows
        if recording:
            ctx.save_for_backward(torch.cat(query_gradients, dim=1), key_gradient)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Scale what the forward pass found."""
        query_gradient, key_gradient = ctx.saved_tensors
        return gradient * query_gradient, gradient * key_gradient, None, None, None
