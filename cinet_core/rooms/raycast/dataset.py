"""Views of synthetic rooms by number: one at a time as a data set, or in batches rendered on the training device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from cinet_core.data.sample import Sample
from cinet_core.label_sets import NYU40, LabelSet
from cinet_core.rooms.medians import median_of
from cinet_core.rooms.raycast.camera import CameraRange, PosedCamera, random_intrinsics, random_pose
from cinet_core.rooms.raycast.casting import cast_free_rays
from cinet_core.rooms.raycast.layout import furnished_room
from cinet_core.rooms.raycast.packing import SceneBatch, pack_scenes
from cinet_core.rooms.raycast.paths import LONGEST, camera_path
from cinet_core.rooms.raycast.primitives import Scene
from cinet_core.rooms.raycast.renderer import Rendering, render
from cinet_core.rooms.raycast.sensor import Sensor
from cinet_core.rooms.raycast.wide import draw_kind, is_worth_it

Views = Literal["furnished", "wide"]
"""Rooms and cameras: "furnished" is homes as a person sees them; "wide" is near and far, low and high (`wide`)."""

_PROBE = (6, 8)
"""Rows and columns of rays that judge a view before it is rendered."""

_POSES_A_ROOM = 8
_ROOMS_A_VIEW = 20
_WIDE_ROOMS_A_VIEW, _WIDE_POSES_A_ROOM = 8, 14

_CLOSE_ENOUGH = 0.15
"""ln of a wide view's median depth over the one that was drawn for it."""


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
        cameras: what cameras are drawn from; of wide views, height, pitch and clearance are those of their kinds.
        sensor: of the cameras; None for the usual one.
        shadows: see ``render``.
        device: where single samples are rendered; they are served in main memory.
        views: "furnished" or "wide"; see `Views`.
        path: frames of a camera path: sample i is frame i % path of path i // path (`camera_path`). 1: single views.

    Raises:
        ValueError: a size is below 1 or the seed negative; there are no such views; a path is too long.
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
        views: Views = "furnished",
        path: int = 1,
    ) -> None:
        """See the class."""
        if views not in get_args(Views):
            raise ValueError(f"there are no views {views!r}: choose one of {', '.join(get_args(Views))}")
        if not 1 <= path <= LONGEST:
            raise ValueError(f"path is {path} frames: it must be from 1 to {LONGEST}")
        if min(length, width, height) < 1 or seed < 0:
            raise ValueError(
                f"length {length}, image {width}x{height}, seed {seed}: sizes must be at least 1, the seed at least 0"
            )
        self.seed, self.width, self.height = seed, width, height
        self._length, self._device, self._shadows = length, device, shadows
        self._cameras, self._sensor = cameras or CameraRange(), sensor or Sensor()
        self._views, self._path = views, path
        self._latest: tuple[int, list[SceneView]] | None = None

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
        return self.world(index) + (f"-{index % self._path:02d}" if self._path > 1 else "")

    def view(self, index: int) -> SceneView:
        """Room and camera of a sample.

        Raises:
            IndexError: there is no such sample.
        """
        number, step = divmod(self._checked(index), self._path)
        if self._path == 1:
            return self._drawn(number)
        if self._latest is None or self._latest[0] != number:
            self._latest = (number, self._followed(number))
        return self._latest[1][step]

    def pose(self, index: int) -> npt.NDArray[np.float64] | None:
        """Where the camera of a sample stands, (4, 4) in the world of its path; None of single views."""
        return None if self._path == 1 else self.view(index).camera.camera_to_world.copy()

    def world(self, index: int) -> str:
        """Name of the room, and so of the path, that a sample is of: each is a world of its own."""
        return f"synthetic-{self.seed}-{self._checked(index) // self._path:06d}"

    def _drawn(self, number: int) -> SceneView:
        draw = draw_wide_view if self._views == "wide" else draw_view
        return draw(self.seed, number, self.width, self.height, self._cameras)

    def _followed(self, number: int) -> list[SceneView]:
        """The views of a path."""
        first = self._drawn(number)
        rng = np.random.default_rng([self.seed, number, 1])
        cameras = camera_path(rng, first.scene, first.camera, self._path)
        return [SceneView(first.scene, camera, first.sensor_seed + step) for step, camera in enumerate(cameras)]

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


def draw_wide_view(seed: int, index: int, width: int, height: int, limits: CameraRange) -> SceneView:
    """Room and camera number ``index`` of a seed among the wide views, see `wide`.

    The view whose median depth, by some of its pixels, is close enough to what it is to be, or else the closest.

    Raises:
        RuntimeError: no room had a view that shows anything: the limits leave none.
    """
    rng = np.random.default_rng([seed, index, 2])
    wanted = median_of(seed, index)
    best: SceneView | None = None
    least = np.inf
    for _ in range(_WIDE_ROOMS_A_VIEW):
        kind = draw_kind(rng, wanted)
        scene = kind.room(rng)
        intrinsics = random_intrinsics(rng, width, height, limits)
        packed = pack_scenes([scene])
        poses = [pose for _ in range(_WIDE_POSES_A_ROOM) if (pose := kind.pose(rng, scene, limits)) is not None]
        cameras = [PosedCamera(intrinsics, pose) for pose in poses]
        for camera, (depth, labels) in zip(cameras, _probes(packed, cameras), strict=True):
            off = abs(float(np.log(np.median(depth) / wanted)))
            if off < least and is_worth_it(depth, labels):
                best, least = SceneView(scene, camera, int(rng.integers(2**31))), off
        if least < _CLOSE_ENOUGH:
            break
    if best is None:
        raise RuntimeError(f"no view in {_WIDE_ROOMS_A_VIEW} rooms fits {limits}: widen its limits")
    return best


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
    (found,) = _probes(packed, [camera])
    return found


def _probes(
    packed: SceneBatch, cameras: Sequence[PosedCamera]
) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]]:
    """Depth and labels of a few pixels of each camera, all with the first one's intrinsics."""
    if not cameras:
        return []
    k = cameras[0].intrinsics
    u, v = np.meshgrid(
        (np.arange(_PROBE[1]) + 0.5) * k.width / _PROBE[1] - 0.5,
        (np.arange(_PROBE[0]) + 0.5) * k.height / _PROBE[0] - 0.5,
    )
    rays = np.stack([(u - k.cx) / k.fx, (v - k.cy) / k.fy, np.ones_like(u)], axis=-1).reshape(-1, 3)
    poses = [camera.camera_to_world for camera in cameras]
    direction = torch.from_numpy(np.concatenate([rays @ pose[:3, :3].T for pose in poses]).astype(np.float32))
    places = torch.from_numpy(np.array([pose[:3, 3] for pose in poses]).astype(np.float32))
    depth, seen = cast_free_rays(packed, 0, places.repeat_interleave(len(rays), dim=0), direction)
    labels = packed.label[seen.clamp_max(packed.label.numel() - 1).long()]
    parts = zip(depth.view(len(cameras), -1).numpy(), labels.view(len(cameras), -1).numpy(), strict=True)
    return list(parts)
