"""Recognises the common layouts of RGB-D folders, with the files of each frame and their cameras.

Understood, in this order: ``frames.jsonl`` (a camera a frame), ``color/`` + ``depth/`` + ``camera*.json`` (Open3D),
``camera-intrinsics.txt`` (``*.color.jpg`` + ``*.depth.png``), ``camera_info.yaml`` (a ROS calibration, by which the
images are rectified), and images alone. Depth images are 16-bit PNG in millimetres, where 0 and 65535 mean "unknown".
"""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cinet_core.data.bag_paths import bags_at
from cinet_core.data.camera_info_file import CameraInfoFile
from cinet_core.data.unread_files import certainly_no_photo, parts_among, parts_by_pixels
from cinet_core.geometry import Intrinsics
from cinet_core.messages.camera import CameraModel
from cinet_core.messages.distortion import read_distortion
from cinet_core.messages.errors import ConversionError

__all__ = [
    "ANCHORS_SUFFIX",
    "IMAGE_SUFFIXES",
    "Calibration",
    "FileNames",
    "FrameFiles",
    "SourceError",
    "list_frames",
    "refuse_bag",
    "ros_calibration",
    "scaled_to",
]

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
ANCHORS_SUFFIX = "_anchors.npz"
"""Beside an image: what a robot measured there (`cinet_core.data.recording`)."""

MAX_TEXT_BYTES = 64 << 20
"""Calibrations are small and a line of frames.jsonl has some 300 bytes: anything larger is another kind of file."""

MAX_ASPECT_ERROR = 0.01
RECTIFIED = "set its distortion_coefficients to zeros and its rectification_matrix to the identity"
_log = logging.getLogger(__name__)


class SourceError(ValueError):
    """A source of frames cannot be used. The message names the path, the reason and the remedy."""

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
    lens: CameraInfoFile | None = None
    """Where the images have to be rectified by it, or are a part of the calibrated ones."""

    def at(self, width: int, height: int) -> Intrinsics:
        """The intrinsics of a (width, height) image, rectified: scaled where the file holds for another size.

        Raises:
            SourceError: the file's values are no camera's, or hold for another aspect.
        """
        if self.lens is not None:
            return self.model(self.lens, width, height).intrinsics
        try:
            own = Intrinsics.from_matrix(self.k, *(self.size or (width, height)))
        except ValueError as error:
            raise SourceError(self.path, str(error), "correct the calibration file") from error
        return scaled_to(own, width, height, self.path)

    def model(self, lens: CameraInfoFile, width: int, height: int) -> CameraModel:
        """What the calibration's lens means for a (width, height) image.

        Raises:
            SourceError: the calibration cannot be used, or holds for another aspect.
        """
        try:
            return lens.model(width, height)
        except ConversionError as error:
            text = str(error).replace("set input_rectified to true", RECTIFIED)
            reason, _, remedy = text.rpartition("; ")
            raise SourceError(self.path, reason or text, remedy or "calibrate anew") from error


@dataclass(frozen=True)
class FrameFiles:
    """The files of one frame and the cameras that took them."""

    name: str
    image: Path
    depth: Path | None = None
    calibration: Calibration | None = None
    depth_calibration: Calibration | None = None
    line: Mapping[str, Any] | None = field(default=None, compare=False)
    """All that frames.jsonl says of it; None in other layouts."""


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


class FileNames:
    """The files of a folder, found by name whatever the case of its letters: depth.PNG is PNG."""

    def __init__(self, folder: Path) -> None:
        """List the folder, which may be missing."""
        self._folder = folder
        names = sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
        self._exact = frozenset(names)
        self._folded = {name.casefold(): name for name in names}

    def find(self, name: str) -> Path | None:
        """The file of this name, else one that differs in case only, else None."""
        found = name if name in self._exact else self._folded.get(name.casefold())
        return None if found is None else self._folder / found


