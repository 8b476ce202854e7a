"""Gives objects ids that last, where the robot's pose is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import rigidity_error
from cinet_core.obstacles.instances import ObjectInstance

__all__ = ["ObjectTracker", "TrackedObject"]

NANOSECONDS = 1e9
MAX_RIGID_ERROR = 1e-3


@dataclass(frozen=True, eq=False)
class TrackedObject:
    """An object that has been seen.

    Attributes:
        id: a number that no other object of this tracker has had.
        instance: in the fixed frame, as last seen; the centre of what does not move is an average.
        seen: in how many frames.
        stamp_ns: when last, nanoseconds.
    """

    id: int
    instance: ObjectInstance
    seen: int
    stamp_ns: int


class ObjectTracker:
    """Matches the objects of a frame with those of earlier ones, in a fixed frame such as odom.

    Two are the same if they have one class and their centres are near; of several the nearest pair counts first. It
    is not thread-safe: the caller must lock.

    Args:
        max_distance: metres between centres; for large objects half of their length, since the middle of what is seen
            of them wanders.
        forget_after: seconds for which an object that is not seen is remembered.
        confirm_after: an object is returned from so many frames on; fewer are mistakes.

    Raises:
        ValueError: a limit is not above 0.
    """

    def __init__(self, max_distance: float = 0.5, forget_after: float = 5.0, confirm_after: int = 3) -> None:
        for name, value in (
            ("max_distance", max_distance),
            ("forget_after", forget_after),
            ("confirm_after", confirm_after),
        ):
            if not 0 < value < math.inf:
                raise ValueError(f"{name} is {value}: it must be above 0")
        self._max_distance, self._confirm_after = max_distance, confirm_after
        self._forget_ns = forget_after * NANOSECONDS
        self._objects: list[TrackedObject] = []
        self._next_id = 1
        self._stamp_ns: int | None = None

    def update(
        self, instances: Sequence[ObjectInstance], base_to_fixed: npt.NDArray[np.float64], stamp_ns: int
    ) -> list[TrackedObject]:
        """Add the objects of a frame; returns all that are remembered and confirmed, by id.

        A stamp before the last one means that the clock went back: everything is forgotten, but no id comes again.

        Args:
            instances: of `find_instances`, in the base frame.
            base_to_fixed: (4, 4) transform at the frame's stamp.
            stamp_ns: nanoseconds.

        Raises:
            ValueError: the transform is no rigid motion.
        """
        finite = base_to_fixed.shape == (4, 4) and np.isfinite(base_to_fixed).all()
        error = rigidity_error(base_to_fixed, MAX_RIGID_ERROR) if finite else "not (4, 4) finite numbers"
        if error:
            raise ValueError(f"base_to_fixed is {error}: give the transform of the base frame to the fixed one")
        if self._stamp_ns is not None and stamp_ns < self._stamp_ns:
            self._objects.clear()
        self._stamp_ns = stamp_ns
        placed = [_moved(instance, base_to_fixed) for instance in instances]
        known = [thing for thing in self._objects if stamp_ns - thing.stamp_ns <= self._forget_ns]
        matched = self._matches(known, placed)
        self._objects = [
            _seen_again(thing, placed[matched[index]], stamp_ns) if index in matched else thing
            for index, thing in enumerate(known)
        ]
        for index, instance in enumerate(placed):
            if index not in matched.values():
                self._objects.append(TrackedObject(self._next_id, instance, 1, stamp_ns))
                self._next_id += 1
        return [thing for thing in self._objects if thing.seen >= self._confirm_after]

    def _matches(self, known: Sequence[TrackedObject], placed: Sequence[ObjectInstance]) -> dict[int, int]:
        """Which of the known is which of the new, nearest pairs first."""
        pairs = []
        for i, thing in enumerate(known):
            for j, instance in enumerate(placed):
                if thing.instance.label == instance.label:
                    distance = float(np.linalg.norm((thing.instance.centre - instance.centre)[:2]))
                    large = 0.5 * float(max(thing.instance.size[0], instance.size[0]))
                    if distance <= max(self._max_distance, large):
                        pairs.append((distance, i, j))
        matched: dict[int, int] = {}
        for _, i, j in sorted(pairs):
            if i not in matched and j not in matched.values():
                matched[i] = j
        return matched


def _moved(instance: ObjectInstance, transform: npt.NDArray[np.float64]) -> ObjectInstance:
    """The instance in another frame whose z points up as well."""
    centre = transform[:3, :3] @ instance.centre + transform[:3, 3]
    yaw = instance.yaw + math.atan2(transform[1, 0], transform[0, 0])
    return replace(instance, centre=centre, yaw=(yaw + math.pi / 2) % math.pi - math.pi / 2)


def _seen_again(thing: TrackedObject, instance: ObjectInstance, stamp_ns: int) -> TrackedObject:
    """The object after another look."""
    if not instance.dynamic:
        share = 1.0 / min(thing.seen + 1, 10)
        instance = replace(instance, centre=thing.instance.centre + share * (instance.centre - thing.instance.centre))
    return TrackedObject(thing.id, instance, thing.seen + 1, stamp_ns)
