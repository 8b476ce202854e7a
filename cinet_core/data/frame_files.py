"""Image folders in the layouts that RGB-D data comes in: which file is which, and what camera took it.

Understood, in this order: ``frames.jsonl`` (a camera a frame), ``color/`` + ``depth/`` + ``camera*.json`` (Open3D),
``camera-intrinsics.txt`` (``*.color.jpg`` + ``*.depth.png``), ``camera_info.yaml`` (a ROS calibration), and images
alone. Depth images are 16-bit PNG in millimetres, where 0 and 65535 mean "unknown".
"""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from cinet_core.data.exif import UPRIGHT, Orientation, orientation_in
from cinet_core.geometry import Intrinsics

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
MAX_TEXT_BYTES = 64 << 20
"""Calibrations are small and a line of frames.jsonl has some 300 bytes: anything larger is another kind of file."""

MAX_ASPECT_ERROR = 0.01
_NOT_A_PHOTO = re.compile(r"[._-](depth|labels?)$", re.IGNORECASE)
_log = logging.getLogger(__name__)


class SourceError(ValueError):
    """A source of frames cannot be used: names the path, the reason and the remedy."""

    def __init__(self, path: Path | str, reason: str, remedy: str) -> None:
        """Keep the parts; the message joins them."""
        super().__init__(f"{path}: {reason}; {remedy}")
        self.path, self.reason, self.remedy = str(path), reason, remedy

    def __reduce__(self) -> tuple[type[SourceError], tuple[str, str, str]]:
        """Pickle the parts, so that it reaches another process as what it is."""
        return type(self), (self.path, self.reason, self.remedy)


@dataclass(frozen=True)
class Calibration:
    """Intrinsics as files give them: often without the image size that they hold for."""

    path: Path
    k: tuple[float, ...]
    size: tuple[int, int] | None = None  # width, height

    def at(self, width: int, height: int) -> Intrinsics:
        """The intrinsics of a (width, height) image: scaled where the file holds for another size.

        Raises:
            SourceError: the file's values are no camera's, or hold for another aspect.
        """
        try:
            own = Intrinsics.from_matrix(self.k, *(self.size or (width, height)))
        except ValueError as error:
            raise SourceError(self.path, str(error), "correct the calibration file") from error
        return scaled_to(own, width, height, self.path)


@dataclass(frozen=True)
class FrameFiles:
    """The files of one frame and the cameras that took them."""

    name: str
    image: Path
    depth: Path | None = None
    calibration: Calibration | None = None
    depth_calibration: Calibration | None = None


@dataclass(frozen=True, eq=False)
class OrientedImage:
    """An image, and how it lay in its file: what belongs to the file's grid has to be turned as it was.

    Attributes:
        rgb: (H, W, 3) uint8 RGB, upright.
        orientation: that its EXIF gave it.
    """

    rgb: npt.NDArray[np.uint8]
    orientation: Orientation = UPRIGHT

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, upright."""
        return self.rgb.shape[1], self.rgb.shape[0]

    def stored(self) -> str:
        """For errors about sizes: how the image lay in its file; empty where it is as it lay."""
        if not self.orientation.turns:
            return ""
        width, height = self.orientation.stored_size(*self.size)
        return f" (stored as {width}x{height} and turned upright by {self.orientation})"

    def camera(self, at: Callable[[int, int], Intrinsics | None]) -> Intrinsics | None:
        """Intrinsics of the image, of what gives them for its width and height in the file; None where it has none.

        Raises:
            SourceError: of `at`; it names EXIF where that turned the image.
        """
        try:
            return self.orientation.upright_camera(at, *self.size)
        except SourceError as error:
            if not self.orientation.turns:
                raise
            remedy = f"{error.remedy}, or save the image upright and without its EXIF orientation"
            raise SourceError(error.path, error.reason + self.stored(), remedy) from error


def scaled_to(intrinsics: Intrinsics, width: int, height: int, path: Path | str) -> Intrinsics:
    """Intrinsics for another size of the same image.

    Raises:
        SourceError: the aspect differs, so that the image was cropped and not only resized.
    """
    if (intrinsics.width, intrinsics.height) == (width, height):
        return intrinsics
    if abs(width * intrinsics.height / (height * intrinsics.width) - 1.0) > MAX_ASPECT_ERROR:
        raise SourceError(
            path,
            f"the intrinsics are for {intrinsics.width}x{intrinsics.height}, the image is {width}x{height}",
            "give intrinsics for the image's own size or aspect",
        )
    return intrinsics.resized(width, height)


def read_image(path: Path) -> OrientedImage:
    """An image, turned upright; 16-bit images keep their upper 8 bits.

    Raises:
        SourceError: the file is no image, or is truncated (Pillow tells; OpenCV would fill the rest with grey).
    """
    try:
        with Image.open(path) as opened:
            orientation = orientation_in(opened)
            picture = ImageOps.exif_transpose(opened)
            if picture.mode.startswith("I"):
                grey = (np.asarray(picture).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
                return OrientedImage(np.repeat(grey[..., None], 3, axis=2), orientation)
            return OrientedImage(np.array(picture.convert("RGB")), orientation)
    except Image.DecompressionBombError as error:
        raise SourceError(path, f"it is too large to decode ({error})", "make it smaller") from error
    # Pillow's decoders raise nearly anything on damaged files (TypeError on a TIFF's tags); one must not end a run.
    except Exception as error:
        reason = "not an image" if isinstance(error, UnidentifiedImageError) else f"cannot be decoded ({error})"
        raise SourceError(path, reason, "replace or remove the file") from error


def read_depth(path: Path) -> npt.NDArray[np.float32]:
    """A 16-bit PNG in millimetres as (H, W) float32 metres; 0 and 65535 become NaN.

    Raises:
        SourceError: the file is missing, or is no one-channel 16-bit image.
    """
    try:
        raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # for example more pixels than OpenCV's limit
        raw = None
    if raw is None:
        raise SourceError(path, "the depth image is missing or cannot be decoded", "restore or remove it")
    if raw.ndim != 2 or raw.dtype != np.uint16:
        raise SourceError(
            path, f"depth has type {raw.dtype} and shape {raw.shape}", "depth must be a 16-bit grey PNG in mm"
        )
    depth = raw.astype(np.float32) / 1000.0
    depth[(raw == 0) | (raw == 65535)] = np.nan
    return depth


def list_frames(folder: Path) -> list[FrameFiles]:
    """The frames of a folder, in natural order (frame 9 before frame 10).

    Raises:
        SourceError: there are no images, or a calibration cannot be read.
    """
    frames = _layout(folder)
    if not frames:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        raise SourceError(folder, "the folder holds no images", f"give a folder with images ({kinds})")
    return frames


def _layout(folder: Path) -> list[FrameFiles]:
    if (folder / "frames.jsonl").is_file():
        return _frames_jsonl(folder)
    if (folder / "color").is_dir():
        return _open3d(folder)
    if (folder / "camera-intrinsics.txt").is_file():
        return _camera_intrinsics_txt(folder)
    calibration = _ros_calibration(folder / "camera_info.yaml")
    return [FrameFiles(name, path, calibration=calibration) for name, path in _photos(folder)]


def _natural(path: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part.casefold()) for part in parts if part]


def _photos(folder: Path) -> list[tuple[str, Path]]:
    """Names and paths of a folder's images that are neither depth nor labels; names are unique."""
    paths = sorted(
        (
            path
            for path in folder.iterdir()
            if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file() and not _NOT_A_PHOTO.search(path.stem)
        ),
        key=_natural,
    )
    stems = Counter(path.stem for path in paths)
    return [(path.stem if stems[path.stem] == 1 else path.name.replace(".", "_"), path) for path in paths]


