"""Fuses the labels of a frame as class votes into the voxels near its surfaces."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import UNLABELLED
from cinet_core.mapping.votes import Votes, with_votes
from cinet_core.mapping.voxel_blocks import EDGE, VOXELS, Keys, VoxelBlocks

__all__ = ["fuse_votes"]

BAND = 3.0
"""Voxels on either side of the measured surface that get a vote. A point of the surface reads its nearest voxel, less
than one away; along a ray that meets the surface at 70 degrees that is three. Twice the band is twice the work."""

_BATCH = 64
"""Blocks that are projected at a time: their arrays fit into a processor's cache."""


def fuse_votes(
    blocks: VoxelBlocks,
    keys: Keys,
    depth: npt.NDArray[np.float32],
    labels: npt.NDArray[np.uint8],
    confidence: npt.NDArray[np.uint8],
    intrinsics: Intrinsics,
    camera_from_map: npt.NDArray[np.float64],
) -> None:
    """Add one vote to each voxel that projects to a labelled pixel and lies within `BAND` of the depth of that pixel.

    Args:
        blocks: of the map, changed in place.
        keys: of the blocks in view, which are in use.
        depth: (H, W) float32 metres, 0 where unknown.
        labels: (H, W) uint8 class ids, 255 = no label.
        confidence: (H, W) uint8, the vote's weight.
        intrinsics: of the images.
        camera_from_map: (4, 4) float64.
    """
    places, _ = blocks.find(keys)
    # A pixel without a label votes as little as one without a depth.
    surface = np.where(labels == UNLABELLED, np.float32(0.0), depth).ravel()
    found = []
    for start in range(0, len(keys), _BATCH):
        batch = slice(start, start + _BATCH)
        pixels, z, chosen = _projected(keys[batch], blocks.voxel_size, intrinsics, camera_from_map)
        measured = surface[pixels]
        near = (np.abs(measured - z) < np.float32(BAND * blocks.voxel_size)) & (measured > 0)
        chosen = chosen[near]
        found.append((pixels[near], places[batch][chosen // VOXELS] * VOXELS + chosen % VOXELS))
    pixels, voxels = (np.concatenate(each) for each in zip(*found, strict=True))
    before = Votes(blocks.read_voxels("classes", voxels), blocks.read_voxels("counts", voxels))
    after = with_votes(before, labels.ravel()[pixels], confidence.ravel()[pixels])
    blocks.write_voxels("classes", voxels, after.classes)
    blocks.write_voxels("counts", voxels, after.counts)


def _projected(
    keys: Keys,
    voxel_size: float,
    intrinsics: Intrinsics,
    camera_from_map: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Of the voxels that fall into the image: number of the pixel, depth, and number of the voxel in these blocks."""
    rotation, shift = camera_from_map[:3, :3], camera_from_map[:3, 3]
    corners = (keys * (EDGE * voxel_size)) @ rotation.T + shift
    # A rigid motion of all voxels is that of the blocks' corners plus that of the voxels within a block.
    place = np.arange(VOXELS)
    within = np.stack([place % EDGE, place // EDGE % EDGE, place // EDGE**2], axis=1) * voxel_size @ rotation.T
    x, y, z = (
        corners[:, axis, None].astype(np.float32) + within[None, :, axis].astype(np.float32) for axis in range(3)
    )
    with np.errstate(divide="ignore", invalid="ignore"):  # in the plane of the camera; z > 0 leaves it out
        column, row = x / z, y / z
    column *= np.float32(intrinsics.fx)
    column += np.float32(intrinsics.cx + 0.5)
    row *= np.float32(intrinsics.fy)
    row += np.float32(intrinsics.cy + 0.5)
    inside = (z > 0) & (column >= 0) & (column < intrinsics.width) & (row >= 0) & (row < intrinsics.height)
    chosen = np.flatnonzero(inside)
    pixels = row.ravel()[chosen].astype(np.int64) * intrinsics.width + column.ravel()[chosen].astype(np.int64)
    return pixels, z.ravel()[chosen], chosen
