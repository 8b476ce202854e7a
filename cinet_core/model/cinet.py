"""CI-Net (paper, Fig. 1): encoder, scene understanding, two decoders that share features, and their heads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cinet_core.geometry import MIN_NETWORK_SIDE
from cinet_core.model.config import ModelConfig
from cinet_core.model.convolution import conv_block
from cinet_core.model.decoder import DepthHead, SegmentationHead, TaskDecoders, TaskHead
from cinet_core.model.encoder import Encoder
from cinet_core.model.feature_sharing import start_near_identity
from cinet_core.model.scene_understanding import SceneUnderstanding
from cinet_core.model.upsampling import upsampled
from cinet_core.tasks import task_specs

__all__ = ["MIN_IMAGE_SIZE", "CINet", "CINetOutput", "build_model"]

MIN_IMAGE_SIZE = MIN_NETWORK_SIDE
# Stride of the encoder's features that join those at 1/8.
ENTRY_SKIP = 16


class CINetOutput(NamedTuple):
    """What the network returns for images (B, 3, H, W), with N = ceil(H/8) * ceil(W/8).

    Attributes:
        depth: (B, 1, H, W) float32, canonical metres, > 0: multiply by f_net / f_c for metric depth.
        logits: (B, C, ceil(H/s), ceil(W/s)) class logits, s = `ModelConfig.logit_stride`.
        depth_features, semantic_features: (B, c2, h, w) at the last of `ModelConfig.decoder_strides`, what the heads
            read; the consistency loss compares them.
        query, key: (B, N, Cq); `query @ key.mT` are the attention logits. None without the SUM.
        attention: (B, N, N) in 0..1, only where `keep_attention` asked for it.
        extra: of each further task by its name, (B, channels, H, W): what its head answers, not activated.
    """

    depth: Tensor
    logits: Tensor
    depth_features: Tensor
    semantic_features: Tensor
    query: Tensor | None
    key: Tensor | None
    attention: Tensor | None
    extra: Mapping[str, Tensor] = MappingProxyType({})


class CINet(nn.Module):
    """The joint network for depth, semantic segmentation, and what other tasks its configuration names.

    Buffers `image_mean`, `image_std` (1, 3, 1, 1) are the statistics that its input must be normalised with:
    (rgb / 255 - image_mean) / image_std. They are saved with the weights.

    Raises:
        ValueError: the encoder does not exist or cannot run at the configured stride, or a task does not exist.
    """

    image_mean: Tensor
    image_std: Tensor

    def __init__(self, config: ModelConfig, pretrained_encoder: bool = False) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(
            config.encoder, config.encoder_stride, pretrained_encoder, config.skip_strides, config.antialiased
        )
        for name in ("image_mean", "image_std"):
            self.register_buffer(name, torch.tensor(getattr(self.encoder, name)).reshape(1, 3, 1, 1))
        self.entry = conv_block(self.encoder.channels, config.feature_channels, separable=config.separable)
        self.entry_skip = (
            nn.Conv2d(self.encoder.skip_channels[ENTRY_SKIP], config.feature_channels, 1)
            if ENTRY_SKIP in self.encoder.skip_channels
            else None
        )
        if self.entry_skip is not None:
            start_near_identity(self.entry_skip)
        self.scene_understanding = (
            SceneUnderstanding(
                config.feature_channels,
                config.query_channels,
                config.num_classes,
                config.attention_scale,
                config.attention_divisor,
                config.attention_logit_init,
            )
            if config.scene_understanding
            else None
        )
        self.decoders = TaskDecoders(
            config.feature_channels,
            config.decoder_channels,
            config.sharing,
            config.separable,
            config.decoder_strides,
            self.encoder.skip_channels,
        )
        self.depth_head = DepthHead(
            config.decoder_channels[-1],
            config.initial_depth,
            config.depth_activation,
            config.depth_upsampling,
            config.decoder_strides[-1],
        )
        self.segmentation_head = SegmentationHead(config.decoder_channels[-1], config.num_classes)
        # Last, so that a seed gives the network of the paper the same weights whatever else it learns.
        self.task_heads = nn.ModuleDict(
            {
                task.name: TaskHead(task.head, config.decoder_channels[-1])
                for task in task_specs(config.tasks)
                if task.head is not None
            }
        )
        if config.channels_last:
            self.to(memory_format=torch.channels_last)

    def forward(
        self,
        image: Tensor,
        teacher_labels: Tensor | None = None,
        keep_attention: bool = False,
        taught: Tensor | None = None,
    ) -> CINetOutput:
        """Predict depth and classes of every pixel.

        Args:
            image: (B, 3, H, W) float RGB, normalised; H and W at least 16, odd sizes included.
            teacher_labels: (B, H, W) integer class ids, 255 (or anything outside 0..C-1) = void: the ideal attention
                map of these labels replaces the predicted one (stage 1 of the recipe). Ignored without the SUM.
            keep_attention: also return the N x N attention map, for drawing it; it costs 4 N^2 bytes an image.
            taught: (B,) bool, the images whose map `teacher_labels` replace; None: all.

        Raises:
            ValueError: an image below 16 x 16 pixels, or one that is not (B, 3, H, W).
        """
        if image.dim() != 4 or image.shape[1] != 3 or min(image.shape[-2:]) < MIN_IMAGE_SIZE:
            raise ValueError(
                f"image has shape {tuple(image.shape)}: it must be (B, 3, H, W) with H and W at least {MIN_IMAGE_SIZE}"
            )
        if self.config.channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        coarse, skips = self.encoder.multiscale(image)
        features = self.entry(coarse)
        if self.entry_skip is not None:
            size = (features.shape[-2], features.shape[-1])
            features = features + upsampled(self.entry_skip(skips[ENTRY_SKIP]), size)
        query = key = attention = None
        if self.scene_understanding is not None:
            features, query, key, attention = self.scene_understanding(features, teacher_labels, keep_attention, taught)
        height, width = image.shape[-2:]
        stride = self.config.logit_stride
        tasks = self.decoders(features, (height, width), skips)
        return CINetOutput(
            depth=self.depth_head(tasks.depth, (height, width)),
            logits=self.segmentation_head(tasks.semantic, (-(-height // stride), -(-width // stride))),
            depth_features=tasks.depth,
            semantic_features=tasks.semantic,
            query=query,
            key=key,
            attention=attention,
            extra={name: head(tasks, (height, width)) for name, head in self.task_heads.items()},
        )


def build_model(config: ModelConfig, pretrained_encoder: bool = False, seed: int | None = None) -> CINet:
    """A network in training mode, with its random weights decided by `seed` (None: by torch's generator as it stands).

    The generator's state is the same before and after where a seed is given. `pretrained_encoder` lets timm fetch the
    encoder's ImageNet weights.

    Raises:
        ValueError: as `CINet`.
    """
    if seed is None:
        return CINet(config, pretrained_encoder)
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed: it also seeds the generators of every GPU, which are not put back.
        torch.default_generator.manual_seed(seed)
        return CINet(config, pretrained_encoder)
