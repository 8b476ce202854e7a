"""ScanNet (Dai et al., CVPR 2017) as its tools export it, one folder a scan, and its subset ``scannet_frames_25k``.

======================================  ====================================================================
``SCAN/color/N.jpg``                    colour, 1296x968
``SCAN/depth/N.png``                    16-bit PNG in mm, 640x480, registered to colour; 0 = unknown
``SCAN/label/N.png``                    NYU40 ids, 0 = none (scannet_frames_25k); or
``SCAN/label-filt/N.png``               ids of ``scannetv2-labels.combined.tsv``, which lies beside the scans
``SCAN/pose/N.txt``                     four by four, camera to world, metres; -inf where tracking was lost
``SCAN/intrinsic/intrinsic_color.txt``  K of the colour images; in scannet_frames_25k ``SCAN/intrinsics_color.txt``
``scannetv2_{train,val,test}.txt``      the published split, a scan a line; may be missing
======================================  ====================================================================

Frames are served at the size of their depth, which is the smaller one. The published validation scans are the split
"test", since labels of the test scans are not public; "validation" is carved from the training scans.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from cinet_core.data.frame_files import SourceError, scaled_to
from cinet_core.data.image_files import OrientedImage, read_depth, read_image
from cinet_core.data.posed_dataset import PosedDataset
from cinet_core.data.scans import OfficialPart, existing_folder, scan_members
from cinet_core.data.scene_dataset import DatasetMeta, Part, Split
from cinet_core.geometry import Intrinsics, rigidity_error
from cinet_core.label_sets import NYU40, UNLABELLED, LabelSet

__all__ = ["META", "ScanNet", "find_scans"]

META = DatasetMeta("scannet", NYU40, (0.1, 10.0))
_SCAN = re.compile(r"(scene\d{4})_\d{2}")
_LABELS_FILE = "scannetv2-labels.combined.tsv"
_REMEDY = "give a folder with scans as ScanNet's SensReader or scannet_frames_25k has them"
_MAX_RIGID_ERROR = 1e-3


@dataclass(frozen=True)
class _ScanNetFrame:
    scan: Path
    image: Path
    depth: Path
    label: Path | None


class ScanNet(PosedDataset):
    """A split, by places (a place is scanned up to nine times), of a folder of scans; or one scan.

    Args:
        root: the folder that holds ``scene0000_00`` and so on, or one of these.
        split: of the published lists where they lie in the folder or in the one above, else by places.
        every: take every N-th frame of a scan.
        label_set: to map NYU40 to; None keeps it.
        validation_fraction: part of the training frames that becomes the validation split.
        test_fraction: part of all frames that becomes the test split where no published list is there.
        seed: of the validation split.

    Raises:
        SourceError: the folder holds no scan, or a file of the data set cannot be read.
        ValueError: the split is empty, or `every` is below 1.
    """

    def __init__(
        self,
        root: Path | str,
        split: Split = "train",
        *,
        every: int = 1,
        label_set: LabelSet | None = None,
        validation_fraction: float = 0.1,
        test_fraction: float = 0.1,
        seed: int = 0,
    ) -> None:
        if every < 1:
            raise ValueError(f"every is {every}: it must be at least 1")
        self._root = existing_folder(root, _REMEDY)
        scans = find_scans(self._root)
        self._frames = [frame for scan in scans for frame in _frames(scan)[::every]]
        if not self._frames:
            raise SourceError(self._root, "its scans hold no frame with colour and depth", _REMEDY)
        parts = _published(self._root)
        members = scan_members(
            split,
            [_place(frame.scan) for frame in self._frames],
            [parts.get(frame.scan.name) for frame in self._frames],
            validation_fraction=validation_fraction,
            test_fraction=test_fraction,
            seed=seed,
        )
        super().__init__(META, split, members, label_set)

    def pose(self, index: int) -> npt.NDArray[np.float64] | None:
        """Where the camera stood: (4, 4) float64, its coordinates to the world's, metres; None where it was lost.

        Raises:
            SourceError: the file holds no rigid motion.
        """
        frame = self._frames[self._members[index]]
        path = frame.scan / "pose" / f"{frame.image.stem}.txt"
        if not path.is_file():
            return None
        pose = _matrix(path, 4)
        if not np.isfinite(pose).all():
            return None
        fault = rigidity_error(pose, _MAX_RIGID_ERROR)
        if fault is not None:
            raise SourceError(path, f"it is {fault}", "R must be a rotation and the last row 0 0 0 1")
        return pose

    def world(self, index: int) -> str:
        """Of each scan."""
        return self._frames[self._members[index]].scan.resolve().name

    def _name(self, member: int) -> str:
        frame = self._frames[member]
        return f"{frame.scan.name}_{frame.image.stem}"

    def _place(self, member: int, part: Part) -> str:
        frame = self._frames[member]
        return str({"image": frame.image, "depth": frame.depth, "labels": frame.label}[part])

    def _image(self, member: int) -> OrientedImage:
        frame = self._frames[member]
        return OrientedImage(cv2.resize(read_image(frame.image).rgb, _size(frame.depth), interpolation=cv2.INTER_AREA))

    def _depth(self, member: int) -> npt.NDArray[np.float32]:
        return read_depth(self._frames[member].depth)

    def _own_labels(self, member: int) -> npt.NDArray[np.uint8] | None:
        frame = self._frames[member]
        if frame.label is None:
            return None
        stored = cv2.imread(str(frame.label), cv2.IMREAD_UNCHANGED)
        if stored is None or stored.ndim != 2 or stored.dtype not in (np.uint8, np.uint16):
            raise SourceError(frame.label, "it is no grey image of 8 or 16 bits", "restore or remove it")
        own = frame.label.parent.name == "label"
        ids = _own_ids() if own else _raw_ids(_labels_file(self._root))
        size = _size(frame.depth)
        return cv2.resize(ids[stored], size, interpolation=cv2.INTER_NEAREST_EXACT)

    def _intrinsics(self, member: int, width: int, height: int) -> Intrinsics:
        frame = self._frames[member]
        path = frame.scan / "intrinsic" / "intrinsic_color.txt"
        if not path.is_file():
            path = frame.scan / "intrinsics_color.txt"
        try:
            stored = Intrinsics.from_matrix(tuple(_matrix(path, 4)[:3, :3].reshape(9).tolist()), *_size(frame.image))
        except ValueError as error:
            if isinstance(error, SourceError):
                raise
            raise SourceError(path, str(error), _REMEDY) from error
        return scaled_to(stored, width, height, path)


def find_scans(root: Path) -> list[Path]:
    """The folders of the scans at a path, which may be a scan itself, by name.

    Raises:
        SourceError: there is none.
    """
    folders = [root] if _SCAN.fullmatch(root.resolve().name) else sorted(root.iterdir())
    scans = [folder for folder in folders if _SCAN.fullmatch(folder.resolve().name) and (folder / "color").is_dir()]
    if not scans:
        raise SourceError(root, "it holds no folder scene0000_00 with a folder color", _REMEDY)
    return scans


def _frames(scan: Path) -> list[_ScanNetFrame]:
    """Those with colour and depth, in the order of their numbers."""
    depths = {path.stem: path for path in (scan / "depth").glob("*.png")}
    folder = next((scan / name for name in ("label", "label-filt") if (scan / name).is_dir()), None)
    labels = {} if folder is None else {path.stem: path for path in folder.glob("*.png")}
    images = sorted((scan / "color").glob("*.jpg"), key=lambda path: (len(path.stem), path.stem))
    return [
        _ScanNetFrame(scan, image, depths[image.stem], labels.get(image.stem))
        for image in images
        if image.stem in depths
    ]


def _place(scan: Path) -> str:
    found = _SCAN.fullmatch(scan.resolve().name)
    assert found is not None
    return found.group(1)


def _published(root: Path) -> dict[str, OfficialPart]:
    """The part of each scan that a published list names."""
    parts: dict[str, OfficialPart] = {}
    files: Sequence[tuple[str, OfficialPart]] = (("scannetv2_train.txt", "train"), ("scannetv2_val.txt", "test"))
    for name, part in files:
        path = next((folder / name for folder in (root, root.parent) if (folder / name).is_file()), None)
        if path is not None:
            parts |= dict.fromkeys(path.read_text(encoding="utf-8").split(), part)
    return parts


def _labels_file(root: Path) -> Path:
    folders = (root, root.parent)
    path = next((folder / _LABELS_FILE for folder in folders if (folder / _LABELS_FILE).is_file()), None)
    if path is None:
        reason = f"there is no {_LABELS_FILE}, without which the ids in label-filt mean nothing"
        raise SourceError(root, reason, "put it beside the scans")
    return path


@lru_cache(maxsize=1)
def _own_ids() -> npt.NDArray[np.uint8]:
    """Class id of each NYU40 number, 1 the first."""
    ids = np.full(2**16, UNLABELLED, dtype=np.uint8)
    ids[1 : len(NYU40.classes) + 1] = np.arange(len(NYU40.classes), dtype=np.uint8)
    return ids


@lru_cache(maxsize=1)
def _raw_ids(path: Path) -> npt.NDArray[np.uint8]:
    """Class id of each number of ScanNet's own, by the columns id and nyu40id of its table."""
    numbers = np.zeros(2**16, dtype=np.uint16)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                numbers[int(row["id"])] = int(row["nyu40id"] or 0)
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise SourceError(
            path, f"it is no table with columns id and nyu40id ({error!r})", "download it anew"
        ) from error
    return _own_ids()[numbers]


def _matrix(path: Path, side: int) -> npt.NDArray[np.float64]:
    try:
        matrix = np.loadtxt(path, dtype=np.float64, ndmin=2)
    except (OSError, ValueError) as error:
        raise SourceError(path, str(error), f"it must be a {side}x{side} matrix of numbers") from error
    if matrix.shape != (side, side):
        reason = f"it holds {matrix.shape[0]}x{matrix.shape[1]} numbers"
        raise SourceError(path, reason, f"it must be a {side}x{side} matrix")
    return matrix


def _size(path: Path) -> tuple[int, int]:
    """Width and height of an image, whose header alone is read."""
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, UnidentifiedImageError) as error:
        raise SourceError(path, f"it cannot be decoded ({error})", "restore or remove it") from error
