"""Kitchen, bathroom and wall fittings: each function builds one in its own frame (see Parts)."""

from __future__ import annotations

import math

from cinet_core.rooms.raycast.furniture import carcass
from cinet_core.rooms.raycast.primitives import Material, Parts, Pattern, rotation_x
from cinet_core.rooms.raycast.style import Style
from cinet_core.rooms.vocabulary import LABEL, OFF_WHITE


def kitchen_unit(style: Style) -> Parts:
    """Base cabinets under a counter with a sink, cabinets and tiles above it."""
    parts = Parts()
    half, depth, height = style.uniform(0.9, 1.6), 0.6, style.uniform(0.86, 0.94)
    columns = max(2, round(half * 2 / style.uniform(0.45, 0.6)))
    front = style.paneled(columns, style.count(1, 2), painted=0.6)
    dark = style.paint((0.08, 0.08, 0.08))
    parts.box((-half, 0, 0), (half, depth - 0.06, 0.09), LABEL.cabinet, dark)
    parts.box((-half, 0, 0.09), (half, depth - 0.02, height - 0.04), LABEL.cabinet, front)
    parts.box((-half, 0, height - 0.04), (half, depth + 0.01, height), LABEL.counter, style.stone())
    x = style.uniform(-half + 0.35, half - 0.9)
    parts.box((x - 0.26, 0.12, height), (x + 0.26, 0.5, height + 0.006), LABEL.sink, style.paint((0.7, 0.7, 0.7), 0.6))
    parts.box(
        (x - 0.22, 0.15, height + 0.006),
        (x + 0.22, 0.46, height + 0.008),
        LABEL.sink,
        style.paint((0.3, 0.3, 0.32), 0.5),
    )
    parts.cylinder((x, 0.08, height + 0.12), 0.014, 0.24, LABEL.sink, style.paint((0.7, 0.7, 0.7), 0.7))
    parts.cylinder(
        (x, 0.15, height + 0.235), 0.012, 0.16, LABEL.sink, style.paint((0.7, 0.7, 0.7), 0.7), rotation_x(math.pi / 2)
    )
    stove = x + 0.6
    parts.box(
        (stove - 0.28, 0.06, height),
        (stove + 0.28, 0.54, height + 0.008),
        LABEL.otherprop,
        style.paint((0.05,) * 3, 0.7),
    )
    parts.box((stove - 0.28, depth - 0.02, 0.12), (stove + 0.28, depth, height - 0.06), LABEL.otherprop, style.metal())
    for _ in range(style.count(0, 4)):
        place, tall = style.uniform(-half + 0.1, half - 0.1), style.uniform(0.1, 0.3)
        parts.cylinder(
            (place, 0.1, height + tall / 2), style.uniform(0.03, 0.07), tall, LABEL.otherprop, style.paint(gloss=0.5)
        )
    if style.chance(0.75):
        bottom = height + style.uniform(0.48, 0.6)
        parts.box((-half, 0, bottom), (half, 0.34, bottom + style.uniform(0.5, 0.75)), LABEL.cabinet, front)
    return parts


def refridgerator(style: Style) -> Parts:
    """With a freezer compartment."""
    shell = style.white() if style.chance(0.6) else style.paint(style.color((0, 0.5), (0.2, 0.7)), 0.6)
    front = Material(Pattern.PANELS, shell.color, (0.5, 0.5, 0.5), 0.05, 0.5, variant=(1, 2))
    return carcass(style, style.uniform(0.55, 0.85), 0.62, style.uniform(1.5, 1.85), LABEL.refridgerator, front)


def toilet(style: Style) -> Parts:
    """Bowl and cistern."""
    parts, white = Parts(), style.white()
    parts.box((-0.2, 0, 0.38), (0.2, 0.18, 0.76), LABEL.toilet, white)
    parts.ellipsoid((0, 0.4, 0.22), (0.16, 0.26, 0.2), LABEL.toilet, white)
    parts.cylinder((0, 0.34, 0.12), 0.13, 0.24, LABEL.toilet, white)
    parts.ellipsoid((0, 0.42, 0.4), (0.19, 0.26, 0.035), LABEL.toilet, white)
    return parts


def washbasin(style: Style) -> Parts:
    """Basin on a column with a mirror above, and sometimes a towel beside it."""
    parts, white = Parts(), style.white()
    parts.box((-0.28, 0, 0.72), (0.28, 0.42, 0.86), LABEL.sink, white)
    parts.ellipsoid((0, 0.24, 0.86), (0.2, 0.14, 0.01), LABEL.sink, style.paint((0.6, 0.6, 0.6), 0.5))
    parts.cylinder((0, 0.2, 0.36), 0.09, 0.72, LABEL.sink, white)
    parts.cylinder((0, 0.06, 0.95), 0.018, 0.18, LABEL.sink, style.metal())
    parts.box((-0.3, 0, 1.1), (0.3, 0.02, 1.1 + style.uniform(0.5, 0.8)), LABEL.mirror, mirror_glass())
    if style.chance(0.6):
        parts.box((0.42, 0.02, 0.9), (0.72, 0.06, 1.45), LABEL.towel, style.fabric())
    return parts


def mirror_glass() -> Material:
    """Reflects the room."""
    return Material(Pattern.MIRROR, (0.88, 0.9, 0.9), (0.3, 0.3, 0.3))


