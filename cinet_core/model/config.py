"""The settings of a network: a plain frozen dataclass that travels inside every checkpoint."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, get_args

__all__ = [
    "CONFIGS",
    "CONFIG_NAMES",
    "DEFAULT_CONFIG",
    "DEFAULT_TASKS",
    "AttentionDivisor",
    "AttentionScale",
    "DepthActivation",
    "DepthUpsampling",
    "ModelConfig",
    "Sharing",
    "get_config",
]

Sharing = Literal["fsm", "lsu", "none"]
AttentionScale = Literal["sqrt", "none"]
AttentionDivisor = Literal["row", "area", "none"]
DepthActivation = Literal["softplus", "exp"]
DepthUpsampling = Literal["bilinear", "convex"]

ENCODER_STRIDES = (8, 16, 32)
# What the decoders can end at, from the 1/8 at which they start.
DECODER_STRIDES = (8, 4, 2, 1)
SKIP_STRIDES = (2, 4, 16)
# A sigmoid is 0 or 1 to the last bit of float32 well before this.
MAX_ATTENTION_LOGIT = 50.0
# Class ids are published as uint8 with 255 for "unlabelled".
MAX_CLASSES = 255
DEFAULT_TASKS = ("depth", "segmentation")
"""What the paper's network has, and every network here: names of `cinet_core.tasks.TASKS`."""
# Fields that the first checkpoints do not have: what they had is the default of each.
LATER_FIELDS = (
    "decoder_strides",
    "skip_strides",
    "depth_activation",
    "depth_upsampling",
    "logit_stride",
    "antialiased",
    "tasks",
)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Everything that decides the shape and the arithmetic of a `CINet`.

    Attributes:
        name: what the configuration is called in logs and tables.
        encoder: timm model name, with the tag of its ImageNet weights where there are several: without one, timm's
            default is taken, which may change. The tag plays no part where nothing is downloaded.
        num_classes: semantic classes C, 1 to 255.
        encoder_stride: output stride of the encoder's deepest features; above 8 they are upsampled and fused with
            the 1/8 features.
        feature_channels: Cf, channels that enter the scene understanding module.
        query_channels: Cq, channels of its queries and keys.
        decoder_channels: (c0, c1, c2), channels after the three decoder blocks.
        decoder_strides: at which these blocks end, never rising; the paper's are 1/4, 1/2 and 1/1. What is left to the
            size of the image is done by the heads: depth is upsampled as `depth_upsampling` says, logits bilinearly.
        skip_strides: of further features of the encoder. Fine ones (2, 4) join the first decoder block that has their
            size or half of it, those at 16 join the features that enter the scene understanding module. What an
            encoder does not have, or ends with, is left out. The paper has none.
        separable: depthwise-separable 3x3 convolutions in the entry and in the decoders (FSM has them always).
        channels_last: memory format of weights and activations.
        scene_understanding: False leaves the SUM out (ablation baseline).
        sharing: task interaction before each upsampling: FSM (Eq. 5), LSU (Eq. 6) or none.
        attention_scale: "sqrt" divides the logits Q K^T by sqrt(Cq); "none" is Eq. 1 as printed.
        attention_divisor: d in Y = (A V) / d + X: "row" the row sum of A clamped to at least 1, "area" N, "none" 1.
        attention_logit_init: value at which the attention logits start; the default is a prior of 25 % "same class".
        depth_activation: what makes metres of what the depth head answers: "softplus", or "exp", so that the head's
            answer is ln depth, in which .3 to 15 m are covered evenly.
        depth_upsampling: of the head's answer from the last decoder block to the size of the image: "bilinear", or
            "convex": each pixel is a learned mean of its 3 x 3 coarse neighbours (RAFT, Teed 2020), so that edges stay
            sharp.
        logit_stride: at which the class logits are handed out, upsampled bilinearly from the last decoder block.
        antialiased: blur before the inner strided convolutions of the encoder (Zhang 2019), where timm can: an image
            that moves by a pixel then gives features that move with it.
        initial_depth: canonical depth in metres at which the depth head starts: the median of the training set.
        tasks: names of `cinet_core.tasks.TASKS` that the network has: "depth", "segmentation", and any further ones.
    """

    name: str
    encoder: str
    num_classes: int = 40
    encoder_stride: int = 8
    feature_channels: int = 512
    query_channels: int = 64
    decoder_channels: tuple[int, int, int] = (256, 128, 64)
    separable: bool = False
    channels_last: bool = False
    scene_understanding: bool = True
    sharing: Sharing = "fsm"
    attention_scale: AttentionScale = "sqrt"
    attention_divisor: AttentionDivisor = "row"
    attention_logit_init: float = -1.1
    decoder_strides: tuple[int, int, int] = (4, 2, 1)
    skip_strides: tuple[int, ...] = ()
    depth_activation: DepthActivation = "softplus"
    depth_upsampling: DepthUpsampling = "bilinear"
    logit_stride: int = 1
    antialiased: bool = False
    initial_depth: float = 2.5
    tasks: tuple[str, ...] = DEFAULT_TASKS

    def __post_init__(self) -> None:
        """Raise ValueError, naming field, value and limit, unless every field is usable."""
        for field in ("name", "encoder"):
            value = getattr(self, field)
            if not isinstance(value, str) or not value:
                raise ValueError(f"{field} is {value!r}: it must be a non-empty string")
        _check_count("num_classes", self.num_classes, MAX_CLASSES)
        _check_count("feature_channels", self.feature_channels)
        _check_count("query_channels", self.query_channels)
        if not isinstance(self.decoder_channels, tuple) or len(self.decoder_channels) != 3:
            raise ValueError(f"decoder_channels is {self.decoder_channels!r}: it must be a tuple of three counts")
        for channels in self.decoder_channels:
            _check_count("decoder_channels", channels)
        _check_strides(self)
        _check_choice("encoder_stride", self.encoder_stride, ENCODER_STRIDES)
        _check_choice("depth_activation", self.depth_activation, get_args(DepthActivation))
        _check_choice("depth_upsampling", self.depth_upsampling, get_args(DepthUpsampling))
        _check_choice("sharing", self.sharing, get_args(Sharing))
        _check_choice("attention_scale", self.attention_scale, get_args(AttentionScale))
        _check_choice("attention_divisor", self.attention_divisor, get_args(AttentionDivisor))
        for field in ("separable", "channels_last", "scene_understanding", "antialiased"):
            _check_choice(field, getattr(self, field), (True, False))
        if not _is_finite(self.attention_logit_init) or abs(self.attention_logit_init) > MAX_ATTENTION_LOGIT:
            raise ValueError(
                f"attention_logit_init is {self.attention_logit_init!r}: it must lie in "
                f"[-{MAX_ATTENTION_LOGIT:g}, {MAX_ATTENTION_LOGIT:g}]"
            )
        if not _is_finite(self.initial_depth) or not 0 < self.initial_depth <= 100:
            raise ValueError(f"initial_depth is {self.initial_depth!r}: it must lie in (0, 100] metres")
        _check_tasks(self.tasks)

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON types; `LATER_FIELDS` only where they are not the default, as before there were such."""
        values = {name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(self).items()}
        usual = {field.name: field.default for field in dataclasses.fields(self)}
        for name in LATER_FIELDS:
            if getattr(self, name) == usual[name]:
                del values[name]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """Inverse of `to_dict`. Raises ValueError on unknown or missing keys and on unusable values."""
        fields = {field.name: field for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - set(fields))
        if unknown:
            raise ValueError(f"unknown model settings {unknown}: known are {sorted(fields)}")
        required = {name for name, field in fields.items() if field.default is dataclasses.MISSING}
        missing = sorted(required - set(values))
        if missing:
            raise ValueError(f"model settings {missing} are missing")
        own: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        return cls(**own)


