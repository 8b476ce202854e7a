"""From a seed to a RoomPlan: an empty room is filled by trial, wish after wish, and lit; cameras are put into it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from cinet_core.rooms.pathtraced.artwork import Artwork
from cinet_core.rooms.pathtraced.cameras import candidates, wide_candidates
from cinet_core.rooms.pathtraced.catalogue import Catalogue
from cinet_core.rooms.pathtraced.group import Group
from cinet_core.rooms.pathtraced.kitchen import kitchen_run
from cinet_core.rooms.pathtraced.lighting import daylight, light_room, sky
from cinet_core.rooms.pathtraced.looks import Looks
from cinet_core.rooms.pathtraced.plan import RoomPlan
from cinet_core.rooms.pathtraced.program import KINDS, WIDE_KINDS, FurnitureOption, RoomKind
from cinet_core.rooms.pathtraced.shell import room_shell, wall_block
from cinet_core.rooms.pathtraced.written import plan_of
from cinet_core.rooms.raycast.primitives import Vector
from cinet_core.rooms.raycast.shell import USUAL_DOORS, Doors, Shell
from cinet_core.rooms.vocabulary import LABEL, WINDOWS

SLACK = 0.015
"""Metres that two things may seem to overlap: their boxes are larger than they are."""

BUILDS = 3
"""Times that something is built which found no place."""

LIT_BY_ONE = 20.0
"""Square metres that one room's lamps light; in larger rooms they are stronger."""

FLAT = 0.04
"""Metres: rugs and mats, which other things stand on."""


def furnished_room(
    room: int,
    seed: int,
    catalogue: Catalogue,
    artwork: Artwork,
    count: int,
    width: int = 320,
    height: int = 240,
    wide: bool = False,
) -> RoomPlan:
    """Room number ``room`` of a seed, with cameras of which ``count`` will be used; depends on these alone.

    ``wide`` takes the kinds of `WIDE_KINDS`, and cameras from near desks to far down corridors (`wide_candidates`).
    """
    kinds = WIDE_KINDS if wide else KINDS
    rng = np.random.default_rng([seed, room])
    looks = Looks(rng, catalogue, artwork)
    names = list(kinds)
    shares = np.array([kinds[name].share for name in names])
    name = str(rng.choice(names, p=shares / shares.sum()))
    kind, style = kinds[name], looks.style
    size = (style.uniform(*kind.width), style.uniform(*kind.depth), style.uniform(2.3, 3.0))
    if style.chance(0.5):
        size = (size[1], size[0], size[2])
    shell = Shell(style, size, kind.tiled, windows=style.pick(WINDOWS), doors=_doors(kind, looks, size))
    day = daylight(looks)
    fill = Furnishing(shell, looks, size)
    fill.group.add(room_shell(shell, looks, size, kind.tiled, day))
    fill.complete(kind)
    light_room(fill.group, looks, size, day, max(1.0, size[0] * size[1] / LIT_BY_ONE) if wide else 1.0)
    if wide:
        views = wide_candidates(rng, fill.group, size, shell.doorway, width, height)
    else:
        views = candidates(rng, fill.group, size, width, height)
    plan = plan_of(fill.group, room, name, sky(looks, day), views, count, width, height)
    return dataclasses.replace(plan, wide=wide)


def _doors(kind: RoomKind, looks: Looks, size: tuple[float, float, float]) -> Doors:
    """Further doors in the longer walls by turns; an open doorway as wide as a double door."""
    if kind.doorway:
        return Doors(open=True, width=(0.9, 2.0), beyond=looks.style.uniform(2.2, 3.6))
    if not kind.doors:
        return USUAL_DOORS
    sides = (0, 2) if size[0] > size[1] else (1, 3)
    return Doors(tuple(sides[number % 2] for number in range(looks.style.count(1, kind.doors))))


