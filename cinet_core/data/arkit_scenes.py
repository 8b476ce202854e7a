"""ARKitScenes (Baruch et al., NeurIPS 2021): rooms scanned with an iPad's lidar, as ``raw`` or ``3dod``.

===============================================  ============================================================
``VIDEO/lowres_wide/VIDEO_T.png``                colour, 256x192, with its time in seconds
``VIDEO/lowres_depth/VIDEO_T.png``               16-bit PNG in mm, of the same size; 0 = unknown
``VIDEO/confidence/VIDEO_T.png``                 of the lidar: 0 low, 1 medium, 2 high; may be missing
``VIDEO/lowres_wide_intrinsics/VIDEO_T.pincam``  width height fx fy cx cy; its time may differ by a millisecond
``VIDEO/lowres_wide.traj``                       time, rotation vector and translation, world to camera; may be missing
``metadata.csv``                                 sky_direction of each video; may be missing
===============================================  ============================================================

Videos lie in folders ``Training`` and ``Validation``, the published split. Images are served upright: which way is up
the poses tell, whose world has z upwards, and only where there are none ``sky_direction``, which is often wrong.
"""

from __future__ import annotations

import bisect
import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.data.exif import ORIENTATIONS, UPRIGHT, Orientation
from cinet_core.data.frame_files import SourceError
from cinet_core.data.image_files import OrientedImage, read_depth, read_image
from cinet_core.data.posed_dataset import PosedDataset
from cinet_core.data.scans import OfficialPart, existing_folder, scan_members
from cinet_core.data.scene_dataset import DatasetMeta, Part, Split
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40, LabelSet
from cinet_core.poses import Pose, PoseBuffer

__all__ = ["META", "ArkitScenes", "find_videos"]

META = DatasetMeta("arkit_scenes", NYU40, (0.1, 5.0))
_VIDEO = re.compile(r"\d{8}(_frames)?")
_REMEDY = "give a folder with videos as ARKitScenes' download_data.py makes it (raw or 3dod)"
_FOLDS: Mapping[str, OfficialPart] = {"Training": "train", "Validation": "test"}
_TOLERANCE = 0.002
"""Seconds by which the file of an image's intrinsics may be off: names hold milliseconds."""

# By EXIF's number of what turns an image upright.
_UP = {"up": UPRIGHT, "down": ORIENTATIONS[3], "left": ORIENTATIONS[6], "right": ORIENTATIONS[8]}


@dataclass(frozen=True)
class _Video:
    """A recording: what lies in its folder, read once."""

    folder: Path
    name: str
    part: OfficialPart | None
    orientation: Orientation
    poses: PoseBuffer | None
    intrinsics: tuple[tuple[float, Path], ...]


@dataclass(frozen=True)
class _ArkitFrame:
    video: _Video
    seconds: float
    stem: str


