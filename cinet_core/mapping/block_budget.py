"""Keeps the number of blocks in memory within the budget: retires blocks and restores those of the current view."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cinet_core.mapping.retired_blocks import Regions, RetiredBlocks, region_centres, regions_of
from cinet_core.mapping.voxel_blocks import EDGE, Keys, VoxelBlocks

__all__ = ["make_room"]

RETIRE_TO = 0.9
"""Part of the budget that is left in use where it was exceeded, so that not every frame has to retire."""


def make_room(blocks: VoxelBlocks, retired: RetiredBlocks, keys: Keys, camera: npt.NDArray[np.float64]) -> None:
    """Retire the regions farthest from the camera until a view fits, and restore the retired regions of the view.

    Args:
        blocks: the blocks in use; their capacity is the budget.
        retired: the blocks that are not.
        keys: of the blocks that the view needs.
        camera: (3,) metres, where it stands.

    Raises:
        ValueError: the view alone does not fit; nothing is changed.
        OSError: blocks could not be written or read. Those that could are where they should be; none is lost.
    """
    in_view = np.unique(regions_of(keys))
    returning = retired.keys(in_view)
    _, found = blocks.find(keys)
    added = keys[~found]
    if len(returning):
        added = np.unique(np.concatenate([added, returning]), axis=0)
    excess = len(blocks) + len(added) - blocks.capacity
    if excess > 0:
        _retire(blocks, retired, excess, in_view, camera)
    for region in retired.take(in_view):
        blocks.write(region)


def _retire(
    blocks: VoxelBlocks, retired: RetiredBlocks, excess: int, in_view: Regions, camera: npt.NDArray[np.float64]
) -> None:
    keys = blocks.keys()
    regions = regions_of(keys)
    away = ~np.isin(regions, in_view)
    if int(away.sum()) < excess:
        needed = blocks.capacity + excess - int(away.sum())
        raise ValueError(
            f"one view needs {needed} blocks, the budget is {blocks.capacity}: raise max_blocks or voxel_size, or "
            "lower max_depth"
        )
    candidates, counts = np.unique(regions[away], return_counts=True)
    metres = region_centres(candidates) * EDGE * blocks.voxel_size
    order = np.argsort(-np.linalg.norm(metres - camera, axis=1), kind="stable")
    wanted = excess + int((1.0 - RETIRE_TO) * blocks.capacity)
    enough = int(np.searchsorted(np.cumsum(counts[order]), wanted)) + 1
    for region in candidates[order[:enough]]:
        leaving = keys[regions == region]
        retired.add(blocks.read(leaving))
        blocks.drop(leaving)
