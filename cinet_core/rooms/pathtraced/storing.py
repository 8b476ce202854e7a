"""Furniture to sleep, work and store in: each function builds one group with its back to the wall."""

from __future__ import annotations

import math
from itertools import pairwise

from cinet_core.rooms.pathtraced.chairs import Chairs
from cinet_core.rooms.pathtraced.clutter import strew
from cinet_core.rooms.pathtraced.detail import detailed
from cinet_core.rooms.pathtraced.furniture import lamp
from cinet_core.rooms.pathtraced.group import Group
from cinet_core.rooms.pathtraced.looks import Looks
from cinet_core.rooms.pathtraced.supports import board_heights
from cinet_core.rooms.raycast import furniture, objects
from cinet_core.rooms.raycast.primitives import rotation_x, rotation_y, rotation_z
from cinet_core.rooms.vocabulary import LABEL, OFF_WHITE, PILLOW


def bed(looks: Looks) -> Group:
    """Bed with pillows, blanket, night stands, lamps, a rug."""
    style, group = looks.style, looks.group("bed" if looks.style.chance(0.93) else "bunk bed")
    stand = group.stands[0]
    width, length, height = stand.size
    top = min(height, (stand.model.top or 0.5) * height / stand.model.size[2])
    if stand.model.top and 0.2 < top < 0.75 and style.chance(0.8):
        _bedding(group, looks, width, length, top)
    for side in (-1, 1):
        if style.chance(0.7):
            group.add(_night_stand(looks), (side * (width / 2 + 0.32), 0.02, 0))
    if style.chance(0.4):
        half, y = width / 2 + style.uniform(0.2, 0.7), style.uniform(0.5, 1.2)
        group.box((-half, y, 0), (half, min(length + 0.5, y + 1.8), 0.012), LABEL.floor_mat, looks.rug())
    return group


def _bedding(group: Group, looks: Looks, width: float, length: float, top: float) -> None:
    style, cover = looks.style, looks.fabric()
    for x in (0.0,) if width < 1.2 else (-width / 4, width / 4):
        tilt = rotation_x(style.uniform(0.15, 0.9)) @ rotation_z(style.uniform(-0.15, 0.15))
        size = (min(0.36, width * 0.38), 0.24, 0.09)
        group.add_item("cushion", (x, 0.38, top + 0.13), size, LABEL.pillow, cover, tilt)
        if style.chance(0.35):
            tilt = rotation_x(style.uniform(0.6, 1.1))
            group.add_item("cushion", (x, 0.58, top + 0.15), PILLOW, LABEL.pillow, looks.fabric(), tilt)
    if style.chance(0.75):
        fold, thick = style.uniform(0.7, 1.2), style.uniform(0.03, 0.07)
        low, high = (-width / 2 - 0.02, fold, top - 0.12), (width / 2 + 0.02, length + 0.02, top + thick)
        group.box(low, high, LABEL.bed, looks.fabric(), size=0.03)
    if style.chance(0.5):
        strew(group, looks, (-width / 2 + 0.1, 0.9), (width / 2 - 0.1, length - 0.2), top + 0.06, "floor", 2, 0.4)


def _night_stand(looks: Looks) -> Group:
    style = looks.style
    group = looks.group("night stand") if style.chance(0.5) else detailed(furniture.night_stand(style), looks)
    high = group.bounds()[1]
    if style.chance(0.7):
        lamp(group, looks, (0.0, 0.18, high[2]), style.chance(0.45))
    strew(group, looks, (-0.16, 0.05), (0.16, 0.34), high[2], "living", style.count(0, 2), 0.3)
    return group


def wardrobe(looks: Looks) -> Group:
    """Tall cabinet."""
    if looks.style.chance(0.5):
        return looks.group("wardrobe")
    return detailed(furniture.cabinet(looks.style, tall=True), looks)


def desk(looks: Looks) -> Group:
    """Desk with monitor, lamp, papers, a chair; sometimes a board above it."""
    style = looks.style
    group = looks.group("desk") if style.chance(0.6) else detailed(furniture.desk(style), looks)
    low, high = group.bounds()
    top = high[2]
    if group.stands and group.stands[0].model.top is not None:
        top = group.stands[0].model.top * group.stands[0].size[2] / group.stands[0].model.size[2]
    screens = style.pick((0, 1, 1, 1, 2))
    span = (low[0] + 0.1, high[0] - 0.1)
    for number in range(screens):
        x = span[0] + (span[1] - span[0]) * (number + style.uniform(0.4, 0.6)) / screens
        monitor = detailed(objects.screen(style, style.uniform(0.42, 0.6)), looks)
        group.add(monitor, (x, 0.2, top), style.uniform(-0.25, 0.25))
        keys = looks.paint((0.06, 0.06, 0.06) if style.chance(0.7) else (0.85, 0.85, 0.85), 0.6)
        group.box((x - 0.2, 0.36, top), (x + 0.2, 0.5, top + 0.018), LABEL.otherprop, keys)
    if style.chance(0.5):
        lamp(group, looks, (style.pick((low[0] + 0.15, high[0] - 0.15)), 0.2, top), style.chance(0.35), "desk lamp")
    front = 0.52 if screens else 0.05
    if high[1] - front > 0.15:
        strew(
            group, looks, (low[0] + 0.05, front), (high[0] - 0.05, high[1] - 0.03), top, "desk", style.count(2, 6), 0.35
        )
    strew(
        group,
        looks,
        (low[0] + 0.05, 0.05),
        (high[0] - 0.05, 0.33),
        top,
        "desk",
        style.count(0, 4) if not screens else 1,
    )
    if style.chance(0.9):
        chairs = Chairs(looks, None if style.chance(0.25) else looks.pick(style.pick(("office chair", "chair"))))
        chairs.put(group, (style.uniform(-0.2, 0.2), high[1]), math.pi)
    if style.chance(0.35):
        group.add(board(looks), (0, 0, style.uniform(1.15, 1.3)))
    if style.chance(0.4):
        strew(group, looks, (low[0] + 0.1, 0.05), (high[0] - 0.1, high[1] * 0.6), 0.0, "floor", 1, 0.5)
    return group


