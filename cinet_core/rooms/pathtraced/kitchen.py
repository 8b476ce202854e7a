"""Kitchen units, built in code: base cabinets, counter, sink, stove, wall units, and what stands on them."""

from __future__ import annotations

import math

from cinet_core.rooms.pathtraced.clutter import strew
from cinet_core.rooms.pathtraced.detail import fronts
from cinet_core.rooms.pathtraced.group import Group
from cinet_core.rooms.pathtraced.looks import Looks
from cinet_core.rooms.pathtraced.plan import Finish
from cinet_core.rooms.raycast.primitives import rotation_x
from cinet_core.rooms.vocabulary import BLACK, LABEL, NEAR_BLACK

DEPTH = 0.6
TRIES = 4
"""Places that a sink is tried at."""
CEILING = 2.29
"""Metres: below that of every room."""


def kitchen_run(looks: Looks, length: float, upper: bool, handle: int, sink: bool = True, stove: bool = True) -> Group:
    """Units along a wall, ``length`` metres of them; x from -length/2.

    ``handle`` as in detail.fronts(). ``upper`` adds wall units, a hood or boards.
    """
    group, style = Group(), looks.style
    half, height, plinth = length / 2, 0.9, 0.1
    thick = style.uniform(0.02, 0.045)
    group.box((-half, 0, 0), (half, DEPTH - 0.07, plinth), LABEL.cabinet, looks.paint(NEAR_BLACK))
    group.box((-half, 0, plinth), (half, DEPTH - 0.03, height - thick), LABEL.cabinet, looks.front)
    x, oven = -half, -9.0
    while x < half - 0.05:
        width = min(style.pick((0.4, 0.5, 0.6, 0.6, 0.8)), half - x)
        if stove and oven < -8 and width > 0.55 and style.chance(0.5):
            oven = x + width / 2
            _oven(group, looks, x, x + width, height - thick)
        else:
            rows = style.pick((1, 1, 2, 3)) if width > 0.3 else 1
            columns = 2 if width > 0.7 and rows == 1 else 1
            fronts(
                group, looks, (x, plinth), (x + width, height - thick - 0.005), DEPTH - 0.03, (columns, rows),
                LABEL.cabinet, looks.front, handle,
            )  # fmt: skip
        x += width
    group.box((-half, 0, height - thick), (half, DEPTH + 0.01, height), LABEL.counter, looks.counter)
    busy: list[float] = []
    if oven > -8:
        _hob(group, looks, oven, height)
        busy.append(oven)
    places = [style.uniform(-half + 0.4, half - 0.4) for _ in range(TRIES)] if sink and length > 1.2 else []
    basin = next((x for x in places if all(abs(x - other) > 0.75 for other in busy)), None)
    if basin is not None:
        sides = tuple(side for side in (-1, 1) if _is_free(basin + side * 0.5, half - 0.2, busy))
        _sink(group, looks, basin, height, sides)
        busy.append(basin)
    tiles = _splash_back(group, looks, half, height)
    if style.chance(0.3):
        _boxed_in(group, looks, half, height, tiles, busy)
    bottom = height + style.uniform(0.45, 0.6)
    if upper:
        _upper(group, looks, half, bottom, handle)
    for start, end in _free(-half + 0.04, half - 0.04, sorted(busy)):
        count = int((end - start) * style.uniform(2.0, 13.0))
        strew(group, looks, (start, 0.03), (end, DEPTH - 0.05), height, "kitchen", count, bottom - height - 0.02)
    if style.chance(0.7):
        _notices(group, looks, half, height + 0.1, bottom - 0.05)
    return group


def _free(start: float, end: float, busy: list[float]) -> list[tuple[float, float]]:
    """Stretches of counter beside sink and stove."""
    spans, left = [], start
    for middle in busy:
        if middle - 0.34 - left > 0.2:
            spans.append((left, middle - 0.34))
        left = middle + 0.34
    if end - left > 0.2:
        spans.append((left, end))
    return spans


