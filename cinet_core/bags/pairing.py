"""Which messages belong together: an image and its camera_info as they come, images and depth by their stamps."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Generic, TypeVar

__all__ = ["CameraInfoPairing", "nearest_pairs"]

Item = TypeVar("Item")
Info = TypeVar("Info")


class CameraInfoPairing(Generic[Item, Info]):
    """Gives each image, in order, the camera_info of its stamp, else the latest before the next image.

    An image is given out as soon as its own camera_info is there: drivers record either of them first.

    Args:
        expected: whether a camera_info comes at all; without, images are given out at once.
        first: camera_info of the images before the first one that comes; None for none.
    """

    def __init__(self, expected: bool, first: tuple[int, Info] | None = None) -> None:
        self._expected = expected
        self._latest = first
        self._waiting: tuple[int, Item] | None = None

    @property
    def waiting(self) -> bool:
        """Whether an image has not been given out yet."""
        return self._waiting is not None

    def info(self, stamp: int, info: Info) -> list[tuple[Item, Info | None]]:
        """Take a camera_info; return the images that are ready."""
        self._latest = (stamp, info)
        return self._ready()

    def image(self, stamp: int, item: Item) -> list[tuple[Item, Info | None]]:
        """Take an image; return the images that are ready."""
        before = self.end()
        self._waiting = (stamp, item)
        return before + self._ready()

    def end(self) -> list[tuple[Item, Info | None]]:
        """The image that still waits, if any: none but this will come for it."""
        waiting, self._waiting = self._waiting, None
        return [] if waiting is None else [(waiting[1], None if self._latest is None else self._latest[1])]

    def _ready(self) -> list[tuple[Item, Info | None]]:
        if self._waiting is None:
            return []
        own = self._latest is not None and self._latest[0] == self._waiting[0]
        return self.end() if own or not self._expected else []


def nearest_pairs(stamps: Sequence[int], others: Sequence[int], tolerance: int) -> dict[int, int]:
    """Pairs of the nearest stamps, each used once: the closest pairs are made first.

    The closest two are always neighbours in the order of time, so that memory is linear in the number of stamps, and
    time but for a logarithm, however many of them are equal. Equal stamps are paired in the order they are given in.

    Args:
        stamps, others: nanoseconds, in any order.
        tolerance: largest difference of a pair.

    Returns:
        Place in ``others`` by place in ``stamps``.
    """
    events = _in_turn(stamps, others)
    before, after = list(range(-1, len(events) - 1)), list(range(1, len(events) + 1))
    left = [True] * len(events)
    gaps: list[tuple[int, int, int]] = []

    def consider(one: int, other: int) -> None:
        """Two neighbours may become a pair."""
        if one >= 0 and other < len(events) and events[one][1] != events[other][1]:
            gap = events[other][0] - events[one][0]
            if gap <= tolerance:
                heapq.heappush(gaps, (gap, one, other))

    for place in range(len(events) - 1):
        consider(place, place + 1)
    pairs: dict[int, int] = {}
    while gaps:
        _, one, other = heapq.heappop(gaps)
        if not (left[one] and left[other]):
            continue
        first, second = (one, other) if events[one][1] == 0 else (other, one)
        pairs[events[first][2]] = events[second][2]
        left[one] = left[other] = False
        outer, next_one = before[one], after[other]
        if outer >= 0:
            after[outer] = next_one
        if next_one < len(events):
            before[next_one] = outer
        consider(outer, next_one)
    return pairs


def _in_turn(stamps: Sequence[int], others: Sequence[int]) -> list[tuple[int, int, int]]:
    """All stamps in the order of time: (stamp, 0 or 1 for which of the two, place); equal ones of the two in turn."""
    found = []
    for kind, times in enumerate((stamps, others)):
        last, turn = None, 0
        for place in sorted(range(len(times)), key=times.__getitem__):
            turn = turn + 1 if times[place] == last else 0
            last = times[place]
            found.append((last, turn, kind, place))
    found.sort()
    return [(stamp, kind, place) for stamp, _, kind, place in found]
