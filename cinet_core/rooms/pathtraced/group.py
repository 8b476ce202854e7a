"""Things that stand together while a room is furnished: pieces, models and lamps in a frame of their own.

The frame is that of synthetic_rooms' Parts: x along the wall, 0 in the middle; y from the wall (0) into the room; z up.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from cinet_core.rooms.pathtraced.catalogue import Model
from cinet_core.rooms.pathtraced.plan import Finish
from cinet_core.rooms.raycast.primitives import Place, Vector, rotation_z

LAMP_RADIUS = 0.05


@dataclass(frozen=True, eq=False)
class Item:
    """A piece whose numbers are arrays; plan.Piece says what they mean."""

    shape: str
    center: Vector
    half: Vector
    rotation: Vector
    label: int
    finish: Finish
    casts_shadow: bool = True
    size: float = 0.0


@dataclass(frozen=True, eq=False)
class Stand:
    """A model somewhere.

    Attributes:
        model: of the catalogue.
        label: NYU40 id.
        size: (3,) metres: width, depth, height.
        position: (3,) metres, middle of its back lower edge.
        yaw: radians.
        tint: added hue in turns, factors of saturation and value.
    """

    model: Model
    label: int
    size: Vector
    position: Vector
    yaw: float
    tint: tuple[float, float, float]

    def bounds(self) -> tuple[Vector, Vector]:
        """Lowest and highest corner of the axis-aligned box around it."""
        width, depth, height = self.size
        plan = np.array([[x, y, 0.0] for x in (-width / 2, width / 2) for y in (0.0, depth)])
        corners = plan @ rotation_z(self.yaw).T + self.position
        return corners.min(0), corners.max(0) + np.array([0.0, 0.0, height])


@dataclass(frozen=True, eq=False)
class Lamp:
    """Something that shines.

    Attributes:
        position: (3,) metres.
        power: watts.
        color: linear RGB.
        radius: metres.
        direction: (3,) that an area shines along; zero for a lamp that shines everywhere.
        size: width and height of an area, metres.
    """

    position: Vector
    power: float
    color: tuple[float, float, float]
    radius: float = LAMP_RADIUS
    direction: Vector = field(default_factory=lambda: np.zeros(3))
    size: tuple[float, float] = (0.0, 0.0)


@dataclass(eq=False)
class Group:
    """Pieces, models and lamps."""

    items: list[Item] = field(default_factory=list)
    stands: list[Stand] = field(default_factory=list)
    lamps: list[Lamp] = field(default_factory=list)

    def add_item(
        self,
        shape: str,
        center: Place,
        half: Place,
        label: int,
        finish: Finish,
        rotation: Vector | None = None,
        casts_shadow: bool = True,
        size: float = 0.0,
    ) -> None:
        """Add a piece."""
        turn = np.eye(3) if rotation is None else rotation
        self.items.append(
            Item(shape, np.array(center, float), np.maximum(half, 5e-4), turn, label, finish, casts_shadow, size)
        )

    def box(
        self, low: Place, high: Place, label: int, finish: Finish, rotation: Vector | None = None, size: float = 0.0
    ) -> None:
        """Add a box between two corners; a rotation turns it about its centre."""
        corners = np.array([low, high], dtype=np.float64)
        self.add_item("box", corners.mean(0), (corners[1] - corners[0]) / 2, label, finish, rotation, size=size)

    def cylinder(
        self, center: Place, radius: float, height: float, label: int, finish: Finish, rotation: Vector | None = None
    ) -> None:
        """Add an upright cylinder around its centre."""
        self.add_item("cylinder", center, (radius, radius, height / 2), label, finish, rotation)

    def add(self, other: Group, translation: Place = (0.0, 0.0, 0.0), yaw: float = 0.0) -> None:
        """Add another group's things, turned by ``yaw`` radians and moved."""
        turn, shift = rotation_z(yaw), np.array(translation, dtype=np.float64)
        self.items.extend(
            replace(item, center=turn @ item.center + shift, rotation=turn @ item.rotation) for item in other.items
        )
        self.stands.extend(
            replace(stand, position=turn @ stand.position + shift, yaw=stand.yaw + yaw) for stand in other.stands
        )
        self.lamps.extend(
            replace(lamp, position=turn @ lamp.position + shift, direction=turn @ lamp.direction)
            for lamp in other.lamps
        )

    def boxes(self) -> tuple[Vector, Vector]:
        """Lowest and highest corners, (N, 3) each, of the axis-aligned boxes around every thing."""
        lows, highs = [], []
        for item in self.items:
            extent = np.abs(item.rotation) @ item.half
            lows.append(item.center - extent)
            highs.append(item.center + extent)
        for stand in self.stands:
            low, high = stand.bounds()
            lows.append(low)
            highs.append(high)
        return np.array(lows).reshape(-1, 3), np.array(highs).reshape(-1, 3)

    def bounds(self) -> tuple[Vector, Vector]:
        """Lowest and highest corner, (3,) each, of the axis-aligned box around everything."""
        lows, highs = self.boxes()
        return lows.min(0), highs.max(0)