def _oven(group: Group, looks: Looks, left: float, right: float, top: float) -> None:
    front, glass = DEPTH - 0.01, looks.paint(BLACK, 0.06)
    body = looks.metal if looks.style.chance(0.6) else looks.paint(BLACK, 0.3)
    group.box((left + 0.003, DEPTH - 0.03, 0.1), (right - 0.003, front, top - 0.005), LABEL.otherprop, body)
    group.box((left + 0.05, front, 0.25), (right - 0.05, front + 0.006, top - 0.2), LABEL.otherprop, glass)
    group.box((left + 0.06, front, top - 0.17), (right - 0.06, front + 0.04, top - 0.15), LABEL.otherprop, looks.metal)
    for number in range(4):
        x = left + (right - left) * (number + 1) / 5
        turn = rotation_x(math.pi / 2)
        group.cylinder((x, front + 0.01, top - 0.07), 0.018, 0.02, LABEL.otherprop, looks.metal, turn)


def _hob(group: Group, looks: Looks, x: float, z: float) -> None:
    group.box((x - 0.28, 0.05, z), (x + 0.28, 0.55, z + 0.006), LABEL.otherprop, looks.paint(BLACK, 0.05))
    for dx in (-0.13, 0.13):
        for y in (0.18, 0.42):
            group.cylinder((x + dx, y, z + 0.007), 0.08, 0.003, LABEL.otherprop, looks.paint((0.13, 0.13, 0.13), 0.3))
    if looks.style.chance(0.4):
        tall = looks.style.uniform(0.08, 0.2)
        pot = looks.metal if looks.style.chance(0.6) else looks.paint()
        group.cylinder((x - 0.13, 0.42, z + 0.01 + tall / 2), 0.1, tall, LABEL.otherprop, pot)
        group.box((x - 0.02, 0.41, z + tall - 0.02), (x + 0.12, 0.43, z + tall), LABEL.otherprop, looks.paint(BLACK))


def _is_free(x: float, limit: float, busy: list[float]) -> bool:
    """Whether there is room for a drainer, 0.36 m wide, on the counter."""
    return abs(x) < limit and all(abs(x - other) > 0.5 for other in busy)


def _sink(group: Group, looks: Looks, x: float, z: float, sides: tuple[int, ...]) -> None:
    """A steel or white basin let into the counter, as rim and dark inside, a tap, often a drainer at one side."""
    steel, style = Finish("metal", (0.72, 0.72, 0.73), (0.7, 0.7, 0.7), roughness=0.25), looks.style
    if style.chance(0.25):
        steel = looks.paint((0.92, 0.92, 0.9), 0.12)
    half, depth = style.uniform(0.22, 0.3), 0.14
    for low, high in (
        ((x - half, 0.12), (x + half, 0.14)),
        ((x - half, 0.5), (x + half, 0.52)),
        ((x - half, 0.12), (x - half + 0.02, 0.52)),
        ((x + half - 0.02, 0.12), (x + half, 0.52)),
    ):
        group.box((*low, z - 0.005), (*high, z + 0.012), LABEL.sink, steel)
    inside = Finish(steel.kind, tuple(c * 0.55 for c in steel.color), steel.accent, roughness=0.35)  # type: ignore[arg-type]
    group.box((x - half + 0.02, 0.14, z - depth), (x + half - 0.02, 0.5, z + 0.002), LABEL.sink, inside)
    if sides and style.chance(0.7):
        _drainer(group, steel, x + style.pick(sides) * (half + 0.19), z)
    group.cylinder((x, 0.08, z + 0.13), 0.014, 0.26, LABEL.sink, looks.metal)
    group.cylinder((x, 0.17, z + 0.255), 0.012, 0.19, LABEL.sink, looks.metal, rotation_x(math.pi / 2))
    if style.chance(0.6):
        bottle = looks.paint(None, 0.15)
        group.cylinder((x + half - 0.05, 0.08, z + 0.09), 0.028, 0.18, LABEL.otherprop, bottle)


