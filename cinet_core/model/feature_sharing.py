"""Task interaction (paper 3.3): the feature sharing module FSM (Eq. 5), and the lateral sharing unit LSU (Eq. 6)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinet_core.model.config import Sharing
from cinet_core.model.convolution import conv_block

__all__ = ["FeatureSharing", "LateralSharing", "NoSharing", "make_sharing", "start_near_identity"]

# Times that C(.) of Eq. 5 halves the features and brings them back: the paper's value is lost, so this is ours.
SAMPLING_LEVELS = 2
# Of what is added to the task features; unit-variance features give additions of about a hundredth.
INITIAL_PROJECTION_STD = 1e-3


class FeatureSharing(nn.Module):
    """FSM: f_d + Cd(C(concat(f_d, f_s))), f_s + Cs(C(concat(f_d, f_s))) (Eq. 5).

    C(.) is a small encoder-decoder of depthwise-separable convolutions: it halves the features `SAMPLING_LEVELS` times,
    which is what lets one position see far, and upsamples them to the same sizes again. Cd, Cs are 1x1 convolutions.

    Attributes:
        gradient: what of the gradient reaches the task features through C(.), 0 to 1; at 1 all of it, as Eq. 5 has it.
            The answer does not depend on it, nor the gradient of the module's own weights. The gradient of depth is six
            to ten times that of the labels in there, and pulls the features of the labels its own way.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gradient = 1.0
        self.down = nn.ModuleList(
            conv_block(2 * channels if level == 0 else channels, channels, stride=2, separable=True)
            for level in range(SAMPLING_LEVELS)
        )
        self.up = nn.ModuleList(conv_block(channels, channels, separable=True) for _ in range(SAMPLING_LEVELS))
        self.to_depth = nn.Conv2d(channels, channels, 1)
        self.to_semantic = nn.Conv2d(channels, channels, 1)
        start_near_identity(self.to_depth, self.to_semantic)

    def forward(self, depth: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        """Two (B, channels, h, w), any h and w -> two of the same shape."""
        shared = _with_gradient(torch.cat([depth, semantic], dim=1), self.gradient)
        sizes = []
        for block in self.down:
            sizes.append(shared.shape[-2:])
            shared = block(shared)
        for block, size in zip(self.up, reversed(sizes), strict=True):
            shared = block(F.interpolate(shared, size=size, mode="bilinear", align_corners=False))
        return depth + self.to_depth(shared), semantic + self.to_semantic(shared)


def _with_gradient(features: Tensor, part: float) -> Tensor:
    """The same values to the bit, through which this part of the gradient flows."""
    if part == 1.0 or not features.requires_grad:
        return features
    fixed = features.detach()
    return fixed + part * (features - fixed)


class LateralSharing(nn.Module):
    """LSU: f_d + Cd1(f_d) + Cs2(f_s), f_s + Cd2(f_d) + Cs1(f_s) (Eq. 6), with four 1x1 convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depth_to_depth = nn.Conv2d(channels, channels, 1)
        self.semantic_to_depth = nn.Conv2d(channels, channels, 1)
        self.depth_to_semantic = nn.Conv2d(channels, channels, 1)
        self.semantic_to_semantic = nn.Conv2d(channels, channels, 1)
        start_near_identity(
            self.depth_to_depth, self.semantic_to_depth, self.depth_to_semantic, self.semantic_to_semantic
        )

    def forward(self, depth: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        """Two (B, channels, h, w) -> two of the same shape."""
        return (
            depth + self.depth_to_depth(depth) + self.semantic_to_depth(semantic),
            semantic + self.depth_to_semantic(depth) + self.semantic_to_semantic(semantic),
        )


def start_near_identity(*projections: nn.Conv2d) -> None:
    """Make what these add to the task features hardly anything at first; training opens them as far as it is worth it.

    Started at random, three such additions in a row drown the task features in noise, and a short training does not
    catch up (docs/training.md, "The ablation"). Not exactly zero: what lies in front would get no gradient.
    """
    for projection in projections:
        nn.init.normal_(projection.weight, std=INITIAL_PROJECTION_STD)
        assert projection.bias is not None
        nn.init.zeros_(projection.bias)


class NoSharing(nn.Module):
    """The baseline: two decoders that do not see each other."""

    def forward(self, depth: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        """Both inputs, unchanged."""
        return depth, semantic


def make_sharing(kind: Sharing, channels: int) -> nn.Module:
    """The module for `ModelConfig.sharing`: called with depth and semantic features, it returns both."""
    if kind == "fsm":
        return FeatureSharing(channels)
    if kind == "lsu":
        return LateralSharing(channels)
    return NoSharing()
