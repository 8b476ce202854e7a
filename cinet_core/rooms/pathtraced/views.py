"""Which of many views of a room to render: worth looking at, dissimilar, and often near."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.rooms.medians import median_of

NEAR = (0.7, 2.0)
"""Metres of median depth of a near view."""

MEDIAN_DEPTH = (0.6, 5.5)
NEAREST = 0.12
"""Metres to the nearest thing in view, at least."""

LARGEST_SHARE = 0.6
"""Of the image that one class may take."""

STRUCTURE = (1, 2, 22)
"""Wall, floor, ceiling: a view of which a view should not show much more than 40 %."""

WIDE_MEDIANS = (0.4, 9.0)
WIDE_LARGEST_SHARE = 0.75
WIDE_NEAREST = 0.2
"""Of wide views: a corridor is mostly wall, what a robot sees mostly floor."""

VOXEL = 0.3
"""Metres: two views overlap where they see the same cells of this size."""


@dataclass(frozen=True, eq=False)
class ViewPreview:
    """What a coarse grid of rays of a view hits.

    Attributes:
        depth: (N,) metres along the camera's z; 0 where a ray leaves the room.
        points: (N, 3) world.
        labels: (N,) as on disk.
        things: (N,) a number for each thing, 0 and up.
    """

    depth: npt.NDArray[np.float64]
    points: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]
    things: npt.NDArray[np.int64]

    @property
    def median(self) -> float:
        """Median depth of what was hit, metres; 0 if nothing was."""
        hit = self.depth[self.depth > 0]
        return float(np.median(hit)) if hit.size else 0.0

    def score(
        self,
        medians: tuple[float, float] = MEDIAN_DEPTH,
        largest: float = LARGEST_SHARE,
        nearest: float = NEAREST,
    ) -> float:
        """How much there is to see: higher is better; negative for a view that shows too little.

        Args:
            medians: metres that the median depth may be.
            largest: part of the image that one class may take.
            nearest: metres to the nearest thing in view, at least.
        """
        hit = self.depth > 0
        if hit.mean() < 0.97 or self.depth[hit].min() < nearest or not _within(self.median, medians):
            return -1.0
        shares = np.bincount(self.labels[hit]) / hit.sum()
        if shares.max() > largest:
            return -1.0
        bare = shares[[label for label in STRUCTURE if label < len(shares)]].sum()
        variety = _entropy(shares) + 0.5 * _entropy(np.bincount(self.things[hit]) / hit.sum())
        return max(0.0, variety - 2.0 * max(0.0, float(bare) - 0.4))

    def cells(self) -> set[tuple[int, ...]]:
        """Cells of space that it shows."""
        return set(map(tuple, np.floor(self.points[self.depth > 0] / VOXEL).astype(int)))


def choose_views(previews: Sequence[ViewPreview], count: int) -> list[int]:
    """Numbers of up to ``count`` of the views, best first.

    Greedy: each next view has the most worth, less what an earlier one shows too; half of them are near ones, as far
    as there are any.
    """
    score = [preview.score() for preview in previews]
    cells = [preview.cells() for preview in previews]
    chosen: list[int] = []
    seen: set[tuple[int, ...]] = set()
    while len(chosen) < count:
        near_wanted = len(chosen) % 2 == 0
        scores = {}
        for number, preview in enumerate(previews):
            if number in chosen or score[number] < 0:
                continue
            again = len(cells[number] & seen) / max(1, len(cells[number]))
            scores[number] = (
                score[number] - 2.5 * again + (1.0 if near_wanted == _within(preview.median, NEAR) else 0.0)
            )
        if not scores:
            break
        best = max(scores, key=lambda number: scores[number])
        chosen.append(best)
        seen |= cells[best]
    return chosen


def choose_wide_views(previews: Sequence[ViewPreview], count: int, room: int) -> list[int]:
    """Numbers of up to ``count`` of the views, so that over many rooms the log median depth is even.

    View k of a room is to have the median depth number ``room * count + k`` of `median_of`, a sequence that is
    even over any run of its numbers. The view is taken that comes nearest, ln apart, less a little for what it shows,
    more for what an earlier one shows too.
    """
    score = [preview.score(WIDE_MEDIANS, WIDE_LARGEST_SHARE, WIDE_NEAREST) for preview in previews]
    cells = [preview.cells() for preview in previews]
    chosen: list[int] = []
    seen: set[tuple[int, ...]] = set()
    for number in range(room * count, (room + 1) * count):
        wanted = median_of(0, number)
        costs = {}
        for place, preview in enumerate(previews):
            if place not in chosen and score[place] >= 0:
                again = len(cells[place] & seen) / max(1, len(cells[place]))
                costs[place] = abs(math.log(preview.median / wanted)) + 0.6 * again - 0.1 * score[place]
        if not costs:
            break
        best = min(costs, key=lambda place: costs[place])
        chosen.append(best)
        seen |= cells[best]
    return chosen


def _entropy(shares: npt.NDArray[np.float64]) -> float:
    present = shares[shares > 0]
    return float(-(present * np.log(present)).sum())


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]