def _check_count(field: str, value: object, limit: int = 65536) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= limit:
        raise ValueError(f"{field} is {value!r}: it must be an integer from 1 to {limit}")


def _check_strides(config: ModelConfig) -> None:
    """Raise ValueError unless decoders, skips and logits have strides that fit each other."""
    strides = config.decoder_strides
    if not isinstance(strides, tuple) or len(strides) != 3 or any(value not in DECODER_STRIDES for value in strides):
        raise ValueError(f"decoder_strides is {strides!r}: it must be a tuple of three of {list(DECODER_STRIDES)}")
    if sorted(strides, reverse=True) != list(strides):
        raise ValueError(f"decoder_strides is {strides!r}: no block may be coarser than the one before it")
    skips = config.skip_strides
    if (
        not isinstance(skips, tuple)
        or len(set(skips)) != len(skips)
        or any(value not in SKIP_STRIDES for value in skips)
    ):
        raise ValueError(f"skip_strides is {skips!r}: it must be a tuple of any of {list(SKIP_STRIDES)}, each once")
    if config.logit_stride not in DECODER_STRIDES or config.logit_stride > strides[-1]:
        raise ValueError(
            f"logit_stride is {config.logit_stride!r}: it must be one of {list(DECODER_STRIDES)}, and not above the "
            f"last of decoder_strides, {strides[-1]}"
        )


