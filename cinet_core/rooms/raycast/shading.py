"""Light on surfaces: local coordinates and normals, materials, lamps, shadows, mirrors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cinet_core.rooms.raycast.casting import PATTERN, cast_free_rays
from cinet_core.rooms.raycast.materials import PATTERNS, SurfacePoints
from cinet_core.rooms.raycast.packing import SURFACE_ROWS, SceneBatch
from cinet_core.rooms.raycast.primitives import Pattern, Shape

_VOID_COLOR = 0.5


@dataclass(frozen=True, eq=False)
class Surface:
    """N visible points.

    Attributes:
        albedo: (3, N) linear RGB.
        normal: (3, N) unit length, out of the solid.
        gloss: (N,) strength of highlights.
        glow: (N,) own light.
        mirror: (N,) bool.
        face: (N,) int64, equal for points on one smooth face of one solid.
    """

    albedo: Tensor
    normal: Tensor
    gloss: Tensor
    glow: Tensor
    mirror: Tensor
    face: Tensor


def surface_at(scenes: SceneBatch, seen: Tensor, points: Tensor, footprint: Tensor) -> Surface:
    """Surface properties of points.

    Args:
        scenes: B scenes of P solids.
        seen: (N,) int, global number of the solid, B * P for none.
        points: (3, N) world positions on its surface.
        footprint: (N,) metres a pixel covers there.
    """
    known = seen < scenes.kind.numel()
    rows = scenes.surfaces.index_select(1, torch.where(known, seen, 0).long())
    parts = dict(zip(SURFACE_ROWS, rows.split(list(SURFACE_ROWS.values())), strict=True))
    matrix, half, kind = parts["to_unit"].view(3, 3, -1), parts["half"], parts["kind"][0]
    away = points - parts["center"]
    local = torch.stack([_dot(matrix[axis], away) for axis in range(3)])
    flat = _flat_axis(local, kind)
    curved, tube = flat == 3, kind == Shape.CYLINDER
    outward = torch.stack([torch.where((flat == axis) | curved, local[axis], 0.0) for axis in range(3)])
    outward[2].masked_fill_(curved & tube, 0.0)
    normal = _unit(torch.stack([_dot(matrix[:, axis], outward) for axis in range(3)]))
    pattern, period, gloss, glow, first, second = parts["look"].unbind(0)
    x, y, z = (local * half).unbind(0)
    around = torch.where(curved & tube, torch.atan2(local[1], local[0]), 0.0)
    lying = (flat == 2) | (curved & ~tube)  # ellipsoids are mostly cushions and cloth: their pattern lies flat
    u = torch.where(flat == 0, y, torch.where(curved & tube, around * half[0], x))
    v = torch.where(lying, y, z)
    s = torch.where(flat == 0, local[1], torch.where(curved & tube, around / torch.pi, local[0]))
    t = torch.where(lying, local[1], local[2])
    albedo = torch.full_like(points, _VOID_COLOR)
    order = torch.argsort(pattern, stable=True)
    present, counts = pattern[order].unique_consecutive(return_counts=True)
    for number, some in zip(present.tolist(), order.split(counts.tolist()), strict=True):
        local_points = SurfacePoints(
            u[some],
            v[some],
            s[some],
            t[some],
            flat[some] == 1,
            parts["color"][:, some],
            parts["accent"][:, some],
            period[some],
            first[some],
            second[some],
            footprint[some],
        )
        albedo[:, some] = PATTERNS[Pattern(int(number))](local_points).clamp(0.0, 1.0)
    mirror = (pattern == Pattern.MIRROR) & (flat == 1) & known
    glow = torch.where(known, glow, 1.0)
    return Surface(torch.where(known, albedo, _VOID_COLOR), normal, gloss, glow, mirror, seen.long() * 4 + flat)


def _flat_axis(local: Tensor, kind: Tensor) -> Tensor:
    """(N,) axis to which the face is perpendicular, 3 where it is curved."""
    x, y, z = local.abs().unbind(0)
    largest = torch.where(x > torch.maximum(y, z), 0, torch.where(y > z, 1, 2))
    lid = (kind == Shape.CYLINDER) & (z.square_() > x.square_().add_(y.square_()))
    return torch.where(kind == Shape.BOX, largest, torch.where(lid, 2, 3))


@dataclass(frozen=True, eq=False)
class Lighting:
    """Lights of the scenes that points belong to; shapes broadcast against the points' (3, ...).

    Attributes:
        position: (L, 3, ...) metres.
        color: (L, 3, ...) linear RGB.
        normal: (L, 3, ...).
        ambient: (3, ...) linear RGB.
        size: (3, ...) of the room, metres.
    """

    position: Tensor
    color: Tensor
    normal: Tensor
    ambient: Tensor
    size: Tensor


def lighting_of(scenes: SceneBatch, scene: Tensor) -> Lighting:
    """Lights for points of these scenes (int64, any shape)."""
    return Lighting(
        scenes.light_position[scene].movedim((-2, -1), (0, 1)).contiguous(),
        scenes.light_color[scene].movedim((-2, -1), (0, 1)).contiguous(),
        scenes.light_normal[scene].movedim((-2, -1), (0, 1)).contiguous(),
        scenes.ambient[scene].movedim(-1, 0).contiguous(),
        scenes.size[scene].movedim(-1, 0).contiguous(),
    )


def direct_light(
    lighting: Lighting, light: int, normal: Tensor, gloss: Tensor, points: Tensor, ahead: Tensor
) -> tuple[Tensor, Tensor]:
    """Light of one lamp if nothing is before it.

    Args:
        lighting: of the points' scenes.
        light: number of the lamp.
        normal: (3, ...) unit normals.
        gloss: (...) strength of highlights.
        points: (3, ...) world positions.
        ahead: (3, ...) unit directions from the camera.

    Returns:
        Diffuse irradiance and highlight, (3, ...) linear RGB each.
    """
    to_light = lighting.position[light] - points
    squared = _dot(to_light, to_light).clamp_min_(0.15)
    direction = to_light.mul_(squared.rsqrt())
    facing = _dot(normal, direction).clamp_min_(0)
    shines = lighting.normal[light]
    emission = torch.where(_dot(shines, shines) > 0.5, -_dot(shines, direction), 1.0).clamp_min_(0)
    power = lighting.color[light] * (emission / squared)
    halfway = _unit(direction - ahead)
    highlight = _dot(normal, halfway).clamp_min_(0).pow_(60).mul_(gloss).mul_(facing > 0)
    return power * facing, power * (0.6 * highlight)


def ambient_light(lighting: Lighting, normal: Tensor, points: Tensor) -> Tensor:
    """(3, ...) light from everywhere: more from above, less near the room's edges, which see less of the room."""
    share = 0.8 + 0.2 * normal[2]
    for axis in range(3):
        tangent = 1 - normal[axis].abs()
        for distance in (points[axis], lighting.size[axis] - points[axis]):
            near = (1 - distance / 0.6).clamp_(0, 1)
            share *= 1 - 0.4 * near.square_().mul_(tangent)
    return lighting.ambient * share


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _unit(vectors: Tensor) -> Tensor:
    """(3, ...) scaled to length 1; much faster on the CPU than a norm along the first dimension."""
    return vectors * _dot(vectors, vectors).clamp_min_(1e-12).rsqrt_()


