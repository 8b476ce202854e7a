"""``camera_info.yaml``: a calibration of camera_calibration, ``ros2 topic echo --once`` or OpenCV's FileStorage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from cinet_core.messages.camera import CameraModel

__all__ = ["CameraInfoFile"]

_REGION = ("x_offset", "y_offset", "width", "height")
_NO_P = (0.0,) * 12
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
_FORMAT = "image_width, image_height, camera_matrix/data, distortion_model and distortion_coefficients/data"


@dataclass(frozen=True)
class CameraInfoFile:
    """The calibration of a lens, with the fields of sensor_msgs/CameraInfo that a file has.

    Attributes:
        width, height: of the images it was made with; 0 where the file does not tell.
        distortion_model, d, k, r, p: see CameraInfo; p is zero where the file has none.
        binning_x, binning_y: see CameraInfo.
        roi: (x_offset, y_offset, width, height) of the images in the calibrated ones; zeros for all of them.
    """

    width: int
    height: int
    distortion_model: str
    d: tuple[float, ...]
    k: tuple[float, ...]
    r: tuple[float, ...]
    p: tuple[float, ...]
    binning_x: int = 0
    binning_y: int = 0
    roi: tuple[int, ...] = (0, 0, 0, 0)

    @property
    def windowed(self) -> bool:
        """Whether the images show a part of the calibrated ones, or were binned."""
        return max(self.binning_x, self.binning_y) > 1 or any(self.roi)

    @classmethod
    def parse(cls, text: str) -> CameraInfoFile:
        """Read the text of a file.

        Raises:
            ValueError: it is no YAML, or lacks a camera matrix, or holds matrices of other sizes.
        """
        import yaml

        try:
            # An echo ends with a mark and nothing behind it; OpenCV has a first line that is no YAML, and a tag.
            plain = text.removeprefix("%YAML:1.0").replace("!!opencv-matrix", "")
            fields = next(iter(yaml.safe_load_all(plain)), None)
        except yaml.YAMLError as error:
            raise ValueError(f"it is no sound YAML ({error}): it needs {_FORMAT}") from error
        if not isinstance(fields, Mapping):
            raise ValueError(f"it holds no fields: it needs {_FORMAT}")
        region = fields.get("roi") or {}
        if not isinstance(region, Mapping):
            raise ValueError(f"its roi is {region!r}: it needs {', '.join(_REGION)}")
        d = _numbers(fields, ("distortion_coefficients", "d", "D"), None, ())
        info = cls(
            width=_side(fields, ("image_width", "width")),
            height=_side(fields, ("image_height", "height")),
            distortion_model=str(fields.get("distortion_model", "plumb_bob" if any(d) else "") or ""),
            d=d,
            k=_numbers(fields, ("camera_matrix", "k", "K"), 9, None),
            r=_numbers(fields, ("rectification_matrix", "r", "R"), 9, _IDENTITY),
            p=_numbers(fields, ("projection_matrix", "p", "P"), 12, _NO_P),
            binning_x=_side(fields, ("binning_x",)),
            binning_y=_side(fields, ("binning_y",)),
            roi=tuple(_side(region, (name,)) for name in _REGION),
        )
        if min(info.binning_x, info.binning_y, *info.roi) < 0:
            raise ValueError(
                f"its binning or region of interest is negative, {info.roi}: give what the driver publishes"
            )
        if bool(info.width) != bool(info.height) or min(info.width, info.height) < 0:
            raise ValueError(f"its size is {info.width}x{info.height}: give image_width and image_height, or neither")
        return info

    def model(self, width: int, height: int) -> CameraModel:
        """What it means for an image of this size that was not rectified; the same object for the same arguments.

        Raises:
            ConversionError: the calibration cannot be used; see `CameraModel.from_camera_info`.
        """
        return _model(self, width, height)


@lru_cache(maxsize=8)
def _model(info: CameraInfoFile, width: int, height: int) -> CameraModel:
    """Cached, because the maps of a distorted image take 10 ms and more; images of a folder have few sizes."""
    region = SimpleNamespace(**dict(zip(_REGION, info.roi, strict=True)), do_rectify=False)
    message: Any = SimpleNamespace(**{**asdict(info), "roi": region})
    return CameraModel.from_camera_info(message, width, height, rectified=False)


def _numbers(
    fields: Mapping[str, Any], names: tuple[str, ...], count: int | None, missing: tuple[float, ...] | None
) -> tuple[float, ...]:
    """A matrix, written as a list or as a mapping with one called data."""
    name = next((name for name in names if fields.get(name) is not None), None)
    if name is None:
        if missing is None:
            raise ValueError(f"it has no {names[0]}/data: it needs {_FORMAT}")
        return missing
    value = fields[name]
    try:
        numbers = value["data"] if isinstance(value, Mapping) else value
        values = tuple(np.array(numbers, dtype=np.float64).reshape(-1).tolist())  # also of three rows
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{name} is no list of numbers ({error!r}): it needs {name}/data") from error
    if count is not None and len(values) != count:
        raise ValueError(f"{name} holds {len(values)} numbers: it needs {count}")
    return values


def _side(fields: Mapping[str, Any], names: tuple[str, ...]) -> int:
    value = next((fields[name] for name in names if fields.get(name) is not None), 0)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, int):
        raise ValueError(f"{names[0]} is {value!r}: it must be a whole number of pixels")
    return value
