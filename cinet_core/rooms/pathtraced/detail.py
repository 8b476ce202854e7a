"""Parts of the synthetic rooms in more detail: fronts with gaps and handles, single books, folds, slats, prints."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cinet_core.rooms.pathtraced.group import Group
from cinet_core.rooms.pathtraced.looks import Looks
from cinet_core.rooms.pathtraced.plan import Finish
from cinet_core.rooms.raycast.primitives import Parts, Pattern, Primitive, Shape, rotation_x, rotation_y
from cinet_core.rooms.vocabulary import BLACK, LABEL, OFF_WHITE

SHAPES = {Shape.BOX: "box", Shape.ELLIPSOID: "ellipsoid", Shape.CYLINDER: "cylinder"}


def detailed(parts: Parts, looks: Looks) -> Group:
    """The parts as a group, in the same frame."""
    group = Group()
    for solid in parts.solids:
        build = _DETAILS.get(solid.material.pattern) if solid.kind is Shape.BOX else None
        if build is not None:
            inner = Group()
            build(inner, solid, looks)
            for item in inner.items:
                center = solid.rotation @ item.center + solid.center
                turn = solid.rotation @ item.rotation
                group.add_item(
                    item.shape, center, item.half, item.label, item.finish, turn, solid.casts_shadow, item.size
                )
        else:
            shape = "cushion" if solid.label == LABEL.pillow else SHAPES[solid.kind]
            finish = looks.of(solid.material)
            if shape == "cushion" and finish.kind == "fabric" and looks.style.chance(0.3):
                finish = looks.fabric()
            group.add_item(shape, solid.center, solid.half, solid.label, finish, solid.rotation, solid.casts_shadow)
    return group


def fronts(
    group: Group,
    looks: Looks,
    low: tuple[float, float],
    high: tuple[float, float],
    y: float,
    grid: tuple[int, int],
    label: int,
    finish: Finish,
    handle: int,
) -> None:
    """Doors or drawers (columns, rows) before a carcass: thin boards from (x, z) low to high in front of y, with gaps.

    ``handle``: 0 none, 1 bars, 2 knobs, 3 upright bars.
    """
    columns, rows = max(1, grid[0]), max(1, grid[1])
    gap, thick = 0.003, 0.018
    width, height = (high[0] - low[0]) / columns, (high[1] - low[1]) / rows
    for column in range(columns):
        for row in range(rows):
            left, bottom = low[0] + column * width, low[1] + row * height
            group.box(
                (left + gap, y, bottom + gap), (left + width - gap, y + thick, bottom + height - gap), label, finish
            )
            middle, top = left + width / 2, bottom + height
            front = y + thick
            if handle == 1:
                reach = min(0.16, width * 0.3)
                group.box(
                    (middle - reach, front, top - 0.06),
                    (middle + reach, front + 0.025, top - 0.048),
                    label,
                    looks.metal,
                )
            elif handle == 2:
                place = (middle if height < width else left + (0.05 if column % 2 else width - 0.05), front + 0.012)
                group.add_item("ellipsoid", (*place, top - min(0.06, height / 2)), (0.016,) * 3, label, looks.metal)
            elif handle == 3:
                x = left + (0.035 if column % 2 else width - 0.045)
                tall = min(0.2, height * 0.4)
                center = bottom + height / 2
                group.box(
                    (x, front, center - tall / 2), (x + 0.01, front + 0.03, center + tall / 2), label, looks.metal
                )


def book_row(
    group: Group, looks: Looks, left: float, right: float, back: float, depth: float, bottom: float, room: float
) -> None:
    """Books that stand from left to right on a board, their spines at ``back + depth``; some lean or lie."""
    style, x = looks.style, left
    usual = style.uniform(0.6, 0.95)
    while x < right - 0.012:
        thick = min(style.uniform(0.012, 0.05), right - x)
        tall, deep = room * min(1.0, usual * style.uniform(0.78, 1.1)), min(depth, style.uniform(0.11, 0.2))
        front = back + depth - style.uniform(0.0, 0.03)
        lean = rotation_y(style.uniform(0.08, 0.25)) if style.chance(0.05) else None
        low, high = (x, front - deep, bottom), (x + thick, front, bottom + tall)
        group.box(low, high, LABEL.books, style.pick(looks.book_spines), lean, size=0.0015)
        x += thick + (0.0008 if style.chance(0.94) else style.uniform(0.03, 0.12))


def _panels(group: Group, solid: Primitive, looks: Looks) -> None:
    """The front of a carcass."""
    half, finish = solid.half, looks.of(solid.material)
    label, grid = solid.label, (int(solid.material.variant[0]), int(solid.material.variant[1]))
    if label == LABEL.door:
        _door(group, solid, looks, finish)
        return
    if label == LABEL.cabinet and looks.style.chance(0.5):
        finish = looks.front
    group.box(-half, half - np.array([0.0, 0.018, 0.0]), label, finish)
    handle = looks.style.count(0, 3)
    fronts(group, looks, (-half[0], -half[2]), (half[0], half[2]), half[1] - 0.018, grid, label, finish, handle)


def _door(group: Group, solid: Primitive, looks: Looks, finish: Finish) -> None:
    """A leaf with raised fields on both sides."""
    half = solid.half
    group.box(-half, half, solid.label, finish)
    columns, rows = (max(1, int(number)) for number in solid.material.variant)
    if rows * columns > 1:
        width, height = 2 * half[0] / columns, 2 * half[2] / rows
        for column in range(columns):
            for row in range(rows):
                x, z = -half[0] + (column + 0.5) * width, -half[2] + (row + 0.5) * height
                size = (width / 2 - 0.07, half[1] + 0.006, height / 2 - 0.09)
                group.add_item("box", (x, 0, z), size, solid.label, finish, size=0.006)


def _books(group: Group, solid: Primitive, looks: Looks) -> None:
    half = solid.half
    book_row(group, looks, -half[0], half[0], -half[1], 2 * half[1], -half[2], 2 * half[2])


def _folds(group: Group, solid: Primitive, looks: Looks) -> None:
    half = solid.half + np.array([0.0, 0.02, 0.0])
    finish = looks.of(solid.material)
    group.add_item("folds", (0, 0, 0), half, solid.label, finish, size=solid.material.period)


def _slats(group: Group, solid: Primitive, looks: Looks) -> None:
    half, step = solid.half, max(0.02, solid.material.period)
    finish, tilt = looks.of(solid.material), rotation_x(looks.style.uniform(0.3, 1.2))
    for z in np.arange(-half[2] + step / 2, half[2], step):
        group.add_item("box", (0, 0, z), (half[0] - 0.005, step * 0.52, 0.0012), solid.label, finish, tilt, size=0.0004)
    group.box((-half[0], -0.02, half[2] - 0.03), (half[0], 0.02, half[2]), solid.label, finish)


def _art(group: Group, solid: Primitive, looks: Looks) -> None:
    """A picture in a frame, or a poster without."""
    half, style = solid.half, looks.style
    if style.chance(0.25):
        group.box(-half, (half[0], -half[1] + 0.003, half[2]), solid.label, looks.print("leaflet"), size=0.0005)
        return
    edge = style.uniform(0.012, 0.04)
    frame = style.pick((looks.wood, looks.metal, looks.paint((0.03, 0.03, 0.03), 0.4), looks.paint(OFF_WHITE)))
    for low, high in (
        ((-half[0], -half[2]), (half[0], -half[2] + edge)),
        ((-half[0], half[2] - edge), (half[0], half[2])),
        ((-half[0], -half[2] + edge), (-half[0] + edge, half[2] - edge)),
        ((half[0] - edge, -half[2] + edge), (half[0], half[2] - edge)),
    ):
        group.box((low[0], -half[1], low[1]), (high[0], half[1], high[1]), solid.label, frame)
    inner = np.array([half[0] - edge, half[1] * 0.4, half[2] - edge])
    shine = 0.08 if style.chance(0.4) else 0.5
    group.add_item("box", (0, -half[1] * 0.6, 0), inner, solid.label, looks.print("picture", shine), size=0.0005)


def _screen(group: Group, solid: Primitive, looks: Looks) -> None:
    half = solid.half
    group.box(-half, (half[0], half[1] - 0.002, half[2]), solid.label, looks.paint(BLACK, 0.25))
    lit = looks.style.chance(0.45)
    face = (
        looks.print("screen", 0.12, looks.style.uniform(0.6, 2.5)) if lit else looks.paint((0.012, 0.012, 0.014), 0.08)
    )
    group.box(
        (-half[0] + 0.012, half[1] - 0.003, -half[2] + 0.018),
        (half[0] - 0.012, half[1], half[2] - 0.012),
        solid.label,
        face,
        size=0.0005,
    )


def _ribs(group: Group, solid: Primitive, looks: Looks) -> None:
    """Of a radiator; what else has stripes stays a box."""
    half, finish = solid.half, looks.of(solid.material)
    if solid.label != LABEL.otherstructure:
        group.box(-half, half, solid.label, finish)
        return
    white = looks.paint(solid.material.color, 0.35)
    group.box(-half, half * np.array([1.0, 0.2, 1.0]), solid.label, white)
    step = solid.material.period
    for x in np.arange(-half[0] + step / 2, half[0], step):
        rib = (step * 0.35, half[1] * 0.45, half[2] - 0.02)
        group.add_item("box", (x, half[1] * 0.55, 0), rib, solid.label, white, size=0.012)


def _writing(group: Group, solid: Primitive, looks: Looks) -> None:
    finish = looks.print("page", 0.25 if solid.label == LABEL.whiteboard else 0.7)
    group.box(-solid.half, solid.half, solid.label, finish, size=0.0005)


_DETAILS: dict[Pattern, Callable[[Group, Primitive, Looks], None]] = {
    Pattern.PANELS: _panels,
    Pattern.BOOKS: _books,
    Pattern.FOLDS: _folds,
    Pattern.SLATS: _slats,
    Pattern.ART: _art,
    Pattern.SCREEN: _screen,
    Pattern.WRITING: _writing,
    Pattern.STRIPES: _ribs,
}
