"""Chairs: of the catalogue, and built in code.

Those built in code are of the room's wood as often as not, like its table: shape must tell them, not colour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from cinet_core.rooms.pathtraced.catalogue import Model
from cinet_core.rooms.pathtraced.group import Group
from cinet_core.rooms.pathtraced.looks import Looks
from cinet_core.rooms.pathtraced.plan import Color, Finish
from cinet_core.rooms.raycast.primitives import rotation_x, rotation_y
from cinet_core.rooms.vocabulary import DARK_BROWN, LABEL

BUILT = 0.55
"""Share of the tables whose chairs are built in code."""

LEATHERS: tuple[Color, ...] = (
    (0.16, 0.09, 0.06),
    (0.07, 0.06, 0.06),
    DARK_BROWN,
    (0.6, 0.5, 0.4),
    (0.3, 0.05, 0.05),
)


class Chairs:
    """Chairs of one table: of one kind, mostly of one colour.

    Args:
        looks: of the room.
        model: of all of them; built in code without.
    """

    def __init__(self, looks: Looks, model: Model | None = None) -> None:
        """Choose what they look like."""
        self._looks, self._model = looks, model
        self._first = self._another()
        self._mixed = looks.style.chance(0.08)

    def put(self, group: Group, edge: tuple[float, float], yaw: float) -> None:
        """Add one at a table's edge, pushed in or not; with yaw 0 it looks along y."""
        style = self._looks.style
        chair = self._another() if self._mixed else self._first
        low, high = chair.bounds()
        depth = float(high[1] - low[1])
        turn = yaw + style.uniform(-0.3, 0.3)
        back = depth * (style.uniform(0.55, 0.85) if style.chance(0.7) else style.uniform(1.0, 1.25))
        group.add(chair, (edge[0] + math.sin(yaw) * back, edge[1] - math.cos(yaw) * back, 0.0), turn)

    def _another(self) -> Group:
        looks = self._looks
        return dining_chair(looks) if self._model is None else Group(stands=[looks.stand("chair", model=self._model)])


@dataclass(frozen=True)
class _ChairFrame:
    """Measures of a chair, metres, and what it is made of.

    Attributes:
        half: of its width.
        depth: of its seat.
        seat: height of the seat above the floor.
        back: height of the back above the seat.
        post: half the thickness of legs and posts.
        finish: of all but the seat.
        round: whether legs and posts are.
    """

    half: float
    depth: float
    seat: float
    back: float
    post: float
    finish: Finish
    round: bool

    def upright(self, group: Group, low: tuple[float, float, float], high: tuple[float, float, float]) -> None:
        """Add a leg or a post between two corners."""
        if not self.round:
            group.box(low, high, LABEL.chair, self.finish)
            return
        center = (np.array(low) + high) / 2
        group.cylinder((*center,), self.post, high[2] - low[2], LABEL.chair, self.finish)


def dining_chair(looks: Looks) -> Group:
    """Four legs, a seat, a back of slats, spindles, a cross, a board or a pad; z = 0 is the floor, it looks along y."""
    style, group = looks.style, Group()
    metal = style.chance(0.15)
    post = style.uniform(0.009, 0.014) if metal else style.uniform(0.013, 0.027)
    frame = _ChairFrame(
        half=style.uniform(0.19, 0.25),
        depth=style.uniform(0.38, 0.47),
        seat=style.uniform(0.42, 0.48),
        back=style.uniform(0.32, 0.58),
        post=post,
        finish=looks.metal if metal else _wood(looks),
        round=metal or style.chance(0.25),
    )
    cover = _cover(looks, frame.finish)
    _seat(group, looks, frame, cover)
    _legs(group, looks, frame)
    back = Group()
    _back(back, looks, frame, cover)
    lean, hinge = rotation_x(style.uniform(0.03, 0.22)), np.array([0.0, frame.post, frame.seat])
    group.items += [
        replace(item, center=lean @ item.center + hinge, rotation=lean @ item.rotation) for item in back.items
    ]
    if style.chance(0.12):
        _arms(group, frame)
    return group


def _wood(looks: Looks) -> Finish:
    """Of the room's furniture mostly, so often the table's; else another, or painted."""
    style, kind = looks.style, looks.style.uniform(0, 1)
    if kind < 0.55:
        return looks.of(style.wood(0.15))
    return looks.some_wood() if kind < 0.85 else looks.paint()


def _cover(looks: Looks, frame: Finish) -> Finish | None:
    """Leather or cloth of the seat; None for a bare one."""
    style, kind = looks.style, looks.style.uniform(0, 1)
    if kind < 0.4:
        return None
    return looks.paint(style.pick(LEATHERS), style.uniform(0.25, 0.5)) if kind < 0.75 else looks.fabric()


