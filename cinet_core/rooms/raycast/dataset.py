"""Views of synthetic rooms by number: one at a time as a data set, or in batches rendered on the training device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from cinet_core.data.sample import Sample
from cinet_core.label_sets import NYU40, LabelSet
from cinet_core.rooms.raycast.camera import CameraRange, PosedCamera, random_intrinsics, random_pose
from cinet_core.rooms.raycast.casting import cast_free_rays
from cinet_core.rooms.raycast.layout import furnished_room
from cinet_core.rooms.raycast.packing import SceneBatch, pack_scenes
from cinet_core.rooms.raycast.primitives import Scene
from cinet_core.rooms.raycast.renderer import Rendering, render
from cinet_core.rooms.raycast.sensor import Sensor

_PROBE = (6, 8)
"""Rows and columns of rays that judge a view before it is rendered."""

_POSES_A_ROOM = 8
_ROOMS_A_VIEW = 20


@dataclass(frozen=True, eq=False)
class SceneView:
    """A camera in a room, not yet rendered.

    Attributes:
        scene: the room.
        camera: its camera.
        sensor_seed: of the sensor's noise.
    """

    scene: Scene
    camera: PosedCamera
    sensor_seed: int


class SyntheticRooms(Dataset[Sample]):
    """Endless rooms, of which the first ``length`` are served; sample i depends on (seed, i) only.

    Sets of different seeds are different rooms: train and validate with two seeds.

    Attributes:
        label_set: of the labels.

    Args:
        length: number of samples.
        seed: of the whole set, 0 or more.
        width: of the images, in pixels.
        height: of the images, in pixels.
        cameras: what cameras are drawn from.
        sensor: of the cameras; None for the usual one.
        shadows: see ``render``.
        device: where single samples are rendered; they are served in main memory.

    Raises:
        ValueError: a size is below 1 or the seed negative.
    """

    label_set: LabelSet = NYU40

    def __init__(
        self,
        length: int,
        seed: int = 0,
        width: int = 320,
        height: int = 240,
        cameras: CameraRange | None = None,
        sensor: Sensor | None = None,
        shadows: bool = True,
        device: torch.device | str = "cpu",
    ) -> None:
        """See the class."""
        if min(length, width, height) < 1 or seed < 0:
            raise ValueError(
                f"length {length}, image {width}x{height}, seed {seed}: sizes must be at least 1, the seed at least 0"
            )
        self.seed, self.width, self.height = seed, width, height
        self._length, self._device, self._shadows = length, device, shadows
        self._cameras, self._sensor = cameras or CameraRange(), sensor or Sensor()

    def __len__(self) -> int:
        """Number of samples."""
        return self._length

    def __getitem__(self, index: int) -> Sample:
        """Render one sample.

        Raises:
            IndexError: there is no such sample.
        """
        view = self.view(index)
        rendering = self.render_views([view])
        return Sample(
            name=self.name(index),
            image=rendering.images[0].cpu(),
            depth=rendering.depth[0].cpu(),
            labels=rendering.labels[0].cpu(),
            intrinsics=view.camera.intrinsics,
        )

    def name(self, index: int) -> str:
        """Name of a sample, without rendering it."""
        return f"synthetic-{self.seed}-{self._checked(index):06d}"

    def view(self, index: int) -> SceneView:
        """Room and camera of a sample.

        Raises:
            IndexError: there is no such sample.
        """
        return draw_view(self.seed, self._checked(index), self.width, self.height, self._cameras)

    def render(self, indices: Sequence[int]) -> Rendering:
        """Render some samples together, which is faster than one by one; they stay on the device."""
        return self.render_views([self.view(index) for index in indices])

    def render_views(self, views: Sequence[SceneView], device: torch.device | str | None = None) -> Rendering:
        """Render views drawn before, on another device than usual where one is given."""
        return render(
            [view.scene for view in views],
            [view.camera for view in views],
            [view.sensor_seed for view in views],
            self._sensor,
            self._shadows,
            self._device if device is None else device,
        )

    def _checked(self, index: int) -> int:
        if not 0 <= index < self._length:
            raise IndexError(f"there is no sample {index}: the set has {self._length}")
        return index


@dataclass(frozen=True, eq=False)
class RenderedBatch:
    """A batch on the training device.

    Attributes:
        rendering: images, depth, labels.
        views: rooms and cameras.
        indices: of the samples.
    """

    rendering: Rendering
    views: tuple[SceneView, ...]
    indices: tuple[int, ...]


class SyntheticBatches:
    """Batches of consecutive samples, rendered where they are used: nothing is copied between devices.

    Args:
        rooms: the set.
        batch_size: samples a batch; the last may be smaller.
    """

    def __init__(self, rooms: SyntheticRooms, batch_size: int) -> None:
        """See the class."""
        if batch_size < 1:
            raise ValueError(f"batch size is {batch_size}: it must be at least 1")
        self._rooms, self._batch_size = rooms, batch_size

    def __len__(self) -> int:
        """Number of batches."""
        return -(-len(self._rooms) // self._batch_size)

    def __iter__(self) -> Iterator[RenderedBatch]:
        """From the first sample to the last."""
        for start in range(0, len(self._rooms), self._batch_size):
            indices = tuple(range(start, min(start + self._batch_size, len(self._rooms))))
            views = tuple(self._rooms.view(index) for index in indices)
            yield RenderedBatch(self._rooms.render_views(views), views, indices)


def draw_view(seed: int, index: int, width: int, height: int, limits: CameraRange) -> SceneView:
    """Room and camera number ``index`` of a seed.

    Views of a bare wall, or of something too near or too far, are drawn again; so is a room without any good one.

    Raises:
        RuntimeError: no room had a good view: the limits leave none.
    """
    rng = np.random.default_rng([seed, index])
    for _ in range(_ROOMS_A_VIEW):
        scene = furnished_room(rng)
        intrinsics = random_intrinsics(rng, width, height, limits)
        packed = pack_scenes([scene])
        best, best_score = None, 0.0
        for _ in range(_POSES_A_ROOM):
            pose = random_pose(rng, scene, limits)
            if pose is None:
                continue
            camera = PosedCamera(intrinsics, pose)
            score = _score(*_probe(packed, camera), limits)
            if score > best_score:
                best, best_score = camera, score
        if best is not None:
            return SceneView(scene, best, int(rng.integers(2**31)))
    raise RuntimeError(f"no view in {_ROOMS_A_VIEW} rooms fits {limits}: widen its limits")


def _score(depth: npt.NDArray[np.float32], labels: npt.NDArray[np.uint8], limits: CameraRange) -> float:
    """How much there is to see: the entropy of the labels; 0 for what is too near, too far or too plain."""
    nearest, farthest = limits.median_depth
    if depth.min() < limits.clearance or not nearest * 1.1 < np.median(depth) < farthest * 0.9:
        return 0.0
    _, counts = np.unique(labels, return_counts=True)
    if len(counts) < 4 or counts.max() > 0.65 * labels.size:
        return 0.0
    share = counts / labels.size
    return float(-(share * np.log(share)).sum())


def _probe(packed: SceneBatch, camera: PosedCamera) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Depth and labels of a few pixels."""
    k = camera.intrinsics
    u, v = np.meshgrid(
        (np.arange(_PROBE[1]) + 0.5) * k.width / _PROBE[1] - 0.5,
        (np.arange(_PROBE[0]) + 0.5) * k.height / _PROBE[0] - 0.5,
    )
    rays = np.stack([(u - k.cx) / k.fx, (v - k.cy) / k.fy, np.ones_like(u)], axis=-1).reshape(-1, 3)
    direction = torch.from_numpy((rays @ camera.camera_to_world[:3, :3].T).astype(np.float32))
    origin = torch.from_numpy(camera.camera_to_world[:3, 3].astype(np.float32)).expand_as(direction)
    depth, seen = cast_free_rays(packed, 0, origin, direction)
    return depth.numpy(), packed.label[seen.clamp_max(packed.label.numel() - 1).long()].numpy()
