"""Fuses the labels of a frame as class votes into the voxels near its surfaces."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

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
    surface = _flat(np.where(labels == UNLABELLED, np.float32(0.0), depth), places)
    found = []
    for start in range(0, len(keys), _BATCH):
        batch = slice(start, start + _BATCH)
        pixels, z, chosen = _projected(keys[batch], blocks.voxel_size, intrinsics, camera_from_map, places.device)
        measured = surface[pixels]
        near = ((measured - z).abs_() < BAND * blocks.voxel_size) & (measured > 0)
        chosen = chosen[near]
        found.append((pixels[near], places[batch][chosen // VOXELS] * VOXELS + chosen % VOXELS))
    pixels, voxels = (torch.cat(each) for each in zip(*found, strict=True))
    classes, counts = blocks.attribute("classes"), blocks.attribute("counts")
    given = (_flat(image, places)[pixels] for image in (labels, confidence))
    votes = with_votes(Votes(classes[voxels], counts[voxels]), *given)
    classes[voxels] = votes.classes
    counts[voxels] = votes.counts


def _projected(
    keys: Keys,
    voxel_size: float,
    intrinsics: Intrinsics,
    camera_from_map: npt.NDArray[np.float64],
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of the voxels that fall into the image: number of the pixel, depth, and number of the voxel in these blocks."""
    rotation, shift = camera_from_map[:3, :3], camera_from_map[:3, 3]
    corners = (keys * (EDGE * voxel_size)) @ rotation.T + shift
    # A rigid motion of all voxels is that of the blocks' corners plus that of the voxels within a block.
    place = np.arange(VOXELS)
    within = np.stack([place % EDGE, place // EDGE % EDGE, place // EDGE**2], axis=1) * voxel_size @ rotation.T
    x, y, z = (
        torch.from_numpy(corners[:, axis, None].astype(np.float32)).to(device)
        + torch.from_numpy(within[None, :, axis].astype(np.float32)).to(device)
        for axis in range(3)
    )
    column = x.div_(z).mul_(intrinsics.fx).add_(intrinsics.cx + 0.5)
    row = y.div_(z).mul_(intrinsics.fy).add_(intrinsics.cy + 0.5)
    inside = (z > 0) & (column >= 0) & (column < intrinsics.width) & (row >= 0) & (row < intrinsics.height)
    chosen = inside.flatten().nonzero()[:, 0]
    pixels = row.flatten()[chosen].long().mul_(intrinsics.width).add_(column.flatten()[chosen].long())
    return pixels, z.flatten()[chosen], chosen


def _flat(image: npt.NDArray[np.generic], like: torch.Tensor) -> torch.Tensor:
    """An image's pixels, row by row, where another tensor is."""
    return torch.from_numpy(np.ascontiguousarray(image)).to(like.device).flatten()
