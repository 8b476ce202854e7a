"""What a synthetic room is made of: convex solids with one label and one material each, and lights.

World coordinates are metres, z up. Every solid is a unit solid (cube, ball or upright cylinder, each within
[-1, 1]^3) that was scaled along its own axes, rotated and moved, so that one affine map takes a ray into its frame.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from cinet_core.rooms.vocabulary import NEAR_BLACK, Color

Vector = npt.NDArray[np.float64]

Place = Sequence[float] | Vector
"""Three numbers."""


class Shape(IntEnum):
    """Shape of a solid in its own frame."""

    BOX = 0
    ELLIPSOID = 1
    CYLINDER = 2  # its axis is its own z


class Pattern(IntEnum):
    """Procedural texture; see materials.py for what each one draws."""

    PLAIN = 0
    WOOD = 1
    PLANKS = 2
    TILES = 3
    CHECKER = 4
    FABRIC = 5
    CARPET = 6
    STRIPES = 7
    BRICK = 8
    PANELS = 9
    ART = 10
    BOOKS = 11
    SKY = 12
    SCREEN = 13
    MARBLE = 14
    FOLDS = 15
    WRITING = 16
    WALLPAPER = 17
    SLATS = 18
    MIRROR = 19


@dataclass(frozen=True)
class Material:
    """How a surface looks.

    Attributes:
        pattern: procedural texture.
        color: main colour.
        accent: second colour of the pattern.
        period: metres after which the pattern repeats, or its characteristic size.
        gloss: strength of highlights, 0 to 1.
        glow: light that the surface sends out, in units of its colour; 0 for all but lamps, screens and sky.
        variant: two numbers that make this surface differ from others of the same pattern: an offset of the pattern
            in metres; for PANELS, the number of columns and rows.
    """

    pattern: Pattern
    color: Color
    accent: Color = NEAR_BLACK
    period: float = 0.1
    gloss: float = 0.0
    glow: float = 0.0
    variant: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Primitive:
    """A convex solid in the world.

    Attributes:
        kind: its shape.
        center: (3,) metres.
        half: (3,) half extents along its own axes, metres, all positive.
        rotation: (3, 3), columns are its own axes.
        label: NYU40 id.
        material: its looks.
        casts_shadow: False for what light passes or comes from: panes and lampshades.
    """

    kind: Shape
    center: Vector
    half: Vector
    rotation: Vector
    label: int
    material: Material
    casts_shadow: bool = True

    def moved(self, rotation: Vector, translation: Vector) -> Primitive:
        """The same solid after a rotation about the origin and a translation."""
        return Primitive(  # not dataclasses.replace, which takes five times as long
            self.kind,
            rotation @ self.center + translation,
            self.half,
            rotation @ self.rotation,
            self.label,
            self.material,
            self.casts_shadow,
        )

    def extent(self) -> Vector:
        """(3,) half size of the axis-aligned box around it (around its cube, for round solids)."""
        return np.abs(self.rotation) @ self.half


@dataclass(frozen=True)
class Light:
    """A small round light, or with a normal a surface that shines to one side.

    Attributes:
        position: metres.
        color: linear RGB power; light on a surface at distance d is ``color / d^2``.
        radius: metres; softens shadows.
        normal: of a shining surface; zero for a lamp that shines everywhere.
    """

    position: tuple[float, float, float]
    color: Color
    radius: float = 0.1
    normal: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Doorway:
    """An open doorway between the main room and a second one before it.

    Attributes:
        threshold: world x, y of its middle, on the second room's side.
        inward: unit vector along x, y, into the main room.
        width: metres.
        depth: of the second room, metres.
    """

    threshold: tuple[float, float]
    inward: tuple[float, float]
    width: float
    depth: float


@dataclass(frozen=True, eq=False)
class Scene:
    """A furnished room.

    Attributes:
        primitives: all solids.
        lights: at most MAX_LIGHTS, 2; each costs a shadow ray a pixel.
        ambient: linear RGB light from everywhere.
        size: of the main room, metres along x, y, z; its corner is the origin.
        doorway: into the main room, if it has an open one.

    Raises:
        ValueError: there is no solid, or there are too many lights.
    """

    primitives: tuple[Primitive, ...]
    lights: tuple[Light, ...]
    ambient: Color
    size: tuple[float, float, float]
    doorway: Doorway | None = None

    def __post_init__(self) -> None:
        """Refuse what the renderer cannot show."""
        if not self.primitives or len(self.lights) > MAX_LIGHTS:
            raise ValueError(
                f"{len(self.primitives)} solids and {len(self.lights)} lights: a scene has at least 1 solid and "
                f"at most {MAX_LIGHTS} lights"
            )

    @functools.cached_property
    def frames(self) -> tuple[Vector, Vector, Vector]:
        """(P, 3, 3) rotations, (P, 3) centres and (P, 3) half extents of all solids."""
        return (
            np.array([solid.rotation for solid in self.primitives]),
            np.array([solid.center for solid in self.primitives]),
            np.array([solid.half for solid in self.primitives]),
        )


MAX_LIGHTS = 2


def rotation_z(angle: float) -> Vector:
    """(3, 3) rotation about the vertical axis by an angle in radians."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def rotation_x(angle: float) -> Vector:
    """(3, 3) rotation about x by an angle in radians."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def rotation_y(angle: float) -> Vector:
    """(3, 3) rotation about y by an angle in radians."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


