"""Metadata that is stored with the weights: configuration, classes, camera, recipe. Needs no PyTorch.

`cinet_core.checkpoint` has the weights themselves, `cinet_core.graph_file` the graph that runs without PyTorch.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cinet_core.geometry import CANONICAL_FOCAL
from cinet_core.graph_file import SUFFIX, GraphContent, read_graph
from cinet_core.label_sets import LabelSet
from cinet_core.model.config import ModelConfig
from cinet_core.weights_file import CheckpointError, WeightsHeader, read_header

__all__ = [
    "DEFAULT_WEIGHTS",
    "FORMAT_VERSION",
    "INSTALLED_WEIGHTS",
    "METADATA_KEY",
    "PREVIEW_WEIGHTS",
    "VERSION_KEY",
    "CheckpointError",
    "ModelMetadata",
    "TrainingCamera",
    "default_graph",
    "graph_metadata",
    "is_graph",
    "parse_metadata",
    "read_metadata",
    "weights_path",
]

FORMAT_VERSION = 1
DEFAULT_WEIGHTS = "default"
"""Name to use instead of a path for the weights that come with this package (docs/model_card.md)."""
PREVIEW_WEIGHTS = "preview"
"""The same for those of the next generation: faster, not better everywhere yet (docs/model_card.md)."""
_INSTALLED = {DEFAULT_WEIGHTS: "lite.safetensors", PREVIEW_WEIGHTS: "preview.safetensors"}
INSTALLED_WEIGHTS = tuple(_INSTALLED)
VERSION_KEY = "cinet_format_version"
METADATA_KEY = "cinet_metadata"
_KEYS = {"metrics": "figures"}
"""Keys in the file where they are not the names of the attributes: older files stay readable."""


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
    canonical_focal: float = CANONICAL_FOCAL
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
    """Metadata that is stored with the weights.

    Attributes:
        config: configuration of the network.
        label_set: classes that it predicts.
        camera: canonical camera of the training.
        depth_range: metres; predictions outside are invalid.
        recipe: settings of the training as JSON types.
        metrics: results of evaluations as JSON types, each with its protocol.
        licence, attribution: licence and attribution of the weights, as their training data require.
        random_weights: whether the weights are untrained, so that predictions mean nothing.
    """

    config: ModelConfig
    label_set: LabelSet
    camera: TrainingCamera = field(default_factory=TrainingCamera)
    depth_range: tuple[float, float] = (0.1, 10.0)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
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
        kinds = {"recipe": Mapping, "metrics": Mapping, "licence": str, "attribution": str, "random_weights": bool}
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                raise ValueError(f"{name} is {getattr(self, name)!r}: it must be a {kind.__name__}")

    def to_dict(self) -> dict[str, Any]:
        """Return the content as JSON types."""
        values = {_KEYS.get(entry.name, entry.name): getattr(self, entry.name) for entry in dataclasses.fields(self)}
        return values | {
            "config": self.config.to_dict(),
            "label_set": self.label_set.to_dict(),
            "camera": dataclasses.asdict(self.camera),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelMetadata:
        """Create the object from what `to_dict` returned. Raises ValueError, TypeError or KeyError if it is invalid."""
        camera = dict(values["camera"])
        camera["focal_range"] = tuple(camera["focal_range"])
        names = {key: name for name, key in _KEYS.items()}
        return cls(
            **{
                **{names.get(key, key): value for key, value in values.items()},
                "config": ModelConfig.from_dict(values["config"]),
                "label_set": LabelSet.from_dict(values["label_set"]),
                "camera": TrainingCamera(**camera),
                "depth_range": tuple(values["depth_range"]),
            }
        )


def read_metadata(path: str | Path) -> ModelMetadata:
    """Read the metadata of a checkpoint without its weights, or those of a core graph (`cinet export --any-size`).

    Raises CheckpointError as `load_checkpoint` does.

    >>> read_metadata("default").config.name
    'lite'
    """
    path = weights_path(path)
    if is_graph(path):
        return graph_metadata(path, read_graph(path))
    return parse_metadata(path, read_header(path))


def weights_path(name: str | Path) -> Path:
    """Return the path that a name of weights stands for: the path itself, or an installed file.

    Those are named by `INSTALLED_WEIGHTS`.
    """
    installed = _INSTALLED.get(str(name))
    return Path(name) if installed is None else Path(__file__).parent / "weights" / installed


def default_graph() -> Path:
    """Return the path of the core graph that ships beside the weights, for machines without PyTorch."""
    return weights_path(DEFAULT_WEIGHTS).with_suffix(SUFFIX)


def is_graph(path: str | Path) -> bool:
    """Return whether a file is a core graph by its name, rather than a checkpoint."""
    return Path(path).suffix == SUFFIX


def graph_metadata(path: Path, graph: GraphContent) -> ModelMetadata:
    """Read the metadata from the facts of a core graph. Raises CheckpointError if they are not usable."""
    return _metadata(path, lambda: graph.facts["metadata"])


def parse_metadata(path: Path, header: WeightsHeader) -> ModelMetadata:
    """Read the metadata from the header of a file. Raises CheckpointError if the file is not from this project."""
    version = header.metadata.get(VERSION_KEY)
    if version is None or METADATA_KEY not in header.metadata:
        raise CheckpointError(f"{path} holds tensors but no CI-Net metadata: give a file that save_checkpoint wrote")
    if version != str(FORMAT_VERSION):
        raise CheckpointError(
            f"{path} has format version {version[:20]!r}, this software reads {FORMAT_VERSION}: install the version "
            "that wrote it, or save it anew there"
        )
    return _metadata(path, lambda: json.loads(header.metadata[METADATA_KEY]))


def _metadata(path: Path, values: Callable[[], Mapping[str, Any]]) -> ModelMetadata:
    try:
        return ModelMetadata.from_dict(values())
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise CheckpointError(f"{path} has unusable metadata: {type(error).__name__}: {error}") from error


def _check_range(name: str, limits: tuple[float, float], may_be_equal: bool = False) -> None:
    usable = len(limits) == 2 and all(map(math.isfinite, limits)) and 0 < limits[0] <= limits[1]
    if not usable or (limits[0] == limits[1] and not may_be_equal):
        raise ValueError(f"{name} is {limits!r}: it must be two finite, rising numbers above 0")
