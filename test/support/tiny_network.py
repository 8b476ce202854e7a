"""A network of the `lite` kind that is built in milliseconds and computes in milliseconds."""

from __future__ import annotations

import dataclasses
from typing import Any

from cinet_core.checkpoint import Checkpoint, TrainingCamera, random_checkpoint

TINY: dict[str, Any] = {
    "encoder": "test_efficientnet",
    "feature_channels": 24,
    "query_channels": 8,
    "decoder_channels": [16, 12, 8],
}
"""What makes it tiny, as overrides of the configuration."""

CAMERA = TrainingCamera(64, 48, 52.5, (42.0, 84.0))
"""Of small images."""


FIRST_GENERATION: dict[str, object] = {
    "encoder_stride": 16,
    "decoder_strides": (4, 2, 1),
    "skip_strides": (),
    "depth_activation": "softplus",
    "depth_upsampling": "bilinear",
    "logit_stride": 1,
}
"""What a tiny network has of `lite_v1`: it answers at the size of its input, as the paper's does."""


def tiny_checkpoint(seed: int = 0, **overrides: object) -> Checkpoint:
    """With random weights that say so."""
    return random_checkpoint("lite", seed=seed, **{**TINY, **overrides})


def trained_checkpoint(seed: int = 3, **overrides: object) -> Checkpoint:
    """With random weights that claim to be trained, on small images."""
    made = tiny_checkpoint(seed, **overrides)
    return dataclasses.replace(made, metadata=dataclasses.replace(made.metadata, camera=CAMERA, random_weights=False))