@dataclass(eq=False)
class Parts:
    """Solids that make up one piece of furniture, in its own frame.

    The frame: x along the wall, 0 in the middle; y from the wall (0) into the room; z up from what it stands on.
    """

    solids: list[Primitive] = field(default_factory=list)

    def box(
        self,
        low: Place,
        high: Place,
        label: int,
        material: Material,
        rotation: Vector | None = None,
        casts_shadow: bool = True,
    ) -> None:
        """Add a box between two corners; a rotation turns it about its centre."""
        corners = np.array([low, high], dtype=np.float64)
        self._add(Shape.BOX, corners.mean(0), (corners[1] - corners[0]) / 2, label, material, rotation, casts_shadow)

    def ellipsoid(
        self,
        center: Place,
        half: Place,
        label: int,
        material: Material,
        rotation: Vector | None = None,
        casts_shadow: bool = True,
    ) -> None:
        """Add an ellipsoid with these half axes."""
        self._add(Shape.ELLIPSOID, np.array(center), np.array(half), label, material, rotation, casts_shadow)

    def cylinder(
        self,
        center: Place,
        radius: float,
        height: float,
        label: int,
        material: Material,
        rotation: Vector | None = None,
        casts_shadow: bool = True,
    ) -> None:
        """Add a cylinder around its centre; upright unless rotated."""
        half = np.array([radius, radius, height / 2])
        self._add(Shape.CYLINDER, np.array(center), half, label, material, rotation, casts_shadow)

    def add(self, other: Parts, translation: Place = (0.0, 0.0, 0.0), yaw: float = 0.0) -> None:
        """Add another group's solids, turned by ``yaw`` radians and moved."""
        turn = rotation_z(yaw)
        self.solids.extend(solid.moved(turn, np.array(translation)) for solid in other.solids)

    def bounds(self, turn: Vector | None = None) -> tuple[Vector, Vector]:
        """Lowest and highest corner, (3,) each, of the axis-aligned box around all solids after a rotation ``turn``."""
        matrix = np.eye(3) if turn is None else turn
        centers = np.array([solid.center for solid in self.solids]) @ matrix.T
        axes = matrix @ np.array([solid.rotation for solid in self.solids])
        extents = (np.abs(axes) @ np.array([solid.half for solid in self.solids])[..., None])[..., 0]
        return (centers - extents).min(0), (centers + extents).max(0)

    def _add(
        self,
        kind: Shape,
        center: Vector,
        half: Vector,
        label: int,
        material: Material,
        rotation: Vector | None,
        casts_shadow: bool,
    ) -> None:
        turn = np.eye(3) if rotation is None else rotation
        self.solids.append(Primitive(kind, center, np.maximum(half, 1e-3), turn, label, material, casts_shadow))