def _drainer(group: Group, steel: Finish, x: float, z: float) -> None:
    """A ribbed board of the basin's steel, 0.36 m wide."""
    group.box((x - 0.18, 0.12, z - 0.005), (x + 0.18, 0.52, z + 0.006), LABEL.sink, steel)
    for rib in range(7):
        left = x - 0.15 + rib * 0.045
        group.box((left, 0.16, z + 0.006), (left + 0.012, 0.48, z + 0.011), LABEL.sink, steel)


def _splash_back(group: Group, looks: Looks, half: float, z: float) -> Finish | None:
    style, top = looks.style, z + looks.style.uniform(0.1, 0.6)
    if not style.chance(0.75):
        return None
    color, joint = style.color((0, 0.5), (0.3, 0.95)), style.color((0, 0.1), (0.4, 0.95))
    tiles = Finish("tiles", color, joint, style.uniform(0.04, 0.15), style.uniform(0.06, 0.3))
    group.box((-half, 0, z), (half, 0.008, top), LABEL.wall, tiles, size=0.001)
    return tiles


def _boxed_in(group: Group, looks: Looks, half: float, z: float, tiles: Finish | None, busy: list[float]) -> None:
    """Pipes behind a board at one end of the counter, white or tiled, where nothing stands yet; wall, as tiles are."""
    style = looks.style
    wide, deep = style.uniform(0.12, 0.5), style.uniform(0.36, 0.58)
    side = style.pick((-1, 1))
    x = side * (half - wide / 2)
    if wide > half or any(abs(x - other) < wide / 2 + 0.34 for other in busy):
        return
    finish = tiles if tiles and style.chance(0.4) else looks.white()
    group.box((x - wide / 2, 0, z), (x + wide / 2, deep, CEILING), LABEL.wall, finish)
    busy.append(x)


def _upper(group: Group, looks: Looks, half: float, bottom: float, handle: int) -> None:
    """Wall units from end to end, or with gaps and boards."""
    style, depth, top = looks.style, 0.33, bottom + looks.style.uniform(0.5, 0.75)
    x = -half
    while x < half - 0.25:
        width = min(style.pick((0.4, 0.6, 0.8)), half - x)
        kind = style.uniform(0, 1)
        if kind < 0.7:
            group.box((x, 0, bottom), (x + width, depth - 0.018, top), LABEL.cabinet, looks.front)
            columns = 2 if width > 0.5 else 1
            fronts(
                group, looks, (x, bottom), (x + width, top), depth - 0.018, (columns, 1), LABEL.cabinet, looks.front,
                3 if handle else 0,
            )  # fmt: skip
        elif kind < 0.85:
            for z in (bottom + 0.02, bottom + 0.34):
                group.box((x, 0, z), (x + width, 0.25, z + 0.022), LABEL.shelves, looks.wood)
                strew(group, looks, (x + 0.02, 0.01), (x + width - 0.02, 0.24), z + 0.022, "kitchen", 5, 0.29)
        x += width


def _notices(group: Group, looks: Looks, half: float, low: float, high: float) -> None:
    """Leaflets and lists on the wall above the counter."""
    style = looks.style
    for _ in range(style.count(1, 7)):
        tall = style.uniform(0.08, 0.15)
        x, z = style.uniform(-half + 0.1, half - 0.1), style.uniform(low + tall, max(low + tall + 0.01, high - tall))
        kind = style.pick(("leaflet", "page", "cover"))
        finish = looks.print(kind, 0.5)
        group.box(
            (x - tall * 0.7, 0.009, z - tall), (x + tall * 0.7, 0.012, z + tall), LABEL.paper, finish, size=0.0004
        )
