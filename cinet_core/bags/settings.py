"""Parameters of the perception node that a bag is processed with; the defaults are the node's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cinet_core.bags.errors import BagError
from cinet_core.messages.encoding import DEPTH_ENCODINGS, LABEL_ENCODINGS
from cinet_core.messages.limits import JPEG_QUALITY_LIMITS, PNG_LEVEL_LIMITS, VOXEL_SIZE_LIMITS

DEPTH_SCALE_LIMITS = (0.1, 10.0)
"""Of the parameter ``depth_scale``: outside, the camera's calibration is wrong rather than the network's scale."""

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "depth_encoding": DEPTH_ENCODINGS,
    "label_encoding": LABEL_ENCODINGS,
    "cloud_color": ("semantic", "camera"),
    "input_rectified": ("auto", "true", "false"),
}
_LIMITS: Mapping[str, tuple[float, float]] = {
    "network_width": (0, 4096),
    "network_height": (0, 4096),
    "output_width": (0, 8192),
    "output_height": (0, 8192),
    "assumed_fov": (0.0, 170.0),
    "depth_scale": DEPTH_SCALE_LIMITS,
    "depth_min": (0.0, 1000.0),
    "depth_max": (0.0, 1000.0),
    "label_min_confidence": (0.0, 1.0),
    "overlay_opacity": (0.0, 1.0),
    "cloud_decimation": (1, 16),
    "cloud_min_range": (0.0, 1000.0),
    "cloud_max_range": (0.0, 1000.0),
    "cloud_edge_filter": (0.0, 1.0),
    "cloud_voxel_size": VOXEL_SIZE_LIMITS,
    "compressed_jpeg_quality": JPEG_QUALITY_LIMITS,
    "compressed_png_level": PNG_LEVEL_LIMITS,
}


@dataclass(frozen=True)
class RunSettings:
    """Those of the node's parameters that mean something for a bag; the README's table explains each.

    Raises:
        ValueError: a value that the node would refuse; it names what is accepted.
    """

    network_width: int = 0
    network_height: int = 0
    output_width: int = 0
    output_height: int = 0
    input_rectified: str = "auto"
    assumed_fov: float = 0.0
    depth_encoding: str = "32FC1"
    depth_scale: float = 1.0
    depth_min: float = 0.0
    depth_max: float = 0.0
    label_encoding: str = "mono8"
    label_min_confidence: float = 0.0
    mask_classes: tuple[str, ...] = ("",)
    overlay_opacity: float = 0.5
    cloud_color: str = "semantic"
    cloud_decimation: int = 1
    cloud_min_range: float = 0.0
    cloud_max_range: float = 0.0
    cloud_edge_filter: float = 0.0
    cloud_voxel_size: float = 0.05
    compressed_jpeg_quality: int = 90
    compressed_png_level: int = 1

    def __post_init__(self) -> None:
        """Check types, ranges and choices."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            kind: Any = type(field.default)
            if type(value) is not kind:
                raise ValueError(f"{field.name} = {value!r} must be of the type {kind.__name__}, as {field.default!r}")
            choices, limits = _CHOICES.get(field.name), _LIMITS.get(field.name)
            if choices and value not in choices:
                raise ValueError(f"{field.name} = {value!r} is not one of {', '.join(choices)}")
            if limits and not limits[0] <= value <= limits[1]:  # so that NaN fails too
                raise ValueError(f"{field.name} = {value!r} is outside {limits[0]:g} .. {limits[1]:g}")
        for pair in ("network", "output"):
            if (getattr(self, f"{pair}_width") == 0) != (getattr(self, f"{pair}_height") == 0):
                raise ValueError(f"{pair}_width and {pair}_height must both be 0 or both be given")
        for low, high in (("depth_min", "depth_max"), ("cloud_min_range", "cloud_max_range")):
            if 0 < getattr(self, high) <= getattr(self, low):
                raise ValueError(f"{high} = {getattr(self, high):g} must be above {low} = {getattr(self, low):g}, or 0")

    def size(self, what: str) -> tuple[int, int] | None:
        """(height, width) of "network" or "output"; None where it is left open."""
        width, height = getattr(self, f"{what}_width"), getattr(self, f"{what}_height")
        return (height, width) if width else None


def read_parameters(path: Path) -> tuple[RunSettings, list[str]]:
    """Settings of a parameter file of the node.

    Returns:
        The settings, and the names in the file that mean nothing for a bag.

    Raises:
        BagError: the file cannot be read, or holds a value that the node would refuse.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        given: dict[str, Any] = {}
        for node in content.values():
            given.update(node["ros__parameters"])
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise BagError(
            f"{path} is no parameter file ({type(error).__name__}: {error}): it needs `/**:`, below it "
            "`ros__parameters:`, and below that the parameters, as config/perception.yaml has them"
        ) from error
    fields = {field.name: field for field in dataclasses.fields(RunSettings)}
    try:
        known = {name: _coerced(fields[name].default, value) for name, value in given.items() if name in fields}
        return RunSettings(**known), sorted(given.keys() - fields.keys())
    except ValueError as error:
        raise BagError(f"{path}: {error}") from error


def _coerced(default: Any, value: Any) -> Any:
    """A value of a file in the parameter's type, as the node takes it: 10 is as good as 10.0."""
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if isinstance(default, str) and isinstance(value, bool):
        return str(value).lower()
    return tuple(value) if isinstance(value, list) else value
