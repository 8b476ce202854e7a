"""Remembers the objects of a map: which of those that a frame shows are which of those that were seen before.

No network and no appearance: class and place decide. What does not move by itself is known by the cells that it is in,
what does by where it was going.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from cinet_core.label_sets import LabelSet
from cinet_core.mapping.object_matching import Matching, match_movers, match_standing
from cinet_core.mapping.object_parts import Keys, SeenPart, View, centres_of, find_parts
from cinet_core.mapping.object_settings import ObjectSettings
from cinet_core.mapping.object_track import ObjectTrack
from cinet_core.obstacles.class_groups import named_classes
from cinet_core.obstacles.depth_frame import DepthFrame
from cinet_core.obstacles.instances import ObjectInstance
from cinet_core.obstacles.pixel_grid import pixel_grid
from cinet_core.obstacles.settings import ObstacleSettings
from cinet_core.obstacles.tracking import TrackedObject

__all__ = ["ObjectMemory"]

MAX_OBJECTS = 500
"""Beyond it those seen longest ago are forgotten: a limit for memory and time, not for rooms."""

LONGEST_STEP = 1.0
"""Seconds that one frame counts for at most: after a gap nobody knows how long something was not seen."""

SURE_FRAMES = 10
"""In which two objects are seen to be one, or one to be two, before they are."""

ONE_PLACE = 0.3
"""Share of an object's cells within the outline of another one from which the two are parts of one: neighbours have
less, however blurred their sides are."""

SEEN_FROM = 4.0
"""Times the least number of pixels of an instance: from there on it should be seen where its place is in view."""

NEAR_LIMIT = 0.9
"""Share of the largest depth within which an object should be seen: depth may be off by a tenth."""

GRID = ObstacleSettings()
"""Of the grid: half the image's size, the nearest pixel of each 2x2."""