def soften(visible: Tensor, face: Tensor) -> Tensor:
    """Average shadow samples over PATTERN x PATTERN pixels of the same face, rows first.

    Args:
        visible: (L, B, H, W) from 0 to 1.
        face: (B, H, W) as in Surface.
    """
    for axis in (-1, -2):
        total, weight = visible.clone(), torch.ones_like(face, dtype=visible.dtype)
        for step in range(1 - PATTERN // 2, PATTERN // 2 + 1):
            if step == 0:
                continue
            low, high = max(0, -step), face.shape[axis] - max(0, step)
            here, there = slice(low, high), slice(low + step, high + step)
            at = (..., here) if axis == -1 else (..., here, slice(None))
            other = (..., there) if axis == -1 else (..., there, slice(None))
            same = (face[at] == face[other]).to(visible.dtype)
            total[at] += visible[other] * same
            weight[at] += same
        visible = total / weight
    return visible


def mirrored(
    scenes: SceneBatch, scene: Tensor, points: Tensor, ahead: Tensor, normal: Tensor, footprint: Tensor
) -> Tensor:
    """Light that a mirror throws back: the room without shadows, once reflected.

    Args:
        scenes: B scenes.
        scene: (N,) int64, scene of each point.
        points: (3, N) world positions on mirrors.
        ahead: (3, N) unit directions from the camera.
        normal: (3, N) of the mirrors.
        footprint: (N,) metres a pixel covers there.

    Returns:
        (3, N) linear RGB.
    """
    direction = ahead - 2 * _dot(ahead, normal) * normal
    color = torch.zeros_like(points)
    for number in scene.unique().tolist():
        some = (scene == number).nonzero().flatten()
        length, seen = cast_free_rays(scenes, int(number), (points + 1e-3 * normal)[:, some].T, direction[:, some].T)
        end = points[:, some] + direction[:, some] * torch.where(length.isinf(), 1.0, length)
        surface = surface_at(scenes, seen, end, footprint[some] * 2)
        lighting = lighting_of(scenes, scene[some])
        light = ambient_light(lighting, surface.normal, end)
        for lamp in range(lighting.color.shape[0]):
            diffuse, _ = direct_light(lighting, lamp, surface.normal, surface.gloss, end, direction[:, some])
            light = light + 0.7 * diffuse
        color[:, some] = surface.albedo * (light + surface.glow)
    return color
