"""Blocks of voxels in Open3D's voxel-block grid, with attributes that NumPy reads and writes: on the CPU in place.

Two properties of Open3D's hash map matter here (HashMap.cpp, 0.18 to 0.20): the memory of a block that is activated is
not cleared, and activating doubles the map's capacity as soon as its size plus the number of keys *given* exceeds it,
whether or not these keys are new. So blocks are cleared here, and no call gives more keys than `_BATCH`, for which the
grid has room beside its capacity: its memory never grows.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.mapping.votes import CANDIDATES, COUNTS
from cinet_core.open3d_loading import load_open3d

__all__ = ["ATTRIBUTES", "BLOCK_BYTES", "EDGE", "VOXELS", "BlockData", "Keys", "VoxelBlocks"]

EDGE = 8
"""Voxels along a block's edge. Small blocks follow a surface closely: at 2 cm one is 16 cm wide."""

VOXELS = EDGE**3

ATTRIBUTES: dict[str, tuple[type[np.generic], int]] = {
    "tsdf": (np.float32, 1),
    "weight": (np.float32, 1),
    "color": (np.float32, 3),
    "classes": (np.uint8, CANDIDATES),
    "counts": (np.int16, COUNTS),
}
"""What a voxel holds: type and channels. The first three are Open3D's own; its colours run from 0 to 255."""

BLOCK_BYTES = VOXELS * sum(np.dtype(dtype).itemsize * channels for dtype, channels in ATTRIBUTES.values())

_BATCH = 256
_IN_FRONT = 1e-6

Keys = npt.NDArray[np.int32]
"""(N, 3) places of blocks, in blocks: block k holds the voxels k * EDGE to k * EDGE + EDGE - 1 of each axis."""


@dataclass(frozen=True)
class BlockData:
    """A copy of blocks outside the grid.

    Attributes:
        keys: (N, 3) int32.
        values: of each of `ATTRIBUTES`, or of some, an (N, VOXELS, channels) array of its type; x runs fastest, z
            slowest.
    """

    keys: Keys
    values: dict[str, npt.NDArray[Any]]

    def __len__(self) -> int:
        """How many blocks."""
        return len(self.keys)

    def __getitem__(self, chosen: npt.NDArray[np.bool_] | slice) -> BlockData:
        """Some of the blocks."""
        return BlockData(self.keys[chosen], {name: value[chosen] for name, value in self.values.items()})


