"""Large furniture: each function builds one piece in its own frame (see Parts), with its back to the wall."""

from __future__ import annotations

import math

from cinet_core.rooms.raycast.primitives import Material, Parts, Pattern, rotation_x, rotation_z
from cinet_core.rooms.raycast.style import Style
from cinet_core.rooms.vocabulary import DARK_BROWN, LABEL, PILLOW


def bed(style: Style) -> Parts:
    """Frame, mattress, blanket, pillows; single to king size."""
    parts, wood = Parts(), style.wood()
    half, length, top = style.uniform(0.45, 0.95), style.uniform(1.9, 2.1), style.uniform(0.42, 0.6)
    parts.box((-half - 0.03, 0, 0), (half + 0.03, 0.06, top + style.uniform(0.2, 0.6)), LABEL.bed, wood)
    parts.box((-half, 0.06, 0.06), (half, length, top - 0.2), LABEL.bed, wood)
    parts.box((-half + 0.02, 0.06, top - 0.2), (half - 0.02, length - 0.03, top), LABEL.bed, style.fabric((0, 0.1)))
    if style.chance(0.4):
        parts.box((-half - 0.03, length, 0), (half + 0.03, length + 0.05, top + 0.08), LABEL.bed, wood)
    fold = style.uniform(0.5, 0.9)
    parts.box((-half - 0.02, fold, top - 0.28), (half + 0.02, length - 0.01, top + 0.05), LABEL.bed, style.fabric())
    if style.chance(0.5):
        parts.box((-half - 0.025, fold, top), (half + 0.025, fold + 0.25, top + 0.065), LABEL.bed, style.fabric())
    pillows = 1 if half < 0.65 else 2
    cover = style.fabric((0, 0.4))
    for number in range(pillows):
        x = (2 * number + 1 - pillows) * half / pillows
        turn = rotation_z(style.uniform(-0.15, 0.15)) @ rotation_x(style.uniform(0.1, 0.7))
        parts.ellipsoid((x, 0.3, top + 0.12), (min(0.34, half * 0.8), 0.22, 0.1), LABEL.pillow, cover, turn)
        if style.chance(0.4):
            turn = rotation_z(style.uniform(-0.3, 0.3)) @ rotation_x(style.uniform(0.6, 1.1))
            parts.ellipsoid((x, 0.5, top + 0.16), PILLOW, LABEL.pillow, style.fabric(), turn)
    if style.chance(0.25):
        for _ in range(3):
            center = (style.uniform(-half, half) * 0.6, style.uniform(1.2, 1.6), top + 0.08)
            size = (style.uniform(0.1, 0.25), style.uniform(0.1, 0.2), 0.06)
            parts.ellipsoid(center, size, LABEL.clothes, style.fabric())
    return parts


def sofa(style: Style, label: int | None = None) -> Parts:
    """Seat cushions, back, arms; with ``label`` chair an armchair for one."""
    name = LABEL.sofa if label is None else label
    parts, cover = (
        Parts(),
        style.fabric() if style.chance(0.75) else style.paint(style.color((0.2, 0.6), (0.1, 0.5)), 0.3),
    )
    seats = 1 if name == LABEL.chair else style.count(2, 3)
    half, depth, seat = seats * style.uniform(0.28, 0.36), style.uniform(0.8, 0.95), style.uniform(0.38, 0.46)
    arm, back = style.uniform(0.1, 0.2), style.uniform(0.75, 0.95)
    lift = style.uniform(0.0, 0.12)
    parts.box((-half - arm, 0, lift), (half + arm, depth, seat - 0.13), name, cover)
    parts.box((-half, 0.03, seat - 0.13), (half, 0.26, back), name, cover, rotation_x(0.12))
    for number in range(seats):
        left = -half + 2 * half * number / seats
        parts.box((left + 0.005, 0.2, seat - 0.13), (left + 2 * half / seats - 0.005, depth + 0.02, seat), name, cover)
    top = style.uniform(0.55, 0.68)
    for side in (-1, 1):
        low, high = sorted((side * half, side * (half + arm)))
        parts.box((low, 0.02, lift), (high, depth, top), name, cover)
        if style.chance(0.5):
            turn = rotation_x(math.pi / 2)
            parts.cylinder(((low + high) / 2, depth / 2, top), arm * 0.6, depth * 0.96, name, cover, turn)
    if lift > 0.04:
        for x in (-half, half):
            for y in (0.08, depth - 0.08):
                parts.cylinder((x, y, lift / 2), 0.025, lift, name, style.metal())
    for _ in range(style.count(0, seats)):
        turn = rotation_z(style.uniform(-0.4, 0.4)) @ rotation_x(style.uniform(0.9, 1.3))
        center = (style.uniform(-half + 0.2, half - 0.2) if seats > 1 else 0.0, 0.36, seat + 0.19)
        parts.ellipsoid(center, PILLOW, LABEL.pillow, style.fabric(), turn)
    return parts