def _frames_jsonl(folder: Path) -> list[FrameFiles]:
    path = folder / "frames.jsonl"
    frames = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            name = str(entry["frame"])
            k = (float(entry["fx"]), 0.0, float(entry["cx"]), 0.0, float(entry["fy"]), float(entry["cy"]))
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(path, f"line {number}: {error!r}", "each line needs frame, fx, fy, cx and cy") from error
        if Path(name).name != name:
            raise SourceError(path, f"line {number} names {name!r}", "a frame must be a file name in this folder")
        depth = folder / f"{name}_depth.png"
        calibration = Calibration(path, (*k, 0.0, 0.0, 1.0))
        frames.append(
            FrameFiles(name, folder / f"{name}.jpg", depth if depth.is_file() else None, calibration, calibration)
        )
    return frames


def _open3d(folder: Path) -> list[FrameFiles]:
    """Depth is registered to colour in this layout; K is a column-major list of nine values."""
    calibration = None
    paths = sorted(folder.glob("camera*.json"))
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        raise SourceError(folder, f"which camera took these images: {names}?", "leave only the right file there")
    for path in paths:
        try:
            camera = json.loads(_text(path))
            k = np.array(camera["intrinsic_matrix"], dtype=np.float64).reshape(3, 3, order="F")
            size = (int(camera["width"]), int(camera["height"]))
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(path, repr(error), "it needs width, height and intrinsic_matrix") from error
        calibration = Calibration(path, tuple(k.reshape(-1).tolist()), size)
    depths = {path.stem: path for path in (folder / "depth").glob("*.png")}
    return [
        FrameFiles(name, path, depths.get(path.stem), calibration, calibration)
        for name, path in _photos(folder / "color")
    ]


def _camera_intrinsics_txt(folder: Path) -> list[FrameFiles]:
    path = folder / "camera-intrinsics.txt"
    try:
        values = tuple(float(value) for value in _text(path).split())
    except ValueError as error:
        raise SourceError(path, str(error), "it needs a 3x3 matrix of numbers") from error
    if len(values) != 9:
        raise SourceError(path, f"it holds {len(values)} numbers", "it needs a 3x3 matrix of numbers")
    calibration = Calibration(path, values)
    frames = []
    for stem, image in _photos(folder):
        name = stem.removesuffix(".color")
        depth = folder / f"{name}.depth.png"
        frames.append(FrameFiles(name, image, depth if depth.is_file() else None, calibration, calibration))
    return frames


def _ros_calibration(path: Path) -> Calibration | None:
    """The camera matrix of a file that camera_calibration wrote; None where there is no such file."""
    if not path.is_file():
        return None
    import yaml

    try:
        camera: dict[str, Any] = yaml.safe_load(_text(path))
        size = (int(camera["image_width"]), int(camera["image_height"]))
        k = tuple(float(value) for value in camera["camera_matrix"]["data"])
        distortion = camera.get("distortion_coefficients", {}).get("data", [])
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(path, repr(error), "it needs image_width, image_height and camera_matrix/data") from error
    if any(distortion):
        _log.warning("%s: the lens distorts and the images are used as they are; rectify them first", path)
    return Calibration(path, k, size)


def _text(path: Path) -> str:
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise SourceError(
            path, f"{path.stat().st_size} bytes is over the limit of {MAX_TEXT_BYTES}", "is it the right file?"
        )
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SourceError(path, "it is not text", "replace the file") from error
