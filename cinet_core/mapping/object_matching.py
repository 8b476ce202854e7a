"""Which of the things that a frame shows is which of those that were seen before: by class and place."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from cinet_core.mapping.object_parts import SeenPart, View, centres_of
from cinet_core.mapping.object_track import ObjectTrack
from cinet_core.mapping.upright_boxes import UprightBox

__all__ = ["Matching", "match_movers", "match_standing"]

MARGIN, MARGIN_SHARE = 0.05, 0.03
"""Metres, and share of the distance: boxes are off by so much. A chair's neighbour is not within it."""

MOST = 0.5
"""Of a part's cells within the box of a track, or the other way round, for the one to be a part of the other."""

LONGEST_STEP_NS = 1_000_000_000
"""Nanoseconds for which a mover is taken to go on as it did."""


@dataclass
class Matching:
    """What belongs together.

    Attributes:
        parts: of each track that is seen, by its index, the indices of its parts; several where something divides it.
            A part may be of several tracks that a frame does not tell from each other.
        new: indices of the parts that are of no track.
        moved: indices of the tracks that are seen at another place than theirs.
    """

    parts: dict[int, list[int]] = field(default_factory=dict)
    new: list[int] = field(default_factory=list)
    moved: set[int] = field(default_factory=set)

    def owners(self) -> dict[int, list[int]]:
        """Of each part that is of a track, the indices of its tracks."""
        owners: defaultdict[int, list[int]] = defaultdict(list)
        for index, own in self.parts.items():
            for part in own:
                owners[part].append(index)
        return owners

    def covered(self) -> Iterator[tuple[int, int]]:
        """Pairs of tracks of which the frame shows one thing."""
        for owners in self.owners().values():
            yield from itertools.combinations(owners, 2)

    def is_shared(self, index: int) -> bool:
        """Whether a part of a track is one of another one, too."""
        owners = self.owners()
        return any(len(owners[part]) > 1 for part in self.parts[index])


def match_standing(tracks: Sequence[ObjectTrack], parts: Sequence[SeenPart], view: View, gate: float) -> Matching:
    """Match what does not move by itself.

    A part belongs to a track of its class whose box has its middle, or whose middle its box has; the nearest pairs
    first, each once. For that it may be nearer or farther along its ray by the tolerance of depth. What is left is a
    further part of a track that it is mostly in; a track that is left has a share in the part that most of it is in.
    Last, a part that turns up within the gate of a place that was left is what stood there.

    Args:
        tracks: of earlier frames; ``left`` is of the one before.
        parts: of this one.
        view: of this one.
        gate: metres.
    """
    origin = view.grid.origin
    inside, moved, scales = [], [], {}
    for i, track in enumerate(tracks):
        for j, part in enumerate(parts):
            if track.label != part.label:
                continue
            scales[i, j] = scale = _scale(track, part, view)
            middle, wanted = _scaled(part.box.centre, origin, scale), _scaled(track.box.centre, origin, 1.0 / scale)
            margin = _margin(part)
            if track.box.holds(middle, margin) or part.box.holds(wanted, margin):
                distance = float(np.linalg.norm(track.box.centre - middle))
                inside.append((distance / float(np.linalg.norm(track.box.size + part.box.size)), i, j))
            elif track.left and float(np.linalg.norm(track.box.centre - part.box.centre)) <= gate:
                moved.append((float(np.linalg.norm(track.box.centre - part.box.centre)), i, j))
    found = Matching()
    taken = _take(sorted(inside), found)
    for _, i, j in sorted(inside):
        # All parts of a frame are off by the same scale: about that of the part which the track is known by.
        if j not in taken and i in found.parts:
            points = centres_of(parts[j].keys)
            both = (points, _scaled(points, origin, scales[i, found.parts[i][0]]))
            if max(_share(each, tracks[i].box, _margin(parts[j])) for each in both) >= MOST:
                found.parts[i].append(j)
                taken.add(j)
    for _, i, j in sorted(inside):
        if i not in found.parts:
            points = _scaled(centres_of(tracks[i].keys), origin, 1.0 / scales[i, j])
            if _share(points, parts[j].box, _margin(parts[j])) >= MOST:
                found.parts[i] = [j]
    known = set(found.parts)
    _take([(d, i, j) for d, i, j in sorted(moved) if j not in taken], found)
    found.moved = set(found.parts) - known
    return _with_new(found, len(parts))


def match_movers(
    tracks: Sequence[ObjectTrack], parts: Sequence[SeenPart], gate: float, speed: float, stamp_ns: int
) -> Matching:
    """Match what moves by itself: by where it is, if it goes on as it did; the nearest pairs of a class first.

    Args:
        tracks: of earlier frames.
        parts: of this one.
        gate: metres, for a frame that follows at once.
        speed: metres a second by which the gate widens with the time that has gone by.
        stamp_ns: of the frame.
    """
    pairs = []
    for i, track in enumerate(tracks):
        gone = min(max(0, stamp_ns - track.stamp_ns), LONGEST_STEP_NS)
        expected = track.predicted(track.stamp_ns + gone)
        reach = gate + speed * gone * 1e-9
        for j, part in enumerate(parts):
            distance = float(np.linalg.norm((expected - part.box.centre)[:2]))
            if track.label == part.label and distance <= reach:
                pairs.append((distance, i, j))
    found = Matching()
    taken = _take(sorted(pairs), found)
    hidden = [j for _, i, j in pairs if j not in taken and i in found.parts and _is_in(parts[j], tracks[i])]
    return _with_new(found, len(parts), without=frozenset(hidden))


def _take(pairs: Sequence[tuple[float, int, int]], found: Matching) -> set[int]:
    """Add pairs in their order, each track and each part once; returns the parts that have one."""
    taken = {part for own in found.parts.values() for part in own}
    for _, i, j in pairs:
        if i not in found.parts and j not in taken:
            found.parts[i] = [j]
            taken.add(j)
    return taken


def _with_new(found: Matching, count: int, without: frozenset[int] = frozenset()) -> Matching:
    owned = found.owners()
    found.new = [j for j in range(count) if j not in owned and j not in without]
    return found


def _margin(part: SeenPart) -> float:
    return MARGIN + MARGIN_SHARE * part.distance


def _is_in(part: SeenPart, track: ObjectTrack) -> bool:
    return _share(centres_of(part.keys), track.box, _margin(part)) >= MOST


def _share(points: npt.NDArray[np.floating], box: UprightBox, margin: float) -> float:
    """How many of (N, 3) points are in a box, as a share."""
    return float((box.distances(points) <= margin).mean())


def _scale(track: ObjectTrack, part: SeenPart, view: View) -> float:
    """By which the depth of a part is to be multiplied to be at the track's, as far as the tolerance goes."""
    wanted = float(np.linalg.norm(track.box.centre - view.grid.origin))
    return min(max(wanted / max(part.distance, 1e-6), 1.0 / (1.0 + view.tolerance)), 1.0 + view.tolerance)


def _scaled(
    points: npt.NDArray[np.floating], origin: npt.NDArray[np.floating], scale: float
) -> npt.NDArray[np.floating]:
    """Points (..., 3) moved along their rays."""
    moved: npt.NDArray[np.floating] = origin + scale * (points - origin)
    return moved
