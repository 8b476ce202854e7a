"""Checkpoints: one safetensors file with the weights and everything that is needed to use them. Nothing is pickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from cinet_core.atomic_file import atomic_write
from cinet_core.label_sets import get_label_set
from cinet_core.model.cinet import CINet, build_model
from cinet_core.model.config import DEFAULT_CONFIG, ModelConfig, get_config
from cinet_core.model_metadata import (
    DEFAULT_WEIGHTS,
    FORMAT_VERSION,
    METADATA_KEY,
    VERSION_KEY,
    ModelMetadata,
    TrainingCamera,
    parse_metadata,
    read_metadata,
    weights_path,
)
from cinet_core.weights_file import CheckpointError, WeightsHeader, check_readable, read_file

__all__ = [
    "DEFAULT_WEIGHTS",
    "FORMAT_VERSION",
    "RANDOM_WEIGHTS",
    "Checkpoint",
    "CheckpointError",
    "ModelMetadata",
    "TrainingCamera",
    "load_checkpoint",
    "named_checkpoint",
    "random_checkpoint",
    "read_metadata",
    "save_checkpoint",
    "weights_path",
]

MAX_CHECKPOINT_BYTES = 2 * 2**30
RANDOM_WEIGHTS = "random"
"""Name to use instead of a path for an untrained network, for tests and timing."""
# Sent instead of a digest where there is no file.
RANDOM_HASH = "random"
_FLOAT_CODES = {"F16", "BF16", "F32"}


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint: `model` in evaluation mode and float32, its metadata, and the SHA-256 of the file."""

    model: CINet
    metadata: ModelMetadata
    sha256: str


def save_checkpoint(path: str | Path, model: CINet, metadata: ModelMetadata, half: bool = False) -> None:
    """Write a checkpoint to one safetensors file. A reader sees the old file or the complete new one.

    Args:
        path: where; an existing file is replaced.
        model: its parameters and buffers are written.
        metadata: must hold the model's own configuration, and JSON types in `recipe` and `metrics`.
        half: store convolution weights as float16. Biases and BatchNorm statistics stay float32: variances leave the
            range of half precision.

    Raises:
        ValueError: metadata of another configuration, not expressible in JSON, or larger than is ever read; weights
            that are not finite (with `half`, not within its range).
        OSError: the folder cannot be written.
    """
    if metadata.config != model.config:
        raise ValueError(f"metadata describes {metadata.config}, the model is {model.config}")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if half:
        tensors = {name: tensor.half() if tensor.dim() > 1 else tensor for name, tensor in tensors.items()}
    broken = _not_finite(tensors)
    if broken:
        remedy = "save without half" if half else "go back to a state before the training diverged"
        raise ValueError(f"{path} is not written: it would hold NaN or infinite weights in {_first(broken)}; {remedy}")
    try:
        text = json.dumps(metadata.to_dict(), allow_nan=False)
    except TypeError as error:
        raise ValueError(f"{path} is not written: recipe or metrics are not JSON: {error}") from error
    content = safetensors.torch.save(tensors, {VERSION_KEY: str(FORMAT_VERSION), METADATA_KEY: text})
    check_readable(path, content)
    with atomic_write(path) as file:
        file.write(content)


def load_checkpoint(path: str | Path, max_bytes: int = MAX_CHECKPOINT_BYTES) -> Checkpoint:
    """Read a file that `save_checkpoint` wrote, or "default": the weights that come with this package.

    The file is opened once; its digest is of the bytes that were loaded.

    Raises:
        CheckpointError: missing, too large, truncated, a pickle, no safetensors file, not one of this project's, of a
            format version or an encoder that is unknown here, or its tensors do not fit its configuration.
    """
    path = weights_path(path)
    header, content = read_file(path, max_bytes)
    metadata = parse_metadata(path, header)
    model = _empty_model(path, metadata.config)
    expected = model.state_dict()
    _check_tensors(path, header, expected)
    try:
        tensors = safetensors.torch.load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path} is damaged: {error}. Copy or download it again") from error
    tensors = {name: tensor.to(expected[name].dtype) for name, tensor in tensors.items()}
    damaged = _not_finite(tensors)
    if damaged:
        raise CheckpointError(f"{path} holds NaN or infinite weights in {_first(damaged)}: the training diverged")
    if any(buffer.is_meta and name not in expected for name, buffer in model.named_buffers()):
        # Some backbones have constants that are not saved (blur kernels): only a real construction computes them. The
        # tensors are known to fit by now, so that it takes no more memory than the file has shown.
        model = build_model(metadata.config, seed=0)
    model.load_state_dict(tensors, assign=True)
    if metadata.config.channels_last:
        model.to(memory_format=torch.channels_last)
    return Checkpoint(model.eval(), metadata, hashlib.sha256(content).hexdigest())


def named_checkpoint(name: str | Path, config: str | None = None) -> Checkpoint:
    """Load the checkpoint that a user has named.

    Args:
        name: a file; "default", the weights that come with this package; or "random", an untrained network.
        config: network of "random", a name in `CONFIGS`; None = the default, `DEFAULT_CONFIG`.

    Raises:
        CheckpointError: as `load_checkpoint`.
        ValueError: there is no such configuration, or it was named for a file, which knows its own.
    """
    if str(name) == RANDOM_WEIGHTS:
        return random_checkpoint(config or DEFAULT_CONFIG)
    if config:
        raise ValueError(
            f"config {config!r} chooses the network of the weights {RANDOM_WEIGHTS!r}; a file knows its own"
        )
    return load_checkpoint(name)


def random_checkpoint(config_name: str, seed: int = 0, label_set: str = "nyu40", **overrides: Any) -> Checkpoint:
    """Create an untrained network for tests and timing, with `metadata.random_weights`. It depends on the seed alone.

    The ResNet configurations get the paper's 640x480 as their training size, the lite ones 320x240.

    Raises:
        ValueError: no such configuration, label set or override.
    """
    labels = get_label_set(label_set)
    config = get_config(config_name, **{"num_classes": len(labels.classes), **overrides})
    camera = TrainingCamera()
    if config.encoder_stride == 8:
        camera = TrainingCamera(640, 480, camera.canonical_focal, (420.0, 840.0))
    metadata = ModelMetadata(config, labels, camera, random_weights=True)
    return Checkpoint(build_model(config, seed=seed).eval(), metadata, RANDOM_HASH)


def _empty_model(path: Path, config: ModelConfig) -> CINet:
    """The network without storage, so that a configuration from a file can demand no memory by itself."""
    try:
        with torch.device("meta"):
            return CINet(config)
    except ValueError as error:
        raise CheckpointError(f"{path} cannot be used here: {error}") from error


def _check_tensors(path: Path, header: WeightsHeader, expected: Mapping[str, Tensor]) -> None:
    missing = sorted(set(expected) - set(header.tensors))
    foreign = sorted(set(header.tensors) - set(expected))
    if missing or foreign:
        raise CheckpointError(
            f"{path} does not fit its own configuration: {len(missing)} tensors are missing ({_first(missing)}), "
            f"{len(foreign)} are foreign ({_first(foreign)}). It was written by another version of the network"
        )
    for name, tensor in expected.items():
        code, shape = header.tensors[name]
        codes = _FLOAT_CODES if tensor.is_floating_point() else {"I64"}
        if shape != tuple(tensor.shape) or code not in codes:
            raise CheckpointError(
                f"{path}: tensor {name} is {code} {list(shape)}, its configuration needs {sorted(codes)} "
                f"{list(tensor.shape)}"
            )


def _not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    return [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]


def _first(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "") if names else "none"
