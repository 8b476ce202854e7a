"""Blocks that were moved out of memory: stored on disk by region until they are seen again, or dropped."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cinet_core.mapping.voxel_blocks import ATTRIBUTES, BlockData, Keys

__all__ = ["Regions", "RetiredBlocks", "region_centres", "regions_of"]

REGION = 4
"""Blocks along a region's edge: regions go and come as a whole, in one file each. At 2 cm one is 64 cm wide."""

_OFFSET, _BITS = 2**20, 21

Regions = npt.NDArray[np.int64]
"""(N,) regions, the three places packed into one number."""


def regions_of(keys: Keys) -> Regions:
    """The region of each of (N, 3) blocks, whose places are within 2^20 blocks."""
    place = keys.astype(np.int64) // REGION + _OFFSET
    return (place[:, 0] << (2 * _BITS)) | (place[:, 1] << _BITS) | place[:, 2]


def region_centres(regions: Regions) -> npt.NDArray[np.float64]:
    """(N, 3) centres, in blocks."""
    mask = (1 << _BITS) - 1
    place = np.stack([regions >> (2 * _BITS), (regions >> _BITS) & mask, regions & mask], axis=1) - _OFFSET
    return (place + 0.5) * REGION


class RetiredBlocks:
    """The blocks that a map has retired.

    Args:
        folder: where they go, into a folder of this map's own that is removed with it; None: they are dropped.

    Raises:
        OSError: the folder cannot be made or written.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._folder = tempfile.TemporaryDirectory(prefix="cinet-map-", dir=folder)
        self._keys: dict[int, Keys] = {}
        self.dropped = 0

    def __len__(self) -> int:
        """How many blocks are on disk."""
        return sum(map(len, self._keys.values()))

    def add(self, blocks: BlockData) -> None:
        """Retire blocks; of a region that is here already they are added to its file.

        Raises:
            OSError: they cannot be written; then none of the region at hand is changed.
        """
        if self._folder is None:
            self.dropped += len(blocks)
            return
        regions = regions_of(blocks.keys)
        for region in np.unique(regions).tolist():
            chosen = blocks[regions == region]
            if region in self._keys:
                chosen = _joined([self._read(region), chosen])
            self._write(region, chosen)
            self._keys[region] = chosen.keys

    def keys(self, regions: Regions) -> Keys:
        """Those of all blocks on disk in these regions."""
        found = [self._keys[region] for region in regions.tolist() if region in self._keys]
        return np.concatenate(found) if found else np.empty((0, 3), dtype=np.int32)

    def take(self, regions: Regions) -> Iterator[BlockData]:
        """The blocks of these regions, one region at a time; each leaves the disk once the next is asked for.

        Raises:
            OSError: a file cannot be read, or is damaged.
        """
        for region in regions.tolist():
            if region in self._keys:
                yield self._read(region)
                del self._keys[region]
                self._path(region).unlink(missing_ok=True)

    def read(self, names: Iterable[str] = tuple(ATTRIBUTES)) -> Iterator[BlockData]:
        """Some attributes of all blocks, one region at a time; they stay.

        Raises:
            OSError: a file cannot be read, or is damaged.
        """
        for region in self._keys:
            yield self._read(region, names)

    def clear(self) -> None:
        """Forget them all."""
        for region in self._keys:
            self._path(region).unlink(missing_ok=True)
        self._keys.clear()
        self.dropped = 0

    def _path(self, region: int) -> Path:
        assert self._folder is not None
        return Path(self._folder.name) / f"{region:x}.npz"

    def _write(self, region: int, blocks: BlockData) -> None:
        # Not synchronised to the disk: the file lives no longer than this process.
        path = self._path(region)
        unfinished = path.with_suffix(".unfinished")
        try:
            with unfinished.open("wb") as file:
                np.savez(file, allow_pickle=False, keys=blocks.keys, **blocks.values)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    def _read(self, region: int, names: Iterable[str] = tuple(ATTRIBUTES)) -> BlockData:
        path = self._path(region)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return BlockData(arrays["keys"], {name: arrays[name] for name in names})
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            text = f"blocks that were retired to {path} are damaged ({error}): save and reset the map"
            raise OSError(text) from error


def _joined(blocks: list[BlockData]) -> BlockData:
    return BlockData(
        np.concatenate([each.keys for each in blocks]),
        {name: np.concatenate([each.values[name] for each in blocks]) for name in ATTRIBUTES},
    )
