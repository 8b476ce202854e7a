"""From the decoders' last size to that of the image: bilinear, or a learned mean of coarse neighbours."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ConvexUpsampling", "upsampled"]

# Spread of the first weights: the features hardly move them away from bilinear ones.
WEIGHT_STD = 1e-3
# Share that a neighbour without a bilinear weight starts with: not 0, whose logarithm is none.
LEAST_SHARE = 1e-3
NEIGHBOURS = 9
# Of the softmax's inputs: the exponentials of twice as much still add up in float32.
MAX_WEIGHT = 20.0


def upsampled(values: Tensor, size: tuple[int, int]) -> Tensor:
    """``(B, C, h, w) -> (B, C, *size)``, bilinear with align_corners = False; as it is where it has that size."""
    if tuple(values.shape[-2:]) == tuple(size):
        return values
    return F.interpolate(values, size=size, mode="bilinear", align_corners=False)


class ConvexUpsampling(nn.Module):
    """Each fine pixel is a mean of the 3 x 3 coarse values around it, with weights that features decide (RAFT, Eq. 3).

    The weights are a softmax, so that the answer never leaves the range of the coarse values, and edges can be as sharp
    as the features say. It starts as bilinear upsampling.

    Args:
        channels: of the features.
        factor: between coarse and fine sizes, at least 2.
    """

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.weights = nn.Conv2d(channels, NEIGHBOURS * factor**2, 1)
        nn.init.normal_(self.weights.weight, std=WEIGHT_STD)
        self.weights.bias = nn.Parameter(_bilinear_shares(factor).log().flatten())

    def forward(self, values: Tensor, features: Tensor, size: tuple[int, int]) -> Tensor:
        """Values (B, 1, h, w), features (B, channels, h, w) -> ``(B, 1, *size)``, at most factor times (h, w)."""
        height, width = values.shape[-2:]
        # Softmax written out: ONNX Runtime takes as long for one over this axis as for a fifth of the network.
        opened = self.weights(features).float().clamp(-MAX_WEIGHT, MAX_WEIGHT).exp()
        opened = opened.unflatten(1, (NEIGHBOURS, self.factor**2))
        padded = F.pad(values, (1, 1, 1, 1), mode="replicate")
        around = torch.stack(
            [padded[..., down : down + height, right : right + width] for down in range(3) for right in range(3)], dim=1
        )
        fine = F.pixel_shuffle((opened * around).sum(dim=1) / opened.sum(dim=1), self.factor)
        return fine[..., : size[0], : size[1]]


def _bilinear_shares(factor: int) -> Tensor:
    """(9, factor^2): what bilinear upsampling takes of each neighbour for each fine pixel of a coarse one."""
    offset = (torch.arange(factor) + 0.5) / factor - 0.5
    line = torch.stack([(-offset).clamp(min=0), 1 - offset.abs(), offset.clamp(min=0)])
    shares = torch.einsum("ay,bx->abyx", line, line).reshape(NEIGHBOURS, factor**2).clamp(min=LEAST_SHARE)
    return shares / shares.sum(dim=0)
