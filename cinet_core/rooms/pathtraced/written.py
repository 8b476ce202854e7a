"""A filled group as a RoomPlan: arrays become tuples, NYU40 ids the numbers on disk."""

from __future__ import annotations

import numpy as np

from cinet_core.rooms.pathtraced.group import Group, Lamp
from cinet_core.rooms.pathtraced.plan import VOID, Finish, Piece, Placement, PlannedLight, PlannedView, RoomPlan, Triple
from cinet_core.rooms.raycast.primitives import Vector

DIGITS = 5


def plan_of(
    group: Group, room: int, kind: str, sky: Triple, views: tuple[PlannedView, ...], count: int, width: int, height: int
) -> RoomPlan:
    """Everything of the group, in the world."""
    finishes: dict[Finish, int] = {}
    pieces = tuple(
        Piece(
            item.shape,
            _triple(item.center),
            _triple(item.half),
            item.label + 1 if item.label >= 0 else VOID,
            finishes.setdefault(item.finish, len(finishes)),
            (_triple(item.rotation[0]), _triple(item.rotation[1]), _triple(item.rotation[2])),
            item.casts_shadow,
            item.size,
        )
        for item in group.items
    )
    models = tuple(
        Placement(
            stand.model.key,
            str(stand.model.path),
            stand.model.turn,
            _triple(stand.size),
            _triple(stand.position),
            round(stand.yaw, DIGITS),
            stand.label + 1,
            *(round(value, 3) for value in stand.tint),
        )
        for stand in group.stands
    )
    return RoomPlan(
        room=room,
        kind=kind,
        finishes=tuple(finishes),
        pieces=pieces,
        models=models,
        lights=tuple(_light(lamp) for lamp in group.lamps),
        sky=sky,
        views=views,
        count=count,
        width=width,
        height=height,
    )


def _light(lamp: Lamp) -> PlannedLight:
    directed = bool(np.abs(lamp.direction).max() > 0)
    kind = "point" if not directed else "area" if lamp.size[0] > 0 else "sun"
    size = lamp.size if kind == "area" else (lamp.radius, lamp.radius)
    return PlannedLight(kind, _triple(lamp.position), _triple(lamp.direction), size, lamp.power, lamp.color)


def _triple(values: Vector) -> Triple:
    x, y, z = (round(float(value), DIGITS) for value in values)
    return x, y, z