def table(style: Style, low: bool = False) -> Parts:
    """Dining or (low) coffee table, on legs or on a pedestal, square or round."""
    parts, wood = Parts(), style.wood(0.4) if style.chance(0.8) else style.white()
    width, depth = style.uniform(0.8, 1.8), style.uniform(0.7, 1.0)
    height = style.uniform(0.35, 0.5) if low else style.uniform(0.7, 0.78)
    if low:
        width, depth = style.uniform(0.6, 1.2), style.uniform(0.45, 0.7)
    if style.chance(0.25):
        radius = depth * style.uniform(0.5, 0.65)
        parts.cylinder((0, radius, height - 0.015), radius, 0.03, LABEL.table, wood)
        parts.cylinder((0, radius, height / 2), 0.05, height - 0.03, LABEL.table, wood)
        parts.cylinder((0, radius, 0.015), radius * 0.55, 0.03, LABEL.table, wood)
        return parts
    parts.box((-width / 2, 0, height - 0.04), (width / 2, depth, height), LABEL.table, wood)
    if style.chance(0.5):
        inset = (-width / 2 + 0.07, 0.07, height - 0.12), (width / 2 - 0.07, depth - 0.07, height - 0.04)
        parts.box(*inset, LABEL.table, wood)
    _legs(parts, style, (-width / 2 + 0.04, 0.04, width / 2 - 0.04, depth - 0.04), height - 0.04, LABEL.table, wood)
    if low and style.chance(0.4):
        parts.box((-width / 2 + 0.05, 0.05, 0.12), (width / 2 - 0.05, depth - 0.05, 0.14), LABEL.table, wood)
    return parts


def chair(style: Style) -> Parts:
    """Dining chair, or an office chair on a column."""
    parts, wood = Parts(), style.wood()
    seat, half, back = style.uniform(0.43, 0.48), style.uniform(0.19, 0.24), style.uniform(0.8, 1.02)
    cover = style.fabric() if style.chance(0.5) else wood
    if style.chance(0.3):
        cover = style.paint(style.color((0, 0.6), (0.08, 0.9)))
        parts.box((-half, 0.08, seat - 0.07), (half, 0.5, seat), LABEL.chair, cover)
        parts.box((-half + 0.02, 0.03, seat + 0.08), (half - 0.02, 0.09, back), LABEL.chair, cover, rotation_x(0.12))
        parts.cylinder((0, 0.28, seat / 2), 0.03, seat - 0.1, LABEL.chair, style.metal())
        for angle in range(3):
            turn = rotation_z(angle * math.pi / 3)
            parts.box((-0.28, 0.26, 0.03), (0.28, 0.3, 0.07), LABEL.chair, style.metal(), turn)
        return parts
    parts.box((-half, 0.03, seat - 0.04), (half, 0.44, seat), LABEL.chair, cover)
    _legs(parts, style, (-half + 0.02, 0.05, half - 0.02, 0.42), seat - 0.04, LABEL.chair, wood)
    if style.chance(0.5):
        parts.box((-half, 0.0, seat), (half, 0.03, back), LABEL.chair, cover, rotation_x(0.08))
        return parts
    for x in (-half + 0.02, 0.0, half - 0.02):
        parts.box((x - 0.02, 0.0, seat - 0.02), (x + 0.02, 0.03, back), LABEL.chair, wood)
    parts.box((-half, 0.0, back - 0.12), (half, 0.035, back), LABEL.chair, wood)
    return parts


def cabinet(style: Style, tall: bool | None = None) -> Parts:
    """Sideboard or wardrobe with doors."""
    high = style.chance(0.5) if tall is None else tall
    width, depth = style.uniform(0.7, 1.8), style.uniform(0.35, 0.6)
    height = style.uniform(1.7, 2.2) if high else style.uniform(0.6, 1.2)
    front = style.paneled(style.count(2, max(2, round(width / 0.45))), 1 if high else style.count(1, 2))
    return carcass(style, width, depth, height, LABEL.cabinet, front)


def dresser(style: Style) -> Parts:
    """Chest of drawers."""
    height, width = style.uniform(0.75, 1.2), style.uniform(0.7, 1.4)
    front = style.paneled(style.count(1, 2), style.count(3, 5))
    return carcass(style, width, style.uniform(0.42, 0.52), height, LABEL.dresser, front)


def night_stand(style: Style) -> Parts:
    """Small chest beside a bed."""
    size = style.uniform(0.38, 0.55)
    return carcass(
        style,
        size,
        style.uniform(0.35, 0.42),
        style.uniform(0.45, 0.62),
        LABEL.night_stand,
        style.paneled(1, style.count(1, 3)),
    )


def carcass(style: Style, width: float, depth: float, height: float, label: int, front: Material) -> Parts:
    """A closed body on a set-back plinth, with an overhanging top."""
    parts = Parts()
    plinth = style.uniform(0.05, 0.1)
    parts.box((-width / 2 + 0.02, 0, 0), (width / 2 - 0.02, depth - 0.05, plinth), label, style.wood(0))
    parts.box((-width / 2, 0, plinth), (width / 2, depth, height - 0.03), label, front)
    parts.box((-width / 2 - 0.01, 0, height - 0.03), (width / 2 + 0.01, depth + 0.015, height), label, style.wood(0))
    return parts


