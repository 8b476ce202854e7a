"""Small things, and how they come to lie on tables, counters, boards and floors."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from cinet_core.rooms.pathtraced.detail import book_row
from cinet_core.rooms.pathtraced.group import Group
from cinet_core.rooms.pathtraced.looks import Looks
from cinet_core.rooms.pathtraced.plan import Finish
from cinet_core.rooms.raycast.primitives import rotation_x, rotation_z
from cinet_core.rooms.vocabulary import LABEL

Maker = Callable[[Looks], Group]


def book_stack(looks: Looks) -> Group:
    """One to six lying books, the lowest the largest."""
    group, style, z = Group(), looks.style, 0.0
    half = np.array([style.uniform(0.07, 0.15), style.uniform(0.1, 0.17)])
    for _ in range(style.count(1, 6)):
        thick, turn = style.uniform(0.006, 0.045), rotation_z(style.uniform(-0.35, 0.35))
        finish = looks.print("cover", 0.3)
        group.add_item("box", (0, 0, z + thick / 2), (*half, thick / 2), LABEL.books, finish, turn, size=0.001)
        page = (half[0] - 0.001, half[1] - 0.004, max(0.001, thick / 2 - 0.002))
        group.add_item("box", (0.003, 0, z + thick / 2), page, LABEL.books, looks.paint((0.9, 0.88, 0.8), 0.9), turn)
        z += thick
        half = half * style.uniform(0.85, 1.0)
    return group


def papers(looks: Looks) -> Group:
    """Some sheets, leaflets or a magazine, not quite on each other."""
    group, style = Group(), looks.style
    for number in range(style.count(1, 5)):
        kind = style.pick(("page", "page", "page", "leaflet", "cover"))
        label = LABEL.books if kind == "cover" else LABEL.paper
        half = (style.uniform(0.07, 0.11), style.uniform(0.1, 0.15), 0.0008 if kind != "cover" else 0.003)
        center = (style.uniform(-0.12, 0.12), style.uniform(-0.08, 0.08), 0.001 + number * 0.004)
        turn = rotation_z(style.uniform(-0.8, 0.8))
        group.add_item("box", center, half, label, looks.print(kind, 0.5), turn, size=0.0003)
    return group


def open_book(looks: Looks) -> Group:
    """Lying open."""
    group = Group()
    for side in (-1, 1):
        half = (0.075, 0.11, 0.008)
        group.add_item("box", (side * 0.076, 0, 0.009), half, LABEL.books, looks.print("page", 0.7), size=0.004)
    return group


def mug(looks: Looks) -> Group:
    """With a handle."""
    group, style = Group(), looks.style
    finish, radius, tall = looks.paint(None, 0.15), style.uniform(0.036, 0.045), style.uniform(0.085, 0.11)
    group.cylinder((0, 0, tall / 2), radius, tall, LABEL.otherprop, finish)
    group.cylinder((0, 0, tall + 0.0005), radius - 0.004, 0.002, LABEL.otherprop, looks.paint((0.12, 0.07, 0.04), 0.1))
    group.box((radius - 0.004, -0.006, tall * 0.2), (radius + 0.028, 0.006, tall * 0.8), LABEL.otherprop, finish)
    return group


def package(looks: Looks) -> Group:
    """Printed cardboard: of cereals, tea, a gadget."""
    group, style = Group(), looks.style
    half = np.array([style.uniform(0.03, 0.12), style.uniform(0.02, 0.08), style.uniform(0.04, 0.16)])
    label = LABEL.box if half.max() > 0.1 else LABEL.otherprop
    plain = style.chance(0.3)
    finish = looks.paint((0.62, 0.47, 0.31), 0.8) if plain else looks.print("package", 0.35)
    group.add_item("box", (0, 0, half[2]), half, label, finish, size=0.0015)
    return group


def tin(looks: Looks) -> Group:
    """Tin, jar, bottle or roll."""
    group, style = Group(), looks.style
    radius, tall = style.uniform(0.025, 0.07), style.uniform(0.06, 0.24)
    finish = looks.metal if style.chance(0.3) else looks.paint(None, style.uniform(0.1, 0.6))
    group.cylinder((0, 0, tall / 2), radius, tall, LABEL.otherprop, finish)
    if style.chance(0.6):
        lid = style.uniform(0.3, 1.0)
        group.cylinder((0, 0, tall + 0.02), radius * lid, 0.04, LABEL.otherprop, looks.paint(None, 0.3))
    return group


def leaning(looks: Looks) -> Group:
    """A leaflet, tray or tablet that leans to the wall behind it (towards -y)."""
    group, style = Group(), looks.style
    half = (style.uniform(0.08, 0.16), 0.002, style.uniform(0.1, 0.18))
    tilt, kind = style.uniform(0.12, 0.3), style.pick(("leaflet", "page", "picture", "cover"))
    label = {"picture": LABEL.picture, "cover": LABEL.books}.get(kind, LABEL.paper)
    rise = half[2] * math.cos(tilt)
    group.add_item("box", (0, 0, rise), half, label, looks.print(kind, 0.4), rotation_x(tilt), size=0.0005)
    return group


def standing_books(looks: Looks) -> Group:
    """A short row."""
    group, half = Group(), looks.style.uniform(0.06, 0.2)
    book_row(group, looks, -half, half, -0.1, 0.2, 0.0, 0.28)
    return group


def folded_cloth(looks: Looks) -> Group:
    """Towels or clothes in a pile."""
    group, style, z = Group(), looks.style, 0.0
    label = style.pick((LABEL.towel, LABEL.clothes))
    for _ in range(style.count(1, 3)):
        thick = style.uniform(0.03, 0.07)
        turn = rotation_z(style.uniform(-0.1, 0.1))
        half = (style.uniform(0.13, 0.2), style.uniform(0.1, 0.15), thick / 2)
        group.add_item("cushion", (0, 0, z + thick / 2), half, label, looks.fabric(), turn)
        z += thick * 0.9
    return group


def heap(looks: Looks) -> Group:
    """Clothes thrown down."""
    group, style = Group(), looks.style
    for _ in range(style.count(2, 5)):
        center = (style.uniform(-0.18, 0.18), style.uniform(-0.15, 0.15), style.uniform(0.03, 0.09))
        half = (style.uniform(0.12, 0.3), style.uniform(0.08, 0.2), style.uniform(0.03, 0.07))
        turn = rotation_z(style.uniform(0, 3)) @ rotation_x(style.uniform(-0.3, 0.3))
        group.add_item("cushion", center, half, LABEL.clothes, looks.fabric(), turn)
    return group


def pillow(looks: Looks, half: tuple[float, float, float] = (0.22, 0.22, 0.075), finish: Finish | None = None) -> Group:
    """Lying flat."""
    group = Group()
    group.add_item("cushion", (0, 0, half[2]), half, LABEL.pillow, finish or looks.fabric())
    return group


def _model(role: str) -> Maker:
    def make(looks: Looks) -> Group:
        stand = looks.stand(role)
        group = Group()
        group.stands.append(looks.stand(role, (0.0, -stand.size[1] / 2, 0.0), model=stand.model))
        return group

    return make


THEMES: dict[str, tuple[Maker, ...]] = {
    "desk": (
        papers, papers, papers, book_stack, book_stack, open_book, mug, standing_books, package, leaning,
        _model("laptop"), _model("desk thing"), _model("desk thing"), _model("desk thing"),
    ),
    "meal": (_model("meal thing"), _model("meal thing"), _model("meal thing"), mug, papers, book_stack, open_book, tin),
    "kitchen": (
        _model("kitchen thing"), _model("kitchen thing"), _model("kitchen thing"), _model("meal thing"), tin, tin, mug,
        package, package, papers, papers, leaning, leaning, leaning, standing_books, folded_cloth,
    ),
    "living": (
        _model("living thing"), _model("living thing"), _model("small plant"), book_stack, book_stack, papers, mug,
        leaning, open_book, package, tin,
    ),
    "shelf": (
        standing_books, standing_books, standing_books, book_stack, _model("living thing"), _model("small plant"),
        package, tin, folded_cloth, leaning, _model("desk thing"),
    ),
    "bath": (_model("bath thing"), _model("bath thing"), folded_cloth, tin, tin),
    "floor": (
        heap, book_stack, papers, package, _model("box"), _model("bag"), _model("floor thing"), _model("clothes"),
        _model("bin"),
    ),
}  # fmt: skip


def strew(
    group: Group,
    looks: Looks,
    low: tuple[float, float],
    high: tuple[float, float],
    z: float,
    theme: str,
    count: int,
    headroom: float = 1.0,
) -> None:
    """Put up to ``count`` things of a theme onto a level rectangle of the group, where they do not meet.

    Things taller than ``headroom`` metres are left out. What leans, leans towards low y.
    """
    style = looks.style
    taken: list[tuple[np.ndarray, np.ndarray]] = []
    for _ in range(count):
        make = style.pick(THEMES[theme])
        thing = make(looks)
        straight = make in (leaning, standing_books)
        yaw = style.uniform(-0.1, 0.1) if straight else style.uniform(-math.pi, math.pi)
        turned = Group()
        turned.add(thing, yaw=yaw)
        least, most = turned.bounds()
        room = np.array(high) - np.array(low) - (most - least)[:2]
        if (room < 0).any() or most[2] > headroom:
            continue
        for _ in range(8):
            corner = np.array(low) + style.rng.uniform(0, 1, 2) * room
            if straight:
                corner[1] = low[1]
            a, b = corner, corner + (most - least)[:2]
            if all((a >= d).any() or (b <= c).any() for c, d in taken):
                group.add(turned, (*(corner - least[:2]), z))
                taken.append((a, b))
                break
