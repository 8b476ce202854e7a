"""Data set of a plain folder of frames: colour, with optional depth and labels.

The layouts are frame_files.py's; where depth and labels lie in each (``NAME`` is the frame's):

============================  =======================  ===============================================
layout                        depth, 16-bit PNG in mm  labels, 8-bit PNG
============================  =======================  ===============================================
``frames.jsonl`` + NAME.jpg   NAME_depth.png           NAME_label.png
``color/`` and ``depth/``     depth/NAME.png           labels/NAME.png
``camera-intrinsics.txt``     NAME.depth.png           NAME.label.png
images alone, or with         NAME_depth.png           NAME_label.png
``camera_info.yaml``
============================  =======================  ===============================================

Depth and labels have the colour image's size and view. Where they are no truth, as those that `cinet data label` makes,
``NAME_trust.png`` beside the image says how far each pixel is trusted (trust.py). Label value 0 is "none" and 1 is the
first class, as in the published data sets; a file ``classes.txt`` (one name a line) gives the classes where they are
not NYU40's. The camera's K is a frame's (frames.jsonl) or the folder's, or may be unknown.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from cinet_core.data.exif import Orientation, orientation_of
from cinet_core.data.frame_files import ANCHORS_SUFFIX, FileNames, FrameFiles, SourceError, list_frames
from cinet_core.data.image_files import OrientedImage, read_depth, read_image
from cinet_core.data.label_image import read_labels
from cinet_core.data.scene_dataset import DatasetMeta, Part, SceneDataset, Split, choose_members, held_out
from cinet_core.data.trust import TRUST_SUFFIX, read_trust
from cinet_core.data.unread_files import unread_files
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40, LabelSet

__all__ = ["DEPTH_RANGE", "ROOM_PATTERN", "FolderDataset", "read_classes"]

ROOM_PATTERN = r"(.+)_[^_]*"
"""Rooms are told apart by what comes before the last underscore of a frame's name: 05000 in 05000_03."""

DEPTH_RANGE = (0.001, 65.534)
"""Metres that a 16-bit image in millimetres can hold."""


