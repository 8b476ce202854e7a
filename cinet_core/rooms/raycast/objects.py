"""Small things and fittings: each function builds one in its own frame (see Parts)."""

from __future__ import annotations

import math

from cinet_core.rooms.raycast.primitives import Material, Parts, Pattern, rotation_x, rotation_y, rotation_z
from cinet_core.rooms.raycast.style import Style
from cinet_core.rooms.vocabulary import LABEL, NEAR_BLACK

CARDBOARD = Material(Pattern.PLAIN, (0.66, 0.50, 0.33), (0.66, 0.50, 0.33), 0.2)


def table_lamp(style: Style, lit: bool) -> Parts:
    """Foot, stem and shade; z = 0 is what it stands on."""
    parts, metal = Parts(), style.metal()
    height, radius = style.uniform(0.35, 0.55), style.uniform(0.1, 0.16)
    parts.cylinder((0, 0, 0.01), 0.08, 0.02, LABEL.lamp, metal)
    parts.cylinder((0, 0, height / 2), 0.015, height, LABEL.lamp, metal)
    if style.chance(0.5):
        parts.ellipsoid((0, 0, 0.1), (0.07, 0.07, 0.1), LABEL.lamp, style.paint(gloss=0.4))
    parts.cylinder((0, 0, height), radius, radius * 1.4, LABEL.lamp, shade(style, lit), casts_shadow=not lit)
    return parts


def floor_lamp(style: Style) -> Parts:
    """Standard lamp, lit or not."""
    parts, metal, lit = Parts(), style.metal(), style.chance(0.4)
    height, radius = style.uniform(1.4, 1.7), style.uniform(0.15, 0.22)
    parts.cylinder((0, 0.2, 0.015), 0.14, 0.03, LABEL.lamp, metal)
    parts.cylinder((0, 0.2, height / 2), 0.014, height, LABEL.lamp, metal)
    parts.cylinder((0, 0.2, height), radius, radius * 1.4, LABEL.lamp, shade(style, lit), casts_shadow=not lit)
    return parts


def shade(style: Style, lit: bool) -> Material:
    """Of a lamp."""
    color = (style.uniform(0.85, 1.0), style.uniform(0.78, 0.92), style.uniform(0.6, 0.85))
    return Material(Pattern.FABRIC, color, color, 0.01, glow=style.uniform(0.9, 1.8) if lit else 0.05)


def screen(style: Style, width: float) -> Parts:
    """Television or monitor on its stand."""
    parts, height = Parts(), width * 0.6
    dark = style.paint((0.04, 0.04, 0.045), 0.5)
    face = Material(
        Pattern.SCREEN,
        (0.03, 0.035, 0.045),
        style.color(),
        0.3,
        0.7,
        glow=style.uniform(0.5, 1.3) if style.chance(0.4) else 0.0,
        variant=style.variant(),
    )
    parts.box((-width * 0.2, -0.08, 0), (width * 0.2, 0.08, 0.015), LABEL.television, dark)
    parts.box((-0.03, -0.03, 0), (0.03, 0.0, 0.1), LABEL.television, dark)
    parts.box((-width / 2, -0.02, 0.05), (width / 2, 0.02, 0.05 + height), LABEL.television, face)
    return parts


def desk_things(style: Style, half: float, depth: float) -> Parts:
    """Monitor, keyboard, papers, books and a cup for a table top of this half width and depth."""
    parts = Parts()
    if style.chance(0.75):
        parts.add(screen(style, style.uniform(0.42, 0.62)), (style.uniform(-0.5, 0.3) * half, 0.18, 0))
        parts.box((-0.22, 0.38, 0), (0.2, 0.52, 0.02), LABEL.otherprop, style.paint(NEAR_BLACK))
    for _ in range(style.count(0, 3)):
        x, y, turn = style.uniform(-half + 0.15, half - 0.15), depth * style.uniform(0.45, 0.7), style.uniform(-1, 1)
        sheet = Material(Pattern.WRITING, (0.92, 0.92, 0.9), (0.25, 0.25, 0.3), 0.012, variant=style.variant())
        parts.box((x - 0.1, y - 0.14, 0), (x + 0.1, y + 0.14, 0.004), LABEL.paper, sheet, rotation_z(turn))
    if style.chance(0.6):
        stack(parts, style, style.uniform(-half + 0.2, half - 0.2), depth * 0.35)
    if style.chance(0.6):
        center = (style.uniform(-half + 0.1, half - 0.1), depth * 0.6, 0.05)
        parts.cylinder(center, 0.04, 0.1, LABEL.otherprop, style.paint(gloss=0.5))
    return parts


