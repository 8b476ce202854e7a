"""Furnished rooms: a seeded choice of plan, furniture and light.

Furniture is placed by trial: along a wall or in the free middle, where the axis-aligned box around it meets neither
another piece nor the space in front of a door or window.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from cinet_core.rooms.raycast import fittings, furniture, groups, objects
from cinet_core.rooms.raycast.primitives import MAX_LIGHTS, Light, Parts, Scene, Vector, rotation_z
from cinet_core.rooms.raycast.shell import Shell
from cinet_core.rooms.raycast.style import Style
from cinet_core.rooms.vocabulary import LABEL, WINDOWS

GAP = 0.02
"""Metres kept between two pieces of furniture."""

OVERLAP = 0.03
"""Metres that a piece may reach into a wall, which hides leaning backs and uneven feet."""

Builder = Callable[[Style], Parts]
Program = tuple[tuple[Builder, float, str], ...]
"""What a kind of room holds: builder, probability, and where it goes: "wall", "free" or "hung:<height>"."""

_COMMON: Program = (
    (fittings.picture, 0.75, "hung:1.35"),
    (fittings.picture, 0.5, "hung:1.4"),
    (fittings.coats, 0.2, "wall"),
    (fittings.wall_mirror, 0.2, "hung:1.0"),
    (furniture.shelves, 0.4, "wall"),
    (objects.plant, 0.35, "wall"),
    (objects.floor_lamp, 0.25, "wall"),
    (objects.carton, 0.45, "wall"),
    (objects.bag, 0.35, "free"),
    (objects.person, 0.15, "free"),
    (objects.basket, 0.25, "wall"),
)
PROGRAMS: dict[str, Program] = {
    "bedroom": (
        (groups.bed_group, 1.0, "wall"),
        (furniture.dresser, 0.6, "wall"),
        (groups.wardrobe, 0.6, "wall"),
        (groups.desk_group, 0.4, "wall"),
        (furniture.bookshelf, 0.3, "wall"),
        (groups.armchair, 0.25, "wall"),
        (objects.laundry, 0.5, "free"),
        *_COMMON,
    ),
    "living room": (
        (groups.sofa_group, 1.0, "wall"),
        (groups.television_group, 0.8, "wall"),
        (furniture.bookshelf, 0.5, "wall"),
        (groups.armchair, 0.5, "wall"),
        (fittings.fireplace, 0.25, "wall"),
        (groups.dining_group, 0.3, "free"),
        (furniture.cabinet, 0.4, "wall"),
        (furniture.piano, 0.15, "wall"),
        (objects.ottoman, 0.4, "free"),
        *_COMMON,
    ),
    "dining room": (
        (groups.dining_group, 1.0, "free"),
        (furniture.cabinet, 0.8, "wall"),
        (groups.sideboard, 0.6, "wall"),
        (furniture.piano, 0.15, "wall"),
        (groups.armchair, 0.3, "wall"),
        *_COMMON,
    ),
    "kitchen": (
        (fittings.kitchen_unit, 1.0, "wall"),
        (fittings.refridgerator, 0.9, "wall"),
        (fittings.kitchen_unit, 0.4, "wall"),
        (groups.dining_group, 0.7, "free"),
        (furniture.cabinet, 0.3, "wall"),
        *_COMMON,
    ),
    "office": (
        (groups.desk_group, 1.0, "wall"),
        (groups.desk_group, 0.7, "wall"),
        (furniture.bookshelf, 0.8, "wall"),
        (fittings.whiteboard, 0.6, "hung:0.95"),
        (furniture.cabinet, 0.5, "wall"),
        (groups.dining_group, 0.3, "free"),
        (furniture.bookshelf, 0.4, "wall"),
        (objects.carton, 0.5, "free"),
        *_COMMON,
    ),
    "bathroom": (
        (fittings.bathtub, 0.85, "wall"),
        (fittings.toilet, 0.95, "wall"),
        (fittings.washbasin, 1.0, "wall"),
        (furniture.cabinet, 0.3, "wall"),
        (objects.laundry, 0.5, "free"),
        (objects.basket, 0.5, "wall"),
    ),
}
_SHARES = (0.25, 0.24, 0.12, 0.14, 0.15, 0.10)


def furnished_room(rng: np.random.Generator) -> Scene:
    """A room that depends on the generator's state only."""
    style = Style(rng)
    kind = str(rng.choice(list(PROGRAMS), p=_SHARES))
    bath = kind == "bathroom"
    width, depth = (
        (rng.uniform(2.0, 3.2), rng.uniform(2.0, 3.2)) if bath else (rng.uniform(2.7, 5.6), rng.uniform(2.7, 4.8))
    )
    size = (float(width), float(depth), style.uniform(2.35, 3.0))
    shell = Shell(style, size, tiled=kind in ("bathroom", "kitchen"), windows=style.pick(WINDOWS))
    return Furnishing(style, shell, size).complete(PROGRAMS[kind])


