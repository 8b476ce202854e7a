"""What a room is made of, as it is handed to Blender: pieces, models, lights and cameras, written as JSON.

World coordinates are metres, z up, the floor at z = 0.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Triple = tuple[float, float, float]
Color = tuple[float, float, float]
"""sRGB, 0 to 1."""

UPRIGHT: tuple[Triple, Triple, Triple] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

VOID = 0
"""Label of what has no class; otherwise NYU40 ids + 1, as they are on disk."""


@dataclass(frozen=True)
class Finish:
    """How a surface looks; blender/finishes.py draws each kind.

    Attributes:
        kind: procedural pattern, or "image" (once over a piece's face) or "texture" (repeated).
        color: main colour.
        accent: second colour of the pattern.
        period: metres after which the pattern repeats, or its characteristic size.
        roughness: 0 mirror, 1 matt.
        metallic: 0 or 1.
        glow: light sent out, in units of its colour.
        image: file of "image" and "texture".
        offset: of the pattern, metres.
    """

    kind: str
    color: Color = (0.8, 0.8, 0.8)
    accent: Color = (0.5, 0.5, 0.5)
    period: float = 0.1
    roughness: float = 0.5
    metallic: float = 0.0
    glow: float = 0.0
    image: str = ""
    offset: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Piece:
    """A solid built in code.

    Attributes:
        shape: of meshes.py: box, ellipsoid, cylinder, cushion or folds.
        center: metres.
        half: half extents along its own axes, metres.
        rotation: rows of the (3, 3) matrix whose columns are its own axes in the world.
        label: as on disk, 0 to 40.
        finish: index into the plan's finishes.
        casts_shadow: False for what light passes or comes from.
        size: metres: wave length of folds, chamfer of a box.
    """

    shape: str
    center: Triple
    half: Triple
    label: int
    finish: int
    rotation: tuple[Triple, Triple, Triple] = UPRIGHT
    casts_shadow: bool = True
    size: float = 0.0


@dataclass(frozen=True)
class Placement:
    """A model of the catalogue in the room.

    Attributes:
        model: its id.
        path: its OBJ file.
        turn: rows of the (3, 3) matrix that the catalogue applies to the file's vertices.
        size: metres along x (width), y (depth) and z that the model is scaled to.
        position: of the middle of its back lower edge, metres.
        yaw: radians, from world x to the model's x; it looks along its y.
        label: as on disk.
        hue: added to the hue of its colours, in turns.
        saturation: factor.
        value: factor.
    """

    model: str
    path: str
    turn: tuple[Triple, Triple, Triple]
    size: Triple
    position: Triple
    yaw: float
    label: int
    hue: float = 0.0
    saturation: float = 1.0
    value: float = 1.0


@dataclass(frozen=True)
class PlannedLight:
    """A lamp, a shining window or the sun.

    Attributes:
        kind: point, area or sun.
        position: metres.
        direction: that an area or the sun shines along.
        size: metres: radius of a point, width and height of an area; radians: diameter of the sun.
        power: watts; of the sun watts a square metre.
        color: linear RGB.
    """

    kind: str
    position: Triple
    direction: Triple
    size: tuple[float, float]
    power: float
    color: Triple


@dataclass(frozen=True)
class PlannedView:
    """A pinhole camera; pixel centres are whole numbers.

    Attributes:
        fx: focal length, pixels; pixels are square.
        cx: principal point, pixels.
        cy: principal point, pixels.
        pose: rows of the (4, 4) camera-to-world matrix; camera x right, y down, z forward (OpenCV).
    """

    fx: float
    cx: float
    cy: float
    pose: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True)
class RoomPlan:
    """A furnished room and the cameras that may look at it.

    Attributes:
        room: its number.
        kind: living, bed, ...
        finishes: of the pieces.
        pieces: built in code.
        models: of the catalogue.
        lights: at least one.
        sky: linear RGB light from outside of the room.
        views: candidates, of which Blender takes the best ``count``.
        count: views to render.
        width: pixels.
        height: pixels.
        wide: views are chosen for an even logarithm of their median depth, see `views.choose_wide_views`.
    """

    room: int
    kind: str
    finishes: tuple[Finish, ...]
    pieces: tuple[Piece, ...]
    models: tuple[Placement, ...]
    lights: tuple[PlannedLight, ...]
    sky: Triple
    views: tuple[PlannedView, ...]
    count: int
    width: int = 320
    height: int = 240
    samples: int = field(default=4)
    wide: bool = False

    def to_json(self) -> str:
        """One line."""
        return json.dumps(dataclasses.asdict(self), separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> RoomPlan:
        """Read what to_json() wrote."""
        values: dict[str, Any] = json.loads(text)
        for name, kind in (
            ("finishes", Finish),
            ("pieces", Piece),
            ("models", Placement),
            ("lights", PlannedLight),
            ("views", PlannedView),
        ):
            values[name] = tuple(_made(kind, entry) for entry in values[name])
        return _made(RoomPlan, values)


def _made(kind: Any, values: Mapping[str, Any]) -> Any:
    return kind(**{name: _tuples(value) for name, value in values.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(entry) for entry in value) if isinstance(value, list | tuple) else value
