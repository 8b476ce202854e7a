"""The empty room: the synthetic rooms' shell with real panes, a world behind them, curtains, and daylight."""

from __future__ import annotations

import math

import numpy as np

from cinet_core.rooms.pathtraced.detail import detailed
from cinet_core.rooms.pathtraced.group import Group, Lamp
from cinet_core.rooms.pathtraced.looks import Looks
from cinet_core.rooms.pathtraced.plan import Finish
from cinet_core.rooms.raycast.primitives import Parts, Pattern, Primitive, Vector
from cinet_core.rooms.raycast.shell import WALL_THICKNESS, Shell
from cinet_core.rooms.vocabulary import LABEL

FAR_OFF = 4.0
"""Metres from a window to the image of the world outside."""

OUTSIDE = -1
"""Label of what is not part of the room; VOID on disk."""


def room_shell(shell: Shell, looks: Looks, size: tuple[float, float, float], tiled: bool, day: float) -> Group:
    """Walls, floor, ceiling, doors and windows.

    Args:
        shell: of the synthetic rooms.
        looks: of this room.
        size: of the room, metres.
        tiled: of a kitchen or bathroom.
        day: brightness outside, 0 (night) to 1.
    """
    group = Group()
    plain, cloth = Parts(), list[Primitive]()
    for solid in shell.parts.solids:
        if solid.material.pattern is Pattern.SKY:
            _window(group, solid, looks, day)
        elif solid.label == LABEL.curtain and solid.material.pattern is Pattern.FOLDS:
            cloth.append(solid)
        else:
            plain.solids.append(solid)
    for sheet in _sheets(cloth):
        _curtain(group, sheet, looks)
    surfaces = {LABEL.floor: looks.floor(tiled), LABEL.wall: looks.wall(tiled)}
    accent = looks.wall(tiled)
    other = looks.style.count(0, 3) if looks.style.chance(0.2) else None
    rest = Parts()
    for solid in plain.solids:
        inside = _inside(solid, size)
        finish = surfaces.get(solid.label) if inside and _is_surface(solid) else None
        if finish is None:
            rest.solids.append(solid)
            continue
        side = round(math.atan2(solid.rotation[1, 0], solid.rotation[0, 0]) / (math.pi / 2)) % 4
        if solid.label == LABEL.wall and other == side:
            finish = accent
        group.add_item("box", solid.center, solid.half, solid.label, finish, solid.rotation, size=0.001)
    group.add(detailed(rest, looks))
    return group


def _is_surface(solid: Primitive) -> bool:
    return solid.label == LABEL.floor or float(solid.half[1]) >= WALL_THICKNESS / 2 - 1e-6


def _inside(solid: Primitive, size: tuple[float, float, float]) -> bool:
    """Not of a second room behind a door: its centre lies within the walls' outer faces."""
    x, y = solid.center[:2]
    edge = WALL_THICKNESS
    return bool(-edge <= x <= size[0] + edge and -edge <= y <= size[1] + edge)


def _window(group: Group, solid: Primitive, looks: Looks, day: float) -> None:
    """A pane, the world outside, and the light that comes through; the solid looks along its own y."""
    turn, half, style = solid.rotation, solid.half, looks.style
    pane = Finish("glass", (0.96, 0.98, 0.97))
    group.add_item(
        "box", solid.center, (half[0], 0.003, half[2]), LABEL.window, pane, turn, casts_shadow=False, size=1e-4
    )
    outward = -turn[:, 1]
    center = solid.center + outward * FAR_OFF
    world = looks.print("outdoors", 1.0, glow=0.02 + 2.6 * day)
    flat = (half[0] + FAR_OFF * 1.6, 0.01, half[2] + FAR_OFF * 1.1)
    group.add_item("box", center, flat, OUTSIDE, world, turn, casts_shadow=False)
    if day > 0.02:
        power = day * style.uniform(60, 130) * float(4 * half[0] * half[2])
        blue = style.uniform(0.0, 0.25)
        color = (1.0 - blue, 1.0 - 0.35 * blue, 1.0)
        inner = solid.center - outward * 0.03
        group.lamps.append(Lamp(inner, power, color, direction=-outward, size=(float(2 * half[0]), float(2 * half[2]))))


def _sheets(cloth: list[Primitive]) -> list[list[Primitive]]:
    """Strips that hang side by side, together."""
    sheets: list[list[Primitive]] = []
    for strip in cloth:
        if sheets and np.linalg.norm((strip.center - sheets[-1][-1].center)[:2]) < 0.14:
            sheets[-1].append(strip)
        else:
            sheets.append([strip])
    return sheets


def _curtain(group: Group, strips: list[Primitive], looks: Looks) -> None:
    turn = strips[0].rotation
    corners = np.array([turn.T @ strip.center for strip in strips])
    half = np.array([strip.half for strip in strips])
    low, high = (corners - half).min(0), (corners + half).max(0)
    extent = np.array([(high[0] - low[0]) / 2, 0.035, (high[2] - low[2]) / 2])
    material = strips[0].material
    group.add_item(
        "folds", turn @ ((low + high) / 2), extent, LABEL.curtain, looks.of(material), turn, size=material.period
    )


def wall_block(size: tuple[float, float, float], looks: Looks) -> tuple[Vector, Vector]:
    """Low and high corner of a block as high as the room, at one of its walls.

    It is a wing, which makes the plan an L; a column or boxed-in pipes in a corner; or a chimney breast. Without them
    every tall white box would be a refrigerator.
    """
    style, (width, depth, height) = looks.style, size
    kind = style.pick(("wing", "column", "pipes", "pipes", "breast"))
    if kind == "wing":
        x, y = style.uniform(0.8, width * 0.35), style.uniform(0.8, depth * 0.35)
    elif kind == "column":
        x = y = style.uniform(0.3, 0.5)
    else:
        x, y = style.uniform(0.15, 0.6), style.uniform(0.15, 0.6)
    left, front = style.pick((0.0, width - x)), style.pick((0.0, depth - y))
    if kind == "breast":
        x, y = style.uniform(0.5, 1.5), style.uniform(0.12, 0.5)
        left, front = style.uniform(0.4, width - x - 0.4), style.pick((0.0, depth - y))
        if style.chance(0.5):
            x, y = y, x
            left, front = style.pick((0.0, width - x)), style.uniform(0.4, depth - y - 0.4)
    return np.array([left, front, 0.0]), np.array([left + x, front + y, height])
