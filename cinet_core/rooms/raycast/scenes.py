"""Synthetic rooms as a data set like those on disk: splits, label sets, names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from cinet_core.data.image_files import OrientedImage
from cinet_core.data.posed_dataset import PosedDataset
from cinet_core.data.sample import Sample
from cinet_core.data.scene_dataset import SPLITS, DatasetMeta, Part, Split
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40, LabelSet
from cinet_core.rooms.raycast.camera import CameraRange
from cinet_core.rooms.raycast.dataset import SceneView, SyntheticRooms, Views
from cinet_core.rooms.raycast.renderer import Rendering
from cinet_core.rooms.raycast.sensor import Sensor

KIND = "synthetic_rooms"
DEPTH_RANGE = (0.1, 40.0)
"""Metres; rooms may look through a door into a second one."""

_ROOTS = frozenset({"", ".", "synthetic"})
_PARTS: tuple[Split, ...] = ("train", "validation", "test")
_Settings = TypeVar("_Settings", CameraRange, Sensor)


class SyntheticScenes(PosedDataset):
    """A split of a synthetic world: a view is rendered when asked for, about 10 a second at 320x240 on 2 cores.

    No two splits, and no two seeds, share a room: split and seed make the seed of the rooms.

    Args:
        root: there is nothing to read: "" or "synthetic".
        split: "trainval" is "train" followed by "validation", "all" is these followed by "test".
        length: samples of the train split.
        validation_length: samples of the validation split.
        test_length: samples of the test split.
        seed: of the world, 0 or more.
        width: of the images, pixels.
        height: of the images, pixels.
        cameras: what cameras are drawn from: a CameraRange, or fields of one that differ from its defaults.
        sensor: strengths of its effects: a Sensor, or fields of one that differ from its defaults.
        shadows: cast shadows.
        views: "furnished", homes as a person sees them; or "wide", from .3 to 12 m: corridors, halls, offices and
            doorways too, desks from near and a robot's view from near the floor, with an even log median depth.
        path: frames of a camera path, 1 to 16: samples that follow one another are frames of one motion. 1: none.
        device: where views are rendered; they are served in main memory. "cuda" works in the process that trains only,
            not in the workers of a DataLoader.
        label_set: to map the NYU40 labels to; None keeps them.

    Raises:
        ValueError: the split does not exist, the root is a place, or a number is out of range.
    """

    def __init__(
        self,
        root: Path | str = "",
        split: Split = "train",
        *,
        length: int = 2000,
        validation_length: int = 100,
        test_length: int = 200,
        seed: int = 0,
        width: int = 320,
        height: int = 240,
        cameras: CameraRange | Mapping[str, Any] | None = None,
        sensor: Sensor | Mapping[str, Any] | None = None,
        shadows: bool = True,
        views: Views = "furnished",
        path: int = 1,
        device: str = "cpu",
        label_set: LabelSet | None = None,
    ) -> None:
        if str(root) not in _ROOTS:
            raise ValueError(f"synthetic rooms are not read from {str(root)!r}: give no place, or another kind")
        if split not in SPLITS:
            raise ValueError(f"there is no split {split!r}: choose one of {', '.join(SPLITS)}")
        if seed < 0:
            raise ValueError(f"seed of synthetic rooms is {seed}: it must be 0 or more")
        lengths = dict(zip(_PARTS, (length, validation_length, test_length), strict=True))
        self.device = device
        self._first: dict[Split, int] = {}
        self._rooms: dict[Split, SyntheticRooms] = {}
        start = 0
        for number, part in enumerate(_PARTS):
            self._first[part] = start
            self._rooms[part] = SyntheticRooms(
                lengths[part],
                len(_PARTS) * seed + number,
                width,
                height,
                _settings(CameraRange, cameras),
                _settings(Sensor, sensor),
                shadows,
                device,
                views,
                path,
            )
            start += lengths[part]
        wanted = {"trainval": ("train", "validation"), "all": _PARTS}.get(split, (split,))
        members = [member for part in wanted for member in range(self._first[part], self._first[part] + lengths[part])]
        self._last: tuple[int, Sample] | None = None
        super().__init__(DatasetMeta(KIND, NYU40, DEPTH_RANGE, (width, height)), split, members, label_set)

    def view(self, index: int) -> SceneView:
        """Room and camera of a sample, not rendered.

        Raises:
            IndexError: there is no such sample.
        """
        rooms, number = self._room(self._members[index])
        return rooms.view(number)

    def render(self, views: Sequence[SceneView], device: torch.device | str) -> Rendering:
        """Render some views together on a device, where the result stays; labels are mapped to the label set."""
        rendering = next(iter(self._rooms.values())).render_views(views, device)
        lookup = torch.tensor(self._lookup).to(rendering.labels.device, non_blocking=True)
        return replace(rendering, labels=lookup[rendering.labels.long()])

    def pose(self, index: int) -> npt.NDArray[np.float64] | None:
        """Where the camera of a sample stands, (4, 4) to the world, metres; None of views that are on no path."""
        rooms, number = self._room(self._members[index])
        return rooms.pose(number)

    def world(self, index: int) -> str:
        """Name of the room that a sample is of."""
        rooms, number = self._room(self._members[index])
        return rooms.world(number)

    def _name(self, member: int) -> str:
        rooms, index = self._room(member)
        return rooms.name(index)

    def _place(self, member: int, part: Part) -> str:
        return f"{self._name(member)}, {part}"

    def _image(self, member: int) -> OrientedImage:
        return OrientedImage(self._view(member).image.permute(1, 2, 0).numpy())

    def _depth(self, member: int) -> npt.NDArray[np.float32]:
        return self._view(member).depth.numpy()

    def _own_labels(self, member: int) -> npt.NDArray[np.uint8]:
        return self._view(member).labels.numpy()

    def _intrinsics(self, member: int, width: int, height: int) -> Intrinsics | None:
        return self._view(member).intrinsics

    def _view(self, member: int) -> Sample:
        """The view; image, depth and labels come from one rendering, which is kept until another is asked for."""
        last = self._last
        if last is None or last[0] != member:
            rooms, index = self._room(member)
            last = self._last = (member, rooms[index])
        return last[1]

    def _room(self, member: int) -> tuple[SyntheticRooms, int]:
        part = max((part for part in _PARTS if self._first[part] <= member), key=self._first.__getitem__)
        return self._rooms[part], member - self._first[part]


def _settings(kind: Callable[..., _Settings], values: _Settings | Mapping[str, Any] | None) -> _Settings | None:
    """Settings from a configuration file, where tuples are lists."""
    if not isinstance(values, Mapping):
        return values
    try:
        return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
    except TypeError as error:
        raise ValueError(f"{error}: the fields are {', '.join(inspect.signature(kind).parameters)}") from error
