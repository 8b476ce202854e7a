"""Furniture to sit, eat and look at: each function builds one group with its back to the wall."""

from __future__ import annotations

import math

from cinet_core.rooms.pathtraced.chairs import BUILT, Chairs
from cinet_core.rooms.pathtraced.clutter import pillow, strew
from cinet_core.rooms.pathtraced.detail import detailed
from cinet_core.rooms.pathtraced.furniture import inset, lamp
from cinet_core.rooms.pathtraced.group import Group, Stand
from cinet_core.rooms.pathtraced.looks import Looks
from cinet_core.rooms.raycast import fittings, furniture, objects
from cinet_core.rooms.raycast.primitives import rotation_x, rotation_z
from cinet_core.rooms.vocabulary import LABEL


def sofa(looks: Looks) -> Group:
    """Sofa with cushions, coffee table, rug, an armchair across."""
    style, group = looks.style, looks.group("sofa" if looks.style.chance(0.85) else "corner sofa")
    width, depth, _ = group.stands[0].size
    cover = looks.fabric()
    for _ in range(style.count(0, 4)):
        tilt = rotation_z(style.uniform(-0.5, 0.5)) @ rotation_x(style.uniform(0.9, 1.25))
        center = (style.uniform(-width / 2 + 0.3, width / 2 - 0.3), min(0.38, depth * 0.42), 0.6)
        chosen = cover if style.chance(0.6) else looks.fabric()
        group.add_item("cushion", center, (0.22, 0.21, 0.075), LABEL.pillow, chosen, tilt)
    front = depth + style.uniform(0.3, 0.5)
    if style.chance(0.8):
        table = coffee_table(looks)
        low, high = table.bounds()
        group.add(table, (style.uniform(-0.2, 0.2), front, 0), style.uniform(-0.1, 0.1))
        front += high[1] - low[1]
    if style.chance(0.6):
        half = width / 2 + style.uniform(-0.3, 0.3)
        group.box((-half, depth * 0.6, 0), (half, front + 0.3, 0.012), LABEL.floor_mat, looks.rug())
    if style.chance(0.45):
        chair = looks.stand("armchair")
        side = style.pick((-1, 1))
        chair.position[:] = (side * (width / 2 + chair.size[1] / 2), depth + 0.5, 0)
        group.stands.append(Stand(chair.model, chair.label, chair.size, chair.position, side * 1.3, chair.tint))
    return group


def coffee_table(looks: Looks) -> Group:
    """With things on it."""
    if looks.style.chance(0.6):
        group = looks.group("coffee table")
    else:
        group = detailed(furniture.table(looks.style, low=True), looks)
    low, high = group.bounds()
    strew(group, looks, inset(low), inset(high), high[2], "living", looks.style.count(1, 8), 0.5)
    return group


def dining(looks: Looks) -> Group:
    """Table, chairs, and what was left on the table."""
    style = looks.style
    group = looks.group("dining table") if style.chance(0.5) else detailed(furniture.table(style), looks)
    low, high = group.bounds()
    theme = style.pick(("meal", "meal", "desk", "living"))
    strew(group, looks, inset(low), inset(high), high[2], theme, style.count(2, 14), 0.4)
    low_enough = high[2] < 0.85
    built = low_enough and style.chance(BUILT)
    chairs = Chairs(looks, None if built else looks.pick("chair" if low_enough else "stool"))
    seats = max(1, round((high[0] - low[0]) / 0.75))
    for y, yaw in ((low[1], 0.0), (high[1], math.pi)):
        for seat in range(seats):
            x = low[0] + (high[0] - low[0]) * (seat + 0.5) / seats
            if style.chance(0.85):
                chairs.put(group, (x, y), yaw)
    for x, yaw in ((low[0], -math.pi / 2), (high[0], math.pi / 2)):
        if style.chance(0.35):
            chairs.put(group, (x, (low[1] + high[1]) / 2), yaw)
    return group


def chest(looks: Looks) -> Group:
    """Dresser, sideboard or low cabinet with things on it, sometimes a mirror or picture above."""
    style = looks.style
    choice = style.uniform(0, 1)
    if choice < 0.45:
        group = looks.group("dresser")
    elif choice < 0.75:
        group = detailed(furniture.dresser(style), looks)
    else:
        group = detailed(furniture.cabinet(style, tall=False), looks)
    low, high = group.bounds()
    strew(group, looks, inset(low), inset(high), high[2], "living", style.count(1, 10), 0.7)
    if style.chance(0.4) and high[2] < 1.2:
        lamp(group, looks, (high[0] - 0.2, 0.2, high[2]), style.chance(0.4))
    return group


def television(looks: Looks) -> Group:
    """Low cabinet with a television and what belongs to it."""
    style = looks.style
    if style.chance(0.5):
        group = looks.group("television unit")
    else:
        front = style.paneled(style.count(2, 4), style.count(1, 2))
        low_board = furniture.carcass(
            style, style.uniform(1.0, 1.8), 0.42, style.uniform(0.4, 0.6), LABEL.cabinet, front
        )
        group = detailed(low_board, looks)
    low, high = group.bounds()
    width = min(style.uniform(0.7, 1.3), (high[0] - low[0]) * 0.95)
    group.add(detailed(objects.screen(style, width), looks), (0, 0.2, high[2]))
    strew(group, looks, (low[0] + 0.03, 0.24), (high[0] - 0.03, high[1]), high[2], "living", style.count(0, 4), 0.3)
    return group


def mirror(looks: Looks) -> Group:
    """In a frame; z = 0 is its lower edge."""
    return detailed(fittings.wall_mirror(looks.style), looks)


def picture(looks: Looks) -> Group:
    """One picture, or several together; z = 0 is the lower edge."""
    style, group, x = looks.style, Group(), 0.0
    for _ in range(style.pick((1, 1, 1, 2, 3))):
        frame = detailed(fittings.picture(style), looks)
        low, high = frame.bounds()
        group.add(frame, (x - low[0], 0, style.uniform(-0.08, 0.08)))
        x += high[0] - low[0] + style.uniform(0.05, 0.15)
    return group


def floor_things(looks: Looks) -> Group:
    """What lies about."""
    group = Group()
    strew(group, looks, (-0.35, 0.0), (0.35, 0.6), 0.0, "floor", looks.style.count(1, 3), 1.5)
    if not group.items and not group.stands:
        group.add(pillow(looks), (0, 0.3, 0))
    return group
