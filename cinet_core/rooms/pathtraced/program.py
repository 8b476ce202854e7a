"""What kinds of room there are, and what each holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cinet_core.rooms.pathtraced import bath, living, storing
from cinet_core.rooms.pathtraced.chairs import dining_chair
from cinet_core.rooms.pathtraced.furniture import built, floor_lamp, modelled
from cinet_core.rooms.pathtraced.group import Group
from cinet_core.rooms.pathtraced.looks import Looks
from cinet_core.rooms.raycast import fittings, objects


@dataclass(frozen=True)
class Wish:
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
        wishes: in order of importance.
        tiled: floor and walls may be.
        runs: largest number of kitchen runs.
    """

    share: float
    width: tuple[float, float]
    depth: tuple[float, float]
    wishes: tuple[Wish, ...]
    tiled: bool = False
    runs: int = 0


_WALL = (
    Wish(living.picture, 0.75, "hung:1.2"),
    Wish(living.picture, 0.5, "hung:1.35"),
    Wish(storing.board, 0.25, "hung:1.2"),
    Wish(living.mirror, 0.2, "hung:0.9"),
    Wish(modelled("wall thing"), 0.5, "hung:0.0"),
    Wish(storing.wall_shelf, 0.45, "hung:1.25"),
    Wish(living.picture, 0.3, "hung:1.1"),
    Wish(built(fittings.coats), 0.15),
)
_STRAY = (
    Wish(modelled("plant"), 0.5, "corner"),
    Wish(floor_lamp, 0.35, "corner"),
    Wish(living.floor_things, 0.8),
    Wish(living.floor_things, 0.6, "free"),
    Wish(living.floor_things, 0.5),
    Wish(living.floor_things, 0.3),
    Wish(modelled("bin"), 0.35),
    Wish(modelled("box"), 0.3),
    Wish(built(objects.carton), 0.2),
    Wish(dining_chair, 0.3),
    Wish(dining_chair, 0.2, "free"),
    Wish(modelled("person"), 0.12, "free"),
    Wish(modelled("radiator"), 0.3),
)
_COMMON = (*_WALL, *_STRAY)

_LIVING = (
    Wish(living.sofa, 1.0),
    Wish(living.television, 0.75),
    Wish(storing.bookcase, 0.7),
    Wish(modelled("armchair"), 0.5),
    Wish(modelled("fireplace"), 0.2),
    Wish(living.dining, 0.3, "free"),
    Wish(living.chest, 0.5),
    Wish(modelled("piano"), 0.12),
    Wish(storing.bookcase, 0.3),
)
_DINING = (Wish(living.dining, 1.0, "free"), Wish(living.chest, 0.6), Wish(storing.bookcase, 0.3))
_KITCHEN = (Wish(modelled("refridgerator"), 0.85), Wish(modelled("washer"), 0.35), Wish(modelled("stool"), 0.2, "free"))

KINDS: dict[str, RoomKind] = {
    "living": RoomKind(0.19, (3.0, 5.6), (3.0, 5.0), (*_LIVING, *_COMMON)),
    "bed": RoomKind(
        0.17,
        (2.7, 4.6),
        (2.8, 4.4),
        (
            Wish(storing.bed, 1.0),
            Wish(storing.wardrobe, 0.75),
            Wish(living.chest, 0.6),
            Wish(storing.desk, 0.45),
            Wish(storing.bookcase, 0.4),
            Wish(modelled("armchair"), 0.25),
            Wish(modelled("clothes rack"), 0.25),
            *_COMMON,
        ),
    ),
    "office": RoomKind(
        0.17,
        (2.6, 5.2),
        (2.6, 4.8),
        (
            Wish(storing.desk, 1.0),
            Wish(storing.desk, 0.75),
            Wish(storing.bookcase, 0.85),
            Wish(modelled("office cabinet"), 0.5),
            Wish(built(fittings.whiteboard), 0.5, "hung:0.9"),
            Wish(living.dining, 0.4, "free"),
            Wish(storing.desk, 0.4),
            Wish(storing.bookcase, 0.4),
            Wish(storing.board, 0.6, "hung:1.1"),
            *_COMMON,
        ),
    ),
    "kitchen": RoomKind(0.3, (2.4, 4.8), (2.4, 4.4), (*_KITCHEN, *_DINING, *_COMMON), tiled=True, runs=2),
    "bath": RoomKind(
        0.08,
        (1.8, 3.2),
        (1.8, 3.2),
        (
            Wish(bath.bathtub, 0.75),
            Wish(bath.washbasin, 1.0),
            Wish(modelled("toilet"), 0.95),
            Wish(modelled("shower"), 0.3),
            Wish(modelled("washer"), 0.25),
            Wish(bath.towel, 0.7, "hung:0.9"),
            Wish(bath.towel, 0.5, "hung:0.8"),
            Wish(modelled("towel rack"), 0.3),
            Wish(bath.mat, 0.6),
            Wish(modelled("bin"), 0.5),
            Wish(storing.wall_shelf, 0.5, "hung:1.3"),
            Wish(living.mirror, 0.2, "hung:0.9"),
            Wish(living.floor_things, 0.4),
        ),
        tiled=True,
    ),
    "corridor": RoomKind(
        0.07,
        (1.3, 2.2),
        (3.5, 7.0),
        (
            Wish(living.chest, 0.7),
            Wish(storing.wardrobe, 0.4),
            Wish(storing.bookcase, 0.4),
            Wish(built(fittings.coats), 0.7),
            Wish(living.mirror, 0.5, "hung:0.9"),
            *_COMMON,
        ),
    ),
    "open": RoomKind(
        0.12, (4.5, 7.5), (3.5, 5.5), (*_KITCHEN, *_DINING, *_LIVING, Wish(storing.desk, 0.4), *_COMMON), runs=2
    ),
}