def list_frames(folder: Path) -> list[FrameFiles]:
    """The frames of a folder, in natural order (frame 9 before frame 10).

    Raises:
        SourceError: there are no images, or a calibration cannot be read.
    """
    frames = _layout(folder)
    if not frames:
        refuse_bag(folder)
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        inside = [path.name for path in folder.iterdir() if path.is_dir() and any(map(_is_image, path.iterdir()))]
        where = f"; there are some in {', '.join(sorted(inside)[:4])}: colour is read from color/" if inside else ""
        raise SourceError(folder, f"the folder holds no images{where}", f"give a folder with images ({kinds})")
    return frames


def refuse_bag(path: Path) -> None:
    """Refuse a ROS bag, or a folder of some, for what it is.

    Raises:
        SourceError: it is one.
    """
    if bags := bags_at(path):
        bag, own = bags[0], bags == [str(path)]
        reason = "this is a ROS bag" if own else f"the folder holds ROS bags: {', '.join(bags[:4])}"
        remedy = f"play it with the player node (source:={bag}), or make a data set of it: cinet bag extract {bag} OUT"
        raise SourceError(path, reason, remedy)


def _layout(folder: Path) -> list[FrameFiles]:
    if (folder / "frames.jsonl").is_file():
        return _frames_jsonl(folder)
    if (folder / "color").is_dir():
        return _open3d(folder)
    if (folder / "camera-intrinsics.txt").is_file():
        return _camera_intrinsics_txt(folder)
    calibration = ros_calibration(folder / "camera_info.yaml")
    return [FrameFiles(name, path, calibration=calibration) for name, path in _photos(folder)]


def _natural(path: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part.casefold()) for part in parts if part]


def _is_image(path: Path) -> bool:
    """By its name; hidden ones are what macOS leaves beside each file (._x.jpg)."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _photos(folder: Path) -> list[tuple[str, Path]]:
    """Names and paths of a folder's images that are neither depth nor labels; names are unique."""
    found = [path for path in folder.iterdir() if _is_image(path) and not certainly_no_photo(path.stem)]
    parts = parts_among([path.stem for path in found])
    left = [path for path in found if path.stem not in parts]
    paths = sorted(set(left) - parts_by_pixels(left), key=_natural)
    stems = Counter(path.stem for path in paths)
    return [(path.stem if stems[path.stem] == 1 else path.name.replace(".", "_"), path) for path in paths]


def _frames_jsonl(folder: Path) -> list[FrameFiles]:
    path = folder / "frames.jsonl"
    files = FileNames(folder)
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
        image = files.find(f"{name}.jpg") or folder / f"{name}.jpg"
        calibration = Calibration(path, (*k, 0.0, 0.0, 1.0))
        frames.append(FrameFiles(name, image, files.find(f"{name}_depth.png"), calibration, calibration, entry))
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
    depths = FileNames(folder / "depth")
    return [
        FrameFiles(name, path, depths.find(f"{path.stem}.png"), calibration, calibration)
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
    files = FileNames(folder)
    frames = []
    for stem, image in _photos(folder):
        name = stem.removesuffix(".color")
        frames.append(FrameFiles(name, image, files.find(f"{name}.depth.png"), calibration, calibration))
    return frames


def ros_calibration(path: Path) -> Calibration | None:
    """What a ROS calibration says of the camera; None where there is no such file."""
    if not path.is_file():
        return None
    try:
        info = CameraInfoFile.parse(_text(path))
        moved = read_distortion(info.distortion_model, info.d) is not None
    except ValueError as error:
        reason, _, remedy = str(error).rpartition(": " if not isinstance(error, ConversionError) else "; ")
        raise SourceError(path, reason, remedy.replace("set input_rectified to true", RECTIFIED)) from error
    moved = moved or (any(info.r) and not np.array_equal(info.r, np.eye(3).ravel()))
    if moved:
        _log.warning("%s: the images, depth and labels are rectified by it; if they are already, %s", path, RECTIFIED)
    size = (info.width, info.height) if info.width else None
    return Calibration(path, info.k, size, info if moved or info.windowed else None)


def _text(path: Path) -> str:
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise SourceError(
            path, f"{path.stat().st_size} bytes is over the limit of {MAX_TEXT_BYTES}", "is it the right file?"
        )
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SourceError(path, "it is not text", "replace the file") from error
