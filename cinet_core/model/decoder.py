"""The two decoders and their heads (paper 3.1, 3.3): features at 1/8 to depth and class logits of pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinet_core.model.config import DepthActivation, DepthUpsampling, Sharing
from cinet_core.model.convolution import conv_block
from cinet_core.model.feature_sharing import make_sharing, start_near_identity
from cinet_core.model.upsampling import ConvexUpsampling, upsampled
from cinet_core.tasks.spec import HeadSpec

__all__ = ["DecoderStage", "DepthHead", "FineSkip", "SegmentationHead", "TaskDecoders", "TaskFeatures", "TaskHead"]

# Softplus underflows to 0 for very negative inputs; depth must stay strictly positive (losses take its logarithm).
DEPTH_FLOOR = 1e-4
DEPTH_WEIGHT_STD = 0.01
# ln of 5 cm and of 200 m. Canonical depths of .3 to 15 m lie well within for every lens and size in use (.13 to 60 m
# from f_net = 65, a wide lens at 128 pixels, to 600): the clamp only keeps a diverging network finite.
LOG_DEPTH_RANGE = (math.log(0.05), math.log(200.0))
# That all fine features are brought to, together.
SKIP_CHANNELS = 32
NO_SKIPS: Mapping[int, int] = MappingProxyType({})
NO_FEATURES: Mapping[int, Tensor] = MappingProxyType({})


class TaskFeatures(NamedTuple):
    """Features of both tasks, (B, channels, h, w) each."""

    depth: Tensor
    semantic: Tensor


class FineSkip(nn.Module):
    """What the encoder's fine features add to the features of both tasks.

    Those of stride 2 are folded (2 x 2 positions become channels) to stride 4, where a convolution of them costs a
    fourth. A 1x1 convolution brings all to a few channels, one more for each task adds them to its features. Like the
    feature sharing it starts near nothing.

    Args:
        channels: of the features that come in, by stride, each `stride` or half of it.
        stride: of the task features.
        out_channels: of the task features.
    """

    def __init__(self, channels: Mapping[int, int], stride: int, out_channels: int) -> None:
        super().__init__()
        self._folds = {own: stride // own for own in channels}
        folded = sum(count * (stride // own) ** 2 for own, count in channels.items())
        self.reduce = conv_block(folded, SKIP_CHANNELS, kernel_size=1)
        self.to_depth = nn.Conv2d(SKIP_CHANNELS, out_channels, 1)
        self.to_semantic = nn.Conv2d(SKIP_CHANNELS, out_channels, 1)
        start_near_identity(self.to_depth, self.to_semantic)

    def forward(self, features: TaskFeatures, fine: Mapping[int, Tensor]) -> TaskFeatures:
        """Task features (B, out_channels, h, w), and fine ones by stride -> the first, with what these add."""
        height, width = features.depth.shape[-2:]
        folded = [_folded(fine[stride], fold, (height, width)) for stride, fold in self._folds.items()]
        reduced = self.reduce(torch.cat(folded, dim=1))
        return TaskFeatures(features.depth + self.to_depth(reduced), features.semantic + self.to_semantic(reduced))


def _folded(values: Tensor, fold: int, size: tuple[int, int]) -> Tensor:
    """(B, c, h, w) -> (B, c * fold^2, *size); an odd row or column at the end is repeated."""
    if fold == 1:
        return values
    down, right = fold * size[0] - values.shape[-2], fold * size[1] - values.shape[-1]
    # A graph that is traced serves odd sizes, too.
    if down or right or torch.jit.is_tracing():
        values = F.pad(values, (0, right, 0, down), mode="replicate")
    return F.pixel_unshuffle(values, fold)


class DecoderStage(nn.Module):
    """One block of both decoders: share, upsample bilinearly to a given size, add fine features, convolve."""

    def __init__(
        self, in_channels: int, out_channels: int, sharing: Sharing, separable: bool, skip: FineSkip | None = None
    ) -> None:
        super().__init__()
        self.share = make_sharing(sharing, in_channels)
        self.depth = conv_block(in_channels, out_channels, separable=separable)
        self.semantic = conv_block(in_channels, out_channels, separable=separable)
        self.skip = skip

    def forward(self, features: TaskFeatures, size: tuple[int, int], fine: Mapping[int, Tensor]) -> TaskFeatures:
        """Features (B, in_channels, h, w) of each task -> (B, out_channels, size[0], size[1]) of each.

        `fine` are the encoder's fine features by stride, of which the block takes what joins it.
        """
        depth, semantic = self.share(features.depth, features.semantic)
        if depth.shape[-2:] != size:
            depth, semantic = (
                F.interpolate(shared, size=size, mode="bilinear", align_corners=False) for shared in (depth, semantic)
            )
        if self.skip is not None:
            depth, semantic = self.skip(TaskFeatures(depth, semantic), fine)
        return TaskFeatures(self.depth(depth), self.semantic(semantic))


class TaskDecoders(nn.Module):
    """Both decoders: an entry of 1x1 convolutions, then three blocks, with sharing at the start of each.

    Args:
        in_channels: Cf.
        channels: (c0, c1, c2) after the blocks.
        sharing: at the start of each block.
        separable: see `conv_block`.
        strides: at which the blocks end.
        skip_channels: of the encoder's fine features, by stride; each joins the first block that ends at its stride or
            at twice that, where there is one.
    """

    def __init__(
        self,
        in_channels: int,
        channels: tuple[int, int, int],
        sharing: Sharing,
        separable: bool,
        strides: tuple[int, int, int] = (4, 2, 1),
        skip_channels: Mapping[int, int] = NO_SKIPS,
    ) -> None:
        super().__init__()
        self.strides = strides
        self.depth_entry = conv_block(in_channels, channels[0], kernel_size=1)
        self.semantic_entry = conv_block(in_channels, channels[0], kernel_size=1)
        self.stages = nn.ModuleList()
        joining = _skips_by_stage(strides, skip_channels)
        for (before, after), stride, skips in zip(pairwise((channels[0], *channels)), strides, joining, strict=True):
            skip = FineSkip(skips, stride, before) if skips else None
            self.stages.append(DecoderStage(before, after, sharing, separable, skip))

    def forward(
        self, features: Tensor, image_size: tuple[int, int], fine: Mapping[int, Tensor] = NO_FEATURES
    ) -> TaskFeatures:
        """Features (B, Cf, ceil(H/8), ceil(W/8)), (H, W), fine features by stride -> (B, c2, h, w) twice."""
        height, width = image_size
        tasks = TaskFeatures(self.depth_entry(features), self.semantic_entry(features))
        for stage, stride in zip(self.stages, self.strides, strict=True):
            tasks = stage(tasks, ((height + stride - 1) // stride, (width + stride - 1) // stride), fine)
        return tasks


class DepthHead(nn.Module):
    """Strictly positive canonical depth in metres, which starts at `initial_depth`.

    A 1x1 convolution answers a number a position, which is brought to the size of the image and then activated.

    Args:
        channels: of the features.
        initial_depth: metres, above 0.
        activation: "softplus", or "exp" of a number that is kept within `LOG_DEPTH_RANGE`.
        upsampling: see `ModelConfig.depth_upsampling`.
        stride: of the features.
    """

    def __init__(
        self,
        channels: int,
        initial_depth: float,
        activation: DepthActivation = "softplus",
        upsampling: DepthUpsampling = "bilinear",
        stride: int = 1,
    ) -> None:
        super().__init__()
        projection = nn.Conv2d(channels, 1, 1)
        nn.init.normal_(projection.weight, std=DEPTH_WEIGHT_STD)
        in_log = activation == "exp"
        # log(exp(d) - 1), the inverse of softplus, written so that it does not overflow for large depths.
        softplus_start = initial_depth + math.log(-math.expm1(-initial_depth))
        projection.bias = nn.Parameter(torch.tensor([math.log(initial_depth) if in_log else softplus_start]))
        # Under another name: the weights of one activation mean nothing to the other, and fine-tuning goes by names.
        self.conv = None if in_log else projection
        self.log_depth = projection if in_log else None
        self.convex = ConvexUpsampling(channels, stride) if upsampling == "convex" and stride > 1 else None

    def forward(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, channels, h, w) and (H, W) -> (B, 1, H, W) float32, metres, > 0."""
        if self.log_depth is not None:
            number = self._upsampled(self.log_depth(features).float(), features, size)
            return number.clamp(*LOG_DEPTH_RANGE).exp()
        assert self.conv is not None
        number = self._upsampled(self.conv(features).float(), features, size)
        return F.softplus(number) + DEPTH_FLOOR

    def _upsampled(self, number: Tensor, features: Tensor, size: tuple[int, int]) -> Tensor:
        return upsampled(number, size) if self.convex is None else self.convex(number, features, size)


