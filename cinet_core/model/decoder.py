"""The two decoders and their heads (paper 3.1, 3.3): features at 1/8 to depth and class logits at full size."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinet_core.model.config import Sharing
from cinet_core.model.convolution import conv_block
from cinet_core.model.feature_sharing import make_sharing
from cinet_core.tasks.spec import HeadSpec

__all__ = ["DecoderStage", "DepthHead", "SegmentationHead", "TaskDecoders", "TaskFeatures", "TaskHead"]

# Softplus underflows to 0 for very negative inputs; depth must stay strictly positive (losses take its logarithm).
DEPTH_FLOOR = 1e-4
DEPTH_WEIGHT_STD = 0.01


class TaskFeatures(NamedTuple):
    """Features of both tasks, (B, channels, h, w) each."""

    depth: Tensor
    semantic: Tensor


class DecoderStage(nn.Module):
    """One block of both decoders: share, upsample bilinearly to a given size, convolve."""

    def __init__(self, in_channels: int, out_channels: int, sharing: Sharing, separable: bool) -> None:
        super().__init__()
        self.share = make_sharing(sharing, in_channels)
        self.depth = conv_block(in_channels, out_channels, separable=separable)
        self.semantic = conv_block(in_channels, out_channels, separable=separable)

    def forward(self, features: TaskFeatures, size: tuple[int, int]) -> TaskFeatures:
        """Features (B, in_channels, h, w) of each task -> (B, out_channels, size[0], size[1]) of each."""
        depth, semantic = (
            F.interpolate(shared, size=size, mode="bilinear", align_corners=False)
            for shared in self.share(features.depth, features.semantic)
        )
        return TaskFeatures(self.depth(depth), self.semantic(semantic))


class TaskDecoders(nn.Module):
    """Both decoders: an entry of 1x1 convolutions, then 1/8 -> 1/4 -> 1/2 -> 1/1 with sharing before every step."""

    def __init__(self, in_channels: int, channels: tuple[int, int, int], sharing: Sharing, separable: bool) -> None:
        super().__init__()
        self.depth_entry = conv_block(in_channels, channels[0], kernel_size=1)
        self.semantic_entry = conv_block(in_channels, channels[0], kernel_size=1)
        widths = (channels[0], *channels)
        self.stages = nn.ModuleList(
            DecoderStage(before, after, sharing, separable) for before, after in pairwise(widths)
        )

    def forward(self, features: Tensor, image_size: tuple[int, int]) -> TaskFeatures:
        """Features (B, Cf, ceil(H/8), ceil(W/8)) and (H, W) -> task features (B, c2, H, W) twice."""
        height, width = image_size
        tasks = TaskFeatures(self.depth_entry(features), self.semantic_entry(features))
        for stage, stride in zip(self.stages, (4, 2, 1), strict=True):
            tasks = stage(tasks, ((height + stride - 1) // stride, (width + stride - 1) // stride))
        return tasks


class DepthHead(nn.Module):
    """Strictly positive canonical depth in metres: softplus of a 1x1 convolution that starts at `initial_depth`."""

    def __init__(self, channels: int, initial_depth: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 1, 1)
        nn.init.normal_(self.conv.weight, std=DEPTH_WEIGHT_STD)
        # log(exp(d) - 1), the inverse of softplus, written so that it does not overflow for large depths.
        bias = initial_depth + math.log(-math.expm1(-initial_depth))
        self.conv.bias = nn.Parameter(torch.tensor([bias]))

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, 1, H, W) float32, metres, > 0."""
        return F.softplus(self.conv(features).float()) + DEPTH_FLOOR


class SegmentationHead(nn.Module):
    """Class logits: a 1x1 convolution."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, num_classes, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, C, H, W)."""
        return self.conv(features)


class TaskHead(nn.Module):
    """The head of a further task: a 1x1 convolution of the features of one decoder or of both, not activated."""

    def __init__(self, spec: HeadSpec, channels: int) -> None:
        super().__init__()
        self.features = spec.features
        self.conv = nn.Conv2d(2 * channels if spec.features == "both" else channels, spec.channels, 1)
        nn.init.constant_(self.conv.bias, 0.0)  # type: ignore[arg-type]
        if spec.bias:
            self.conv.bias = nn.Parameter(torch.tensor(spec.bias))

    def forward(self, tasks: TaskFeatures) -> Tensor:
        """(B, channels, H, W) of both tasks -> (B, spec.channels, H, W)."""
        features = torch.cat(tasks, dim=1) if self.features == "both" else getattr(tasks, self.features)
        return self.conv(features)
