"""A furnished room made of boxes: what stands where in the synthetic scene, with sizes in metres.

The world has x to the east, y to the north and z up; the room's south-west corner on the floor is its origin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

Point = tuple[float, float, float]
Color = tuple[int, int, int]
Texture = Literal["plain", "fabric", "wood", "planks", "checks", "glass"]
Side = Literal["south", "east", "north", "west"]

ROOM_SIZE: Point = (6.0, 5.0, 2.6)

WOODS: tuple[Color, ...] = ((168, 120, 72), (122, 82, 48), (196, 160, 112), (92, 64, 48))
PAINTS: tuple[Color, ...] = ((226, 218, 200), (204, 214, 206), (214, 208, 222), (232, 224, 212))
FABRICS: tuple[Color, ...] = ((74, 98, 138), (150, 66, 60), (86, 120, 84), (120, 108, 130), (178, 140, 70))
WHITE: Color = (238, 236, 230)
DARK: Color = (34, 34, 38)
METAL: Color = (150, 152, 156)


@dataclass(frozen=True)
class Box:
    """An axis-aligned box: its NYU40 class, two opposite corners, its base colour and its surface."""

    label: str
    low: Point
    high: Point
    color: Color
    texture: Texture = "plain"


def box(label: str, x: float, y: float, z: float, size: Point, color: Color, texture: Texture = "plain") -> Box:
    """A box by the middle of its width (x), its near edge (y), its foot (z) and its size."""
    width, depth, height = size
    return Box(label, (x - width / 2, y, z), (x + width / 2, y + depth, z + height), color, texture)


def furnished_room(rng: np.random.Generator) -> list[Box]:
    """Everything in the room but its walls, floor and ceiling.

    The random numbers choose colours, shift pieces along their wall by up to 15 cm, and swap two walls.
    """
    pieces: dict[Side, list[tuple[float, Callable[[np.random.Generator], list[Box]]]]] = {
        "south": [(0.75, _person), (2.9, _sofa), (4.55, _floor_lamp)],
        "north": [(0.9, _bookshelf), (2.8, _television_on_dresser), (4.7, _door)],
        "east": [(1.25, _cabinet), (3.35, _bed), (4.62, _night_stand)],
        "west": [(2.5, _desk_below_window), (4.35, _refridgerator)],
    }
    if rng.random() < 0.5:
        pieces["south"], pieces["north"] = pieces["north"], pieces["south"]
    boxes = _dining_place(rng)
    for side, placed in pieces.items():
        for along, piece in placed:
            shift = float(rng.uniform(-0.15, 0.15))
            boxes.extend(_against(side, along + shift, piece(rng)))
    return boxes


def _against(side: Side, along: float, piece: list[Box]) -> Iterator[Box]:
    """A piece, built before a wall (x along it, y away from it), moved to its place at one of the walls."""
    width, depth, _ = ROOM_SIZE

    def place(x: float, y: float) -> tuple[float, float]:
        return {
            "south": (along + x, y),
            "north": (along + x, depth - y),
            "east": (width - y, along + x),
            "west": (y, along + x),
        }[side]

    for part in piece:
        corners = np.array([place(part.low[0], part.low[1]), place(part.high[0], part.high[1])])
        (x0, y0), (x1, y1) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
        yield Box(part.label, (x0, y0, part.low[2]), (x1, y1, part.high[2]), part.color, part.texture)


def _choose(rng: np.random.Generator, colors: tuple[Color, ...]) -> Color:
    return colors[int(rng.integers(len(colors)))]


def _legs(label: str, width: float, depth: float, height: float, y: float, color: Color) -> list[Box]:
    thickness = 0.05
    return [
        box(label, sign * (width - thickness) / 2, near, 0.0, (thickness, thickness, height), color, "wood")
        for sign in (-1, 1)
        for near in (y, y + depth - thickness)
    ]


def _chair(rng: np.random.Generator, y: float = 0.0, back_near: bool = True) -> list[Box]:
    wood, cloth = _choose(rng, WOODS), _choose(rng, FABRICS)
    return [
        *_legs("chair", 0.44, 0.44, 0.42, y, wood),
        box("chair", 0.0, y, 0.42, (0.46, 0.46, 0.06), cloth, "fabric"),
        box("chair", 0.0, y if back_near else y + 0.41, 0.48, (0.46, 0.05, 0.46), wood, "wood"),
    ]


def _dining_place(rng: np.random.Generator) -> list[Box]:
    """The table in the middle of the room, which the camera circles, with a mat below and two chairs."""
    wood = _choose(rng, WOODS)
    table = [
        box("floor mat", 0.0, -1.0, 0.0, (2.6, 2.0, 0.012), _choose(rng, FABRICS), "checks"),
        *_legs("table", 1.4, 0.8, 0.7, -0.4, wood),
        box("table", 0.0, -0.42, 0.7, (1.5, 0.84, 0.04), wood, "wood"),
        box("box", -0.4, -0.2, 0.74, (0.32, 0.24, 0.2), (190, 150, 98)),
        box("books", 0.3, 0.0, 0.74, (0.22, 0.16, 0.035), (150, 40, 44)),
        box("books", 0.31, 0.01, 0.775, (0.2, 0.14, 0.03), (40, 80, 130)),
        box("paper", 0.1, -0.32, 0.74, (0.21, 0.3, 0.002), WHITE),
        box("bag", 0.55, -0.15, 0.74, (0.14, 0.3, 0.24), _choose(rng, FABRICS), "fabric"),
    ]
    chairs = [*_chair(rng, y=-0.85), *_chair(rng, y=0.42, back_near=False)]
    width, depth, _ = ROOM_SIZE
    return [
        Box(
            part.label,
            (part.low[0] + width / 2, part.low[1] + depth / 2, part.low[2]),
            (part.high[0] + width / 2, part.high[1] + depth / 2, part.high[2]),
            part.color,
            part.texture,
        )
        for part in (*table, *chairs)
    ]


def _sofa(rng: np.random.Generator) -> list[Box]:
    cloth = _choose(rng, FABRICS)
    return [
        box("sofa", 0.0, 0.02, 0.08, (2.0, 0.85, 0.34), cloth, "fabric"),
        box("sofa", 0.0, 0.02, 0.42, (2.0, 0.22, 0.42), cloth, "fabric"),
        *(box("sofa", x, 0.02, 0.42, (0.2, 0.85, 0.2), cloth, "fabric") for x in (-0.9, 0.9)),
        box("pillow", -0.55, 0.24, 0.42, (0.42, 0.14, 0.38), _choose(rng, FABRICS), "checks"),
        box("picture", -0.5, 0.005, 1.35, (0.7, 0.02, 0.5), (70, 120, 150), "checks"),
        box("picture", 0.5, 0.005, 1.45, (0.45, 0.02, 0.35), (180, 120, 60), "checks"),
    ]


def _floor_lamp(rng: np.random.Generator) -> list[Box]:
    return [
        box("lamp", 0.0, 0.2, 0.0, (0.26, 0.26, 0.03), METAL),
        box("lamp", 0.0, 0.315, 0.03, (0.03, 0.03, 1.4), METAL),
        box("lamp", 0.0, 0.15, 1.4, (0.36, 0.36, 0.3), (250, 236, 196), "fabric"),
    ]


def _person(rng: np.random.Generator) -> list[Box]:
    clothes, trousers = _choose(rng, FABRICS), (52, 56, 76)
    skin: Color = (196, 150, 122)
    return [
        *(box("person", x, 0.5, 0.0, (0.15, 0.18, 0.85), trousers, "fabric") for x in (-0.1, 0.1)),
        box("person", 0.0, 0.48, 0.85, (0.42, 0.22, 0.6), clothes, "fabric"),
        *(box("person", x, 0.52, 0.82, (0.1, 0.13, 0.6), clothes, "fabric") for x in (-0.27, 0.27)),
        box("person", 0.0, 0.5, 1.47, (0.17, 0.2, 0.25), skin),
        box("person", 0.0, 0.49, 1.66, (0.19, 0.22, 0.07), (60, 42, 30)),
    ]


def _bookshelf(rng: np.random.Generator) -> list[Box]:
    wood, width, height, shelves = _choose(rng, WOODS), 1.1, 2.0, 5
    boxes = [
        box("bookshelf", 0.0, 0.005, 0.0, (width, 0.02, height), wood, "wood"),
        *(box("bookshelf", x, 0.005, 0.0, (0.03, 0.3, height), wood, "wood") for x in (-width / 2, width / 2)),
    ]
    for shelf in range(shelves + 1):
        z = shelf * (height - 0.03) / shelves
        boxes.append(box("bookshelf", 0.0, 0.005, z, (width, 0.3, 0.03), wood, "wood"))
        x = -0.5
        while shelf < shelves and x < 0.25:
            run, tall = float(rng.uniform(0.1, 0.25)), float(rng.uniform(0.2, 0.3))
            boxes.append(box("books", x + run / 2, 0.04, z + 0.03, (run, 0.2, tall), _choose(rng, FABRICS)))
            x += run + 0.005
    return boxes


def _television_on_dresser(rng: np.random.Generator) -> list[Box]:
    wood = _choose(rng, WOODS)
    drawers = [
        box("dresser", x, 0.45, z, (0.66, 0.015, 0.22), wood, "wood") for x in (-0.35, 0.35) for z in (0.1, 0.36)
    ]
    return [
        box("dresser", 0.0, 0.01, 0.05, (1.5, 0.44, 0.58), wood, "wood"),
        *drawers,
        box("television", 0.0, 0.15, 0.7, (1.1, 0.05, 0.62), DARK, "glass"),
        box("television", 0.0, 0.12, 0.63, (0.4, 0.2, 0.07), DARK),
    ]


def _door(rng: np.random.Generator) -> list[Box]:
    wood = _choose(rng, WOODS)
    return [
        box("door", 0.0, 0.0, 0.0, (0.9, 0.03, 2.05), wood, "planks"),
        box("door", 0.36, 0.03, 1.0, (0.14, 0.05, 0.03), METAL),
    ]


def _cabinet(rng: np.random.Generator) -> list[Box]:
    wood = _choose(rng, WOODS)
    return [
        box("cabinet", 0.0, 0.01, 0.0, (1.2, 0.5, 1.9), wood, "wood"),
        *(box("cabinet", x, 0.51, 0.06, (0.57, 0.02, 1.78), wood, "planks") for x in (-0.3, 0.3)),
        box("box", 0.2, 0.1, 1.9, (0.4, 0.3, 0.28), (176, 136, 88)),
    ]


def _bed(rng: np.random.Generator) -> list[Box]:
    wood = _choose(rng, WOODS)
    return [
        box("bed", 0.0, 0.01, 0.0, (1.6, 0.06, 1.0), wood, "wood"),
        box("bed", 0.0, 0.07, 0.12, (1.6, 1.95, 0.2), wood, "wood"),
        box("bed", 0.0, 0.07, 0.32, (1.54, 1.93, 0.2), WHITE, "fabric"),
        box("bed", 0.0, 0.75, 0.52, (1.58, 1.25, 0.05), _choose(rng, FABRICS), "checks"),
        *(box("pillow", x, 0.12, 0.52, (0.6, 0.4, 0.12), WHITE, "fabric") for x in (-0.38, 0.38)),
    ]


def _night_stand(rng: np.random.Generator) -> list[Box]:
    return [
        box("night stand", 0.0, 0.02, 0.0, (0.42, 0.4, 0.5), _choose(rng, WOODS), "wood"),
        box("lamp", 0.0, 0.18, 0.5, (0.06, 0.06, 0.18), METAL),
        box("lamp", 0.0, 0.1, 0.68, (0.22, 0.22, 0.2), (250, 236, 196), "fabric"),
    ]


def _desk_below_window(rng: np.random.Generator) -> list[Box]:
    wood, cloth = _choose(rng, WOODS), _choose(rng, FABRICS)
    return [
        box("window", 0.0, 0.0, 1.0, (1.6, 0.02, 1.2), (206, 228, 246), "glass"),
        box("window", 0.0, 0.02, 1.0, (0.05, 0.02, 1.2), WHITE),
        *(box("curtain", x, 0.02, 0.85, (0.35, 0.08, 1.5), cloth, "planks") for x in (-0.97, 0.97)),
        *_legs("desk", 1.4, 0.65, 0.71, 0.05, wood),
        box("desk", 0.0, 0.03, 0.71, (1.5, 0.7, 0.03), wood, "wood"),
        box("otherprop", -0.45, 0.2, 0.74, (0.5, 0.04, 0.32), DARK, "glass"),
        box("paper", 0.3, 0.4, 0.74, (0.3, 0.21, 0.003), WHITE),
        *_chair(rng, y=0.6, back_near=False),
    ]


def _refridgerator(rng: np.random.Generator) -> list[Box]:
    return [
        box("refridgerator", 0.0, 0.03, 0.0, (0.62, 0.6, 1.75), METAL),
        box("refridgerator", 0.0, 0.63, 0.05, (0.6, 0.03, 1.05), WHITE),
        box("refridgerator", 0.0, 0.63, 1.13, (0.6, 0.03, 0.6), WHITE),
    ]
