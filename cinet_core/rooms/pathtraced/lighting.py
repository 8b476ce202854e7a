"""Light of a room: what comes through its windows, the sun, and lamps."""

from __future__ import annotations

import math

import numpy as np

from cinet_core.rooms.pathtraced.group import Group, Lamp
from cinet_core.rooms.pathtraced.looks import Looks
from cinet_core.rooms.pathtraced.plan import Finish
from cinet_core.rooms.vocabulary import LABEL


def daylight(looks: Looks) -> float:
    """Brightness outside: 0 at night, mostly 0.3 to 1."""
    return 0.0 if looks.style.chance(0.2) else looks.style.uniform(0.15, 1.0)


def sky(looks: Looks, day: float) -> tuple[float, float, float]:
    """Light from outside of everything, linear RGB: it fills what windows leave open."""
    value = 0.002 + 0.8 * day
    return value * looks.style.uniform(0.75, 1.0), value * 0.95, value


def light_room(group: Group, looks: Looks, size: tuple[float, float, float], day: float, strength: float = 1.0) -> None:
    """Add ceiling lamps, which are lit where the windows give little, and sometimes the sun.

    Args:
        group: the room, which they are added to.
        looks: of the room.
        size: of the room, metres.
        day: brightness outside, 0 to 1.
        strength: of the lamps, for rooms larger than a home's.
    """
    style = looks.style
    windows = [lamp for lamp in group.lamps if lamp.size[0] > 0]
    lit = not windows or day < 0.3 or style.chance(0.5)
    # lamps of rooms with daylight look weak beside it
    power = strength * style.uniform(25, 80) * (1.0 if day < 0.3 or not windows else style.uniform(0.5, 1.2))
    warmth = style.uniform(0.0, 1.0)
    color = (1.0, 0.95 - 0.2 * warmth, 0.9 - 0.45 * warmth)
    kind = style.uniform(0, 1)
    if kind < 0.5:
        _pendant(group, looks, size, lit, power, color)
    elif kind < 0.8:
        _panels(group, looks, size, lit, power, color)
    else:
        _spots(group, looks, size, lit, power, color)
    if windows and day > 0.35 and style.chance(0.55):
        _sun(group, looks, windows, day)


def _pendant(
    group: Group, looks: Looks, size: tuple[float, float, float], lit: bool, power: float, color: tuple[float, ...]
) -> None:
    style = looks.style
    stand = looks.stand("pendant")
    drop = min(float(stand.size[2]), max(0.3, size[2] - 1.95))
    scale = drop / float(stand.size[2])
    stand.size[:] *= (1.0, 1.0, scale)
    x, y = size[0] * style.uniform(0.3, 0.7), size[1] * style.uniform(0.3, 0.7)
    stand.position[:] = (x, y - stand.size[1] / 2, size[2] - drop)
    group.stands.append(stand)
    if lit:
        # below the shade, so that it lights the room whatever the shade is made of
        below = np.array([x, y, size[2] - drop - 0.02])
        group.lamps.append(Lamp(below, power, _triple(color), 0.08))


def _panels(
    group: Group, looks: Looks, size: tuple[float, float, float], lit: bool, power: float, color: tuple[float, ...]
) -> None:
    """Flat lamps in rows on the ceiling."""
    style = looks.style
    half = style.pick(((0.3, 0.3), (0.6, 0.08), (0.2, 0.2), (0.6, 0.15)))
    columns, rows = (2 if size[0] > 3.6 else 1), (2 if size[1] > 3.6 else 1)
    glow = Finish("paint", (1.0, 1.0, 1.0), glow=6.0 if lit else 0.0)
    for column in range(columns):
        for row in range(rows):
            x, y = size[0] * (column + 0.5) / columns, size[1] * (row + 0.5) / rows
            low, high = (x - half[0], y - half[1], size[2] - 0.05), (x + half[0], y + half[1], size[2] - 0.001)
            group.box(low, high, LABEL.lamp, glow)
            if lit:
                place, down = np.array([x, y, size[2] - 0.06]), np.array([0.0, 0.0, -1.0])
                area = (2 * half[0], 2 * half[1])
                group.lamps.append(Lamp(place, power / columns / rows, _triple(color), direction=down, size=area))


def _spots(
    group: Group, looks: Looks, size: tuple[float, float, float], lit: bool, power: float, color: tuple[float, ...]
) -> None:
    """Small round lamps in the ceiling."""
    count = max(2, round(size[0] * size[1] / 3.0))
    columns = max(1, round(math.sqrt(count * size[0] / size[1])))
    rows = max(1, round(count / columns))
    glow = Finish("paint", (1.0, 0.95, 0.85), glow=14.0 if lit else 0.0)
    for column in range(columns):
        for row in range(rows):
            x, y = size[0] * (column + 0.5) / columns, size[1] * (row + 0.5) / rows
            group.cylinder((x, y, size[2] - 0.004), 0.05, 0.008, LABEL.lamp, glow)
            if lit:
                place, down = np.array([x, y, size[2] - 0.02]), np.array([0.0, 0.0, -1.0])
                group.lamps.append(
                    Lamp(place, power / columns / rows, _triple(color), direction=down, size=(0.12, 0.12))
                )


def _sun(group: Group, looks: Looks, windows: list[Lamp], day: float) -> None:
    style = looks.style
    inward = style.pick(tuple(windows)).direction
    side = np.array([-inward[1], inward[0], 0.0]) * style.uniform(-1.0, 1.0)
    ray = inward + side - np.array([0.0, 0.0, style.uniform(0.25, 1.3)])
    power = day * style.uniform(3.0, 14.0)
    color = (1.0, style.uniform(0.82, 0.95), style.uniform(0.6, 0.88))
    group.lamps.append(Lamp(np.zeros(3), power, color, 0.01, ray / np.linalg.norm(ray)))


def _triple(color: tuple[float, ...]) -> tuple[float, float, float]:
    r, g, b = color
    return r, g, b
