"""A sequence of the TUM RGB-D benchmark (Sturm et al., IROS 2012), in the layout that it is downloaded in.

===================  =========================================================================================
``rgb.txt``          ``timestamp filename`` of the colour images, a line each; lines with # are comments
``depth.txt``        the same of the depth images: 16-bit PNG, 5000 units a metre, 0 = unknown, registered to colour
``groundtruth.txt``  ``timestamp tx ty tz qx qy qz qw`` of the colour camera's optical frame; may be missing
===================  =========================================================================================

Colour images are as the lens made them. They are undistorted linearly and depth by the nearest pixel, and K is left as
it is, so that a pixel is the ray that K says. The published depth maps are scaled already: the factors 1.035 and 1.031
of the benchmark's first version are not to be applied again.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from cinet_core.data.camera_info_file import CameraInfoFile
from cinet_core.data.frame_files import Calibration, SourceError
from cinet_core.data.image_files import OrientedImage, read_depth, read_image
from cinet_core.data.posed_dataset import PosedDataset
from cinet_core.data.scene_dataset import DatasetMeta, Part, Split
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40, LabelSet
from cinet_core.poses import AddOutcome, Pose, PoseBuffer

__all__ = ["CAMERAS", "IMAGE_LIST", "TumCamera", "TumRgbd", "associate"]

IMAGE_LIST, DEPTH_LIST, POSE_FILE = "rgb.txt", "depth.txt", "groundtruth.txt"
SPLITS: tuple[Split, ...] = ("test", "all")
UNITS_PER_METRE = 5000.0
SIZE = (640, 480)
_REMEDY = "give a sequence as the TUM RGB-D benchmark has it, unpacked"
_NO_TURN = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

TumCamera = Literal["auto", "freiburg1", "freiburg2", "freiburg3", "ros_default"]


@dataclass(frozen=True)
class _TumLens:
    """Pinhole parameters in pixels of a 640x480 image, and k1 k2 p1 p2 k3 of OpenCV's polynomial."""

    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0)

    def calibration(self, path: Path, rectify: bool) -> Calibration:
        """For errors a path; without `rectify` the distortion is left in the images."""
        k = (self.fx, 0.0, self.cx, 0.0, self.fy, self.cy, 0.0, 0.0, 1.0)
        if not rectify or not any(self.distortion):
            return Calibration(path, k, SIZE)
        p = (self.fx, 0.0, self.cx, 0.0, 0.0, self.fy, self.cy, 0.0, 0.0, 0.0, 1.0, 0.0)
        return Calibration(path, k, SIZE, CameraInfoFile(*SIZE, "plumb_bob", self.distortion, k, _NO_TURN, p))


CAMERAS: Mapping[str, _TumLens] = {
    "freiburg1": _TumLens(517.3, 516.5, 318.6, 255.3, (0.2624, -0.9531, -0.0054, 0.0026, 1.1633)),
    "freiburg2": _TumLens(520.9, 521.0, 325.1, 249.7, (0.2312, -0.7849, -0.0033, -0.0001, 0.9172)),
    "freiburg3": _TumLens(535.4, 539.2, 320.1, 247.6),
    "ros_default": _TumLens(525.0, 525.0, 319.5, 239.5),
}
"""Colour cameras of the benchmark, by the part of a sequence's name; its images of freiburg3 are undistorted."""


@dataclass(frozen=True)
class _TumFrame:
    """A colour image with its seconds, and the depth image that belongs to it, if any."""

    seconds: float
    image: Path
    depth: Path | None


class TumRgbd(PosedDataset):
    """All frames of a sequence, to test on: one walk through one room is nothing to divide or to learn from.

    Args:
        root: the folder.
        split: "test" or "all", which are the same.
        camera: a name in `CAMERAS`; "auto" reads it from the name of the folder or of the recording that
            ``groundtruth.txt`` names.
        rectify: undo the distortion of the lens. False leaves image and depth as they were recorded, with the same K.
        tolerance: seconds by which the depth image of a colour image may be earlier or later.
        label_set: of the (absent) labels that are served.

    Raises:
        SourceError: the folder is no such sequence, or the camera is not known.
        ValueError: the split or the camera does not exist, or the tolerance is negative.
    """

    def __init__(
        self,
        root: Path | str,
        split: Split = "test",
        *,
        camera: TumCamera = "auto",
        rectify: bool = True,
        tolerance: float = 0.02,
        label_set: LabelSet | None = None,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"a recorded sequence has no split {split!r}: choose one of {', '.join(SPLITS)}")
        if not 0.0 <= tolerance < math.inf:
            raise ValueError(f"tolerance is {tolerance}: it must be a number of seconds, 0 or above")
        self._root = Path(root).expanduser()
        self._frames = _frames(self._root, tolerance)
        lens = _lens(self._root, camera)
        self._calibration = lens.calibration(self._root, rectify)
        self._recorded = lens.calibration(self._root, rectify=False) if rectify and any(lens.distortion) else None
        self._poses = _read_poses(self._root / POSE_FILE)
        alone = sum(frame.depth is None for frame in self._frames)
        self.remarks = (
            (f"{alone} of {len(self._frames)} colour images have no depth image within {tolerance:g} s",) * bool(alone)
        )  # fmt: skip
        farthest = (2**16 - 2) / UNITS_PER_METRE
        meta = DatasetMeta(self._root.resolve().name, NYU40, (1 / UNITS_PER_METRE, farthest), splits=SPLITS)
        super().__init__(meta, split, range(len(self._frames)), label_set)

    def as_recorded(self) -> TumRgbd | None:
        """With `rectify` False; None where that is so already, or the camera has no distortion."""
        if self._recorded is None:
            return None
        other = copy.copy(self)
        other._calibration, other._recorded = self._recorded, None
        return other

    def seconds(self, index: int) -> float:
        """When the colour image was taken, by the recording's clock."""
        return self._frames[self._members[index]].seconds

    def pose(self, index: int) -> npt.NDArray[np.float64] | None:
        """Where the camera stood: (4, 4) float64, the optical frame's coordinates to the world's, metres.

        Between two poses of the motion capture it is interpolated; None where there are none around the image.
        """
        if self._poses is None:
            return None
        found = self._poses.at(round(self.seconds(index) * 1e9))
        return found.matrix() if isinstance(found, Pose) else None

    def _name(self, member: int) -> str:
        return self._frames[member].image.stem

    def _place(self, member: int, part: Part) -> str:
        frame = self._frames[member]
        return str(frame.depth if part == "depth" else frame.image)

    def _image(self, member: int) -> OrientedImage:
        return read_image(self._frames[member].image).rectified(self._calibration)

    def _depth(self, member: int) -> npt.NDArray[np.float32] | None:
        path = self._frames[member].depth
        return None if path is None else read_depth(path, UNITS_PER_METRE)

    def _own_labels(self, member: int) -> None:
        return None

    def _intrinsics(self, member: int, width: int, height: int) -> Intrinsics:
        return self._calibration.at(width, height)