class SegmentationHead(nn.Module):
    """Class logits: a 1x1 convolution, and bilinear upsampling."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, num_classes, 1)

    def forward(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, channels, h, w) and (H', W') -> (B, C, H', W')."""
        return upsampled(self.conv(features), size)


class TaskHead(nn.Module):
    """The head of a further task: a 1x1 convolution of the features of one decoder or of both, upsampled bilinearly."""

    def __init__(self, spec: HeadSpec, channels: int) -> None:
        super().__init__()
        self.features = spec.features
        self.conv = nn.Conv2d(2 * channels if spec.features == "both" else channels, spec.channels, 1)
        nn.init.constant_(self.conv.bias, 0.0)  # type: ignore[arg-type]
        if spec.bias:
            self.conv.bias = nn.Parameter(torch.tensor(spec.bias))

    def forward(self, tasks: TaskFeatures, size: tuple[int, int]) -> Tensor:
        """(B, channels, h, w) of both tasks and (H, W) -> (B, spec.channels, H, W)."""
        features = torch.cat(tasks, dim=1) if self.features == "both" else getattr(tasks, self.features)
        return upsampled(self.conv(features), size)


def _skips_by_stage(strides: Sequence[int], channels: Mapping[int, int]) -> list[dict[int, int]]:
    """The channels by stride of the skips that join each block."""
    joining: list[dict[int, int]] = [{} for _ in strides]
    for skip, count in channels.items():
        places = [place for place, stride in enumerate(strides) if stride in (skip, 2 * skip)]
        if places:
            joining[places[0]][skip] = count
    return joining
