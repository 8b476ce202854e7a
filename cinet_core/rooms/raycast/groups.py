"""Furniture that stands together: a table with its chairs, a bed with its night stands."""

from __future__ import annotations

import math

from cinet_core.rooms.raycast import furniture, objects
from cinet_core.rooms.raycast.primitives import Parts
from cinet_core.rooms.raycast.style import Style
from cinet_core.rooms.vocabulary import LABEL


def bed_group(style: Style) -> Parts:
    """Bed, with night stands and lamps on one side or both."""
    parts = furniture.bed(style)
    low, high = parts.bounds()
    for side in (-1, 1):
        if style.chance(0.65):
            stand = furniture.night_stand(style)
            half, top = stand.bounds()[1][[0, 2]]
            if style.chance(0.75):
                stand.add(objects.table_lamp(style, style.chance(0.5)), (style.uniform(-0.05, 0.05), 0.18, top))
            elif style.chance(0.5):
                stand.add(_books(style), (0, 0.2, top))
            edge = low[0] - half if side < 0 else high[0] + half
            parts.add(stand, (edge + side * 0.05, 0, 0))
    if style.chance(0.3):
        reach = high[1] + 0.3
        parts.box((low[0] - 0.4, 0.9, 0), (high[0] + 0.4, reach, 0.011), LABEL.floor_mat, style.carpet())
    return parts


def sofa_group(style: Style) -> Parts:
    """Sofa, coffee table and rug."""
    parts = furniture.sofa(style)
    low, high = parts.bounds()
    if style.chance(0.75):
        low_table = furniture.table(style, low=True)
        left, right = low_table.bounds()
        low_table.add(objects.table_things(style, right[0] * 0.8, right[1]), (0, 0, right[2]))
        parts.add(low_table, (style.uniform(-0.2, 0.2), high[1] + style.uniform(0.3, 0.5), 0), style.uniform(-0.1, 0.1))
        high[1] += 0.5 + right[1] - left[1]
    if style.chance(0.6):
        parts.box((low[0] * 0.9, 0.5, 0), (high[0] * 0.9, high[1] + 0.2, 0.012), LABEL.floor_mat, style.carpet())
    return parts


def television_group(style: Style) -> Parts:
    """Low cabinet with a television."""
    width = style.uniform(1.0, 1.8)
    front = style.paneled(style.count(2, 4), style.count(1, 2))
    parts = furniture.carcass(style, width, 0.42, style.uniform(0.4, 0.6), LABEL.cabinet, front)
    top = parts.bounds()[1][2]
    parts.add(objects.screen(style, min(style.uniform(0.7, 1.2), width)), (style.uniform(-0.1, 0.1), 0.2, top))
    return parts


def dining_group(style: Style) -> Parts:
    """Table with two to six chairs around it and something on it."""
    parts = furniture.table(style)
    low, high = parts.bounds()
    parts.add(objects.table_things(style, high[0] * 0.8, high[1] - low[1]), (0, 0, high[2]))
    seats = 1 if high[0] - low[0] < 1.2 else 2
    for y, yaw in ((low[1], 0.0), (high[1], math.pi)):
        for seat in range(seats):
            x = (2 * seat + 1 - seats) * high[0] / 2.2 if seats > 1 else 0.0
            _chair(parts, style, (x, y), yaw)
    for x, yaw in ((low[0], -math.pi / 2), (high[0], math.pi / 2)):
        if style.chance(0.4):
            _chair(parts, style, (x, (low[1] + high[1]) / 2), yaw)
    return parts


def desk_group(style: Style) -> Parts:
    """Desk with things on it and a chair before it."""
    parts = furniture.desk(style)
    high = parts.bounds()[1]
    parts.add(objects.desk_things(style, high[0], high[1]), (0, 0, high[2]))
    if style.chance(0.5):
        parts.add(objects.table_lamp(style, style.chance(0.4)), (high[0] - 0.2, 0.2, high[2]))
    if style.chance(0.85):
        _chair(parts, style, (style.uniform(-0.2, 0.2), high[1]), math.pi)
    return parts


def sideboard(style: Style) -> Parts:
    """Low cabinet with a lamp, a vase or books on it."""
    parts = furniture.cabinet(style, tall=False)
    high = parts.bounds()[1]
    parts.add(objects.table_things(style, high[0] * 0.8, high[1]), (0, 0, high[2]))
    if style.chance(0.5):
        parts.add(objects.table_lamp(style, style.chance(0.5)), (high[0] - 0.2, 0.2, high[2]))
    return parts


def wardrobe(style: Style) -> Parts:
    """Tall cabinet."""
    return furniture.cabinet(style, tall=True)


def armchair(style: Style) -> Parts:
    """Sofa for one."""
    return furniture.sofa(style, LABEL.chair)


def _books(style: Style) -> Parts:
    parts = Parts()
    objects.stack(parts, style, 0.0, 0.0)
    return parts


def _chair(parts: Parts, style: Style, edge: tuple[float, float], yaw: float) -> None:
    """A chair whose seat reaches a little under the table edge, or is pushed back and turned."""
    back = style.uniform(0.25, 0.4) if style.chance(0.7) else style.uniform(0.45, 0.6)
    turn = yaw + style.uniform(-0.25, 0.25)
    x, y = edge[0] + math.sin(yaw) * back, edge[1] - math.cos(yaw) * back
    # The chair's frame starts at its back, 0.25 m behind its middle.
    parts.add(furniture.chair(style), (x + math.sin(turn) * 0.1, y - math.cos(turn) * 0.1, 0), turn)
