"""SUN RGB-D from its official folders: 10335 images of four depth cameras with 37 classes.

Song, Lichtenberg, Xiao: SUN RGB-D: A RGB-D Scene Understanding Benchmark Suite, CVPR 2015. Below ``root``:
``SUNRGBD/<sensor>/.../{image,depth,depth_bfx}`` and ``SUNRGBDtoolbox``, of which three files are read:
``Metadata/SUNRGBDMeta.mat`` (MATLAB 5: file names and K), ``traintestSUNRGBD/allsplit.mat`` (MATLAB 5) and
``Metadata/SUNRGBD2Dseg.mat`` (MATLAB 7.3, which is HDF5: labels, read an image at a time, since the file takes 64 GB
when it is read whole).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.data.exif import Orientation, orientation_of
from cinet_core.data.frame_files import SourceError
from cinet_core.data.image_files import OrientedImage, read_image
from cinet_core.data.matlab_file import load_version_5, open_hdf5
from cinet_core.data.nyu_depth_v2 import DEPTH_KINDS, DepthKind
from cinet_core.data.scene_dataset import DatasetMeta, Part, SceneDataset, Split, choose_members
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import SUN37, LabelSet

__all__ = ["Entry", "SunRgbd", "metres", "read_entries"]

MAX_DEPTH = 8.0
"""Metres; the toolbox (read3dPoints.m) sets what is beyond to this."""

META = DatasetMeta("sun_rgbd", SUN37, depth_range=(0.1, MAX_DEPTH), benchmark="sun_rgbd")
TOOLBOX_REMEDY = "unpack SUNRGBDtoolbox.zip, from the SUN RGB-D page, again"
IMAGES_REMEDY = "unpack SUNRGBD.zip, from the SUN RGB-D page, again"

AUTHORS_FOLDER = "/n/fs/sun3d/data/"
"""All paths in the toolbox begin with where the data was on its authors' machine."""

_DEPTH_FOLDERS = {"filled": "depth_bfx", "raw": "depth"}


@dataclass(frozen=True)
class Entry:
    """A frame, as the toolbox describes it.

    Attributes:
        folder: below the root, for example SUNRGBD/kv1/NYUdata/NYU0001.
        image: name of the colour image in ``folder/image``.
        depth: name of the depth image in ``folder/depth`` and ``folder/depth_bfx``.
        k: nine values, row by row.
    """

    folder: PurePosixPath
    image: str
    depth: str
    k: tuple[float, ...]