class VoxelBlocks:
    """A grid of at most ``capacity`` blocks.

    Args:
        voxel_size: metres.
        capacity: blocks; their memory is reserved at once (on the CPU the system provides it as it is used).
        device: "cpu", "cuda" or "cuda:N".

    Raises:
        Open3DError: Open3D cannot be loaded.
        RuntimeError: the device does not exist, or its memory is too small.
    """

    def __init__(self, voxel_size: float, capacity: int, device: str) -> None:
        o3d = load_open3d()
        self._core = o3d.core
        kind, _, number = device.partition(":")
        self.device = self._core.Device(f"{kind.upper()}:{number or 0}")
        self.capacity = capacity
        self.voxel_size = voxel_size
        self.grid: Any = o3d.t.geometry.VoxelBlockGrid(
            list(ATTRIBUTES),
            [getattr(self._core, np.dtype(dtype).name) for dtype, _ in ATTRIBUTES.values()],
            [(channels,) for _, channels in ATTRIBUTES.values()],
            voxel_size=voxel_size,
            block_resolution=EDGE,
            block_count=capacity + _BATCH,
            device=self.device,
        )
        self._hashmap: Any = self.grid.hashmap()
        # Views of the grid's memory, which never moves: blocks of voxels, and all voxels in a row.
        self._attributes: dict[str, Any] = {}
        self._voxels: dict[str, Any] = {}
        for name, (_, channels) in ATTRIBUTES.items():
            memory = self.grid.attribute(name)
            if self.device.get_type() == self._core.Device.CPU:
                memory = memory.numpy()
            self._attributes[name] = memory.reshape((-1, VOXELS, channels))
            self._voxels[name] = memory.reshape((-1, channels))
        # Views that outlive Open3D at the end of the interpreter would be reported as leaks.
        for views in (self._attributes, self._voxels):
            weakref.finalize(self, views.clear)

    def __len__(self) -> int:
        """How many blocks are in use."""
        return int(self._hashmap.size())

    def read_voxels(self, name: str, indices: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Return a copy of one of `ATTRIBUTES` of voxels: (N, channels), by the indices that `indices_of` gives."""
        return self._get(self._voxels[name], indices)

    def write_voxels(self, name: str, indices: npt.NDArray[np.int64], values: npt.NDArray[Any]) -> None:
        """Set one of `ATTRIBUTES` of voxels: (N, channels)."""
        self._set(self._voxels[name], indices, values)

    def keys(self) -> Keys:
        """Return the keys of all blocks in use, in no order."""
        if not len(self):
            return np.empty((0, 3), dtype=np.int32)
        active = self._hashmap.active_buf_indices().cpu().numpy().astype(np.int64)
        return self._hashmap.key_tensor().cpu().numpy()[active]

    def find(self, keys: Keys) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Return (N,) int64 memory indices of blocks, and an (N,) bool that is False (index 0) for absent blocks."""
        places, found = self._hashmap.find(self.tensor(keys))
        return places.cpu().numpy().astype(np.int64), found.cpu().numpy().astype(bool)

    def ensure(self, keys: Keys) -> None:
        """Allocate these blocks if they are not in use. New ones are empty.

        Raises:
            ValueError: they do not fit.
        """
        _, found = self.find(keys)
        new = keys[~found]
        if len(self) + len(new) > self.capacity:
            raise ValueError(f"{len(self)} blocks are in use and {len(new)} are to be added: {self.capacity} fit")
        for batch in _batches(new):
            places, _ = self._hashmap.activate(self.tensor(batch))
            indices = places.cpu().numpy().astype(np.int64)
            for name, (dtype, channels) in ATTRIBUTES.items():
                self._set(self._attributes[name], indices, np.zeros((len(indices), VOXELS, channels), dtype))

    def integrate(self, keys: Keys, *arguments: Any) -> None:
        """Integrate a depth and a colour image into these blocks, which must be in use, with Open3D's own kernel."""
        for batch in _batches(keys):
            self.grid.integrate(self.tensor(batch), *arguments)

    def limit(self, name: str, keys: Keys, most: float) -> None:
        """Clamp an attribute of these blocks, which must be in use, to at most the given value."""
        places, _ = self.find(keys)
        attribute = self._attributes[name]
        self._set(attribute, places, np.minimum(self._get(attribute, places), most))

    def extract(self, min_weight: float) -> Any:
        """Extract the surface as an Open3D point cloud, between neighbours whose weights are above the given one."""
        # Open3D looks for a change of sign, and finds none where a voxel lies exactly on the surface: a wall at a
        # round distance would be missing.
        tsdf = self._attributes["tsdf"]
        for batch in _batches(self.keys()):
            places, _ = self.find(batch)
            distance = self._get(tsdf, places)
            self._set(tsdf, places, np.where(distance == 0, np.float32(_IN_FRONT), distance))
        return self.grid.extract_point_cloud(min_weight)

    def indices_of(self, points: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """The voxel nearest to each of (N, 3) points: (N,) int64 indices, and (N,) bool: its block is in use."""
        voxel = np.rint(points.astype(np.float64) / self.voxel_size).astype(np.int64)
        keys = voxel // EDGE
        local = (voxel - keys * EDGE) @ np.array([1, EDGE, EDGE**2])
        places, found = self.find(keys.astype(np.int32))
        return places * VOXELS + local, found

    def read(self, keys: Keys, names: Iterable[str] = tuple(ATTRIBUTES)) -> BlockData:
        """Return a copy of some attributes of these blocks, which must be in use."""
        places, _ = self.find(keys)
        return BlockData(keys, {name: self._get(self._attributes[name], places) for name in names})

    def write(self, blocks: BlockData) -> None:
        """Insert blocks. Blocks in use are replaced.

        Raises:
            ValueError: they do not fit.
        """
        self.ensure(blocks.keys)
        places, _ = self.find(blocks.keys)
        for name, value in self._attributes.items():
            self._set(value, places, blocks.values[name])

    def drop(self, keys: Keys) -> None:
        """Release these blocks."""
        if len(keys):
            self._hashmap.erase(self.tensor(keys))

    def clear(self) -> None:
        """Release all blocks."""
        self.drop(self.keys())

    def tensor(self, array: npt.NDArray[np.generic]) -> Any:
        """An Open3D tensor on the grid's device."""
        return self._core.Tensor(np.ascontiguousarray(array), device=self.device)

    def _get(self, memory: Any, places: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """A copy of some rows of the grid's memory."""
        if isinstance(memory, np.ndarray):
            return memory[places]
        return memory[self.tensor(places)].cpu().numpy()

    def _set(self, memory: Any, places: npt.NDArray[np.int64], values: npt.NDArray[Any]) -> None:
        """Replace some rows of the grid's memory."""
        memory[places if isinstance(memory, np.ndarray) else self.tensor(places)] = (
            values if isinstance(memory, np.ndarray) else self.tensor(values)
        )


def _batches(keys: Keys) -> Iterator[Keys]:
    for start in range(0, len(keys), _BATCH):
        yield keys[start : start + _BATCH]
