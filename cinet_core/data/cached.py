"""Samples kept in memory once they were read or rendered, in one store for a training process and its workers."""

from __future__ import annotations

import mmap
import multiprocessing
from itertools import pairwise

import numpy as np
import torch
from torch.utils.data import Dataset

from cinet_core.data.check import spread
from cinet_core.data.sample import Sample
from cinet_core.geometry import Intrinsics

__all__ = ["FORK", "CacheLimitError", "CachedSamples"]

FORK = "fork"
"""Start method of the processes that may share a store: the ``multiprocessing_context`` of its DataLoader."""

_PROBES = 8
_FULL = 1
_ENTRY = np.dtype(
    [
        ("state", "i8"),
        ("offset", "i8"),
        ("name", "i8"),  # bytes of it
        ("height", "i8"),
        ("width", "i8"),
        ("has_depth", "i8"),
        ("has_labels", "i8"),
        ("has_camera", "i8"),
        ("has_trust", "i8"),
        ("camera", "f8", 4),
    ]
)


class CacheLimitError(ValueError):
    """Samples do not fit into the memory that they may take."""


class CachedSamples(Dataset[Sample]):
    """Samples that are read from their source once and copied from memory from then on, unchanged to the bit.

    The memory is shared by all processes *forked* from the one that made this: a DataLoader's workers fill and use one
    store, which outlives them. It cannot be pickled, and processes that are not forked from each other (those of DDP)
    have a store each. Memory is taken as the store fills. Two workers that first ask for the same sample at the same
    time both read it.

    Args:
        source: what to keep; must always serve the same sample for an index.
        limit: most bytes to take.

    Raises:
        CacheLimitError: the samples need more than the limit (see ``bytes_needed``), or the machine has less.
    """

    def __init__(self, source: Dataset[Sample], limit: int) -> None:
        self.source, self.limit = source, limit
        self._length: int = len(source)  # type: ignore[arg-type]  # torch's Dataset leaves __len__ to its subclasses
        self._lock = multiprocessing.get_context(FORK).Lock()
        if limit < 1:
            raise CacheLimitError(f"no memory is left to keep {self._length} samples in: raise data.cache_limit")
        head = 8 + self._length * _ENTRY.itemsize
        try:
            self._memory = mmap.mmap(-1, head + limit)
        except (OSError, OverflowError, ValueError) as error:
            raise CacheLimitError(
                f"cannot reserve {_gigabytes(limit)} to keep samples in ({error}): lower data.cache_limit"
            ) from error
        self._used = np.frombuffer(self._memory, np.int64, 1)
        self._entries = np.frombuffer(self._memory, _ENTRY, self._length, 8)
        self._bytes = np.frombuffer(self._memory, np.uint8, limit, head)
        needed = self.bytes_needed()
        if needed > limit:
            raise CacheLimitError(
                f"{self._length} samples need {_gigabytes(needed)} of memory, over the limit of {_gigabytes(limit)}: "
                "raise data.cache_limit, or set data.cache to false"
            )

    def __len__(self) -> int:
        """Number of samples."""
        return self._length

    def __getitem__(self, index: int) -> Sample:
        """One sample, a copy of its own.

        Raises:
            IndexError: there is no such sample.
            CacheLimitError: the store is full.
            SourceError: it cannot be read from its source.
        """
        if not 0 <= index < self._length:
            raise IndexError(f"there is no sample {index}: the set has {self._length}")
        with self._lock:  # also makes what another process wrote visible
            full = self._entries[index]["state"] == _FULL
        if full:
            return self._load(index)
        sample = self.source[index]
        with self._lock:
            if self._entries[index]["state"] != _FULL:
                self._store(index, sample)
        return sample

    @property
    def bytes_used(self) -> int:
        """Memory taken so far."""
        return int(self._used[0])

    def bytes_needed(self) -> int:
        """Memory for all samples: exact where they have one size, else estimated from a few, which are then kept."""
        if not self._length:
            return 0
        probes = [_size(self[index]) for index in spread(self._length, _PROBES)]
        return round(sum(probes) / len(probes) * self._length)

    def _store(self, index: int, sample: Sample) -> None:
        name = np.frombuffer(sample.name.encode(), np.uint8)
        offset, size = self.bytes_used, _size(sample)
        if offset + size > self.limit:
            kept = int((self._entries["state"] == _FULL).sum())
            raise CacheLimitError(
                f"{kept} of {self._length} samples fill the {_gigabytes(self.limit)} that they may take: raise "
                "data.cache_limit, or set data.cache to false"
            )
        parts = [name, *(part.contiguous().numpy().reshape(-1).view(np.uint8) for part in _tensors(sample))]
        np.concatenate(parts, out=self._bytes[offset : offset + size])
        entry = self._entries[index]
        entry["offset"], entry["name"] = offset, len(name)
        entry["height"], entry["width"] = sample.image.shape[1:]
        entry["has_depth"], entry["has_labels"] = sample.has_depth, sample.has_labels
        entry["has_trust"] = sample.trust is not None
        k = sample.intrinsics
        entry["has_camera"] = k is not None
        if k is not None:
            entry["camera"] = (k.fx, k.fy, k.cx, k.cy)
        self._used[0] = offset + size
        entry["state"] = _FULL

    def _load(self, index: int) -> Sample:
        entry = self._entries[index]
        height, width = int(entry["height"]), int(entry["width"])
        pixels = height * width
        trusted = 2 * pixels if entry["has_trust"] else 0
        bounds = np.cumsum([entry["offset"], entry["name"], 3 * pixels, 4 * pixels, pixels, trusted])
        name, image, depth, labels, trust = (self._bytes[first:last].copy() for first, last in pairwise(bounds))
        fx, fy, cx, cy = entry["camera"].tolist()
        return Sample(
            name=name.tobytes().decode(),
            image=torch.from_numpy(image.reshape(3, height, width)),
            depth=torch.from_numpy(depth.view(np.float32).reshape(height, width)),
            labels=torch.from_numpy(labels.reshape(height, width)),
            intrinsics=Intrinsics(fx, fy, cx, cy, width, height) if entry["has_camera"] else None,
            has_depth=bool(entry["has_depth"]),
            has_labels=bool(entry["has_labels"]),
            trust=torch.from_numpy(trust.reshape(2, height, width)) if trusted else None,
        )


def _tensors(sample: Sample) -> tuple[torch.Tensor, ...]:
    parts = (sample.image, sample.depth, sample.labels)
    return parts if sample.trust is None else (*parts, sample.trust)


def _size(sample: Sample) -> int:
    return len(sample.name.encode()) + sum(part.numel() * part.element_size() for part in _tensors(sample))


def _gigabytes(count: int) -> str:
    return f"{count / 2**30:.2f} GiB"