class Furnishing:
    """A room while it is being filled.

    Args:
        shell: its walls, and what is to stay free before doors and windows.
        looks: of its things.
        size: metres along x, y, z; a corner is the origin.
    """

    def __init__(self, shell: Shell, looks: Looks, size: tuple[float, float, float]) -> None:
        """Start empty."""
        self.group = Group()
        self._walls, self._looks, self._size = shell.walls, looks, size
        self._taken = [np.stack(pair) for pair in shell.keep_free]

    def complete(self, kind: RoomKind) -> None:
        """Fill it with what its kind asks for."""
        style = self._looks.style
        if kind.runs:
            self._kitchen(kind.runs)
        self._wall_blocks()
        if style.chance(0.35) and not kind.runs:
            self._rug()
        for option in kind.options:
            if style.chance(option.probability):
                self._place_option(option)

    def _place_option(self, option: FurnitureOption) -> None:
        """Build what is wished for and find it a place; what fits nowhere is built anew, and at last left out."""
        where, _, up = option.where.partition(":")
        for _ in range(BUILDS):
            group = option.build(self._looks)
            if not group.items and not group.stands:
                continue
            if where == "free":
                placed = self._in_the_middle(group)
            else:
                placed = self._at_a_wall(group, float(up or 0.0), where == "corner")
            if placed:
                return

    def _wall_blocks(self) -> None:
        style = self._looks.style
        if min(self._size[:2]) < 2.4:
            return
        for chance in (0.5, 0.3):
            if not style.chance(chance):
                continue
            low, high = wall_block(self._size, self._looks)
            if self._free(low[None], high[None]):
                wall = next(item.finish for item in self.group.items if item.label == LABEL.wall)
                finish = wall if style.chance(0.7) else self._looks.white()
                self.group.box(low, high, LABEL.wall, finish)
                self._taken.append(np.stack([low, high]))

    def _rug(self) -> None:
        style, (width, depth, _) = self._looks.style, self._size
        half_x, half_y = style.uniform(0.5, width * 0.4), style.uniform(0.4, depth * 0.4)
        x, y = style.uniform(half_x, width - half_x), style.uniform(half_y, depth - half_y)
        self.group.box((x - half_x, y - half_y, 0), (x + half_x, y + half_y, 0.01), LABEL.floor_mat, self._looks.rug())

    def _kitchen(self, runs: int) -> None:
        """Units along one wall, or around a corner; wall units where no window is in their way."""
        style, looks = self._looks.style, self._looks
        handle, walls = style.count(0, 3), list(style.rng.permutation(4))
        for first in walls:
            wall, after = self._walls[first], self._walls[(first + 1) % 4]
            length = min(wall.length - 0.02, style.uniform(1.6, 4.2))
            for upper in (style.chance(0.75), False):
                run = kitchen_run(looks, length, upper, handle)
                if self._put(run, wall.world(wall.length - length / 2 - 0.005, 0, 0), wall.yaw):
                    break
            else:
                continue
            if runs > 1 and style.chance(0.65):
                length = min(after.length - 0.65, style.uniform(1.0, 3.2))
                for upper in (style.chance(0.6), False):
                    run = kitchen_run(looks, length, upper, handle, sink=False, stove=False)
                    if length > 0.8 and self._put(run, after.world(0.615 + length / 2, 0, 0), after.yaw):
                        break
            return

    def _at_a_wall(self, group: Group, up: float, corner: bool, tries: int = 40) -> bool:
        style, (low, high) = self._looks.style, group.bounds()
        for _ in range(tries):
            wall = self._walls[style.count(0, 3)]
            least, most = 0.02 - low[0], wall.length - 0.02 - high[0]
            if most < least:
                continue
            along = style.uniform(least, most)
            if corner:
                along = style.pick((least, most)) + style.uniform(-0.1, 0.1)
            if self._put(group, wall.world(along, 0.02 if up == 0.0 else 0.0, up), wall.yaw):
                return True
        return False

    def _in_the_middle(self, group: Group, tries: int = 40) -> bool:
        style = self._looks.style
        for _ in range(tries):
            x, y = style.uniform(0, self._size[0]), style.uniform(0, self._size[1])
            yaw = math.pi / 2 * style.count(0, 3) + style.uniform(-0.15, 0.15)
            if self._put(group, np.array([x, y, 0.0]), yaw):
                return True
        return False

    def _put(self, group: Group, position: Vector, yaw: float) -> bool:
        turned = Group()
        turned.add(group, position, yaw)
        lows, highs = turned.boxes()
        if not self._free(lows, highs):
            return False
        self.group.add(turned)
        self._taken.extend(np.stack(pair) for pair in zip(lows, highs, strict=True) if pair[1][2] > FLAT)
        return True

    def _free(self, lows: Vector, highs: Vector) -> bool:
        """Whether boxes lie in the room and meet nothing; things as flat as rugs may lie under others."""
        if (lows < -SLACK).any() or (highs > np.array(self._size) + SLACK).any():
            return False
        solid = highs[:, 2] > FLAT
        lows, highs = lows[solid], highs[solid]
        if not self._taken or not len(lows):
            return True
        taken = np.array(self._taken)
        apart = (lows[:, None] + SLACK >= taken[None, :, 1]) | (highs[:, None] - SLACK <= taken[None, :, 0])
        return bool(apart.any(-1).all())
