"""Batches of synthetic rooms that are made where they are trained on.

A loader serves the rooms undrawn: solids, materials, lights and camera, which workers may make up beside the training
and which are a few kilobytes. `RoomBatch.to` then renders all of a batch together on the device that it is sent to, and
varies it there. No image is copied between devices but for the faults of cheap cameras, which OpenCV makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor
from torch.utils.data import Dataset

from cinet_core.data.augmentation import Variation, draw
from cinet_core.data.camera_artifacts import FAULTLESS
from cinet_core.data.camera_pipeline import apply_artifacts
from cinet_core.data.mixture import Key
from cinet_core.data.sample import Batch, Sample, collate
from cinet_core.data.scene_dataset import SceneDataset
from cinet_core.data.transforms import TrainingTransform
from cinet_core.rooms.raycast.dataset import SceneView
from cinet_core.rooms.raycast.scenes import SyntheticScenes

__all__ = ["Request", "RoomBatch", "RoomViews", "room_collate", "the_rooms"]

_THREADS = 8
"""Images at a time whose camera faults are made; OpenCV lets other threads run meanwhile."""


Request: TypeAlias = tuple[int, ...]
"""A `Key`, with the number of the size of the network's input behind it where there are several."""


class RoomViews(Dataset[tuple[Request, SceneView]]):
    """Rooms and cameras of a split, asked for as `TransformedDataset` is.

    Args:
        rooms: the split.
        keep: remember them: 40 kB each, and the 20 ms that one takes are paid once. Each worker of a loader remembers
            what it made itself.
    """

    def __init__(self, rooms: SyntheticScenes, keep: bool = False) -> None:
        self.rooms = rooms
        self._kept: dict[int, SceneView] | None = {} if keep else None

    def __len__(self) -> int:
        """Number of views."""
        return len(self.rooms)

    def __getitem__(self, request: Request) -> tuple[Request, SceneView]:
        """The view ``request[1]``, with what was asked for."""
        index = request[1]
        if self._kept is None:
            return request, self.rooms.view(index)
        if index not in self._kept:
            self._kept[index] = self.rooms.view(index)
        return request, self._kept[index]


@dataclass(frozen=True, eq=False)
class RoomBatch:
    """A batch of rooms that nobody has rendered yet.

    Attributes:
        rooms: whose camera settings are used.
        transform: what makes training samples of them.
        keys: (epoch, index) of each, which decide how it is varied.
        views: rooms and cameras.
    """

    rooms: SyntheticScenes
    transform: TrainingTransform
    keys: tuple[Key, ...]
    views: tuple[SceneView, ...]

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.keys)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """Render and vary the batch on a device.

        The samples are those of `TransformedDataset` but for rounding, and on a GPU for the noise of the sensor, whose
        random numbers are the device's own.
        """
        with torch.no_grad():
            variations = [draw(self.transform.augmentation, self.transform.seed, *key) for key in self.keys]
            samples = [
                self.transform.apply(sample, replace(variation, artifacts=FAULTLESS))
                for sample, variation in zip(self._samples(device), variations, strict=True)
            ]
            batch = collate(samples)
            if any(variation.artifacts != FAULTLESS for variation in variations):
                batch = replace(batch, images=_with_artifacts(batch.images, variations))
            return batch.to(device, non_blocking=non_blocking)

    def _samples(self, device: torch.device | str) -> Iterator[Sample]:
        """One after the other, their tensors on the device."""
        rendering = self.rooms.render(self.views, device)
        for number, ((_, index), view) in enumerate(zip(self.keys, self.views, strict=True)):
            yield Sample(
                name=self.rooms.name(index),
                image=rendering.images[number],
                depth=rendering.depth[number],
                labels=rendering.labels[number],
                intrinsics=view.camera.intrinsics,
            )


def room_collate(
    rooms: SyntheticScenes, *transforms: TrainingTransform
) -> Callable[[Sequence[tuple[Request, SceneView]]], RoomBatch]:
    """The ``collate_fn`` of a loader of `RoomViews`; transforms as of `TransformedDataset`."""
    return partial(_collated, rooms, transforms)


def _collated(
    rooms: SyntheticScenes, transforms: Sequence[TrainingTransform], entries: Sequence[tuple[Request, SceneView]]
) -> RoomBatch:
    requests, views = zip(*entries, strict=True)
    sizes = {size for _, _, *rest in requests for size in rest or [0]}
    (size,) = sizes  # a batch has one
    return RoomBatch(rooms, transforms[size], tuple((epoch, index) for epoch, index, *_ in requests), views)


def the_rooms(sets: Sequence[SceneDataset]) -> SyntheticScenes:
    """The only one of some data sets.

    Raises:
        ValueError: there are several, or it is not made of synthetic rooms.
    """
    (rooms, *others) = sets
    if others or not isinstance(rooms, SyntheticScenes):
        names = ", ".join(one.meta.name for one in sets)
        raise ValueError(
            f"data.on_device makes synthetic rooms where they are trained on, and the data are {names}: set data.kind "
            "to synthetic_rooms with nothing in data.mix, or data.on_device to false"
        )
    return rooms


def _with_artifacts(images: Tensor, variations: Sequence[Variation]) -> Tensor:
    """(B, 3, h, w) with the faults of a cheap camera, which are made in main memory; on the device of the images."""
    with ThreadPoolExecutor(_THREADS) as pool:
        done = list(pool.map(apply_artifacts, images.cpu(), [variation.artifacts for variation in variations]))
    return torch.stack(done).to(images.device)
