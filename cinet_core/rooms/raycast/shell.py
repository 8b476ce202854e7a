"""Floor, ceiling and walls with doors, windows, a doorway to a second room; and what hangs beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cinet_core.rooms.raycast import fittings
from cinet_core.rooms.raycast.primitives import Doorway, Light, Material, Parts, Pattern, Vector, rotation_z
from cinet_core.rooms.raycast.style import Style
from cinet_core.rooms.vocabulary import LABEL, OFF_WHITE, Color

WALL_THICKNESS = 0.16
SECOND_ROOM_DEPTH = 2.6

OUTDOORS: tuple[Color, ...] = (
    (0.20, 0.38, 0.14),
    (0.33, 0.45, 0.18),
    (0.12, 0.25, 0.12),
    (0.55, 0.40, 0.30),
    (0.45, 0.44, 0.42),
    (0.60, 0.55, 0.48),
)
"""Of trees, meadows and houses before the windows."""


@dataclass(frozen=True)
class Opening:
    """A hole in a wall, metres along it and up."""

    left: float
    right: float
    bottom: float
    top: float


@dataclass(frozen=True)
class Doors:
    """What doors a room has beyond the usual one.

    Attributes:
        further: walls, 0 to 3, that get another door each; one that would overlap another is left out.
        open: the first door is an open doorway, and always there.
        width: of a doorway, metres; of all doors.
        beyond: depth of the second room behind it, metres.
    """

    further: tuple[int, ...] = ()
    open: bool = False
    width: tuple[float, float] = (0.8, 1.0)
    beyond: float = SECOND_ROOM_DEPTH


USUAL_DOORS = Doors()


@dataclass(frozen=True, eq=False)
class Wall:
    """Frame of a wall's inner face: x along it, y into the room.

    Attributes:
        origin: (3,) world position of its left lower corner, seen from inside.
        yaw: radians from world x to the wall's x.
        length: metres.
    """

    origin: Vector
    yaw: float
    length: float

    def world(self, along: float, inward: float, up: float) -> Vector:
        """World position (3,) of a point of this frame."""
        return self.origin + rotation_z(self.yaw) @ np.array([along, inward, up])


def walls_of(width: float, depth: float) -> tuple[Wall, ...]:
    """The four walls of a room whose corner is the origin."""
    corners = ((0.0, 0.0, width), (width, 0.0, depth), (width, depth, width), (0.0, depth, depth))
    return tuple(
        Wall(np.array([x, y, 0.0]), number * math.pi / 2, length) for number, (x, y, length) in enumerate(corners)
    )


class Shell:
    """The empty room.

    Attributes:
        parts: its solids, in the world.
        walls: their frames.
        keep_free: (low, high) corner pairs, in the world, in front of doors and windows.
        window_lights: one for each window.
        doorway: the first open one, if any.
    """

    def __init__(
        self,
        style: Style,
        size: tuple[float, float, float],
        tiled: bool,
        windows: int,
        doors: Doors = USUAL_DOORS,
    ) -> None:
        """Build it.

        Args:
            style: draws all choices.
            size: metres along x, y, z.
            tiled: of a kitchen or bathroom.
            windows: number wanted.
            doors: beyond the usual one.
        """
        self.parts = Parts()
        self.walls = walls_of(size[0], size[1])
        self.keep_free: list[tuple[Vector, Vector]] = []
        self.window_lights: list[Light] = []
        self.doorway: Doorway | None = None
        self._style, self._size, self._doors = style, size, doors
        self._trim = style.paint((0.93, 0.92, 0.9), 0.2) if style.chance(0.6) else style.wood()
        openings: list[list[Opening]] = [[], [], [], []]
        order = [int(side) for side in style.rng.permutation(4)]
        with_door = style.chance(0.85)
        if with_door or doors.open:
            self._door(order[0], openings[order[0]])
        for side in doors.further:
            self._door(side, openings[side])
        for side in order[1 : windows + 1]:
            self._window(side, openings[side])
        paper = _wall_material(style, tiled)
        for number, wall in enumerate(self.walls):
            accent = _wall_material(style, tiled) if style.chance(0.12) else paper
            self._wall(wall, openings[number], accent)
        self._floor_and_ceiling(tiled)

    def _floor_and_ceiling(self, tiled: bool) -> None:
        (width, depth, height), t = self._size, WALL_THICKNESS
        floor = floor_material(self._style, tiled)
        self.parts.box((-t, -t, -0.1), (width + t, depth + t, 0), LABEL.floor, floor)
        value = self._style.uniform(0.82, 0.95)
        ceiling = self._style.paint((value, value, value * self._style.uniform(0.94, 1.0)), 0.0)
        self.parts.box((-t, -t, height), (width + t, depth + t, height + 0.1), LABEL.ceiling, ceiling)

    def _wall(self, wall: Wall, openings: list[Opening], material: Material) -> None:
        """Full-height pieces between the openings, and pieces below and above each."""
        piece, x, height = Parts(), -WALL_THICKNESS, self._size[2]
        for hole in sorted(openings, key=lambda opening: opening.left):
            piece.box((x, -WALL_THICKNESS, 0), (hole.left, 0, height), LABEL.wall, material)
            piece.box((hole.left, -WALL_THICKNESS, hole.top), (hole.right, 0, height), LABEL.wall, material)
            if hole.bottom > 0:
                piece.box((hole.left, -WALL_THICKNESS, 0), (hole.right, 0, hole.bottom), LABEL.wall, material)
            x = hole.right
        piece.box((x, -WALL_THICKNESS, 0), (wall.length + WALL_THICKNESS, 0, height), LABEL.wall, material)
        x = 0.0
        doors = [hole for hole in openings if hole.bottom == 0]
        for left, right in [(hole.left - 0.09, hole.right + 0.09) for hole in doors] + [(wall.length, wall.length)]:
            if left - x > 0.1:
                piece.box((x, 0, 0), (left, 0.012, 0.08), LABEL.wall, self._trim)  # skirting board
            x = right
        self.parts.add(piece, wall.origin, wall.yaw)

    def _door(self, side: int, openings: list[Opening]) -> None:
        """A door, shut or ajar, or an open doorway; behind the last two lies a second room."""
        style, wall = self._style, self.walls[side]
        width, top = style.uniform(*self._doors.width), style.uniform(1.98, 2.1)
        left = style.uniform(0.2, max(0.21, wall.length - width - 0.2))
        if any(left < hole.right + 0.3 and hole.left - 0.3 < left + width for hole in openings):
            return
        openings.append(Opening(left, left + width, 0.0, top))
        parts, frame = Parts(), self._trim
        # Frames and sills stand out of the wall on all sides: faces in one plane would have no definite label.
        for x in (left - 0.08, left + width - 0.012):
            parts.box((x, -0.03, 0), (x + 0.092, 0.02, top), LABEL.door, frame)
        parts.box((left - 0.08, -0.03, top - 0.012), (left + width + 0.08, 0.021, top + 0.08), LABEL.door, frame)
        # The joints of a panelled door without the handles that drawers have.
        panels = (style.count(1, 2), style.count(1, 4))
        leaf = Material(Pattern.PANELS, frame.color, frame.color, 0.05, 0.15, variant=panels)
        state = style.uniform(0, 1)
        first = self.doorway is None
        if self._doors.open and first:
            state = 1.0
        swing = 0.0 if state < 0.55 else style.uniform(0.7, 1.7)
        if state < 0.85:
            door = Parts()
            door.box((0, -0.02, 0.005), (width, 0.02, top), LABEL.door, leaf)
            for y in (-0.05, 0.05):
                door.cylinder((width - 0.08, y, 1.02), 0.03, 0.03, LABEL.door, style.metal(), _LYING)
            parts.add(door, (left, -WALL_THICKNESS / 2, 0), -swing)
        if swing or state >= 0.85:
            self._second_room(parts, left + width / 2)
            if state >= 0.85 and first:
                self.doorway = self._doorway(wall, left + width / 2, width)
        else:
            parts.box((left, -WALL_THICKNESS, 0), (left + width, -0.11, top), LABEL.door, leaf)
        self.parts.add(parts, wall.origin, wall.yaw)
        self._keep_free(wall, (left, 0.0, 0.0), (left + width, 0.8, top))

    def _doorway(self, wall: Wall, middle: float, width: float) -> Doorway:
        """Where one stands before it, outside, and which way is in."""
        threshold = wall.world(middle, -WALL_THICKNESS, 0.0)
        x, y, _ = rotation_z(wall.yaw)[:, 1]
        return Doorway((threshold[0], threshold[1]), (x, y), width, self._doors.beyond)

    def _second_room(self, parts: Parts, middle: float) -> None:
        """A bare room behind the wall, in the wall's frame, with a cabinet and a picture in view."""
        style, height, t = self._style, self._size[2], WALL_THICKNESS
        left, right, back = middle - 1.4, middle + 1.7, -t - self._doors.beyond
        paint = _wall_material(style, tiled=False)
        parts.box((left, back, -0.1), (right, -t, 0), LABEL.floor, floor_material(style, tiled=False))
        parts.box((left, back, height), (right, -t, height + 0.1), LABEL.ceiling, style.paint(OFF_WHITE, 0.0))
        parts.box((left, back - t, 0), (right, back, height), LABEL.wall, paint)
        for x in (left - t, right):
            parts.box((x, back, 0), (x + t, -t, height), LABEL.wall, paint)
        if style.chance(0.7):
            parts.add(fittings.picture(style), (middle + style.uniform(-0.4, 0.4), back, 1.3))
        if style.chance(0.7):
            width = style.uniform(0.5, 1.2)
            box = fittings.carcass(style, width, 0.4, style.uniform(0.7, 1.1), LABEL.cabinet, style.paneled(2, 2))
            parts.add(box, (middle + style.uniform(-0.5, 0.5), back, 0))

    def _window(self, side: int, openings: list[Opening]) -> None:
        """Pane with the sky behind, bars, sill; curtains, blinds or nothing; a radiator below."""
        style, wall, height = self._style, self.walls[side], self._size[2]
        width = min(style.uniform(0.7, 2.0), wall.length - 0.8)
        bottom, top = style.pick((0.1, 0.8, 0.9, 1.0)), height - style.uniform(0.25, 0.5)
        left = style.uniform(0.35, max(0.36, wall.length - width - 0.35))
        if any(left < hole.right + 0.3 and hole.left - 0.3 < left + width for hole in openings):
            return
        openings.append(Opening(left, left + width, bottom, top))
        right, parts, frame = left + width, Parts(), self._trim
        sky: Color = (style.uniform(0.6, 0.95), style.uniform(0.75, 0.97), 1.0)
        ground = style.pick(OUTDOORS)
        glow, variant = style.uniform(0.9, 2.2), style.variant()
        outside = Material(Pattern.SKY, sky, ground, 0.5, 0.3, glow, variant)
        parts.box((left, -0.12, bottom), (right, -0.1, top), LABEL.window, outside, casts_shadow=False)
        columns, rows = style.count(1, 3), style.count(1, 2)
        for x in np.linspace(left, right - 0.05, columns + 1):
            parts.box((x, -0.1, bottom), (x + 0.05, -0.06, top), LABEL.window, frame)
        for z in np.linspace(bottom, top - 0.05, rows + 1):
            parts.box((left, -0.1, z), (right, -0.06, z + 0.05), LABEL.window, frame)
        if bottom > 0.5:
            parts.box((left - 0.05, -0.06, bottom - 0.03), (right + 0.05, 0.06, bottom + 0.006), LABEL.window, frame)
        self._covering(parts, left, right, bottom, top)
        self.parts.add(parts, wall.origin, wall.yaw)
        if bottom > 0.75 and style.chance(0.4):
            self.parts.add(fittings.radiator(style), wall.world((left + right) / 2, 0, 0), wall.yaw)
        self._keep_free(wall, (left - 0.3, 0.0, bottom - 0.02), (right + 0.3, 0.25, top))
        x, y, z = wall.world((left + right) / 2, 0.15, (bottom + top) / 2)
        inward = rotation_z(wall.yaw)[:, 1]
        power = width * (top - bottom) * style.uniform(1.5, 3.0)
        self.window_lights.append(
            Light((x, y, z), (power * 0.93, power * 0.98, power), 0.4, (inward[0], inward[1], 0.0))
        )

    def _covering(self, parts: Parts, left: float, right: float, bottom: float, top: float) -> None:
        """Curtains or blinds."""
        style, choice = self._style, self._style.uniform(0, 1)
        if choice < 0.5:
            cloth = Material(
                Pattern.FOLDS,
                style.color((0, 0.6), (0.3, 0.95)),
                style.color(),
                style.uniform(0.07, 0.14),
                variant=style.variant(),
            )
            low = 0.05 if style.chance(0.7) else max(0.05, bottom - 0.15)
            reach = (right - left) * style.uniform(0.12, 0.4)
            for inner, outer in ((left + reach, left - 0.2), (right - reach, right + 0.2)):
                first, last = sorted((inner, outer))
                for number, x in enumerate(np.arange(first, last - 0.05, 0.1)):
                    y = 0.07 + 0.015 * (number % 2)
                    parts.box((x, y, low), (min(x + 0.1, last), y + 0.03, top + 0.1), LABEL.curtain, cloth)
            parts.cylinder(
                ((left + right) / 2, 0.09, top + 0.1), 0.013, right - left + 0.6, LABEL.curtain, style.metal(), _ALONG
            )
        elif choice < 0.7:
            drop = (top - bottom) * style.uniform(0.2, 0.8)
            slats = Material(
                Pattern.SLATS, style.color((0, 0.3), (0.6, 0.95)), (0.3, 0.3, 0.3), style.uniform(0.03, 0.06)
            )
            parts.box((left, -0.05, top - drop), (right, -0.03, top), LABEL.blinds, slats)

    def _keep_free(self, wall: Wall, low: tuple[float, float, float], high: tuple[float, float, float]) -> None:
        corners = np.stack([wall.world(*low), wall.world(*high)])
        self.keep_free.append((corners.min(0), corners.max(0)))