class Furnishing:
    """A room while it is being filled."""

    def __init__(self, style: Style, shell: Shell, size: tuple[float, float, float]) -> None:
        self._style, self._shell, self._size = style, shell, size
        self._parts = Parts(list(shell.parts.solids))
        self._taken: list[tuple[Vector, Vector]] = list(shell.keep_free)

    def complete(self, program: Program) -> Scene:
        """Put in what the program says, as far as there is room, and light it."""
        self._corner()
        self._rug()
        for build, probability, where in program:
            if self._style.chance(probability):
                parts = build(self._style)
                if where == "free":
                    self._in_the_middle(parts)
                else:
                    self._at_a_wall(parts, float(where.partition(":")[2] or 0.0))
        lights, ambient = self._light()
        return Scene(tuple(self._parts.solids), lights, ambient, self._size, self._shell.doorway)

    def _corner(self) -> None:
        """Sometimes a block in a corner, which makes the plan an L, or a column."""
        style, (width, depth, height) = self._style, self._size
        if min(width, depth) < 3.2 or not style.chance(0.35):
            return
        wide = style.chance(0.6)
        x, y = (style.uniform(0.8, width * 0.35), style.uniform(0.8, depth * 0.35)) if wide else (0.35, 0.35)
        left, front = style.pick((0.0, width - x)), style.pick((0.0, depth - y))
        low, high = np.array([left, front, 0.0]), np.array([left + x, front + y, height])
        if self._free(low, high):
            wall = next(solid.material for solid in self._parts.solids if solid.label == LABEL.wall)
            self._parts.box(low, high, LABEL.wall if wide else LABEL.otherstructure, wall)
            self._taken.append((low, high))

    def _rug(self) -> None:
        style, (width, depth, _) = self._style, self._size
        if style.chance(0.45):
            half_x, half_y = style.uniform(0.5, max(0.5, width * 0.35)), style.uniform(0.4, max(0.4, depth * 0.35))
            center = np.array([style.uniform(half_x, width - half_x), style.uniform(half_y, depth - half_y), 0.0])
            rug = Parts()
            if style.chance(0.2):
                rug.cylinder((0, 0, 0.005), min(half_x, half_y), 0.01, LABEL.floor_mat, style.carpet())
            else:
                rug.box((-half_x, -half_y, 0), (half_x, half_y, 0.01), LABEL.floor_mat, style.carpet())
            self._parts.add(rug, center)

    def _at_a_wall(self, parts: Parts, up: float, tries: int = 40) -> None:
        low, high = parts.bounds()
        for _ in range(tries):
            wall = self._shell.walls[int(self._style.rng.integers(4))]
            if wall.length < high[0] - low[0] + 2 * GAP:
                continue
            along = self._style.uniform(GAP - low[0], wall.length - GAP - high[0])
            if self._put(parts, wall.world(along, 0.0, up), wall.yaw):
                return

    def _in_the_middle(self, parts: Parts, tries: int = 40) -> None:
        for _ in range(tries):
            x, y = self._style.uniform(0, self._size[0]), self._style.uniform(0, self._size[1])
            yaw = math.pi / 2 * self._style.count(0, 3) + self._style.uniform(-0.2, 0.2)
            if self._put(parts, np.array([x, y, 0.0]), yaw):
                return

    def _put(self, parts: Parts, position: Vector, yaw: float) -> bool:
        turn = rotation_z(yaw)
        low, high = parts.bounds(turn)
        low, high = low + position, high + position
        if not self._free(low, high):
            return False
        self._parts.solids.extend(solid.moved(turn, position) for solid in parts.solids)
        self._taken.append((low - GAP, high + GAP))
        return True

    def _free(self, low: Vector, high: Vector) -> bool:
        if (low < -OVERLAP).any() or (high > np.array(self._size) + OVERLAP).any():
            return False
        lows, highs = np.array([taken[0] for taken in self._taken]), np.array([taken[1] for taken in self._taken])
        return not self._taken or not bool(((low < highs) & (high > lows)).all(1).any())

    def _light(self) -> tuple[tuple[Light, ...], tuple[float, float, float]]:
        """By day window and sun or lamp; in the evening lamps."""
        style, windows = self._style, self._shell.window_lights
        by_day = bool(windows) and style.chance(0.7)
        lamps = [] if by_day and style.chance(0.6) else [self._ceiling_lamp()]
        sun = []
        if by_day and style.chance(0.5):
            window = windows[0]
            inward, side = np.array(window.normal), style.uniform(-0.8, 0.8)
            ray = inward + side * np.array([-inward[1], inward[0], 0]) - np.array([0, 0, style.uniform(0.35, 1.0)])
            x, y, z = np.array(window.position) - 30.0 * ray / np.linalg.norm(ray)
            power = 900.0 * style.uniform(1.5, 4.0)
            sun = [Light((x, y, z), (power, power * 0.92, power * 0.78), 0.15)]
        shining = sorted(windows, key=lambda light: -light.color[1])[:1] if by_day else []
        level = style.uniform(0.22, 0.45) if by_day else style.uniform(0.12, 0.3)
        warm = style.uniform(0.9, 1.0) if by_day else style.uniform(0.65, 0.95)
        if not lamps and style.chance(0.7):
            self._pendant(False)
        return tuple([*shining, *sun, *lamps][:MAX_LIGHTS]), (level, level * (1 + warm) / 2, level * warm)

    def _ceiling_lamp(self) -> Light:
        x, y, z = self._pendant(True)
        power, warm = self._style.uniform(2.0, 4.0), self._style.uniform(0.55, 0.95)
        return Light((x, y, z), (power, power * (1 + warm) / 2, power * warm), self._style.uniform(0.04, 0.12))

    def _pendant(self, lit: bool) -> Vector:
        """Hang a lamp near the middle of the ceiling; returns where its light is."""
        width, depth, height = self._size
        drop = self._style.uniform(0.15, min(0.7, height - 2.0))
        x, y = width * self._style.uniform(0.35, 0.65), depth * self._style.uniform(0.35, 0.65)
        self._parts.add(fittings.pendant(self._style, drop, lit), (x, y, height))
        return np.array([x, y, height - drop - 0.02])
