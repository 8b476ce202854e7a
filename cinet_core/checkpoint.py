"""Checkpoints: one safetensors file with the weights and everything that is needed to use them. Nothing is pickled."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from cinet_core.atomic_file import replacing
from cinet_core.data.label_sets import LabelSet, get_label_set
from cinet_core.model.cinet import CINet, build_model
from cinet_core.model.config import ModelConfig, get_config
from cinet_core.weights_file import CheckpointError, WeightsHeader, check_readable, read_file, read_header

__all__ = [
    "DEFAULT_WEIGHTS",
    "FORMAT_VERSION",
    "Checkpoint",
    "CheckpointError",
    "ModelMetadata",
    "TrainingCamera",
    "load_checkpoint",
    "random_checkpoint",
    "read_metadata",
    "save_checkpoint",
    "weights_path",
]

FORMAT_VERSION = 1
MAX_CHECKPOINT_BYTES = 2 * 2**30
DEFAULT_WEIGHTS = "default"
"""In place of a path: the weights that come with this package (docs/model_card.md)."""
# Sent instead of a digest where there is no file.
RANDOM_HASH = "random"
_VERSION_KEY = "cinet_format_version"
_METADATA_KEY = "cinet_metadata"
_FLOAT_CODES = {"F16", "BF16", "F32"}


@dataclass(frozen=True)
class TrainingCamera:
    """The canonical camera of spec/method.md, as the network saw it.

    Attributes:
        width, height: network input in training, pixels.
        canonical_focal: f_c, focal length in pixels in which the network's depth is metric.
        focal_range: smallest and largest f_net seen in training, pixels.
    """

    width: int = 320
    height: int = 240
    canonical_focal: float = 262.5
    focal_range: tuple[float, float] = (210.0, 420.0)

    def __post_init__(self) -> None:
        """Raise ValueError on sizes or focal lengths that no camera has."""
        for name in ("width", "height"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 16 <= value <= 8192:
                raise ValueError(f"camera {name} is {value!r}: it must be an integer from 16 to 8192 pixels")
        if not (math.isfinite(self.canonical_focal) and self.canonical_focal > 0):
            raise ValueError(f"canonical_focal is {self.canonical_focal!r}: it must be finite and above 0 pixels")
        # One camera, one zoom: both ends may be the same.
        _check_range("focal_range", self.focal_range, may_be_equal=True)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width


@dataclass(frozen=True)
class ModelMetadata:
    """What travels with the weights.

    Attributes:
        config: shape of the network.
        label_set: what its classes mean.
        camera: the camera it was trained in.
        depth_range: metres; predictions outside are invalid.
        recipe: how it was trained, JSON types.
        figures: how good it is, JSON types, each with its protocol.
        licence, attribution: of the weights, as their training data demand it.
        random_weights: nothing was learnt: the predictions mean nothing.
    """

    config: ModelConfig
    label_set: LabelSet
    camera: TrainingCamera = field(default_factory=TrainingCamera)
    depth_range: tuple[float, float] = (0.1, 10.0)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    attribution: str = ""
    random_weights: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError unless the parts fit each other."""
        classes = len(self.label_set.classes)
        if classes != self.config.num_classes:
            raise ValueError(
                f"label set {self.label_set.name!r} has {classes} classes, the network {self.config.num_classes}"
            )
        _check_range("depth_range", self.depth_range)
        kinds = {"recipe": Mapping, "figures": Mapping, "licence": str, "attribution": str, "random_weights": bool}
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                raise ValueError(f"{name} is {getattr(self, name)!r}: it must be a {kind.__name__}")

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON types."""
        values = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}
        return values | {
            "config": self.config.to_dict(),
            "label_set": self.label_set.to_dict(),
            "camera": dataclasses.asdict(self.camera),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelMetadata:
        """Inverse of `to_dict`. Raises ValueError, TypeError or KeyError on anything unusable."""
        camera = dict(values["camera"])
        camera["focal_range"] = tuple(camera["focal_range"])
        return cls(
            **{
                **values,
                "config": ModelConfig.from_dict(values["config"]),
                "label_set": LabelSet.from_dict(values["label_set"]),
                "camera": TrainingCamera(**camera),
                "depth_range": tuple(values["depth_range"]),
            }
        )


@dataclass(frozen=True)
class Checkpoint:
    """A network ready to predict: `model` in evaluation mode and float32, its metadata, the file's SHA-256."""

    model: CINet
    metadata: ModelMetadata
    sha256: str