_LYING = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""Turns a cylinder's axis from z to y."""

_ALONG = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
"""Turns a cylinder's axis from z to x."""


def floor_material(style: Style, tiled: bool) -> Material:
    """Planks, parquet, tiles, carpet."""
    variant, kind = style.variant(), style.uniform(0, 1)
    if tiled or kind < 0.15:
        pattern = style.pick((Pattern.TILES, Pattern.TILES, Pattern.CHECKER))
        color, accent = style.color((0, 0.25), (0.3, 0.9)), style.color((0, 0.2), (0.25, 0.8))
        return Material(pattern, color, accent, style.uniform(0.15, 0.5), 0.35, variant=variant)
    if kind < 0.7:
        wood = style.wood(1.0)
        return Material(Pattern.PLANKS, wood.color, wood.accent, style.uniform(0.07, 0.18), 0.3, variant=variant)
    color = style.color((0, 0.4), (0.25, 0.75))
    return Material(Pattern.CARPET, color, color, 0.05, 0.0, variant=variant)


def _wall_material(style: Style, tiled: bool) -> Material:
    """Paint mostly; tiles, paper or brick sometimes."""
    variant, kind = style.variant(), style.uniform(0, 1)
    if tiled and kind < 0.6:
        return Material(
            Pattern.TILES,
            style.color((0, 0.25), (0.7, 0.95)),
            style.color((0, 0.1), (0.5, 0.9)),
            style.uniform(0.1, 0.3),
            0.35,
            variant=variant,
        )
    if kind < 0.84:
        color = style.color((0.0, 0.2), (0.75, 0.95)) if style.chance(0.7) else style.color((0.1, 0.45), (0.5, 0.9))
        return Material(Pattern.PLAIN, color, color, 0.5, 0.03, variant=variant)
    if kind < 0.96:
        pattern = style.pick((Pattern.WALLPAPER, Pattern.STRIPES))
        color = style.color((0.05, 0.4), (0.6, 0.95))
        accent: Color = tuple(min(1.0, channel * style.uniform(0.75, 1.1)) for channel in color)  # type: ignore[assignment]
        return Material(pattern, color, accent, style.uniform(0.12, 0.4), 0.03, variant=variant)
    return Material(Pattern.BRICK, style.color((0.1, 0.5), (0.4, 0.9)), (0.75, 0.73, 0.7), 0.07, 0.0, variant=variant)
