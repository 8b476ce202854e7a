"""Class votes of voxels: a bounded number of candidates and their counts, by the Misra-Gries rule.

A full histogram of 40 classes takes 160 bytes a voxel in float32, six times what geometry and colour take. Here a voxel
keeps `CANDIDATES` classes. A vote for one of them adds to it; a vote for another class takes a free place, or else
lowers all candidates by the same amount until one is at 0 and gives up its place (Misra and Gries, "Finding repeated
elements", 1982, in its weighted form). Whatever the order of the votes: a class with more than 1 / (CANDIDATES + 1) of
a voxel's votes, here a fifth, is among its candidates, and no count is too low by more than that share.

A vote weighs its confidence, 1 to 255. When a voxel's sum reaches `FULL`, all its counts are halved: shares stay,
and what was seen long ago weighs less.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.label_sets import UNLABELLED

__all__ = ["CANDIDATES", "COUNTS", "FULL", "Votes", "winners", "with_votes"]

CANDIDATES = 4
COUNTS = CANDIDATES + 1
"""The candidates' votes, and the sum of all votes ever given."""

FULL = 32767 - 255
"""A sum from which on one more vote might not fit into 16 bits with a sign."""


@dataclass(frozen=True)
class Votes:
    """Candidates and counts of N voxels.

    Attributes:
        classes: (N, CANDIDATES) uint8 class ids; of a candidate whose count is 0 the place is free.
        counts: (N, COUNTS) int16, 0 or more.
    """

    classes: npt.NDArray[np.uint8]
    counts: npt.NDArray[np.int16]


def with_votes(votes: Votes, labels: npt.NDArray[np.uint8], confidence: npt.NDArray[np.uint8]) -> Votes:
    """Return the votes after one more vote for each voxel, as the module describes.

    Args:
        votes: of N voxels; changed in place where that is faster, not to be used again.
        labels: (N,) uint8 class ids, none of them `UNLABELLED`.
        confidence: (N,) uint8; 0 counts as 1, so that every vote counts.
    """
    classes, counts = votes.classes, votes.counts
    weight = np.maximum(confidence, 1).astype(np.int16)
    own = (classes == labels[:, None]) & (counts[:, :CANDIDATES] > 0)
    counts[:, :CANDIDATES] += own * weight[:, None]
    counts[:, CANDIDATES] += weight
    # In a map that has seen its surfaces before, few votes are left here.
    others = np.flatnonzero(~own.any(axis=1))
    if len(others):
        classes[others], counts[others, :CANDIDATES] = _without_own(
            classes[others], counts[others, :CANDIDATES], labels[others], weight[others]
        )
    full = np.flatnonzero(counts[:, CANDIDATES] > FULL)
    if len(full):
        counts[full] = counts[full] // 2
    return Votes(classes, counts)


def _without_own(
    classes: npt.NDArray[np.uint8],
    counts: npt.NDArray[np.int16],
    labels: npt.NDArray[np.uint8],
    weight: npt.NDArray[np.int16],
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int16]]:
    """Votes for classes that are no candidates of their voxels: each takes a free place, or lowers all candidates."""
    voxels, place = np.arange(len(counts)), counts.argmin(axis=1)  # where a place is free its count is 0
    lowered = np.minimum(weight, counts[voxels, place])
    added = weight - lowered
    counts -= lowered[:, None]
    counts[voxels, place] += added
    # A vote that is used up by lowering the others has added 0, and the place stays whose it was.
    classes[voxels, place] = np.where(added > 0, labels, classes[voxels, place])
    return classes, counts


def winners(votes: Votes) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return the class with the most votes, and its share of all votes.

    Returns:
        (N,) uint8 class ids, `UNLABELLED` without a vote, and (N,) uint8 shares, 255 = all. The share is a lower bound
        where the voxel saw more classes than it has places.
    """
    counts = votes.counts[:, :CANDIDATES]
    voxels, place = np.arange(len(counts)), counts.argmax(axis=1)
    best = counts[voxels, place]
    labels = np.where(best > 0, votes.classes[voxels, place], np.uint8(UNLABELLED))
    total = np.maximum(votes.counts[:, CANDIDATES], 1).astype(np.float32)
    share = best.astype(np.float32) / total
    return labels, np.rint(share * np.float32(255)).clip(0, 255).astype(np.uint8)
