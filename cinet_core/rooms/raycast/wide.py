"""Wide views: near and far, low and high, in rooms small and large, with an even logarithm of the median depth.

The furnished rooms alone have 2 % of their pixels below 0.75 m and as few beyond 5 m, and a network that saw no others
puts what is near too far and what is far too near. Here every view has a median depth that it is to have, its
logarithm even over `medians.MEDIANS`, and rooms and poses of the kinds that can have it, until one does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cinet_core.rooms.raycast import spaces, viewpoints
from cinet_core.rooms.raycast.camera import CameraRange
from cinet_core.rooms.raycast.layout import furnished_room
from cinet_core.rooms.raycast.primitives import Scene
from cinet_core.rooms.raycast.viewpoints import Pose

NEAREST = 0.2
"""Metres to the nearest thing seen, at least, by some rays: depth cameras, and heads for depth, begin at about 0.3."""


@dataclass(frozen=True)
class ViewKind:
    """Rooms, where a camera stands in them, and what it can see.

    Attributes:
        room: draws one.
        pose: draws one in it; None where the draw does not fit.
        weight: how often this kind is taken among those that can have a median depth.
        medians: metres of median depth that it can have.
    """

    room: Callable[[np.random.Generator], Scene]
    pose: Callable[[np.random.Generator, Scene, CameraRange], Pose | None]
    weight: float
    medians: tuple[float, float]


VIEW_KINDS = {
    "room": ViewKind(furnished_room, viewpoints.anywhere, 1.0, (0.8, 4.0)),
    "robot in a room": ViewKind(furnished_room, viewpoints.robot, 1.0, (0.4, 3.5)),
    "robot in a corridor": ViewKind(spaces.corridor, viewpoints.robot, 0.5, (0.4, 6.0)),
    "robot in an office": ViewKind(spaces.open_office, viewpoints.robot, 0.5, (0.4, 6.0)),
    "desk in a room": ViewKind(furnished_room, viewpoints.near_a_top, 1.0, (0.4, 3.5)),
    "desk in an office": ViewKind(spaces.open_office, viewpoints.near_a_top, 1.0, (0.4, 6.0)),
    "corridor": ViewKind(spaces.corridor, viewpoints.along, 0.7, (1.0, 6.0)),
    "hall": ViewKind(spaces.hall, viewpoints.along, 1.0, (1.5, 8.0)),
    "office": ViewKind(spaces.open_office, viewpoints.along, 1.0, (1.5, 8.0)),
    "doorway": ViewKind(spaces.room_behind_a_doorway, viewpoints.before_a_doorway, 1.0, (1.5, 8.0)),
}
"""By name. Rooms and poses that a home, an office or a robot has."""


def draw_kind(rng: np.random.Generator, median: float) -> ViewKind:
    """One of the kinds that can have this median depth."""
    able = [kind for kind in VIEW_KINDS.values() if kind.medians[0] <= median <= kind.medians[1]]
    weights = np.array([kind.weight for kind in able])
    return able[int(rng.choice(len(able), p=weights / weights.sum()))]


def is_worth_it(depth: np.ndarray, labels: np.ndarray) -> bool:
    """Whether a view, by some of its pixels, stands in nothing and shows more than a bare wall."""
    _, counts = np.unique(labels, return_counts=True)
    return bool(depth.min() >= NEAREST and np.isfinite(depth).all() and len(counts) >= 3) and bool(
        counts.max() <= 0.8 * labels.size
    )