class ArkitScenes(PosedDataset):
    """A split, by videos, of a folder of videos; or one video. There are no labels of pixels.

    Args:
        root: a folder that holds ``Training`` and ``Validation``, or videos, or is one.
        split: "test" is the published validation set where these folders are there, else a part of the videos.
        every: take every N-th frame of a video.
        min_confidence: depth below it, of 0 to 2, is unknown; only where the confidence was downloaded.
        label_set: of the (absent) labels that are served.
        validation_fraction, test_fraction, seed: see `scan_members`.

    Raises:
        SourceError: the folder holds no video, or a file of it cannot be read.
        ValueError: the split is empty, or an option is out of range.
    """

    def __init__(
        self,
        root: Path | str,
        split: Split = "train",
        *,
        every: int = 1,
        min_confidence: int = 1,
        label_set: LabelSet | None = None,
        validation_fraction: float = 0.1,
        test_fraction: float = 0.1,
        seed: int = 0,
    ) -> None:
        if every < 1:
            raise ValueError(f"every is {every}: it must be at least 1")
        if min_confidence not in (0, 1, 2):
            raise ValueError(f"min_confidence is {min_confidence}: choose 0 (all depth), 1 or 2 (only what is sure)")
        self._root, self._min_confidence = existing_folder(root, _REMEDY), min_confidence
        sky = _read_sky(self._root)
        videos = [_video(folder, part, sky) for folder, part in find_videos(self._root)]
        self._frames = [frame for video in videos for frame in _frames(video)[::every]]
        if not self._frames:
            raise SourceError(self._root, "its videos hold no frame with colour and depth", _REMEDY)
        members = scan_members(
            split,
            [frame.video.name for frame in self._frames],
            [frame.video.part for frame in self._frames],
            validation_fraction=validation_fraction,
            test_fraction=test_fraction,
            seed=seed,
        )
        super().__init__(META, split, members, label_set)

    def pose(self, index: int) -> npt.NDArray[np.float64] | None:
        """Where the camera stood: (4, 4) float64, the upright camera's coordinates to the world's, metres.

        Between two poses of the recording it is interpolated; None where there are none around the image.
        """
        frame = self._frames[self._members[index]]
        if frame.video.poses is None:
            return None
        found = frame.video.poses.at(round(frame.seconds * 1e9))
        return frame.video.orientation.turned_pose(found.matrix()) if isinstance(found, Pose) else None

    def world(self, index: int) -> str:
        """Of each video."""
        return self._frames[self._members[index]].video.name

    def _name(self, member: int) -> str:
        return self._frames[member].stem

    def _place(self, member: int, part: Part) -> str:
        return str(self._file(member, "lowres_wide" if part == "image" else "lowres_depth"))

    def _file(self, member: int, folder: str) -> Path:
        frame = self._frames[member]
        return frame.video.folder / folder / f"{frame.stem}.png"

    def _image(self, member: int) -> OrientedImage:
        orientation = self._orientation(member)
        return OrientedImage(orientation.turned(read_image(self._file(member, "lowres_wide")).rgb), orientation)

    def _orientation(self, member: int) -> Orientation:
        return self._frames[member].video.orientation

    def _depth(self, member: int) -> npt.NDArray[np.float32]:
        depth = read_depth(self._file(member, "lowres_depth"))
        path = self._file(member, "confidence")
        if self._min_confidence > 0 and path.is_file():
            confidence = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            if confidence is None or confidence.shape != depth.shape:
                raise SourceError(path, "it is no grey image of the depth's size", "download it anew")
            depth[confidence < self._min_confidence] = np.nan
        return depth

    def _own_labels(self, member: int) -> None:
        return None

    def _intrinsics(self, member: int, width: int, height: int) -> Intrinsics:
        frame = self._frames[member]
        known = frame.video.intrinsics
        place = bisect.bisect(known, (frame.seconds,))
        near = [entry for entry in known[max(place - 1, 0) : place + 1] if abs(entry[0] - frame.seconds) <= _TOLERANCE]
        if not near:
            path = frame.video.folder / "lowres_wide_intrinsics" / f"{frame.stem}.pincam"
            raise SourceError(path, "there is no such file, nor one a millisecond off", _REMEDY)
        path = min(near, key=lambda entry: abs(entry[0] - frame.seconds))[1]
        try:
            w, h, fx, fy, cx, cy = np.loadtxt(path, dtype=np.float64).tolist()
            return Intrinsics(fx, fy, cx, cy, int(w), int(h)).resized(width, height)
        except (OSError, TypeError, ValueError) as error:
            raise SourceError(path, f"it is not 'width height fx fy cx cy' ({error})", "download it anew") from error