def bathtub(style: Style) -> Parts:
    """Tub along the wall, with or without a curtain."""
    parts, white = Parts(), style.white()
    half, depth, height = style.uniform(0.75, 0.85), 0.72, style.uniform(0.5, 0.58)
    rim = 0.08
    parts.box((-half, 0, 0), (half, depth, 0.18), LABEL.bathtub, white)
    for low, high in (((-half, 0), (half, rim)), ((-half, depth - rim), (half, depth))):
        parts.box((*low, 0.18), (*high, height), LABEL.bathtub, white)
    for left in (-half, half - rim):
        parts.box((left, rim, 0.18), (left + rim, depth - rim, height), LABEL.bathtub, white)
    if style.chance(0.6):
        cloth = Material(
            Pattern.FOLDS, style.color((0, 0.5), (0.6, 0.95)), style.color(), 0.12, variant=style.variant()
        )
        width = style.uniform(0.4, 1.4)
        parts.box((half - width, depth - 0.05, height + 0.02), (half, depth - 0.01, 2.0), LABEL.shower_curtain, cloth)
        parts.box((-half, depth - 0.04, 2.0), (half, depth - 0.02, 2.02), LABEL.otherprop, style.metal())
    return parts


def picture(style: Style) -> Parts:
    """Framed picture; z = 0 is its lower edge."""
    parts, half, height = Parts(), style.uniform(0.15, 0.5), style.uniform(0.3, 0.8)
    parts.box((-half, 0, 0), (half, 0.025, height), LABEL.picture, style.art())
    return parts


def whiteboard(style: Style) -> Parts:
    """Board with writing; z = 0 is its lower edge."""
    parts, half = Parts(), style.uniform(0.6, 1.1)
    face = Material(
        Pattern.WRITING, (0.93, 0.94, 0.95), style.color((0.5, 0.9), (0.2, 0.7)), 0.09, 0.3, variant=style.variant()
    )
    parts.box((-half, 0, 0), (half, 0.02, style.uniform(0.8, 1.2)), LABEL.whiteboard, face)
    parts.box((-half, 0.02, 0), (half, 0.08, 0.02), LABEL.whiteboard, style.metal())
    return parts


def wall_mirror(style: Style) -> Parts:
    """Framed mirror; z = 0 is its lower edge."""
    parts, half, height = Parts(), style.uniform(0.25, 0.5), style.uniform(0.6, 1.2)
    parts.box((-half - 0.04, 0, -0.04), (half + 0.04, 0.02, height + 0.04), LABEL.mirror, style.wood())
    parts.box((-half, 0.0, 0), (half, 0.024, height), LABEL.mirror, mirror_glass())
    return parts


def coats(style: Style) -> Parts:
    """Clothes on hooks; z = 0 is the floor."""
    parts = Parts()
    parts.box((-0.4, 0, 1.6), (0.4, 0.03, 1.68), LABEL.otherstructure, style.wood())
    for x in (-0.27, 0.0, 0.27):
        if style.chance(0.75):
            length = style.uniform(0.35, 0.6)
            center = (x, 0.12, 1.6 - length * 0.85)
            cloth = Material(Pattern.FOLDS, style.color((0.1, 0.6), (0.1, 0.7)), period=0.09, variant=style.variant())
            parts.ellipsoid(center, (0.15, 0.08, length), LABEL.clothes, cloth)
            parts.ellipsoid((x, 0.12, 1.56), (0.2, 0.07, 0.1), LABEL.clothes, cloth)  # shoulders
    return parts


def radiator(style: Style) -> Parts:
    """Under a window."""
    parts, half = Parts(), style.uniform(0.35, 0.7)
    ribs = Material(Pattern.STRIPES, OFF_WHITE, (0.6, 0.6, 0.58), 0.06, 0.2)
    parts.box((-half, 0.03, 0.12), (half, 0.12, style.uniform(0.55, 0.7)), LABEL.otherstructure, ribs)
    return parts


def fireplace(style: Style) -> Parts:
    """Chimney breast with an open hearth and a mantelpiece."""
    parts, stone = Parts(), style.stone()
    brick = Material(Pattern.BRICK, (0.55, 0.28, 0.2), (0.7, 0.67, 0.62), 0.07, variant=style.variant())
    label = LABEL.otherstructure
    for low, high in (
        ((-0.7, 0.0, 0.0), (-0.4, 0.4, 0.8)),
        ((0.4, 0.0, 0.0), (0.7, 0.4, 0.8)),
        ((-0.7, 0.0, 0.8), (0.7, 0.4, 1.15)),
    ):
        parts.box(low, high, label, brick)
    parts.box((-0.4, 0, 0), (0.4, 0.05, 0.8), label, style.paint((0.05, 0.045, 0.04), 0.0))
    parts.box((-0.8, 0, 1.15), (0.8, 0.48, 1.21), label, stone)
    return parts


def pendant(style: Style, drop: float, lit: bool) -> Parts:
    """Ceiling lamp; z = 0 is the ceiling."""
    parts = Parts()
    color = (1.0, style.uniform(0.88, 0.98), style.uniform(0.7, 0.95))
    glass = Material(Pattern.PLAIN, color, color, glow=style.uniform(1.2, 2.5) if lit else 0.05)
    if style.chance(0.35):
        half = style.uniform(0.2, 0.45)
        parts.box((-half, -half / 2, -0.06), (half, half / 2, 0.0), LABEL.lamp, glass, casts_shadow=False)
        return parts
    parts.cylinder((0, 0, -drop / 2), 0.01, drop, LABEL.lamp, style.metal(), casts_shadow=False)
    radius = style.uniform(0.1, 0.22)
    if style.chance(0.5):
        parts.ellipsoid((0, 0, -drop), (radius, radius, radius * 0.8), LABEL.lamp, glass, casts_shadow=False)
    else:
        parts.cylinder((0, 0, -drop), radius, radius, LABEL.lamp, glass, casts_shadow=False)
    return parts
