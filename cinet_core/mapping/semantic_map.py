"""A semantic map, fused from depth, labels and poses into a grid of voxel blocks with bounded memory."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.atomic_file import atomic_write
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import UNLABELLED, LabelSet
from cinet_core.mapping.block_budget import make_room
from cinet_core.mapping.frame_checks import check_frame
from cinet_core.mapping.map_file import MapFileError, MapMetadata, open_map, write_map
from cinet_core.mapping.map_points import MapPoints
from cinet_core.mapping.retired_blocks import RetiredBlocks
from cinet_core.mapping.vote_fusion import fuse_votes
from cinet_core.mapping.votes import Votes, winners
from cinet_core.mapping.voxel_blocks import BLOCK_BYTES, BlockData, Keys, VoxelBlocks
from cinet_core.open3d_loading import load_open3d
from cinet_core.visualize.ply import write_ply

__all__ = ["MAX_WEIGHT", "SemanticMap"]

TRUNCATION = 4.0
"""Voxels on either side of a surface that a depth pixel changes; beyond, in front, only blocks touched anyway."""

MAX_WEIGHT = 255.0
"""Frames: the mean over time follows changes at least as fast as one over this many frames."""

_PIECE = 1024
"""Blocks that are copied at a time when the map is written."""


class SemanticMap:
    """A truncated signed distance field with colours and class votes (`cinet_core.mapping.votes`).

    Distances and colours are fused by Open3D's `VoxelBlockGrid.integrate` (Curless and Levoy 1996, every frame with
    weight 1); a voxel close to the measured surface also gets a vote for the class of the pixel that it falls on,
    weighted by its confidence. Blocks of `EDGE`^3 voxels exist only near surfaces, `max_blocks` of
    them at most: beyond, those farthest from the camera are retired, by regions, and never those in view.

    It is not thread-safe: the caller must lock.

    Args:
        label_set: label set of the class ids.
        voxel_size: metres.
        max_depth: metres along z; depth beyond is not fused.
        max_blocks: the budget, in blocks of `BLOCK_BYTES` bytes.
        device: "cpu", "cuda" or "cuda:N".
        retired: folder that blocks retire to, to come back when they are seen again; None: they are dropped.

    Raises:
        ValueError: a size, depth or budget is out of range.
        Open3DError: Open3D cannot be loaded.
        RuntimeError: the device does not exist, or its memory is too small for the budget.
        OSError: the folder cannot be written.
    """

    def __init__(
        self,
        label_set: LabelSet,
        voxel_size: float = 0.02,
        max_depth: float = 4.0,
        max_blocks: int = 20000,
        device: str = "cpu",
        retired: Path | None = None,
    ) -> None:
        for name, value, low, high in (("voxel_size", voxel_size, 0.002, 1.0), ("max_depth", max_depth, 0.1, 100.0)):
            if not low <= value <= high:
                raise ValueError(f"{name} is {value} m: it must be from {low} to {high} m")
        if not 1 <= max_blocks <= 2_000_000:
            raise ValueError(f"max_blocks is {max_blocks}: it must be from 1 to 2000000")
        self.label_set = label_set
        self.voxel_size = voxel_size
        self.max_depth = max_depth
        self.max_blocks = max_blocks
        o3d = load_open3d()
        self._image_type, self._tensor_type = o3d.t.geometry.Image, o3d.core.Tensor
        self._blocks = VoxelBlocks(voxel_size, max_blocks, device)
        self._retired = RetiredBlocks(retired)
        self._frames = 0

    @property
    def blocks(self) -> int:
        """The number of blocks in memory, at most `max_blocks`."""
        return len(self._blocks)

    @property
    def retired_blocks(self) -> int:
        """The number of blocks on disk."""
        return len(self._retired)

    @property
    def dropped_blocks(self) -> int:
        """The number of blocks that were dropped since no folder for retired blocks was given."""
        return self._retired.dropped

    @property
    def bytes(self) -> int:
        """Bytes of the blocks in use. On a GPU the whole budget is reserved at the start."""
        return len(self._blocks) * BLOCK_BYTES

    @property
    def frames(self) -> int:
        """The number of frames that were fused."""
        return self._frames

    def integrate(
        self,
        depth: npt.NDArray[np.float32],
        labels: npt.NDArray[np.uint8],
        confidence: npt.NDArray[np.uint8],
        colour: npt.NDArray[np.uint8],
        intrinsics: Intrinsics,
        pose: npt.NDArray[np.float64],
    ) -> bool:
        """Fuse a frame. All images must show the same view and have the size of the intrinsics.

        Args:
            depth: (H, W) float32 metres along z; NaN, infinite, 0 or negative where unknown.
            labels: (H, W) uint8 class ids, 255 = no label.
            confidence: (H, W) uint8, 0..255.
            colour: (H, W, 3) uint8 RGB.
            intrinsics: of the images.
            pose: (4, 4) float64, the optical frame's coordinates (x right, y down, z forward) to the map's.

        Returns:
            False where no pixel has a depth up to `max_depth`: nothing was fused, and the frame does not count.

        Raises:
            ValueError: a wrong shape or type, a class that the label set does not have, a pose that is no rigid motion
                or beyond `MAX_DISTANCE`, or a view that needs more blocks than the budget has. The map is as before.
            OSError: blocks could not be written to or read from the folder for retired ones; the frame is not fused.
        """
        check_frame(depth, labels, confidence, colour, intrinsics, pose, len(self.label_set.classes))
        depth = np.where((depth > 0) & (depth < self.max_depth), depth, 0).astype(np.float32)
        camera_from_map = _inverse(pose)
        keys = self._touched(depth, intrinsics, camera_from_map)
        if keys is None:
            return False
        make_room(self._blocks, self._retired, keys, pose[:3, 3])
        self._blocks.ensure(keys)
        self._fuse_surface(keys, depth, colour, intrinsics, camera_from_map)
        fuse_votes(self._blocks, keys, depth, labels, confidence, intrinsics, camera_from_map)
        self._frames += 1
        return True

    def surface(self, min_weight: float = 3.0) -> MapPoints:
        """Extract the surface of the blocks in memory: points at the zero crossings, about one per voxel, in no order.

        Args:
            min_weight: only voxels that more frames than this saw count.
        """
        if not len(self._blocks):
            return _no_points()
        cloud = self._blocks.extract(min_weight)
        if not len(cloud.point.positions):
            return _no_points()
        xyz = cloud.point.positions.cpu().numpy()
        rgb = np.rint(cloud.point.colors.cpu().numpy() * 255.0).clip(0, 255).astype(np.uint8)
        indices, found = self._blocks.indices_of(xyz)
        votes = Votes(*(self._blocks.read_voxels(name, indices) for name in ("classes", "counts")))
        labels, share = winners(votes)
        labels = np.where(found, labels, np.uint8(UNLABELLED))
        return MapPoints(xyz, rgb, labels, np.where(labels == UNLABELLED, np.uint8(0), share))

    def reset(self) -> None:
        """Clear the map, including the blocks on disk."""
        self._blocks.clear()
        self._retired.clear()
        self._frames = 0

    def save(self, path: str | Path, progressed: Callable[[], None] = lambda: None) -> None:
        """Write the map, including the blocks on disk, to a file that `load` reads. The write is atomic.

        Args:
            path: of the file.
            progressed: called before each piece that is written: a large map on a slow disk takes minutes.

        Raises:
            OSError: the file cannot be written, or a retired block not read.
        """
        facts = MapMetadata(self.label_set, self.voxel_size, self.max_depth, self._frames)
        with atomic_write(path) as file:
            write_map(file, facts, self.blocks + self.retired_blocks, functools.partial(self._pieces, progressed))

    @classmethod
    def load(
        cls,
        path: str | Path,
        max_blocks: int = 20000,
        device: str = "cpu",
        retired: Path | None = None,
    ) -> SemanticMap:
        """Load a map that `save` wrote. Label set, voxel size and depth limit are those of the file.

        Args:
            path: of the file.
            max_blocks, device, retired: as for the class. Blocks beyond the budget go to the folder.

        Raises:
            ValueError: it is no map (`MapFileError`), or has more blocks than the budget and there is no folder.
            OSError: the file cannot be read, or the folder not written.
        """
        path = Path(path)
        with open_map(path) as (facts, count, pieces):
            if count > max_blocks and retired is None:
                raise ValueError(
                    f"{path} has {count} blocks, the budget is {max_blocks}: raise max_blocks, or give a folder for "
                    "retired blocks"
                )
            try:
                loaded = cls(facts.label_set, facts.voxel_size, facts.max_depth, max_blocks, device, retired)
            except ValueError as error:
                raise MapFileError(f"{path}: {error}") from error
            for piece in pieces:
                room = max_blocks - loaded.blocks
                loaded._blocks.write(piece[:room])
                if len(piece) > room:
                    loaded._retired.add(piece[room:])
            loaded._frames = facts.frames
        return loaded

    def write_ply(self, path: str | Path, min_weight: float = 3.0) -> int:
        """Write `surface` to a PLY file (x y z red green blue label confidence) and return the number of points.

        Returns:
            0 where there is none: then there is no file.

        Raises:
            OSError: the file cannot be written.
        """
        points = self.surface(min_weight)
        return write_ply(Path(path), points.xyz, points.rgb, points.labels, points.confidence)

    def _touched(
        self, depth: npt.NDArray[np.float32], intrinsics: Intrinsics, camera_from_map: npt.NDArray[np.float64]
    ) -> Keys | None:
        """The blocks near the surfaces of a view, or None without a surface."""
        # Open3D looks at every fourth pixel of every fourth row, and fails where it finds none.
        height, width = (size // 4 * 4 for size in depth.shape)
        if not depth[:height:4, :width:4].any():
            return None
        touched = self._blocks.grid.compute_unique_block_coordinates(
            self._image(depth),
            self._host(intrinsics.matrix()),
            self._host(camera_from_map),
            depth_scale=1.0,
            depth_max=self.max_depth,
            trunc_voxel_multiplier=TRUNCATION,
        )
        return touched.cpu().numpy()

    def _fuse_surface(
        self,
        keys: Keys,
        depth: npt.NDArray[np.float32],
        colour: npt.NDArray[np.uint8],
        intrinsics: Intrinsics,
        camera_from_map: npt.NDArray[np.float64],
    ) -> None:
        """Open3D's integration. It cuts off a pixel's fraction, where here the centre of a pixel is at integers."""
        matrix = intrinsics.matrix()
        matrix[:2, 2] += 0.5
        camera = self._host(matrix)
        image = self._image(colour.astype(np.float32) / np.float32(255.0))
        extrinsic = self._host(camera_from_map)
        self._blocks.integrate(
            keys, self._image(depth), image, camera, camera, extrinsic, 1.0, self.max_depth, TRUNCATION
        )
        self._blocks.limit("weight", keys, MAX_WEIGHT)

    def _image(self, array: npt.NDArray[np.float32]) -> Any:
        return self._image_type(self._blocks.tensor(array))

    def _host(self, matrix: npt.NDArray[np.float64]) -> Any:
        """A matrix for Open3D, which takes these on the CPU."""
        return self._tensor_type(np.ascontiguousarray(matrix, dtype=np.float64))

    def _pieces(self, before_each: Callable[[], None], names: Iterable[str]) -> Iterator[BlockData]:
        """Some attributes of all blocks, some of these at a time, in the same order while nothing is fused."""
        keys = self._blocks.keys()
        for start in range(0, len(keys), _PIECE):
            before_each()
            yield self._blocks.read(keys[start : start + _PIECE], names)
        for piece in self._retired.read(names):
            before_each()
            yield piece


def _no_points() -> MapPoints:
    flat = np.empty(0, dtype=np.uint8)
    return MapPoints(np.empty((0, 3), dtype=np.float32), np.empty((0, 3), dtype=np.uint8), flat, flat)


def _inverse(pose: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of a rigid motion."""
    inverse = np.eye(4)
    inverse[:3, :3] = pose[:3, :3].T
    inverse[:3, 3] = -pose[:3, :3].T @ pose[:3, 3]
    return inverse