class ObjectMemory:
    """Objects by frames with poses, with ids that last. It is not thread-safe: the caller must lock.

    A piece of furniture keeps its id while it stands, whether it is seen or not, and when it turns up within the gate
    of the place that it left. It is forgotten when its place was in view without it for long enough. A mover keeps its
    id while it is seen, and a while longer.

    Args:
        label_set: of the frames.
        settings: see `settings`.
        max_depth: metres; farther pixels are no part of an object.
        first_id: of the first object.

    Attributes:
        next_id: of the next new object.

    Raises:
        ValueError: the label set, and every other one, lacks a class that the settings name; or max_depth is not above
            0.
    """

    def __init__(
        self,
        label_set: LabelSet,
        settings: ObjectSettings | None = None,
        max_depth: float = 4.0,
        first_id: int = 1,
    ) -> None:
        if not max_depth > 0:
            raise ValueError(f"max_depth is {max_depth} m: it must be above 0")
        self._label_set = label_set
        self._max_depth = max_depth
        self._tracks: list[ObjectTrack] = []
        self.next_id = first_id
        self._stamp_ns: int | None = None
        self._together: Counter[tuple[int, int]] = Counter()
        self._apart: Counter[int] = Counter()
        self.settings = ObjectSettings() if settings is None else settings

    @property
    def settings(self) -> ObjectSettings:
        """Current ones; others are in force from the next frame on, and what is remembered stays.

        Raises:
            ValueError: on setting them, as the class.
        """
        return self._settings

    @settings.setter
    def settings(self, settings: ObjectSettings) -> None:
        self._wanted = named_classes(self._label_set, settings.classes)
        self._dynamic = named_classes(self._label_set, settings.dynamic_classes)
        self._settings = settings

    def clear(self) -> None:
        """Forget everything; no id comes again."""
        self._tracks.clear()
        self._together.clear()
        self._apart.clear()
        self._stamp_ns = None

    def update(self, frame: DepthFrame, stamp_ns: int) -> list[TrackedObject]:
        """Add what a frame shows; returns the objects of the map, see `objects`.

        After a stamp that is before the last one movers are forgotten, since nobody knows where they are.

        Args:
            frame: its pose is the one in the map, whose z axis must be up; its floor may be anywhere.
            stamp_ns: nanoseconds.
        """
        view = View(pixel_grid(frame, GRID), self._max_depth, self._settings.depth_tolerance)
        parts = find_parts(view, self._wanted, self._settings)
        seconds = 0.0
        if self._stamp_ns is not None:
            seconds = min(max(0.0, (stamp_ns - self._stamp_ns) * 1e-9), LONGEST_STEP)
            if stamp_ns < self._stamp_ns:
                self._tracks = [track for track in self._tracks if not track.dynamic]
        self._stamp_ns = stamp_ns
        standing = [track for track in self._tracks if not self._dynamic[track.label]]
        moving = [track for track in self._tracks if self._dynamic[track.label]]
        new = [
            *self._see_standing(standing, [p for p in parts if not self._dynamic[p.label]], view, stamp_ns, seconds),
            *self._see_moving(moving, [p for p in parts if self._dynamic[p.label]], view, stamp_ns, seconds),
        ]
        self._tracks = [*self._kept(stamp_ns), *new]
        return self.objects()

    def objects(self) -> list[TrackedObject]:
        """Return what is known, by id: all furniture that stands, and the movers that the last frame showed."""
        settings = self._settings
        return [
            TrackedObject(track.id, self._instance(track), track.seen, track.stamp_ns)
            for track in sorted(self._tracks, key=lambda track: track.id)
            if track.seen >= settings.confirm_after
            and self._wanted[track.label]
            and track.box.size.max() >= settings.min_size
            and (not self._dynamic[track.label] or track.stamp_ns == self._stamp_ns)
        ]

    def _instance(self, track: ObjectTrack) -> ObjectInstance:
        box, dynamic = track.box, bool(self._dynamic[track.label])
        name = self._label_set.classes[track.label]
        return ObjectInstance(track.label, name, box.centre, box.size, box.yaw, track.confidence, track.pixels, dynamic)

    def _begun(self, part: SeenPart, stamp_ns: int) -> ObjectTrack:
        track = ObjectTrack.begun(self.next_id, part, bool(self._dynamic[part.label]), stamp_ns)
        self.next_id += 1
        return track

    def _missed(self, tracks: Sequence[ObjectTrack], view: View, seconds: float) -> None:
        nearer = View(view.grid, NEAR_LIMIT * view.max_depth, view.tolerance)
        for track in tracks:
            track.miss(nearer, seconds, SEEN_FROM * self._settings.min_pixels)

    # what stands

    def _see_standing(
        self, tracks: list[ObjectTrack], parts: list[SeenPart], view: View, stamp_ns: int, seconds: float
    ) -> list[ObjectTrack]:
        """Update what does not move by itself; returns what is new."""
        found = match_standing(tracks, parts, view, self._settings.gate)
        missed = [track for index, track in enumerate(tracks) if index not in found.parts]
        self._missed(missed, view, seconds)
        if seconds > 0 and any(track.left for track in missed):  # what left its place may be what is new
            found = match_standing(tracks, parts, view, self._settings.gate)
        shares = _divided(tracks, parts, found)
        every = np.concatenate([np.zeros(0, dtype=np.int64), *(part.keys for part in parts)])
        new = [self._begun(parts[index], stamp_ns) for index in found.new]
        for index, own in found.parts.items():
            if index in found.moved:
                tracks[index].forget_cells()
            if len(shares[index]):
                tracks[index].see_standing(shares[index], every, [parts[i] for i in own], view, stamp_ns)
        self._joined(tracks, found)
        return [*new, *self._parted(tracks, parts, found, stamp_ns)]

    def _joined(self, tracks: list[ObjectTrack], found: Matching) -> None:
        """Make one of two that frames show as one, or that stand in one place. The older id stays."""
        pairs = {(min(pair), max(pair)) for pair in found.covered()} | self._in_one_place(tracks, found)
        by_id = {}
        for one, other in pairs:
            older, newer = sorted((tracks[one], tracks[other]), key=lambda track: track.id)
            by_id[older.id, newer.id] = (older, newer)
        seen = {tracks[index].id for index in found.parts}
        for numbers in [pair for pair in self._together if pair not in by_id and seen.issuperset(pair)]:
            del self._together[numbers]
        self._together.update(by_id.keys())
        for numbers, (older, newer) in sorted(by_id.items()):
            if (
                self._together[numbers] >= SURE_FRAMES
                and any(track is newer for track in self._tracks)
                and self._gap(older.keys, newer) <= self._settings.gap
            ):
                older.take_over(newer)
                self._tracks = [track for track in self._tracks if track is not newer]
                del self._together[numbers]

    def _in_one_place(self, tracks: list[ObjectTrack], found: Matching) -> set[tuple[int, int]]:
        """Pairs of one class, of which one is seen, where much of one is within the outline of the other."""
        pairs = set()
        for one, other in itertools.combinations(range(len(tracks)), 2):
            a, b = tracks[one], tracks[other]
            if a.label != b.label or not (one in found.parts or other in found.parts):
                continue
            reach = float(np.linalg.norm(a.box.size[:2]) + np.linalg.norm(b.box.size[:2])) / 2
            if float(np.linalg.norm((a.box.centre - b.box.centre)[:2])) > reach:
                continue
            overlap = max(a.box.share_below(centres_of(b.keys)), b.box.share_below(centres_of(a.keys)))
            if overlap >= ONE_PLACE and a.box.between(b.box) <= self._settings.gap:
                pairs.add((one, other))
        return pairs

    def _parted(
        self, tracks: list[ObjectTrack], parts: list[SeenPart], found: Matching, stamp_ns: int
    ) -> Iterator[ObjectTrack]:
        """Make two of one that frames show as two, with nothing between them. The larger part keeps the id."""
        for index, own in found.parts.items():
            track = tracks[index]
            if len(own) != 2 or found.is_shared(index):
                del self._apart[track.id]
                continue
            self._apart[track.id] += 1
            if self._apart[track.id] < SURE_FRAMES:
                continue
            centres = centres_of(track.keys)
            to_first = parts[own[0]].box.distances(centres) <= parts[own[1]].box.distances(centres)
            if min(np.count_nonzero(to_first), np.count_nonzero(~to_first)) == 0:
                continue
            new = self._begun(parts[own[1]], stamp_ns)
            new.set_cells(track.keys[~to_first], track.weights[~to_first])
            if self._gap(track.keys[to_first], new) <= self._settings.gap:
                continue
            new.seen = track.seen
            track.set_cells(track.keys[to_first], track.weights[to_first])
            del self._apart[track.id]
            yield new

    @staticmethod
    def _gap(keys: Keys, other: ObjectTrack) -> float:
        return float(other.box.distances(centres_of(keys)).min())

    # what moves

    def _see_moving(
        self, tracks: list[ObjectTrack], parts: list[SeenPart], view: View, stamp_ns: int, seconds: float
    ) -> list[ObjectTrack]:
        """Update what moves by itself; returns what is new."""
        settings = self._settings
        found = match_movers(tracks, parts, settings.gate, settings.mover_speed, stamp_ns)
        self._missed([track for index, track in enumerate(tracks) if index not in found.parts], view, seconds)
        for index, own in found.parts.items():
            tracks[index].see_moving(parts[own[0]], settings.mover_speed, stamp_ns)
        return [self._begun(parts[index], stamp_ns) for index in found.new]

    def _kept(self, stamp_ns: int) -> list[ObjectTrack]:
        """The tracks that are not to be forgotten."""
        settings = self._settings
        memory = settings.mover_memory * 1e9
        kept = [
            track
            for track in self._tracks
            if track.unseen < settings.forget_after
            and not (self._dynamic[track.label] and stamp_ns - track.stamp_ns > memory)
        ]
        return sorted(kept, key=lambda track: -track.stamp_ns)[:MAX_OBJECTS]


def _divided(tracks: Sequence[ObjectTrack], parts: Sequence[SeenPart], found: Matching) -> dict[int, Keys]:
    """The cells of each track: those of its parts; of a part that several share, those that are nearest to its box."""
    shares: dict[int, list[Keys]] = {index: [] for index in found.parts}
    for number, owners in found.owners().items():
        keys = parts[number].keys
        if len(owners) == 1:
            shares[owners[0]].append(keys)
            continue
        centres: npt.NDArray[np.float32] = centres_of(keys)
        nearest = np.argmin([tracks[index].box.distances(centres) for index in owners], axis=0)
        for place, index in enumerate(owners):
            shares[index].append(keys[nearest == place])
    return {index: np.unique(np.concatenate(own)) for index, own in shares.items()}