def _check_tasks(names: object) -> None:
    """Raise ValueError unless each is there once, and those that every network has; `CINet` knows which there are."""
    if not isinstance(names, tuple) or len(set(names)) != len(names):
        raise ValueError(f"tasks is {names!r}: it must be a tuple of names, each once")
    missing = [name for name in DEFAULT_TASKS if name not in names]
    if missing:
        raise ValueError(f"tasks is {names!r}: every network has {' and '.join(DEFAULT_TASKS)}")


def _check_choice(field: str, value: object, choices: tuple[Any, ...]) -> None:
    if not isinstance(value, type(choices[0])) or value not in choices:
        raise ValueError(f"{field} is {value!r}: it must be one of {list(choices)}")


def _is_finite(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


CONFIGS: Mapping[str, ModelConfig] = MappingProxyType(
    {
        config.name: config
        for config in (
            # Torchvision's first weights, of plain SGD. timm's own default are those of the recipes A1 and A1h (LAMB,
            # binary cross entropy, strong augmentation), which fine-tune badly by SGD and want AdamW.
            ModelConfig(name="resnet101", encoder="resnet101.tv_in1k"),
            ModelConfig(name="resnet50", encoder="resnet50.tv_in1k"),
            # The first generation, of the weights that shipped until 2026: decoded at full size, depth by softplus.
            ModelConfig(
                name="lite_v1",
                encoder="tf_efficientnet_lite0",
                encoder_stride=16,
                feature_channels=128,
                query_channels=32,
                decoder_channels=(96, 64, 32),
                separable=True,
                channels_last=True,
            ),
            # 1.4 to 2.1 times as fast by backend: decoded to 1/4, with the encoder's fine features to keep edges in
            # their place, and with an encoder that ends at 1/32, as it was pretrained, which halves its operations.
            ModelConfig(
                name="lite",
                encoder="tf_efficientnet_lite0",
                encoder_stride=32,
                feature_channels=128,
                query_channels=32,
                decoder_channels=(96, 64, 32),
                separable=True,
                channels_last=True,
                decoder_strides=(4, 4, 4),
                skip_strides=(2, 4, 16),
                depth_activation="exp",
                depth_upsampling="convex",
                logit_stride=2,
            ),
        )
    }
)

CONFIG_NAMES = tuple(sorted(CONFIGS))
"""What parameters and command lines offer."""

DEFAULT_CONFIG = "lite"
"""The configuration of the weights that ship, and of random weights where none is named."""


def get_config(name: str, **overrides: Any) -> ModelConfig:
    """The configuration called `name`, with some fields replaced.

    Raises:
        ValueError: no such configuration (close matches are named), or an unusable override.
    """
    if name not in CONFIGS:
        close = difflib.get_close_matches(name, CONFIGS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"no configuration {name!r}: there are {sorted(CONFIGS)}{hint}")
    return ModelConfig.from_dict({**CONFIGS[name].to_dict(), **overrides})