def associate(first: Sequence[float], second: Sequence[float], tolerance: float) -> dict[int, int]:
    """Pairs of the nearest times, each used once, nearest pairs first, as the benchmark's associate.py has it.

    >>> associate([0.0, 1.0, 2.0], [0.99, 1.02, 5.0], 0.05)
    {1: 0}

    Args:
        first, second: seconds, each rising.
        tolerance: largest difference of a pair, seconds.

    Returns:
        For the number of each paired element of `first`, in order, that of its partner in `second`.
    """
    times = np.asarray(second, dtype=np.float64)
    near = [
        (abs(time - times[other]), number, other)
        for number, time in enumerate(first)
        for other in range(
            int(np.searchsorted(times, time - tolerance)), int(np.searchsorted(times, time + tolerance, side="right"))
        )
    ]
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, number, other in sorted(near):
        if number not in pairs and other not in taken:
            pairs[number] = other
            taken.add(other)
    return dict(sorted(pairs.items()))


def _frames(root: Path, tolerance: float) -> tuple[_TumFrame, ...]:
    if not root.is_dir():
        raise SourceError(root, "there is no such folder", "give the folder that holds rgb.txt")
    images, depths = _read_list(root / IMAGE_LIST), _read_list(root / DEPTH_LIST)
    if not images:
        raise SourceError(root / IMAGE_LIST, "it names no image", _REMEDY)
    pairs = associate([time for time, _ in images], [time for time, _ in depths], tolerance)
    return tuple(
        _TumFrame(time, root / name, root / depths[pairs[number]][1] if number in pairs else None)
        for number, (time, name) in enumerate(images)
    )


def _read_list(path: Path) -> list[tuple[float, str]]:
    """Times and file names, by time."""
    found = []
    for number, fields in _lines(path):
        try:
            (_, name), seconds = fields, float(fields[0])
        except ValueError:
            seconds = math.nan
        if not math.isfinite(seconds):
            raise SourceError(path, f"line {number} is {' '.join(fields)!r}, not 'timestamp filename'", _REMEDY)
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise SourceError(path, f"line {number} names {name!r}, which is not below the folder", _REMEDY)
        found.append((seconds, name))
    return sorted(found)


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Number, from 1, and words of each line that says something."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SourceError(path, "there is no such file", _REMEDY) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(path, f"it cannot be read ({error})", _REMEDY) from error
    lines = enumerate((line.partition("#")[0].split() for line in text.splitlines()), start=1)
    return [(number, words) for number, words in lines if words]


def _read_poses(path: Path) -> PoseBuffer | None:
    if not path.is_file():
        return None
    lines = _lines(path)
    poses = PoseBuffer(max_length=max(len(lines), 2))
    for number, words in lines:
        try:
            values = [float(word) for word in words]
        except ValueError:
            values = []
        if len(values) != 8:
            reason = f"line {number} is {' '.join(words)!r}, not 'timestamp tx ty tz qx qy qz qw'"
            raise SourceError(path, reason, _REMEDY)
        outcome = poses.add(round(values[0] * 1e9), values[1:4], values[4:])
        if outcome in (AddOutcome.OUT_OF_ORDER, AddOutcome.CLOCK_WENT_BACK, AddOutcome.INVALID):
            raise SourceError(path, f"line {number}: {outcome.value}", "sort the file by time and remove such lines")
    return poses


def _lens(root: Path, camera: str) -> _TumLens:
    if camera != "auto":
        if camera not in CAMERAS:
            raise ValueError(f"camera is {camera!r}: choose one of auto, {', '.join(CAMERAS)}")
        return CAMERAS[camera]
    recorded = root / POSE_FILE
    names = [root.resolve().name]
    if recorded.is_file():
        with recorded.open(encoding="utf-8", errors="replace") as file:
            names += [line for line in (file.readline() for _ in range(5)) if line.startswith("#")]
    for name in names:
        number = re.search(r"(?:freiburg|(?<![a-z])fr)([123])(?!\d)", name)
        if number is not None:
            return CAMERAS[f"freiburg{number[1]}"]
    choices = ", ".join(CAMERAS)
    raise SourceError(root, "its name does not tell which camera recorded it", f"give option camera: one of {choices}")