def table_things(style: Style, half: float, depth: float) -> Parts:
    """Plates, cups, a vase or a bowl of fruit around the middle of a table top."""
    parts, middle = Parts(), depth / 2
    if style.chance(0.5):
        height = style.uniform(0.12, 0.3)
        parts.cylinder((0, middle, height / 2), 0.05, height, LABEL.otherprop, style.paint(gloss=0.5))
        if style.chance(0.6):
            parts.ellipsoid((0, middle, height + 0.1), (0.13, 0.13, 0.14), LABEL.otherprop, foliage(style))
    for _ in range(style.count(0, 4)):
        x, y = style.uniform(-half, half) * 0.75, middle + style.uniform(-0.3, 0.3) * depth
        if style.chance(0.5):
            parts.cylinder((x, y, 0.008), 0.12, 0.016, LABEL.otherprop, style.white())
        else:
            parts.cylinder((x, y, 0.06), 0.036, 0.12, LABEL.otherprop, style.paint(gloss=0.5))
    if style.chance(0.3):
        stack(parts, style, style.uniform(-half, half) * 0.5, middle)
    return parts


def stack(parts: Parts, style: Style, x: float, y: float) -> None:
    """Add some lying books."""
    z = 0.0
    for _ in range(style.count(1, 4)):
        thickness, cover = style.uniform(0.015, 0.045), style.paint(gloss=0.15)
        low, high = (x - 0.08, y - 0.11, z), (x + 0.08, y + 0.11, z + thickness)
        parts.box(low, high, LABEL.books, cover, rotation_z(style.uniform(-0.5, 0.5)))
        z += thickness


def foliage(style: Style) -> Material:
    """Of plants."""
    green = (style.uniform(0.1, 0.3), style.uniform(0.3, 0.5), style.uniform(0.08, 0.2))
    return Material(Pattern.CARPET, green, (0.05, 0.15, 0.05), 0.05, variant=style.variant())


def plant(style: Style) -> Parts:
    """Pot with a bush."""
    parts, size = Parts(), style.uniform(0.6, 1.0)
    parts.cylinder((0, 0.25, 0.15 * size), 0.16 * size, 0.3 * size, LABEL.otherprop, style.paint(gloss=0.2))
    green = foliage(style)
    parts.cylinder((0, 0.25, 0.45 * size), 0.015, 0.5 * size, LABEL.otherprop, style.wood())
    for number in range(style.count(3, 6)):
        angle, reach = number * 2.4, style.uniform(0.02, 0.16) * size
        center = (reach * math.cos(angle), 0.25 + reach * math.sin(angle), style.uniform(0.5, 1.15) * size)
        half = (style.uniform(0.08, 0.2) * size, style.uniform(0.05, 0.15) * size, style.uniform(0.1, 0.25) * size)
        turn = rotation_z(angle) @ rotation_y(style.uniform(-0.6, 0.6))
        parts.ellipsoid(center, half, LABEL.otherprop, green, turn)
    return parts


def carton(style: Style) -> Parts:
    """One box, or two on each other."""
    parts, z = Parts(), 0.0
    for _ in range(style.count(1, 2)):
        half, height = style.uniform(0.15, 0.3), style.uniform(0.2, 0.4)
        material = CARDBOARD if style.chance(0.65) else style.paint()
        turn = rotation_z(style.uniform(-0.3, 0.3))
        parts.box((-half, 0.3 - half * 0.7, z), (half, 0.3 + half * 0.7, z + height), LABEL.box, material, turn)
        parts.box(
            (-half - 0.001, 0.27, z + height - 0.001),
            (half + 0.001, 0.33, z + height + 0.001),
            LABEL.box,
            style.paint((0.6, 0.5, 0.38)),
            turn,
        )
        z += height
    return parts


