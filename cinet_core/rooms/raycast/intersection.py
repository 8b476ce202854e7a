"""Where lines enter and leave the unit solids: cube, ball and cylinder within [-1, 1]^3.

A line is ``origin + t * direction``, each given as three tensors (x, y, z) that broadcast against each other. Every
function returns t where the line enters and where it leaves; a line that misses has ``enter > leave``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cinet_core.rooms.raycast.primitives import Shape

Components = tuple[Tensor, Tensor, Tensor]

SMALLEST_DIRECTION = 1e-8
"""A component of a direction below this counts as this: a line parallel to a face gives no 0 * infinity."""


def _slab(origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Between the planes -1 and 1 of one axis."""
    inverse = torch.copysign(direction.abs().clamp_min_(SMALLEST_DIRECTION), direction).reciprocal_()
    middle = origin * inverse
    reach = inverse.abs_()
    return torch.neg(middle).sub_(reach), reach.sub_(middle)


def cross_box(origin: Components, direction: Components) -> tuple[Tensor, Tensor]:
    """Of the cube."""
    enter, leave = _slab(origin[0], direction[0])
    for axis in (1, 2):
        near, far = _slab(origin[axis], direction[axis])
        enter, leave = torch.maximum(enter, near, out=near), torch.minimum(leave, far, out=far)
    return enter, leave


def _round(origin: tuple[Tensor, ...], direction: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Of the ball (three components) or the endless cylinder (two).

    Measured from the point nearest to the centre, since ``b^2 - 4ac`` cancels for small solids far away.
    """
    squared = sum((d * d for d in direction[1:]), direction[0] * direction[0]).clamp_min_(SMALLEST_DIRECTION**2)
    along = sum((o * d for o, d in zip(origin[1:], direction[1:], strict=True)), origin[0] * direction[0])
    nearest = along.div_(squared).neg_()
    inside = torch.ones_like(nearest)
    for o, d in zip(origin, direction, strict=True):
        inside.sub_((o + nearest * d).square_())
    inside.div_(squared)
    # Negative for a line that misses, so that it leaves before it enters. (A root of a negative number is very slow.)
    reach = torch.copysign(inside.abs().sqrt_(), inside)
    return nearest - reach, nearest + reach


def cross_ellipsoid(origin: Components, direction: Components) -> tuple[Tensor, Tensor]:
    """Of the ball."""
    return _round(origin, direction)


def cross_cylinder(origin: Components, direction: Components) -> tuple[Tensor, Tensor]:
    """Of the upright cylinder with its two lids."""
    enter, leave = _round(origin[:2], direction[:2])
    near, far = _slab(origin[2], direction[2])
    return torch.maximum(enter, near), torch.minimum(leave, far)


CROSSINGS: dict[Shape, Callable[[Components, Components], tuple[Tensor, Tensor]]] = {
    Shape.BOX: cross_box,
    Shape.ELLIPSOID: cross_ellipsoid,
    Shape.CYLINDER: cross_cylinder,
}