def bookshelf(style: Style) -> Parts:
    """Boards between two sides, filled with books and some other things."""
    parts, wood = Parts(), style.wood(0.1)
    width, depth, height = style.uniform(0.7, 1.3), style.uniform(0.26, 0.36), style.uniform(1.3, 2.1)
    half, label = width / 2, LABEL.bookshelf
    parts.box((-half, 0, 0), (half, 0.015, height), label, wood)
    for x in (-half, half - 0.025):
        parts.box((x, 0, 0), (x + 0.025, depth, height), label, wood)
    levels = style.count(4, 6)
    step = (height - 0.1) / levels
    for level in range(levels + 1):
        z = 0.08 + level * step
        parts.box((-half, 0, z - 0.025), (half, depth, z), label, wood)
        if level < levels:
            fill_shelf(parts, style, (-half + 0.03, half - 0.03), depth, z, step - 0.04)
    return parts


def fill_shelf(
    parts: Parts, style: Style, span: tuple[float, float], depth: float, bottom: float, headroom: float
) -> None:
    """Put groups of books, boxes and vases between two places on a board."""
    x = span[0]
    while x < span[1] - 0.08:
        width = min(style.uniform(0.12, 0.4), span[1] - x)
        kind = style.uniform(0, 1)
        y = depth * style.uniform(0.75, 0.95)
        if kind < 0.6:
            height = min(style.uniform(0.17, 0.3), headroom)
            parts.box((x, y - 0.17, bottom), (x + width, y, bottom + height), LABEL.books, style.books())
        elif kind < 0.7:
            parts.box((x, 0.05, bottom), (x + width, y, bottom + headroom * 0.6), LABEL.box, style.paint())
        elif kind < 0.8:
            height = min(0.25, headroom) * style.uniform(0.6, 1.0)
            radius = min(0.08, width / 2, depth / 2 - 0.02)
            parts.cylinder(
                (x + width / 2, depth / 2, bottom + height / 2), radius, height, LABEL.otherprop, style.paint(gloss=0.4)
            )
        x += width + (0.02 if kind < 0.8 else 0.1)


def shelves(style: Style) -> Parts:
    """Boards on the wall, at eye level; the frame's z = 0 is the floor."""
    parts, wood = Parts(), style.wood()
    half, depth = style.uniform(0.35, 0.8), style.uniform(0.18, 0.28)
    bottom = style.uniform(1.2, 1.5)
    for level in range(style.count(1, 3)):
        z = bottom + 0.32 * level
        parts.box((-half, 0, z), (half, depth, z + 0.025), LABEL.shelves, wood)
        fill_shelf(parts, style, (-half + 0.02, half - 0.02), depth, z + 0.025, 0.26)
    return parts


def desk(style: Style) -> Parts:
    """Desk with a block of drawers; what stands on it is added by the layout."""
    parts, wood = Parts(), style.wood()
    half, depth, height = style.uniform(0.55, 0.85), style.uniform(0.6, 0.8), style.uniform(0.7, 0.77)
    parts.box((-half, 0, height - 0.03), (half, depth, height), LABEL.desk, wood)
    parts.box((-half, 0, 0.3), (half, 0.02, height - 0.03), LABEL.desk, wood)
    parts.box((-half, 0.02, 0), (-half + 0.03, depth - 0.02, height - 0.03), LABEL.desk, wood)
    if style.chance(0.6):
        drawers = style.paneled(1, style.count(2, 4), painted=0.15)
        parts.box((half - 0.42, 0.02, 0.05), (half, depth - 0.03, height - 0.03), LABEL.desk, drawers)
    else:
        parts.box((half - 0.03, 0.02, 0), (half, depth - 0.02, height - 0.03), LABEL.desk, wood)
    return parts


def piano(style: Style) -> Parts:
    """Upright piano."""
    parts, black = Parts(), style.paint(style.pick(((0.05, 0.05, 0.05), DARK_BROWN)), 0.6)
    keys = Material(Pattern.STRIPES, (0.9, 0.9, 0.87), (0.05, 0.05, 0.05), 0.04)
    label = LABEL.otherfurniture
    parts.box((-0.72, 0, 0), (0.72, 0.35, 1.2), label, black)
    parts.box((-0.72, 0.35, 0.6), (0.72, 0.6, 0.7), label, black)
    parts.box((-0.66, 0.36, 0.7), (0.66, 0.56, 0.72), label, keys)
    for x in (-0.7, 0.64):
        parts.box((x, 0.5, 0), (x + 0.06, 0.58, 0.6), label, black)
    return parts


def _legs(
    parts: Parts,
    style: Style,
    plan: tuple[float, float, float, float],
    height: float,
    label: int,
    material: Material,
) -> None:
    """Four legs at the corners of a plan rectangle, all square or all round."""
    square, radius = style.chance(0.6), style.uniform(0.017, 0.035)
    for x in (plan[0], plan[2]):
        for y in (plan[1], plan[3]):
            if square:
                parts.box((x - radius, y - radius, 0), (x + radius, y + radius, height), label, material)
            else:
                parts.cylinder((x, y, height / 2), radius, height, label, material)
