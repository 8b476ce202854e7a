"""Base class of the data sets: metadata, splits, and the assembly of a Sample from files."""

from __future__ import annotations

import abc
import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from cinet_core.data.exif import UPRIGHT, Orientation
from cinet_core.data.frame_files import SourceError
from cinet_core.data.image_files import OrientedImage
from cinet_core.data.label_mapping import label_lookup
from cinet_core.data.sample import Sample
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import UNLABELLED, LabelSet

__all__ = ["SPLITS", "DatasetMeta", "DepthSource", "Part", "SceneDataset", "Split", "choose_members", "held_out"]

Split = Literal["train", "validation", "trainval", "test", "all"]
SPLITS: tuple[Split, ...] = ("train", "validation", "trainval", "test", "all")
"""``trainval`` is the whole training set: ``train`` and ``validation`` are carved from it. ``all`` is for checks."""

Part = Literal["image", "depth", "labels", "trust"]

DepthSource = Literal["filled", "raw", "own"]
"""Of a set that has two depth maps, with holes painted over and as the sensor gave it; "own": it has only one."""


@dataclass(frozen=True)
class DatasetMeta:
    """Metadata of a data set.

    Attributes:
        name: for messages and configurations, for example "nyu_depth_v2".
        label_set: of its labels; their names and colours.
        depth_range: metres between which its sensor can measure; what lies outside is suspect.
        image_size: (width, height) where all images have the same, else None.
        splits: what can be asked for.
        benchmark: the published benchmark that these are the frames of; None for every other set, whatever its name.
    """

    name: str
    label_set: LabelSet
    depth_range: tuple[float, float]
    image_size: tuple[int, int] | None = None
    splits: tuple[Split, ...] = SPLITS
    benchmark: str | None = None


class SceneDataset(Dataset[Sample], abc.ABC):
    """A split of a data set; samples are read from disk when asked for.

    Holds no open file, so that it can be pickled and forked into DataLoader workers at any time.

    Attributes:
        meta: facts about the whole data set.
        split: the part of it that this is.
        label_set: of the labels served, to which the data set's own are mapped when read.
        depth_source: which of the data set's depth maps is served.
        remarks: what its user should know before it is used, for example which files beside it are not read.
    """

    depth_source: DepthSource = "own"
    remarks: tuple[str, ...] = ()

    def __init__(self, meta: DatasetMeta, split: Split, members: Sequence[int], label_set: LabelSet | None) -> None:
        """Serve these members of the data set's own numbering, in this order."""
        self.meta = meta
        self.split = split
        self.label_set = label_set or meta.label_set
        self._members = tuple(members)
        self._lookup = label_lookup(meta.label_set, self.label_set)

    def __len__(self) -> int:
        """Number of samples in this split."""
        return len(self._members)

    def __getitem__(self, index: int) -> Sample:
        """Read one sample, whose tensors are the caller's to change.

        Raises:
            IndexError: there is no such sample.
            SourceError: a file of it is missing, damaged or of the wrong kind.
        """
        member = self._members[index]
        image = self._image(member)
        width, height = image.size
        depth = self._sized("depth", member, image, self._depth)
        labels = self._sized("labels", member, image, self._own_labels)
        depth = None if depth is None else image.part(depth, 0.0)
        labels = None if labels is None else image.part(labels, UNLABELLED)
        trust = self._sized_trust(member, image)
        return Sample(
            name=self._name(member),
            image=torch.from_numpy(np.array(image.rgb.transpose(2, 0, 1), order="C")),
            depth=torch.zeros(height, width) if depth is None else torch.from_numpy(_known(depth)),
            labels=torch.full((height, width), UNLABELLED, dtype=torch.uint8)
            if labels is None
            else torch.from_numpy(self._lookup[labels]),
            intrinsics=image.camera(lambda w, h: self._intrinsics(member, w, h)),
            has_depth=depth is not None,
            has_labels=labels is not None,
            trust=None if trust is None else torch.from_numpy(np.ascontiguousarray(trust)),
        )

    def name(self, index: int) -> str:
        """Return the name of a sample without reading it."""
        return self._name(self._members[index])

    def as_recorded(self) -> SceneDataset | None:
        """The same frames with the distortion of their lens left in; None where they are served as they were recorded.

        What is scored on rectified images is scored on these too: a robot that does not rectify sees them.
        """
        return None

    def orientation(self, index: int) -> Orientation:
        """How the image of a sample lies in its file; `__getitem__` gives all parts of the sample upright."""
        return self._orientation(self._members[index])

    def problems(self, index: int) -> list[SourceError]:
        """Return all problems of a sample, or an empty list if it can be read."""
        member = self._members[index]
        found: list[SourceError] = []
        image: OrientedImage | None = None
        try:
            image = self._image(member)
            image.camera(lambda w, h: self._intrinsics(member, w, h))
        except SourceError as error:
            found.append(error)
        parts: tuple[tuple[Part, Callable[[int], npt.NDArray | None]], ...]
        parts = (("depth", self._depth), ("labels", self._own_labels), ("trust", self._trust))
        for part, read in parts:
            try:
                if image is None:
                    read(member)
                else:
                    self._sized_trust(member, image) if part == "trust" else self._sized(part, member, image, read)
            except SourceError as error:
                found.append(error)
        return found

    def _sized(
        self, part: Part, member: int, image: OrientedImage, read: Callable[[int], npt.NDArray | None]
    ) -> npt.NDArray | None:
        """A part of a sample, upright, of the image's size: a pixel of one is the same pixel of the other."""
        stored = read(member)
        if stored is None:
            return None
        width, height = image.size
        upright = image.orientation.upright(stored, width, height)
        if upright.shape == (height, width):
            return upright
        reason = (
            f"the {part} image is {stored.shape[1]}x{stored.shape[0]}, the colour image {width}x{height}"
            + image.stored()
        )
        remedy = "register it to the colour image and save it at that size"
        if image.orientation.turns:
            remedy += ", or save the colour image without its EXIF orientation"
        elif stored.shape == (width, height):
            remedy = "turn one as the other is: an EXIF orientation was applied to one of them, or lost"
        raise SourceError(self._place(member, part), reason, remedy)

    def _sized_trust(self, member: int, image: OrientedImage) -> npt.NDArray[np.uint8] | None:
        """(2, H, W) as served; None where a frame's depth and labels are the truth."""
        stored = self._trust(member)
        if stored is None:
            return None
        planes = [self._sized("trust", member, image, partial(_as_it_is, plane)) for plane in stored]
        return np.stack([image.part(plane, 0) for plane in planes if plane is not None])

    def _trust(self, member: int) -> npt.NDArray[np.uint8] | None:
        """(2, H, W) uint8 trust of depth and labels as stored; for data sets that are not the truth throughout."""
        return None

    def _orientation(self, member: int) -> Orientation:
        """Of a frame's image file; for data sets that have files."""
        return UPRIGHT

    @abc.abstractmethod
    def _name(self, member: int) -> str:
        """Name of a frame."""

    @abc.abstractmethod
    def _place(self, member: int, part: Part) -> str:
        """Where a part of a frame lies, for messages."""

    @abc.abstractmethod
    def _image(self, member: int) -> OrientedImage:
        """The colour image."""

    @abc.abstractmethod
    def _depth(self, member: int) -> npt.NDArray[np.float32] | None:
        """(H, W) metres as stored; 0, negative, NaN or infinite where unknown; None where the frame has none."""

    @abc.abstractmethod
    def _own_labels(self, member: int) -> npt.NDArray[np.uint8] | None:
        """(H, W) ids of the data set's own label set as stored, 255 where unknown; None where there are none."""

    @abc.abstractmethod
    def _intrinsics(self, member: int, width: int, height: int) -> Intrinsics | None:
        """Of the image as it lies in its file, which has this size."""