def board(looks: Looks) -> Group:
    """Pin board, whiteboard, or sheets stuck to the wall; z = 0 is its lower edge."""
    style, group = looks.style, Group()
    half, height = style.uniform(0.3, 0.8), style.uniform(0.4, 0.8)
    kind = style.uniform(0, 1)
    if kind < 0.3:
        group.box((-half, 0, 0), (half, 0.02, height), LABEL.whiteboard, looks.print("page", 0.2))
    elif kind < 0.6:
        group.box((-half, 0, 0), (half, 0.015, height), LABEL.otherprop, looks.paint((0.62, 0.45, 0.28), 0.95))
    for _ in range(style.count(2, 9) if kind >= 0.3 else 0):
        tall = style.uniform(0.05, 0.15)
        x, z = style.uniform(-half + 0.1, half - 0.1), style.uniform(0.1, height - 0.1)
        turn = rotation_y(style.uniform(-0.2, 0.2)) if style.chance(0.4) else None
        finish = looks.print(style.pick(("page", "leaflet", "picture")), 0.6)
        group.add_item("box", (x, 0.018, z), (tall * 0.7, 0.001, tall), LABEL.paper, finish, turn, size=0.0004)
    return group


def bookcase(looks: Looks) -> Group:
    """Boards with books and other things: built, or a model whose boards are filled as far as they are known."""
    style = looks.style
    if style.chance(0.45):
        return _filled(looks, style.pick(("bookcase", "bookcase", "shelves")))
    group, wood = Group(), looks.wood if style.chance(0.6) else looks.paint(OFF_WHITE, 0.4)
    half, depth, height = style.uniform(0.35, 0.75), style.uniform(0.25, 0.38), style.uniform(0.9, 2.2)
    label = LABEL.bookshelf
    group.box((-half, 0, 0), (half, 0.012, height), label, wood)
    for x in (-half, half - 0.022):
        group.box((x, 0, 0), (x + 0.022, depth, height), label, wood)
    levels = max(2, round(height / style.uniform(0.3, 0.42)))
    for level in range(levels + 1):
        z = 0.07 + level * (height - 0.09) / levels
        group.box((-half, 0, z - 0.02), (half, depth, z), label, wood)
        if level < levels:
            room, count = (height - 0.09) / levels - 0.03, style.count(2, 12)
            strew(group, looks, (-half + 0.03, 0.02), (half - 0.03, depth), z, "shelf", count, room)
    strew(
        group, looks, (-half + 0.05, 0.03), (half - 0.05, depth - 0.02), height - 0.02, "living", style.count(0, 3), 0.4
    )
    return group


def _filled(looks: Looks, role: str) -> Group:
    """A model whose boards have things on them; one that is sold full stays as it is."""
    style, group = looks.style, looks.group(role)
    stand = group.stands[0]
    if "ull" in stand.model.name:
        return group
    scale = float(stand.size[2] / stand.model.size[2])
    boards = [board * scale for board in board_heights(stand.model)]
    half, depth = float(stand.size[0]) / 2, float(stand.size[1])
    for board, above in pairwise([*boards, float(stand.size[2]) + 0.45]):
        room = above - board - 0.04
        if room > 0.1:
            count = int(half * style.uniform(2, 16))
            strew(group, looks, (-half + 0.05, 0.03), (half - 0.05, depth), board + 0.002, "shelf", count, room)
    return group


def wall_shelf(looks: Looks) -> Group:
    """Boards on the wall; z = 0 is the lowest."""
    group, style = Group(), looks.style
    half, depth = style.uniform(0.3, 0.8), style.uniform(0.16, 0.28)
    for level in range(style.count(1, 3)):
        z = 0.34 * level
        group.box((-half, 0, z), (half, depth, z + 0.022), LABEL.shelves, looks.wood)
        strew(group, looks, (-half + 0.02, 0.01), (half - 0.02, depth), z + 0.022, "shelf", style.count(3, 12), 0.3)
    return group