def bag(style: Style) -> Parts:
    """Backpack or handbag."""
    parts, cover = Parts(), style.fabric()
    height = style.uniform(0.28, 0.45)
    parts.ellipsoid((0, 0.18, height * 0.55), (0.18, 0.12, height * 0.55), LABEL.bag, cover)
    parts.box((-0.15, 0.1, 0), (0.15, 0.26, height * 0.7), LABEL.bag, cover)
    parts.ellipsoid((0, 0.27, height * 0.3), (0.11, 0.05, height * 0.22), LABEL.bag, style.fabric())
    for x in (-0.08, 0.05):
        parts.box((x, 0.16, height * 0.8), (x + 0.03, 0.19, height * 1.15), LABEL.bag, style.paint())
    return parts


def basket(style: Style) -> Parts:
    """Waste paper basket, with or without a ball beside it."""
    parts = Parts()
    parts.cylinder((0, 0.2, 0.16), 0.14, 0.32, LABEL.otherprop, style.paint(gloss=0.2))
    if style.chance(0.3):
        parts.ellipsoid((0.3, 0.25, 0.11), (0.11, 0.11, 0.11), LABEL.otherprop, style.paint(gloss=0.4))
    return parts


def laundry(style: Style) -> Parts:
    """A heap of clothes on the floor."""
    parts = Parts()
    for _ in range(style.count(2, 4)):
        center = (style.uniform(-0.2, 0.2), style.uniform(0.2, 0.5), 0.04)
        half = (style.uniform(0.12, 0.28), style.uniform(0.1, 0.2), style.uniform(0.04, 0.12))
        parts.ellipsoid(center, half, LABEL.clothes, style.fabric(), rotation_z(style.uniform(0, 3)))
    return parts


def ottoman(style: Style) -> Parts:
    """Padded stool."""
    parts, half = Parts(), style.uniform(0.22, 0.32)
    height = style.uniform(0.36, 0.45)
    if style.chance(0.5):
        parts.cylinder((0, half, height / 2), half, height, LABEL.otherfurniture, style.fabric())
    else:
        parts.box((-half, 0, 0.05), (half, 2 * half, height), LABEL.otherfurniture, style.fabric())
    return parts


def person(style: Style) -> Parts:
    """Someone standing."""
    parts, skin = Parts(), style.pick(((0.85, 0.66, 0.54), (0.55, 0.38, 0.28), (0.36, 0.24, 0.18)))
    trousers, shirt = style.paint(style.color((0.1, 0.6), (0.1, 0.5)), 0.0), style.fabric()
    tall = style.uniform(0.92, 1.08)
    for x in (-0.09, 0.09):
        parts.cylinder((x, 0.3, 0.43 * tall), 0.075, 0.86 * tall, LABEL.person, trousers)
        parts.ellipsoid((x, 0.36, 0.05), (0.05, 0.13, 0.05), LABEL.person, style.paint(NEAR_BLACK))
        lean = rotation_y(math.copysign(style.uniform(0.08, 0.3), -x)) @ rotation_x(style.uniform(-0.3, 0.3))
        parts.ellipsoid((x * 2.7, 0.3, 1.12 * tall), (0.055, 0.06, 0.32 * tall), LABEL.person, shirt, lean)
        parts.ellipsoid((x * 3.1, 0.33, 0.82 * tall), (0.04, 0.04, 0.07), LABEL.person, style.paint(skin))
    parts.ellipsoid((0, 0.3, 1.14 * tall), (0.2, 0.13, 0.36 * tall), LABEL.person, shirt)
    parts.cylinder((0, 0.3, 1.48 * tall), 0.05, 0.12, LABEL.person, style.paint(skin))
    parts.ellipsoid((0, 0.31, 1.62 * tall), (0.085, 0.1, 0.125), LABEL.person, style.paint(skin))
    hair = style.paint(style.pick(((0.1, 0.07, 0.05), (0.4, 0.25, 0.12), (0.6, 0.58, 0.55))), 0.1)
    parts.ellipsoid((0, 0.28, 1.665 * tall), (0.093, 0.105, 0.1), LABEL.person, hair)
    return parts
