"""Scene understanding module, SUM (paper 3.2): self-attention that labels teach which pixels belong together."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cinet_core.model.config import AttentionDivisor, AttentionScale

__all__ = ["SceneContext", "SceneUnderstanding", "attend", "ideal_attention", "ideal_attention_labels"]

# Rows of the attention map that exist at any one time. At 480x640 (N = 4800) they take 20 MB an image, the whole
# map 92 MB; what is left grows with N and not with its square.
ATTENTION_BLOCK_ROWS = 1024
# What V is divided by in float16: |V| may then reach 870 at N = 4800.
HALF_SCALE = 64.0
# Spread of the first attention logits around their initial value, in terms of unit-variance input.
INITIAL_PROJECTION_STD = 0.1


class SceneContext(NamedTuple):
    """What the SUM returns.

    Attributes:
        features: Y, (B, Cf, h, w).
        query: Q, (B, N, Cq), already carrying the scale: `query @ key.mT` are the logits of the attention map.
        key: K, (B, N, Cq).
        attention: the map that was applied, (B, N, N) in 0..1, where it was asked for.
    """

    features: Tensor
    query: Tensor
    key: Tensor
    attention: Tensor | None


class SceneUnderstanding(nn.Module):
    """Y = (A V) / d + X with A = sigmoid(scale * Q K^T) (Eq. 1, 2), or A = M M^T of the labels (Eq. 3).

    Args:
        channels: Cf, of X, V and Y.
        query_channels: Cq, of Q and K.
        num_classes: C, classes of the teacher's labels.
        scale: "sqrt" = 1 / sqrt(Cq), "none" = 1.
        divisor: d per row: "row" = row sum of A, at least 1; "area" = N; "none" = 1.
        logit_init: value at which the attention logits start, through the biases of Q and K.
    """

    block_rows: int | None = ATTENTION_BLOCK_ROWS
    """Rows of the map at a time; None = all of them, in a graph that serves every size."""

    def __init__(
        self,
        channels: int,
        query_channels: int,
        num_classes: int,
        scale: AttentionScale = "sqrt",
        divisor: AttentionDivisor = "row",
        logit_init: float = -1.1,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.divisor: AttentionDivisor = divisor
        self.scale = query_channels**-0.5 if scale == "sqrt" else 1.0
        self.query = nn.Conv2d(channels, query_channels, 1)
        self.key = nn.Conv2d(channels, query_channels, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        # With biases b in all channels of Q and sign * b in those of K, the logit starts at sign * scale * Cq * b^2.
        bias = math.sqrt(abs(logit_init) / (self.scale * query_channels))
        for projection, start in ((self.query, bias), (self.key, math.copysign(bias, logit_init))):
            nn.init.normal_(projection.weight, std=INITIAL_PROJECTION_STD * channels**-0.5)
            projection.bias = nn.Parameter(torch.full((query_channels,), start))

    def forward(
        self,
        features: Tensor,
        teacher_labels: Tensor | None = None,
        keep_attention: bool = False,
        taught: Tensor | None = None,
    ) -> SceneContext:
        """Add to every position the context of the positions like it.

        Args:
            features: X, (B, Cf, h, w).
            teacher_labels: (B, H, W) class ids of the image at any size; ids outside 0..C-1 are void. Given, the ideal
                map of these labels replaces the predicted one (teacher forcing).
            keep_attention: also return the map, (B, N, N). Without it no N x N tensor exists at any time.
            taught: (B,) bool, the images whose map the labels replace; the others keep the predicted one. None: all.
        """
        height, width = features.shape[-2:]
        query = _positions(self.query(features)) * self.scale
        key, value = _positions(self.key(features)), _positions(self.value(features))
        attention: Tensor | None = None
        if teacher_labels is not None:
            labels = ideal_attention_labels(teacher_labels, height, width)
            context = self._teach(value, labels)
            attention = ideal_attention(labels, self.num_classes) if keep_attention else None
            if taught is not None:
                own = attend(query, key, value, self.divisor, self.block_rows)
                context = torch.where(taught[:, None, None], context, own)
                if attention is not None:
                    attention = torch.where(taught[:, None, None], attention, (query @ key.transpose(1, 2)).sigmoid())
        elif keep_attention:
            attention = (query @ key.transpose(1, 2)).sigmoid_()
            context = _apply_attention(attention, value, self.divisor)
        else:
            context = attend(query, key, value, self.divisor, self.block_rows)
        summed = context.transpose(1, 2).reshape(features.shape) + features
        return SceneContext(summed, query, key, attention)

    def _teach(self, value: Tensor, labels: Tensor) -> Tensor:
        """(A V) / d for the ideal A = M M^T, as M (M^T V): sums per class, never N x N."""
        members = _one_hot(labels, self.num_classes)
        # Sums over thousands of positions leave the range of half precision: they are taken in float32.
        with torch.autocast(value.device.type, enabled=False):
            class_sums = members.mT @ value.float()
            if self.divisor == "row":
                class_sums = class_sums / members.sum(dim=1).clamp(min=1).unsqueeze(-1)
            context = members @ class_sums
        if self.divisor == "area":
            context = context / value.shape[1]
        return context.to(value.dtype)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    divisor: AttentionDivisor,
    block_rows: int | None = ATTENTION_BLOCK_ROWS,
) -> Tensor:
    """(sigmoid(Q K^T) V) / d, computed `block_rows` rows of the map at a time; the result does not depend on it.

    Where gradients are recorded each block is recomputed in the backward pass instead of kept, so that training holds
    no N x N map either.

    Args:
        query: (B, N, Cq), scaled.
        key: (B, N, Cq).
        value: (B, N, Cf).
        divisor: d, see `SceneUnderstanding`.
        block_rows: rows at a time, at least 1; None = all of them.

    Returns:
        (B, N, Cf).
    """

    def attend_block(rows: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return _apply_attention((rows @ key.transpose(1, 2)).sigmoid_(), value, divisor)

    recording = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (query, key, value))
    blocks = []
    for rows in (query,) if block_rows is None else query.split(block_rows, dim=1):
        if recording:
            # Nothing here is random: saving the state of the generators would only cost time.
            blocks.append(checkpoint(attend_block, rows, key, value, use_reentrant=False, preserve_rng_state=False))
        else:
            blocks.append(attend_block(rows, key, value))
    return blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=1)


def _apply_attention(attention: Tensor, value: Tensor, divisor: AttentionDivisor) -> Tensor:
    """(A V) / d for rows A (B, R, N) and V (B, N, Cf)."""
    # Sums over N = 4800 positions leave the range of float16 (65,504) before they are divided, from |V| = 14 on. By a
    # power of two V can be divided beforehand without an error; a greater one would make subnormals of small values.
    scale = HALF_SCALE if value.dtype == torch.float16 and divisor != "none" else 1.0
    context = attention @ (value if scale == 1.0 else value / scale)
    if divisor == "row":
        divisors = attention.sum(dim=-1, keepdim=True).clamp(min=1)
        return context / (divisors if scale == 1.0 else divisors / scale)
    if divisor == "area":
        return context / (value.shape[1] / scale)
    return context


def ideal_attention_labels(labels: Tensor, height: int, width: int) -> Tensor:
    """Labels (B, H, W) at the size of the features: (B, height, width), nearest-exact, same dtype."""
    if labels.shape[-2:] == (height, width):
        return labels
    # Class ids up to 255 are exact in float32, in which every device can resample.
    resized = F.interpolate(labels.unsqueeze(1).float(), size=(height, width), mode="nearest-exact")
    return resized.squeeze(1).to(labels.dtype)


def ideal_attention(labels: Tensor, num_classes: int = 255) -> Tensor:
    """Eq. 3 written out: A = M M^T, for figures and tests; training uses sums per class instead.

    Args:
        labels: (B, h, w) class ids; those outside 0..num_classes-1 are void.
        num_classes: C.

    Returns:
        (B, N, N) float32: 1 where two positions have the same class, 0 elsewhere and for pairs that touch a void one.
    """
    members = _one_hot(labels, num_classes)
    return members @ members.mT


def _one_hot(labels: Tensor, num_classes: int) -> Tensor:
    """M of Eq. 3: labels (B, h, w) -> (B, N, C) float32, with a zero row for void."""
    classes = torch.arange(num_classes, device=labels.device)
    return (labels.flatten(1).unsqueeze(-1) == classes).float()


def _positions(features: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, N, C)."""
    return features.flatten(2).transpose(1, 2)
