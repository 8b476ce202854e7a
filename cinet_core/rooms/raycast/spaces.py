"""Rooms larger than those of a home: corridors, halls, open offices, and a room seen through a wide doorway.

`furnished_room` ends at 5.6 m; these reach to 12 m, so that far things are learnt as well.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from cinet_core.rooms.raycast import fittings, furniture, groups, objects
from cinet_core.rooms.raycast.layout import PROGRAMS, Furnishing, Program
from cinet_core.rooms.raycast.primitives import Light, Material, Parts, Pattern, Scene
from cinet_core.rooms.raycast.shell import Doors, Shell
from cinet_core.rooms.raycast.style import Style
from cinet_core.rooms.vocabulary import LABEL

FARTHEST = 12.0
"""Metres: length of the longest room."""

_CORRIDOR: Program = (
    *((fittings.picture, 0.6, "hung:1.4"),) * 4,
    (fittings.whiteboard, 0.3, "hung:1.0"),
    (fittings.coats, 0.3, "wall"),
    (furniture.cabinet, 0.35, "wall"),
    (furniture.bookshelf, 0.2, "wall"),
    (furniture.chair, 0.4, "wall"),
    (objects.plant, 0.4, "wall"),
    (objects.carton, 0.4, "wall"),
    (objects.basket, 0.4, "wall"),
    (objects.bag, 0.3, "free"),
    (objects.person, 0.3, "free"),
)
_HALL: Program = (
    (groups.sofa_group, 0.7, "wall"),
    (groups.sofa_group, 0.4, "free"),
    (groups.dining_group, 0.6, "free"),
    (groups.dining_group, 0.5, "free"),
    (groups.dining_group, 0.4, "free"),
    *((furniture.chair, 0.5, "wall"),) * 3,
    (groups.sideboard, 0.5, "wall"),
    (furniture.bookshelf, 0.5, "wall"),
    (furniture.piano, 0.2, "wall"),
    (groups.television_group, 0.3, "wall"),
    *((fittings.picture, 0.6, "hung:1.5"),) * 3,
    *((objects.plant, 0.5, "wall"),) * 2,
    (objects.plant, 0.3, "free"),
    (objects.ottoman, 0.5, "free"),
    (objects.carton, 0.4, "wall"),
    (objects.bag, 0.4, "free"),
    *((objects.person, 0.4, "free"),) * 2,
)
_OFFICE: Program = (
    *((groups.desk_group, 0.9, "wall"),) * 4,
    *((groups.desk_group, 0.75, "free"),) * 5,
    (groups.dining_group, 0.4, "free"),
    (fittings.whiteboard, 0.6, "hung:0.95"),
    *((furniture.bookshelf, 0.5, "wall"),) * 2,
    *((furniture.cabinet, 0.5, "wall"),) * 2,
    (objects.plant, 0.5, "wall"),
    (objects.basket, 0.5, "wall"),
    (objects.carton, 0.5, "free"),
    (objects.bag, 0.5, "free"),
    (objects.person, 0.4, "free"),
)


def corridor(rng: np.random.Generator) -> Scene:
    """A corridor of 5 to 12 m with doors on both sides, lit by panels in the ceiling."""
    style = Style(rng)
    length, width = style.uniform(5.0, FARTHEST), style.uniform(1.3, 2.6)
    along_x = style.chance(0.5)
    size = (length, width, style.uniform(2.3, 3.0)) if along_x else (width, length, style.uniform(2.3, 3.0))
    sides = (0, 2) if along_x else (1, 3)
    further = tuple(sides[number % 2] for number in range(style.count(1, max(2, round(length / 2.2)))))
    shell = Shell(style, size, tiled=False, windows=style.pick((0, 0, 1)), doors=Doors(further))
    return _lit(style, Furnishing(style, shell, size).complete(_CORRIDOR))


def hall(rng: np.random.Generator) -> Scene:
    """A hall, lobby or large living room of 6 to 12 m with columns."""
    style = Style(rng)
    size = (style.uniform(5.0, 9.0), style.uniform(6.0, FARTHEST), style.uniform(2.6, 4.2))
    shell = Shell(style, size, tiled=style.chance(0.3), windows=style.pick((1, 2, 2)), doors=Doors((0, 2)))
    columns = Parts()
    stone = style.stone() if style.chance(0.5) else style.paint(style.color((0, 0.2), (0.6, 0.95)), 0.1)
    if style.chance(0.5):
        thick = style.uniform(0.12, 0.3)
        for part in (0.33, 0.67):
            x, y = size[0] * style.uniform(0.25, 0.75), size[1] * part
            columns.box((x - thick, y - thick, 0), (x + thick, y + thick, size[2]), LABEL.otherstructure, stone)
            shell.keep_free.append((np.array([x - thick, y - thick, 0.0]), np.array([x + thick, y + thick, size[2]])))
    shell.parts.add(columns)
    return _lit(style, Furnishing(style, shell, size).complete(_HALL))


def open_office(rng: np.random.Generator) -> Scene:
    """An office or classroom of 6 to 12 m with many desks."""
    style = Style(rng)
    size = (style.uniform(5.0, 8.0), style.uniform(6.0, FARTHEST), style.uniform(2.4, 3.4))
    shell = Shell(style, size, tiled=False, windows=style.pick((1, 2, 2)), doors=Doors((0,)))
    return _lit(style, Furnishing(style, shell, size).complete(_OFFICE))


def room_behind_a_doorway(rng: np.random.Generator) -> Scene:
    """A lit and furnished room of 4.5 to 9 m, with a wide open doorway from a small room before it."""
    style = Style(rng)
    kind = style.pick(("living room", "dining room", "office", "kitchen", "bedroom"))
    size = (style.uniform(4.5, 9.0), style.uniform(4.5, 9.0), style.uniform(2.4, 3.0))
    doors = Doors(open=True, width=(0.9, 2.2), beyond=style.uniform(2.2, 3.6))
    shell = Shell(style, size, tiled=kind == "kitchen", windows=style.pick((0, 1, 2)), doors=doors)
    return _lit(style, Furnishing(style, shell, size).complete(PROGRAMS[kind] + PROGRAMS[kind][:3]))


def _lit(style: Style, scene: Scene) -> Scene:
    """With two panels in the ceiling far apart, often, and light that fills a room this large."""
    width, depth, height = scene.size
    red, green, blue = (min(0.55, 1.25 * level) for level in scene.ambient)
    ambient = (red, green, blue)
    if not style.chance(0.7):
        return dataclasses.replace(scene, ambient=ambient)
    parts, lights, warm = Parts(), [], style.uniform(0.75, 1.0)
    glass = Material(Pattern.PLAIN, (1.0, 0.97, 0.92), (1.0, 1.0, 1.0), glow=style.uniform(1.2, 2.5))
    power = (
        0.35 * width * depth**0.5 * style.uniform(0.8, 1.6)
        if width > depth
        else (0.35 * depth * width**0.5 * style.uniform(0.8, 1.6))
    )
    for part in (0.25, 0.75):
        x, y = (width * part, depth / 2) if width > depth else (width / 2, depth * part)
        half = style.uniform(0.2, 0.5)
        parts.box((x - half, y - 0.15, height - 0.04), (x + half, y + 0.15, height), LABEL.lamp, glass, None, False)
        color = (power, power * (1 + warm) / 2, power * warm)
        lights.append(Light((x, y, height - 0.06), color, 0.2))
    return dataclasses.replace(
        scene, primitives=(*scene.primitives, *parts.solids), lights=tuple(lights), ambient=ambient
    )
