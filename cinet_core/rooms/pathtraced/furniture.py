"""What groups of furniture have in common: things of the synthetic rooms and of the catalogue, lamps."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from cinet_core.rooms.pathtraced.detail import detailed
from cinet_core.rooms.pathtraced.group import Group, Lamp
from cinet_core.rooms.pathtraced.looks import Looks
from cinet_core.rooms.raycast.primitives import Parts, Vector
from cinet_core.rooms.raycast.style import Style

WARM = (1.0, 0.72, 0.42)
"""Colour of a small lamp's light."""


def built(builder: Callable[[Style], Parts]) -> Callable[[Looks], Group]:
    """A piece of the synthetic rooms, in detail."""

    def build(looks: Looks) -> Group:
        return detailed(builder(looks.style), looks)

    return build


def modelled(role: str) -> Callable[[Looks], Group]:
    """A model, hung at the height that the catalogue gives."""

    def build(looks: Looks) -> Group:
        group = looks.group(role)
        stand = group.stands[0]
        stand.position[2] = stand.model.elevation
        return group

    return build


def lamp(group: Group, looks: Looks, where: tuple[float, float, float], lit: bool, role: str = "lamp") -> None:
    """A table lamp; a lit one shines from its upper part."""
    stand = looks.stand(role)
    stand.position[:] = (where[0], where[1] - stand.size[1] / 2, where[2])
    group.stands.append(stand)
    if lit:
        up = stand.size[2] * (0.78 if role != "floor lamp" else 1.02)
        power = looks.style.uniform(4, 16) * (3 if role == "floor lamp" else 1)
        place = np.array([where[0], where[1], where[2] + up])
        group.lamps.append(Lamp(place, power, WARM, max(0.05, min(stand.size[:2]) * 0.35)))


def floor_lamp(looks: Looks) -> Group:
    """Standing lamp."""
    group = Group()
    lamp(group, looks, (0.0, 0.25, 0.0), looks.style.chance(0.4), "floor lamp")
    return group


def inset(corner: Vector) -> tuple[float, float]:
    """A corner of a table's top, a little inwards from its middle line in x."""
    x = float(corner[0])
    return (x - math.copysign(0.06, x), float(corner[1]) + (0.05 if corner[1] < 0.05 else -0.05))