class FolderDataset(SceneDataset):
    """A split, by rooms, of a folder of frames.

    Args:
        root: the folder.
        split: all frames of a room are on the same side of it.
        source_label_set: what the label images mean; None for ``classes.txt``, and NYU40 where there is none.
        label_set: to map these to; None keeps them.
        first_class: value of the first class in the label images: 1 (then 0 is "none") or 0. 255 is always "none".
        room_pattern: regular expression whose first group, matched with a frame's whole name, is its room; a frame
            that it does not match is a room of its own. ``"(.*)"`` splits by frame.
        validation_fraction: part of the training frames that becomes the validation split.
        test_fraction: part of all frames that becomes the test split.
        seed: of the validation split. The test split does not depend on it.
        trust: read ``NAME_trust.png``; False takes all depth and labels for the truth.

    Raises:
        SourceError: the folder holds no frames, or its calibration or classes cannot be read.
        ValueError: the split does not exist or is empty, or rooms cannot be told apart.
    """

    def __init__(
        self,
        root: Path | str,
        split: Split = "train",
        *,
        source_label_set: LabelSet | None = None,
        label_set: LabelSet | None = None,
        first_class: Literal[0, 1] = 1,
        room_pattern: str = ROOM_PATTERN,
        validation_fraction: float = 0.1,
        test_fraction: float = 0.1,
        seed: int = 0,
        trust: bool = True,
    ) -> None:
        if first_class not in (0, 1):
            raise ValueError(f"first_class is {first_class}: the first class has value 0 or 1")
        self._root = Path(root).expanduser()
        if not self._root.is_dir():
            raise SourceError(self._root, "there is no such folder", "give the folder that holds the frames")
        self._frames = list_frames(self._root)
        self._depths, self._labels, self._trusts = _parts(self._root, self._frames)
        self._reads_trust = trust
        self.remarks = tuple(self._unread())
        self._first_class = first_class
        rooms = [_room(room_pattern, frame.name) for frame in self._frames]
        self._rooms = rooms
        test: set[int] = set()
        if split != "all":
            test_rooms = held_out(rooms, test_fraction, "test")
            test = {frame for frame, room in enumerate(rooms) if room in test_rooms}
        members = choose_members(split, rooms, test, validation_fraction, seed)
        own = source_label_set or read_classes(self._root / "classes.txt") or NYU40
        super().__init__(DatasetMeta(self._root.resolve().name, own, DEPTH_RANGE), split, members, label_set)

    def frame(self, index: int) -> FrameFiles:
        """The files of a sample."""
        return self._frames[self._members[index]]

    def room(self, index: int) -> str:
        """Name of the room that a sample is of, by its name."""
        return self._rooms[self._members[index]]

    def _unread(self) -> list[str]:
        images = [frame.image for frame in self._frames]
        read = {path for path in (*self._depths, *self._labels, *self._trusts) if path is not None}
        read |= {path for path in (image.with_name(image.stem + ANCHORS_SUFFIX) for image in images) if path.is_file()}
        folders = dict.fromkeys(image.parent for image in images)
        return unread_files(self._root, folders, images, read, _expected(self._root, self._frames[0]))

    def _name(self, member: int) -> str:
        return self._frames[member].name

    def _place(self, member: int, part: Part) -> str:
        if part == "image":
            return str(self._frames[member].image)
        found = {"depth": self._depths, "labels": self._labels, "trust": self._trusts}
        return str(found[part][member])

    def _image(self, member: int) -> OrientedImage:
        frame = self._frames[member]
        return read_image(frame.image).rectified(frame.calibration)

    def _orientation(self, member: int) -> Orientation:
        return orientation_of(self._frames[member].image)

    def _depth(self, member: int) -> npt.NDArray[np.float32] | None:
        path = self._depths[member]
        return None if path is None else read_depth(path)

    def _own_labels(self, member: int) -> npt.NDArray[np.uint8] | None:
        path = self._labels[member]
        return None if path is None else read_labels(path, self.meta.label_set, self._first_class)

    def _trust(self, member: int) -> npt.NDArray[np.uint8] | None:
        path = self._trusts[member] if self._reads_trust else None
        return None if path is None else read_trust(path).trust

    def _intrinsics(self, member: int, width: int, height: int) -> Intrinsics | None:
        calibration = self._frames[member].calibration
        return None if calibration is None else calibration.at(width, height)


def read_classes(path: Path) -> LabelSet | None:
    """The label set of a file with one class name a line, called like its folder; None where there is no such file.

    Raises:
        SourceError: the file is no text, or names no class or one class twice.
    """
    if not path.is_file():
        return None
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        return LabelSet(path.resolve().parent.name, tuple(name for name in names if name))
    except ValueError as error:
        raise SourceError(path, str(error), "write one class name a line, the first class first") from error


def _parts(root: Path, frames: list[FrameFiles]) -> tuple[list[Path | None], ...]:
    """Depth, labels and trust of each frame, None where it has none."""
    beside = {folder: FileNames(folder) for folder in {frame.image.parent for frame in frames}}
    labels = FileNames(root / "labels")
    found: tuple[list[Path | None], ...] = ([], [], [])
    for frame in frames:
        files, stem = beside[frame.image.parent], frame.image.stem
        found[0].append(frame.depth or files.find(f"{stem}_depth.png"))
        label = files.find(f"{stem}_label.png") or files.find(f"{frame.name}.label.png")
        found[1].append(label or labels.find(f"{stem}.png"))
        found[2].append(files.find(f"{stem}{TRUST_SUFFIX}"))
    return found


def _expected(root: Path, frame: FrameFiles) -> tuple[str, str]:
    """How depth and labels are called in the layout of a folder; see the table above."""
    if frame.image.parent != root:
        return "depth/NAME.png", "labels/NAME.png"
    in_text = frame.calibration is not None and frame.calibration.path.suffix == ".txt"
    return ("NAME.depth.png", "NAME.label.png") if in_text else ("NAME_depth.png", "NAME_label.png")


def _room(pattern: str, name: str) -> str:
    try:
        found = re.fullmatch(pattern, name)
        return name if found is None else found.group(1)
    except (re.error, IndexError) as error:
        raise ValueError(f"room_pattern {pattern!r}: {error}; it needs one group, the room's name") from error
