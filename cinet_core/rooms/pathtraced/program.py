"""What kinds of room there are, and what each holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from cinet_core.rooms.pathtraced import bath, living, storing
from cinet_core.rooms.pathtraced.chairs import dining_chair
from cinet_core.rooms.pathtraced.furniture import built, floor_lamp, modelled
from cinet_core.rooms.pathtraced.group import Group
from cinet_core.rooms.pathtraced.looks import Looks
from cinet_core.rooms.raycast import fittings, objects


@dataclass(frozen=True)
class FurnitureOption:
    """Something that a room may hold.

    Attributes:
        build: makes it.
        probability: of its being wanted.
        where: "wall", "free" (in the middle), "corner" or "hung:<height>" on a wall.
    """

    build: Callable[[Looks], Group]
    probability: float
    where: str = "wall"


@dataclass(frozen=True)
class RoomKind:
    """A kind of room.

    Attributes:
        share: of all rooms.
        width: range of metres.
        depth: range of metres.
        options: in order of importance.
        tiled: floor and walls may be.
        runs: largest number of kitchen runs.
        doorway: it is entered by an open doorway, through which some of its views look.
        doors: further doors, at most, one a wall by turns.
    """

    share: float
    width: tuple[float, float]
    depth: tuple[float, float]
    options: tuple[FurnitureOption, ...]
    tiled: bool = False
    runs: int = 0
    doorway: bool = False
    doors: int = 0


_WALL = (
    FurnitureOption(living.picture, 0.75, "hung:1.2"),
    FurnitureOption(living.picture, 0.5, "hung:1.35"),
    FurnitureOption(storing.board, 0.25, "hung:1.2"),
    FurnitureOption(living.mirror, 0.2, "hung:0.9"),
    FurnitureOption(modelled("wall thing"), 0.5, "hung:0.0"),
    FurnitureOption(storing.wall_shelf, 0.45, "hung:1.25"),
    FurnitureOption(living.picture, 0.3, "hung:1.1"),
    FurnitureOption(built(fittings.coats), 0.15),
)
_STRAY = (
    FurnitureOption(modelled("plant"), 0.5, "corner"),
    FurnitureOption(floor_lamp, 0.35, "corner"),
    FurnitureOption(living.floor_things, 0.8),
    FurnitureOption(living.floor_things, 0.6, "free"),
    FurnitureOption(living.floor_things, 0.5),
    FurnitureOption(living.floor_things, 0.3),
    FurnitureOption(modelled("bin"), 0.35),
    FurnitureOption(modelled("box"), 0.3),
    FurnitureOption(built(objects.carton), 0.2),
    FurnitureOption(dining_chair, 0.3),
    FurnitureOption(dining_chair, 0.2, "free"),
    FurnitureOption(modelled("person"), 0.12, "free"),
    FurnitureOption(modelled("radiator"), 0.3),
)
_COMMON = (*_WALL, *_STRAY)

_LIVING = (
    FurnitureOption(living.sofa, 1.0),
    FurnitureOption(living.television, 0.75),
    FurnitureOption(storing.bookcase, 0.7),
    FurnitureOption(modelled("armchair"), 0.5),
    FurnitureOption(modelled("fireplace"), 0.2),
    FurnitureOption(living.dining, 0.3, "free"),
    FurnitureOption(living.chest, 0.5),
    FurnitureOption(modelled("piano"), 0.12),
    FurnitureOption(storing.bookcase, 0.3),
)
_DINING = (
    FurnitureOption(living.dining, 1.0, "free"),
    FurnitureOption(living.chest, 0.6),
    FurnitureOption(storing.bookcase, 0.3),
)
_KITCHEN = (
    FurnitureOption(modelled("refridgerator"), 0.85),
    FurnitureOption(modelled("washer"), 0.35),
    FurnitureOption(modelled("stool"), 0.2, "free"),
)

KINDS: dict[str, RoomKind] = {
    "living": RoomKind(0.19, (3.0, 5.6), (3.0, 5.0), (*_LIVING, *_COMMON)),
    "bed": RoomKind(
        0.17,
        (2.7, 4.6),
        (2.8, 4.4),
        (
            FurnitureOption(storing.bed, 1.0),
            FurnitureOption(storing.wardrobe, 0.75),
            FurnitureOption(living.chest, 0.6),
            FurnitureOption(storing.desk, 0.45),
            FurnitureOption(storing.bookcase, 0.4),
            FurnitureOption(modelled("armchair"), 0.25),
            FurnitureOption(modelled("clothes rack"), 0.25),
            *_COMMON,
        ),
    ),
    "office": RoomKind(
        0.17,
        (2.6, 5.2),
        (2.6, 4.8),
        (
            FurnitureOption(storing.desk, 1.0),
            FurnitureOption(storing.desk, 0.75),
            FurnitureOption(storing.bookcase, 0.85),
            FurnitureOption(modelled("office cabinet"), 0.5),
            FurnitureOption(built(fittings.whiteboard), 0.5, "hung:0.9"),
            FurnitureOption(living.dining, 0.4, "free"),
            FurnitureOption(storing.desk, 0.4),
            FurnitureOption(storing.bookcase, 0.4),
            FurnitureOption(storing.board, 0.6, "hung:1.1"),
            *_COMMON,
        ),
    ),
    "kitchen": RoomKind(0.3, (2.4, 4.8), (2.4, 4.4), (*_KITCHEN, *_DINING, *_COMMON), tiled=True, runs=2),
    "bath": RoomKind(
        0.08,
        (1.8, 3.2),
        (1.8, 3.2),
        (
            FurnitureOption(bath.bathtub, 0.75),
            FurnitureOption(bath.washbasin, 1.0),
            FurnitureOption(modelled("toilet"), 0.95),
            FurnitureOption(modelled("shower"), 0.3),
            FurnitureOption(modelled("washer"), 0.25),
            FurnitureOption(bath.towel, 0.7, "hung:0.9"),
            FurnitureOption(bath.towel, 0.5, "hung:0.8"),
            FurnitureOption(modelled("towel rack"), 0.3),
            FurnitureOption(bath.mat, 0.6),
            FurnitureOption(modelled("bin"), 0.5),
            FurnitureOption(storing.wall_shelf, 0.5, "hung:1.3"),
            FurnitureOption(living.mirror, 0.2, "hung:0.9"),
            FurnitureOption(living.floor_things, 0.4),
        ),
        tiled=True,
    ),
    "corridor": RoomKind(
        0.07,
        (1.3, 2.2),
        (3.5, 7.0),
        (
            FurnitureOption(living.chest, 0.7),
            FurnitureOption(storing.wardrobe, 0.4),
            FurnitureOption(storing.bookcase, 0.4),
            FurnitureOption(built(fittings.coats), 0.7),
            FurnitureOption(living.mirror, 0.5, "hung:0.9"),
            *_COMMON,
        ),
    ),
    "open": RoomKind(
        0.12,
        (4.5, 7.5),
        (3.5, 5.5),
        (*_KITCHEN, *_DINING, *_LIVING, FurnitureOption(storing.desk, 0.4), *_COMMON),
        runs=2,
    ),
}

WIDE_KINDS: dict[str, RoomKind] = {
    **{
        name: dataclasses.replace(kind, share=0.45 * kind.share)
        for name, kind in KINDS.items()
        if name in ("living", "bed", "office", "kitchen", "open")
    },
    "long corridor": RoomKind(
        0.12,
        (1.4, 2.6),
        (6.0, 12.0),
        (
            *(FurnitureOption(living.chest, 0.4),) * 2,
            FurnitureOption(storing.wardrobe, 0.3),
            FurnitureOption(storing.bookcase, 0.4),
            FurnitureOption(built(fittings.coats), 0.4),
            *(FurnitureOption(storing.board, 0.4, "hung:1.1"),) * 2,
            *(FurnitureOption(modelled("armchair"), 0.2),) * 2,
            *_COMMON,
        ),
        doors=5,
    ),
    "hall": RoomKind(
        0.12,
        (5.0, 8.5),
        (7.0, 12.0),
        (
            *(FurnitureOption(living.sofa, 0.7),) * 2,
            *(FurnitureOption(living.dining, 0.6, "free"),) * 3,
            *(FurnitureOption(storing.bookcase, 0.5),) * 2,
            *(FurnitureOption(modelled("armchair"), 0.5, "free"),) * 2,
            FurnitureOption(modelled("piano"), 0.2),
            *(FurnitureOption(modelled("person"), 0.5, "free"),) * 2,
            *(FurnitureOption(modelled("plant"), 0.5, "corner"),) * 2,
            *_COMMON,
        ),
        doors=3,
    ),
    "open office": RoomKind(
        0.12,
        (5.0, 8.0),
        (7.0, 12.0),
        (
            *(FurnitureOption(storing.desk, 0.9),) * 4,
            *(FurnitureOption(storing.desk, 0.75, "free"),) * 5,
            FurnitureOption(living.dining, 0.4, "free"),
            FurnitureOption(built(fittings.whiteboard), 0.6, "hung:0.9"),
            *(FurnitureOption(storing.bookcase, 0.6),) * 2,
            *(FurnitureOption(modelled("office cabinet"), 0.6),) * 2,
            *(FurnitureOption(storing.board, 0.5, "hung:1.1"),) * 2,
            FurnitureOption(modelled("person"), 0.4, "free"),
            *_COMMON,
        ),
        doors=2,
    ),
    "doorway": RoomKind(0.14, (4.5, 8.0), (5.0, 9.0), (*_LIVING, *_DINING, *_COMMON), doorway=True),
}
"""Rooms for views from 0.3 to 12 m: homes, and what is longer than they are."""
