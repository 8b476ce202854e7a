"""Which messages belong together: an image and its camera_info as they come, images and depth by their stamps."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Generic, TypeVar

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

    Args:
        stamps, others: nanoseconds, in any order.
        tolerance: largest difference of a pair.

    Returns:
        Place in ``others`` by place in ``stamps``.
    """
    order = sorted(range(len(others)), key=others.__getitem__)
    times = [others[place] for place in order]
    candidates = []
    for place, stamp in enumerate(stamps):
        middle = bisect_left(times, stamp)
        low = middle
        while low > 0 and stamp - times[low - 1] <= tolerance:
            low -= 1
        for near in range(low, len(times)):
            if times[near] - stamp > tolerance:
                break
            candidates.append((abs(times[near] - stamp), place, order[near]))
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, place, other in sorted(candidates):
        if place not in pairs and other not in taken:
            pairs[place] = other
            taken.add(other)
    return pairs