def choose_members(
    split: Split, groups: Sequence[str], test: AbstractSet[int], validation_fraction: float, seed: int
) -> list[int]:
    """Frames of a split.

    Frames of one group (views of one room) go to one side, since neighbouring views show the same things: a
    validation score over frames would measure memory.

    Args:
        split: which part.
        groups: of each frame.
        test: frames of the test set. The validation split is never taken from it.
        validation_fraction: part of the training set's frames that becomes the validation split.
        seed: of that choice.

    Returns:
        Frame numbers, ascending.

    Raises:
        ValueError: the split is unknown, or nothing is left in it.
    """
    if split not in SPLITS:
        raise ValueError(f"there is no split {split!r}: choose one of {', '.join(SPLITS)}")
    training = [frame for frame in range(len(groups)) if frame not in test]
    if split == "all":
        chosen = list(range(len(groups)))
    elif split == "test":
        chosen = sorted(test)
    elif split == "trainval":
        chosen = training
    else:
        validation = held_out([groups[frame] for frame in training], validation_fraction, f"validation:{seed}")
        chosen = [frame for frame in training if (groups[frame] in validation) == (split == "validation")]
    if not chosen:
        raise ValueError(f"split {split!r} is empty: raise its fraction, or ask for another split")
    return chosen


def held_out(groups: Iterable[str], fraction: float, key: str) -> set[str]:
    """Groups to hold out: whole groups, with about ``fraction`` of all frames, at least one and never all.

    The order in which groups are taken is that of a hash of key and name, so that it depends on no library's random
    generator, and adding a group moves few others.

    Args:
        groups: group of each frame, one entry a frame.
        fraction: of the frames, from 0 (nothing) to below 1.
        key: another key, another choice.

    Raises:
        ValueError: the fraction is out of range, or there is only one group to divide.
    """
    if not 0.0 <= fraction < 1.0:
        raise ValueError(f"fraction to hold out is {fraction}: it must be from 0 to below 1")
    frames: dict[str, int] = {}
    for group in groups:
        frames[group] = frames.get(group, 0) + 1
    if fraction == 0.0 or not frames:
        return set()
    if len(frames) == 1:
        only = next(iter(frames))
        raise ValueError(
            f"all {frames[only]} frames belong to one room, {only!r}, and cannot be divided into training and held-out "
            "rooms: add rooms, tell rooms apart by another pattern, or hold out a fraction of 0"
        )
    wanted = math.ceil(fraction * sum(frames.values()))
    order = sorted(frames, key=lambda group: hashlib.sha256(f"{key}:{group}".encode()).digest())
    chosen: set[str] = set()
    for group in order[:-1]:
        if sum(frames[name] for name in chosen) >= wanted:
            break
        chosen.add(group)
    return chosen


def _as_it_is(plane: npt.NDArray, member: int) -> npt.NDArray:
    """A part of a sample that is read already."""
    return plane


def _known(depth: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A copy with 0 wherever the depth is not positive and finite."""
    return np.where((depth > 0) & (depth < np.inf), depth, 0).astype(np.float32)