class SunRgbd(SceneDataset):
    """A split of SUN RGB-D; each frame is read from its files when asked for.

    Args:
        root: the folder that holds SUNRGBD and SUNRGBDtoolbox.
        split: "train" and "validation" are carved, by scene, from the 5285 training images ("trainval"); "test" are
            the 5050 others.
        depth: "filled" (``depth_bfx``, holes painted over) or "raw" (``depth``).
        label_set: to map the 37 classes to, for example NYU13; None keeps them.
        validation_fraction: part of the training images that becomes the validation split.
        seed: of that choice.

    Raises:
        SourceError: a file of the toolbox is missing or damaged, or they do not belong together.
        ValueError: the split or the kind of depth does not exist.
    """

    def __init__(
        self,
        root: Path | str,
        split: Split = "train",
        *,
        depth: DepthKind = "filled",
        label_set: LabelSet | None = None,
        validation_fraction: float = 0.05,
        seed: int = 0,
    ) -> None:
        if depth not in DEPTH_KINDS:
            raise ValueError(f"there is no {depth!r} depth: choose one of {', '.join(DEPTH_KINDS)}")
        self._root = Path(root).expanduser()
        toolbox = self._root / "SUNRGBDtoolbox"
        self._labels_path = toolbox / "Metadata" / "SUNRGBD2Dseg.mat"
        self.depth_source = depth
        self._depth_folder = _DEPTH_FOLDERS[depth]
        self._entries = read_entries(toolbox / "Metadata" / "SUNRGBDMeta.mat")
        test = self._test(toolbox / "traintestSUNRGBD" / "allsplit.mat")
        self._check_labels()
        scenes = [_scene(entry.folder) for entry in self._entries]
        super().__init__(META, split, choose_members(split, scenes, test, validation_fraction, seed), label_set)

    def _test(self, path: Path) -> set[int]:
        """The frames of the test set; every frame must be on exactly one side."""
        content = load_version_5(path, ("alltrain", "alltest"), TOOLBOX_REMEDY)
        train, test = ({_folder(text, path) for text in _cells(content[name])} for name in ("alltrain", "alltest"))
        for entry in self._entries:
            sides = (entry.folder in train) + (entry.folder in test)
            if sides != 1:
                reason = f"{entry.folder} is in {'both' if sides else 'neither'} of alltrain and alltest"
                raise SourceError(path, reason, TOOLBOX_REMEDY)
        return {number for number, entry in enumerate(self._entries) if entry.folder in test}

    def _check_labels(self) -> None:
        with open_hdf5(self._labels_path, TOOLBOX_REMEDY) as file:
            labelled = file["SUNRGBD2Dseg"]["seglabel"].size
        if labelled != len(self._entries):
            reason = f"it holds labels of {labelled} images, SUNRGBDMeta.mat names {len(self._entries)}"
            raise SourceError(self._labels_path, reason, TOOLBOX_REMEDY)

    def _name(self, member: int) -> str:
        return "_".join(self._entries[member].folder.parts[1:])

    def _place(self, member: int, part: Part) -> str:
        entry = self._entries[member]
        if part == "labels":
            return f"{self._labels_path}, seglabel of image {member + 1}"
        names = (self._depth_folder, entry.depth) if part == "depth" else ("image", entry.image)
        return str(self._root.joinpath(entry.folder, *names))

    def _image(self, member: int) -> OrientedImage:
        return read_image(self._existing(member, "image"))

    def _orientation(self, member: int) -> Orientation:
        return orientation_of(Path(self._place(member, "image")))

    def _depth(self, member: int) -> npt.NDArray[np.float32]:
        path = self._existing(member, "depth")
        try:
            stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        except cv2.error:  # for example more pixels than OpenCV's limit
            stored = None
        if stored is None:
            raise SourceError(path, "it cannot be decoded", IMAGES_REMEDY)
        if stored.ndim != 2 or stored.dtype != np.uint16:
            reason = f"depth has type {stored.dtype} and shape {stored.shape}, in place of 16-bit grey"
            raise SourceError(path, reason, IMAGES_REMEDY)
        return metres(stored)

    def _own_labels(self, member: int) -> npt.NDArray[np.uint8]:
        with open_hdf5(self._labels_path, TOOLBOX_REMEDY) as file:
            references = file["SUNRGBD2Dseg"]["seglabel"]
            stored = np.asarray(file[references[np.unravel_index(member, references.shape)]])
        classes = len(SUN37.classes)
        if stored.ndim != 2 or stored.min() < 0 or stored.max() > classes:
            reason = f"its shape is {stored.shape} and its largest value {stored.max()}, not (W, H) and {classes}"
            raise SourceError(self._place(member, "labels"), reason, TOOLBOX_REMEDY)
        return stored.T.astype(np.uint8) - np.uint8(1)  # 0 wraps to 255, "no label"

    def _intrinsics(self, member: int, width: int, height: int) -> Intrinsics:
        try:
            return Intrinsics.from_matrix(self._entries[member].k, width, height)
        except ValueError as error:
            raise SourceError(self._place(member, "image"), f"K in SUNRGBDMeta.mat: {error}", TOOLBOX_REMEDY) from error

    def _existing(self, member: int, part: Part) -> Path:
        path = Path(self._place(member, part))
        if not path.is_file():
            raise SourceError(path, "there is no such file", IMAGES_REMEDY)
        return path


def metres(stored: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    """Depth of a SUN RGB-D image, whose 16 bits are millimetres rotated left by three, cut at 8 m; 0 is unknown."""
    millimetres = (stored >> np.uint16(3)) | (stored << np.uint16(13))
    return np.minimum(millimetres.astype(np.float32) / 1000.0, np.float32(MAX_DEPTH))


def read_entries(path: Path) -> tuple[Entry, ...]:
    """The frames that SUNRGBDMeta.mat names, in its order, which is that of the labels.

    Raises:
        SourceError: the file is missing, damaged, or has another layout.
    """
    if not path.is_file():
        raise SourceError(path, "there is no such file", TOOLBOX_REMEDY)
    status = path.stat()
    return _read_entries(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=2)
def _read_entries(path: Path, modified: int, size: int) -> tuple[Entry, ...]:
    """Cached, since the file also holds all 3D boxes and is slow to read, and each split needs it."""
    content = load_version_5(path, ("SUNRGBDMeta",), TOOLBOX_REMEDY)
    entries = []
    for number, frame in enumerate(np.atleast_1d(content["SUNRGBDMeta"]), start=1):
        try:
            image = _folder(frame.rgbpath, path)
            k = tuple(np.asarray(frame.K, dtype=np.float64).reshape(9).tolist())
            entries.append(Entry(image.parent.parent, str(frame.rgbname), str(frame.depthname), k))
        except (AttributeError, TypeError, ValueError) as error:
            raise SourceError(path, f"frame {number} is not described as expected ({error})", TOOLBOX_REMEDY) from error
    return tuple(entries)


def _folder(text: str, path: Path) -> PurePosixPath:
    """A path of the toolbox, below the root."""
    relative = PurePosixPath(str(text).removeprefix(AUTHORS_FOLDER))
    if relative.is_absolute() or ".." in relative.parts:
        raise SourceError(path, f"it names {text!r}, which is not below {AUTHORS_FOLDER}", TOOLBOX_REMEDY)
    return relative


def _cells(value: Any) -> Iterable[str]:
    """The strings of a cell array, one of which SciPy gives as a plain string."""
    return [str(text) for text in np.atleast_1d(value)]


def _scene(folder: PurePosixPath) -> str:
    """What may not be divided between training and validation: the frames of a SUN3D scan lie in one folder."""
    return str(folder.parent if "sun3ddata" in folder.parts else folder)