def save_checkpoint(path: str | Path, model: CINet, metadata: ModelMetadata, half: bool = False) -> None:
    """Write one safetensors file; a reader sees the old file or the whole new one, never a part.

    Args:
        path: where; an existing file is replaced.
        model: its parameters and buffers are written.
        metadata: must hold the model's own configuration, and JSON types in `recipe` and `figures`.
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
        raise ValueError(f"{path} is not written: recipe or figures are not JSON: {error}") from error
    content = safetensors.torch.save(tensors, {_VERSION_KEY: str(FORMAT_VERSION), _METADATA_KEY: text})
    check_readable(path, content)
    with replacing(path) as file:
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
    metadata = _parse_metadata(path, header)
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


def read_metadata(path: str | Path) -> ModelMetadata:
    """The metadata alone, without reading the weights. Raises CheckpointError as `load_checkpoint`."""
    path = weights_path(path)
    return _parse_metadata(path, read_header(path))


def weights_path(name: str | Path) -> Path:
    """The file that a name of weights stands for: itself, or where "default" was installed."""
    return Path(__file__).parent / "weights" / "lite.safetensors" if str(name) == DEFAULT_WEIGHTS else Path(name)


def random_checkpoint(config_name: str, seed: int = 0, label_set: str = "nyu40", **overrides: Any) -> Checkpoint:
    """An untrained network for plumbing and timing: same seed, same weights; `metadata.random_weights` is True.

    The ResNet configurations get the paper's 640x480 as their training size, the lite one 320x240, and each the
    canonical focal length of that width.

    Raises:
        ValueError: no such configuration, label set or override.
    """
    labels = get_label_set(label_set)
    config = get_config(config_name, **{"num_classes": len(labels.classes), **overrides})
    camera = TrainingCamera()
    if config.encoder_stride == 8:
        camera = TrainingCamera(640, 480, 2 * camera.canonical_focal, (420.0, 840.0))
    metadata = ModelMetadata(config, labels, camera, random_weights=True)
    return Checkpoint(build_model(config, seed=seed).eval(), metadata, RANDOM_HASH)


def _parse_metadata(path: Path, header: WeightsHeader) -> ModelMetadata:
    version = header.metadata.get(_VERSION_KEY)
    if version is None or _METADATA_KEY not in header.metadata:
        raise CheckpointError(f"{path} holds tensors but no CI-Net metadata: give a file that save_checkpoint wrote")
    if version != str(FORMAT_VERSION):
        raise CheckpointError(
            f"{path} has format version {version[:20]!r}, this software reads {FORMAT_VERSION}: install the version "
            "that wrote it, or save it anew there"
        )
    try:
        return ModelMetadata.from_dict(json.loads(header.metadata[_METADATA_KEY]))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise CheckpointError(f"{path} has unusable metadata: {type(error).__name__}: {error}") from error


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


def _check_range(name: str, limits: tuple[float, float], may_be_equal: bool = False) -> None:
    usable = len(limits) == 2 and all(map(math.isfinite, limits)) and 0 < limits[0] <= limits[1]
    if not usable or (limits[0] == limits[1] and not may_be_equal):
        raise ValueError(f"{name} is {limits!r}: it must be two finite, rising numbers above 0")


def _not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    return [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]


def _first(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "") if names else "none"