def find_videos(root: Path) -> list[tuple[Path, OfficialPart | None]]:
    """The folders with ``lowres_wide`` at a path, which may be one itself, and the published part of each.

    Raises:
        SourceError: there is none.
    """
    root = root.resolve()
    folds = [root / fold for fold in _FOLDS if (root / fold).is_dir()]
    parents = folds or [root]
    candidates = [root] if (root / "lowres_wide").is_dir() else [path for fold in parents for path in _inside(fold)]
    found: list[tuple[Path, OfficialPart | None]] = []
    for path in candidates:
        # 3dod: Training/VIDEO/VIDEO_frames/lowres_wide
        folder = next((one for one in (path, path / f"{path.name}_frames") if (one / "lowres_wide").is_dir()), None)
        if folder is not None and _VIDEO.fullmatch(folder.name):
            found.append((folder, next((_FOLDS[part.name] for part in folder.parents if part.name in _FOLDS), None)))
    if not found:
        raise SourceError(root, "it holds no video with a folder lowres_wide", _REMEDY)
    return found


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _video(folder: Path, part: OfficialPart | None, sky: Mapping[str, str]) -> _Video:
    name = folder.name.removesuffix("_frames")
    poses, up = _read_poses(folder / "lowres_wide.traj")
    direction = up if up is not None else sky.get(name, "up")
    files = (folder / "lowres_wide_intrinsics").glob("*.pincam")
    intrinsics = sorted((_seconds(path), path) for path in files)
    return _Video(folder, name, part, _UP[direction], poses, tuple(intrinsics))


def _frames(video: _Video) -> list[_ArkitFrame]:
    depths = {path.stem for path in (video.folder / "lowres_depth").glob("*.png")}
    images = ((_seconds(path), path.stem) for path in (video.folder / "lowres_wide").glob("*.png"))
    return [_ArkitFrame(video, seconds, stem) for seconds, stem in sorted(images) if stem in depths]


def _seconds(path: Path) -> float:
    try:
        return float(path.stem.rpartition("_")[2])
    except ValueError as error:
        raise SourceError(path, "its name is not VIDEO_SECONDS", _REMEDY) from error


def _read_poses(path: Path) -> tuple[PoseBuffer | None, str | None]:
    """The camera's poses in the world, and which side of the stored images is up on most of them."""
    if not path.is_file():
        return None, None
    try:
        rows = np.loadtxt(path, dtype=np.float64, ndmin=2)
    except ValueError as error:
        raise SourceError(path, str(error), "download it anew") from error
    if rows.size == 0:
        return None, None
    if rows.shape[1] != 7 or not np.isfinite(rows).all():
        raise SourceError(path, f"a line has {rows.shape[1]} numbers, not 7 that are finite", "download it anew")
    poses = PoseBuffer(max_length=max(len(rows), 2))
    upward = np.zeros(3)
    for seconds, *values in rows[np.argsort(rows[:, 0], kind="stable")]:
        turn, shift = np.array(values[:3]), np.array(values[3:])
        world_to_camera = cv2.Rodrigues(turn)[0]
        upward += world_to_camera[:, 2]  # the world's z in the camera
        angle = float(np.linalg.norm(turn))
        axis = turn / angle if angle > 0 else turn
        inverse = np.append(-axis * math.sin(angle / 2), math.cos(angle / 2))
        poses.add(round(seconds * 1e9), -world_to_camera.T @ shift, inverse)
    right, down, _ = upward
    if abs(down) >= abs(right):
        return poses, "up" if down < 0 else "down"
    return poses, "right" if right > 0 else "left"


def _read_sky(root: Path) -> dict[str, str]:
    """sky_direction by video, of the table beside the videos; empty where there is none."""
    path = next((folder / "metadata.csv" for folder in (root, *root.resolve().parents[:3])
                 if (folder / "metadata.csv").is_file()), None)  # fmt: skip
    if path is None:
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        sky = {row["video_id"].strip(): row["sky_direction"].strip().lower() for row in rows}
    except (OSError, KeyError, AttributeError, UnicodeDecodeError) as error:
        raise SourceError(path, f"it has no columns video_id and sky_direction ({error!r})", _REMEDY) from error
    return {video: direction for video, direction in sky.items() if direction in _UP}
