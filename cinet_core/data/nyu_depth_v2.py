"""NYU-Depth-v2, straight from ``nyu_depth_v2_labeled.mat``: 1449 Kinect images of 464 rooms with dense labels.

Silberman, Hoiem, Kohli, Fergus: Indoor Segmentation and Support Inference from RGBD Images, ECCV 2012. The split and
the mapping of its 894 names to 40 classes are beside this file (nyu_depth_v2.json), so that the .mat file is all that
a user brings. It is HDF5, whose axes are MATLAB's in reverse: an image is stored as (3, W, H).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cinet_core.data.frame_files import SourceError
from cinet_core.data.image_files import OrientedImage
from cinet_core.data.matlab_file import open_hdf5
from cinet_core.data.scene_dataset import DatasetMeta, Part, SceneDataset, Split, choose_members
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40, LabelSet

__all__ = [
    "DEPTH_KINDS",
    "FILE_NAME",
    "INTRINSICS",
    "META",
    "DepthKind",
    "NyuDepthV2",
    "class_of_label",
    "official_test_images",
]

FILE_NAME = "nyu_depth_v2_labeled.mat"
IMAGES = 1449
WIDTH, HEIGHT = 640, 480
INTRINSICS = Intrinsics(518.857901, 519.469611, 325.582449, 253.736166, WIDTH, HEIGHT)
"""The colour camera's, from the data set's toolbox (camera_params.m); depth is registered to it."""

META = DatasetMeta("nyu_depth_v2", NYU40, depth_range=(0.1, 10.0), image_size=(WIDTH, HEIGHT), benchmark="nyu_depth_v2")
REMEDY = f"download {FILE_NAME} (2.8 GB, the labelled data set) again from the NYU Depth V2 page"

DepthKind = Literal["filled", "raw"]
DEPTH_KINDS = ("filled", "raw")
_DEPTH_VARIABLES = {"filled": "depths", "raw": "rawDepths"}
_SHAPES = {
    "images": (IMAGES, 3, WIDTH, HEIGHT),
    "labels": (IMAGES, WIDTH, HEIGHT),
    "depths": (IMAGES, WIDTH, HEIGHT),
    "rawDepths": (IMAGES, WIDTH, HEIGHT),
}
_log = logging.getLogger(__name__)


class NyuDepthV2(SceneDataset):
    """A split of NYU-Depth-v2; each image is read from the file when asked for.

    Args:
        root: the .mat file, or the folder that holds it.
        split: "train" and "validation" are carved, by room, from the 795 training images ("trainval"); "test" are
            the 654 others.
        depth: "filled" (``depths``, holes painted over) or "raw" (``rawDepths``, holes unknown).
        label_set: to map the 40 classes to, for example NYU13; None keeps them.
        validation_fraction: part of the training images that becomes the validation split.
        seed: of that choice.

    Raises:
        SourceError: the file is missing, damaged, or is another file.
        ValueError: the split or the kind of depth does not exist.
    """

    def __init__(
        self,
        root: Path | str,
        split: Split = "train",
        *,
        depth: DepthKind = "filled",
        label_set: LabelSet | None = None,
        validation_fraction: float = 0.1,
        seed: int = 0,
    ) -> None:
        if depth not in DEPTH_KINDS:
            raise ValueError(f"there is no {depth!r} depth: choose one of {', '.join(DEPTH_KINDS)}")
        path = Path(root).expanduser()
        self._path = path / FILE_NAME if path.is_dir() else path
        self.depth_source = depth
        self._depth_variable = _DEPTH_VARIABLES[depth]
        rooms = self._look()
        members = choose_members(split, rooms, official_test_images(), validation_fraction, seed)
        super().__init__(META, split, members, label_set)

    def _look(self) -> list[str]:
        """Check the file's layout; the room of each image."""
        with open_hdf5(self._path, REMEDY) as file:
            for name in ("images", "labels", self._depth_variable):
                found = file[name].shape if name in file else None
                if found != _SHAPES[name]:
                    reason = "is missing" if found is None else f"has shape {found} in place of {_SHAPES[name]}"
                    raise SourceError(self._path, f"the variable {name!r} {reason}", REMEDY)
            if "scenes" not in file:
                _log.warning("%s names no scenes: the validation split is chosen by image, not by room", self._path)
                return [str(image) for image in range(IMAGES)]
            references = np.asarray(file["scenes"]).ravel()
            if len(references) != IMAGES:
                raise SourceError(self._path, f"'scenes' names {len(references)} rooms, not {IMAGES}", REMEDY)
            return [_text(file[reference]) for reference in references]

    def _name(self, member: int) -> str:
        return f"nyu_{member + 1:04d}"  # the number that the data set's authors use

    def _place(self, member: int, part: Part) -> str:
        variable = {"image": "images", "depth": self._depth_variable, "labels": "labels"}[part]
        return f"{self._path}, {variable}({member + 1})"

    def _image(self, member: int) -> OrientedImage:
        return OrientedImage(self._read("images", member, "u").astype(np.uint8).transpose(2, 1, 0))

    def _depth(self, member: int) -> npt.NDArray[np.float32]:
        return self._read(self._depth_variable, member, "f").astype(np.float32).T

    def _own_labels(self, member: int) -> npt.NDArray[np.uint8]:
        labels = self._read("labels", member, "u").T
        table = class_of_label()
        if labels.max() >= len(table):
            reason = f"it holds the label {labels.max()}, of 0 to {len(table) - 1}"
            raise SourceError(self._place(member, "labels"), reason, REMEDY)
        return table[labels]

    def _intrinsics(self, member: int, width: int, height: int) -> Intrinsics:
        return INTRINSICS

    def _read(self, variable: str, member: int, kind: str) -> npt.NDArray[Any]:
        with open_hdf5(self._path, REMEDY) as file:
            values = np.asarray(file[variable][member])
        if values.dtype.kind != kind:
            raise SourceError(self._path, f"the variable {variable!r} holds {values.dtype} values", REMEDY)
        return values


@lru_cache(maxsize=1)
def official_test_images() -> frozenset[int]:
    """The 654 test images, numbered from 0."""
    return frozenset(image - 1 for image in _tables()["test_images_from_1"])


@lru_cache(maxsize=1)
def class_of_label() -> npt.NDArray[np.uint8]:
    """(895,) table from the file's labels, 0 (none) to 894, to NYU40 ids, 0 to 39, and 255."""
    table = np.array([0, *_tables()["class40_of_label_from_1"]], dtype=np.uint8) - np.uint8(1)  # 0 wraps to 255
    table.setflags(write=False)
    return table


def _tables() -> dict[str, Sequence[int]]:
    return json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))


def _text(characters: npt.ArrayLike) -> str:
    """A MATLAB string, which HDF5 holds as character codes."""
    return "".join(map(chr, np.asarray(characters).ravel()))