def _seat(group: Group, looks: Looks, frame: _ChairFrame, cover: Finish | None) -> None:
    board = 0.02 if cover is None else 0.012
    low, high = (-frame.half, 0.0, frame.seat - board), (frame.half, frame.depth, frame.seat)
    bare = looks.some_wood() if frame.finish.kind == "metal" else frame.finish
    group.box(low, high, LABEL.chair, bare, size=0.006)
    if cover is not None:
        thick = looks.style.uniform(0.02, 0.045)
        center = (0.0, frame.depth / 2, frame.seat + thick / 2)
        group.add_item("cushion", center, (frame.half * 0.97, frame.depth * 0.48, thick), LABEL.chair, cover)


def _legs(group: Group, looks: Looks, frame: _ChairFrame) -> None:
    style, thick = looks.style, 2 * frame.post
    apron = style.uniform(0.03, 0.07) if style.chance(0.6) else 0.0
    for x in (-frame.half, frame.half - thick):
        for y in (0.0, frame.depth - thick):
            frame.upright(group, (x, y, 0.0), (x + thick, y + thick, frame.seat - 0.01))
    inside = frame.half - thick
    if apron and frame.finish.kind != "metal":
        top = frame.seat - 0.015
        for y in (0.004, frame.depth - 0.024):
            group.box((-inside, y, top - apron), (inside, y + 0.02, top), LABEL.chair, frame.finish)
        for x in (-frame.half + 0.004, frame.half - 0.024):
            group.box((x, thick, top - apron), (x + 0.02, frame.depth - thick, top), LABEL.chair, frame.finish)
    if style.chance(0.4):
        z, half = style.uniform(0.1, 0.25), frame.post * 0.7
        for x in (-frame.half + frame.post, frame.half - frame.post):
            group.box((x - half, thick, z - half), (x + half, frame.depth - thick, z + half), LABEL.chair, frame.finish)
        group.box(
            (-inside, frame.depth / 2 - half, z - half),
            (inside, frame.depth / 2 + half, z + half),
            LABEL.chair,
            frame.finish,
        )


def _back(group: Group, looks: Looks, frame: _ChairFrame, cover: Finish | None) -> None:
    """Upright, z = 0 at the seat, y = 0 in the middle of the posts."""
    style, thick = looks.style, frame.post
    inside, top = frame.half - 2 * thick, frame.back
    for x in (-frame.half + thick, frame.half - thick):
        frame.upright(group, (x - thick, -thick, -0.03), (x + thick, thick, top))
    rail = style.uniform(0.04, 0.1)

    def board(low: float, high: float, left: float = -inside, right: float = inside, half: float = 0.008) -> None:
        group.box((left, -half, low), (right, half, high), LABEL.chair, frame.finish)

    kind = style.pick(("ladder", "ladder", "spindles", "cross", "board", "splat", "pad"))
    board(top - rail, top)
    if kind == "ladder":
        slats, tall = style.count(1, 4), style.uniform(0.025, 0.06)
        for slat in range(slats):
            bottom = 0.08 + (top - rail - 0.1) * slat / slats
            board(bottom, bottom + tall)
    elif kind == "spindles":
        board(0.06, 0.09)
        for x in np.linspace(-inside, inside, style.count(4, 8))[1:-1]:
            board(0.08, top - rail, x - 0.008, x + 0.008)
    elif kind == "cross":
        board(0.06, 0.09)
        low, high = 0.09, top - rail
        reach, tall = inside, (high - low) / 2
        for side in (-1, 1):
            turn = rotation_y(side * math.atan2(reach, tall))
            center = (0.0, 0.0, (low + high) / 2)
            group.add_item("box", center, (0.014, 0.008, math.hypot(reach, tall)), LABEL.chair, frame.finish, turn)
    elif kind == "board":
        board(style.uniform(0.02, 0.15), top - rail)
    elif kind == "splat":
        wide = inside * style.uniform(0.25, 0.5)
        board(0.0, top - rail, -wide, wide)
    else:
        pad = cover or looks.fabric()
        center = (0.0, 0.01, (0.08 + top) / 2)
        group.add_item("cushion", center, (inside, (top - 0.08) / 2, 0.03), LABEL.chair, pad, rotation_x(math.pi / 2))


def _arms(group: Group, frame: _ChairFrame) -> None:
    height, thick = frame.seat + 0.2, 2 * frame.post
    for x in (-frame.half - 0.01, frame.half - thick + 0.01):
        group.box((x, 0.0, height), (x + thick, frame.depth * 0.9, height + 0.02), LABEL.chair, frame.finish)
        front = frame.depth - thick
        group.box((x, front - thick, frame.seat), (x + thick, front, height), LABEL.chair, frame.finish)
