"""Exact visibility: the first solid on each camera ray, and what light reaches it."""

from __future__ import annotations

import torch
from torch import Tensor

from cinet_core.rooms.raycast.intersection import CROSSINGS, Components
from cinet_core.rooms.raycast.packing import PADDING_OFFSET, CameraBatch, SceneBatch
from cinet_core.rooms.raycast.primitives import Shape
from cinet_core.rooms.raycast.tiles import TILE, TileGrid, chunks, solids_before_light, solids_in_view

PATTERN = 4
"""Neighbouring pixels look at different points of a light; the pattern repeats after this many pixels."""

LARGE = 1.0
"""Metres of half extent: larger boxes, mostly walls, are the first to be tried before a light."""

SURFACE_OFFSET = 0.004
"""Metres that a shadow ray passes before anything can stop it."""


def cast_camera_rays(scenes: SceneBatch, cameras: CameraBatch, grid: TileGrid) -> tuple[Tensor, Tensor]:
    """What each pixel sees.

    Returns:
        z-depth in metres, infinite where a ray meets nothing; and the global number of the solid met, B * P for none.
        Both (T, TILE, TILE).
    """
    tiles, nothing = grid.scene.numel(), scenes.kind.numel()
    depth = torch.full((tiles, TILE, TILE), torch.inf, device=grid.x.device)
    seen = torch.full((tiles, TILE, TILE), nothing, device=grid.x.device, dtype=torch.int32)
    wanted = solids_in_view(scenes, cameras, grid)
    rays = _camera_rays_in_units(scenes, cameras)
    for kind in Shape:
        for chosen, table in chunks(scenes, wanted, grid, kind):
            x, y, nearest, number = grid.x[chosen], grid.y[chosen], depth[chosen], seen[chosen]
            for solid in table:
                origin, direction = _tile_rays(rays.index_select(1, solid), x, y)
                enter, leave = CROSSINGS[kind](origin, direction)
                met = (enter <= leave) & (enter > 0) & (enter < nearest)
                nearest = torch.where(met, enter, nearest)
                number = torch.where(met, solid[:, None, None].int(), number)
            depth[chosen], seen[chosen] = nearest, number
    return depth, seen


def _camera_rays_in_units(scenes: SceneBatch, cameras: CameraBatch) -> Tensor:
    """(12, B * P + 1): camera position and the images of the camera's x, y, z axes in each solid's unit frame."""
    origin = scenes.to_unit @ (cameras.position[:, None] - scenes.center)[..., None]
    axes = scenes.to_unit @ cameras.rotation[:, None]
    rows = torch.cat([origin, axes], 3).permute(3, 2, 0, 1).reshape(12, -1)
    padding = rows.new_zeros(12, 1)
    padding[:3] = PADDING_OFFSET
    return torch.cat([rows, padding], 1)


def _tile_rays(rays: Tensor, x: Tensor, y: Tensor) -> tuple[Components, Components]:
    """Rays of n tiles in the unit frames of n solids; directions are linear in the pixel, hence outer sums."""
    right, down, ahead = rays[3:6, :, None], rays[6:9, :, None], rays[9:12, :, None]
    along_row, along_column = right * x + ahead, down * y  # (3, n, TILE)
    origins, directions = (
        rays[:3, :, None, None].unbind(0),
        [along_row[axis][:, None, :] + along_column[axis][:, :, None] for axis in range(3)],
    )
    return (origins[0], origins[1], origins[2]), (directions[0], directions[1], directions[2])


def tile_points(depth: Tensor, cameras: CameraBatch, grid: TileGrid) -> Tensor:
    """(3, T, TILE, TILE) world positions of what is seen; 1 m before the camera where nothing is."""
    axes = cameras.rotation[grid.scene].permute(1, 2, 0)[..., None]  # (3 world, 3 camera, T, 1)
    along_row, along_column = axes[:, 0] * grid.x + axes[:, 2], axes[:, 1] * grid.y
    rays = along_row[:, :, None, :] + along_column[:, :, :, None]
    known = torch.where(depth.isinf(), 1.0, depth)
    return rays.mul_(known).add_(cameras.position[grid.scene].T[:, :, None, None])


def cast_shadow_rays(scenes: SceneBatch, points: Tensor, light: int, grid: TileGrid) -> Tensor:
    """(T, TILE, TILE) float: 1 where a point sees the light, 0 where something is before it.

    Each pixel looks at one of PATTERN^2 points of the light: average over PATTERN x PATTERN pixels for soft shadows.
    """
    tiles = points.shape[1]
    low, high = points.amin((2, 3)).T, points.amax((2, 3)).T
    source = scenes.light_position[:, light][grid.scene]
    offsets = _spots(points) * scenes.light_radius[:, light, None, None]
    shines = scenes.light_normal[:, light, None]
    offsets -= (offsets * shines).sum(2, keepdim=True) * shines  # a light with a normal is a disc
    spots = source[:, None] + offsets[grid.scene]
    passed = SURFACE_OFFSET / (source - (low + high) / 2).norm(dim=1)
    blocked = torch.zeros((tiles, TILE, TILE), device=points.device, dtype=torch.bool)
    wanted = solids_before_light(scenes, low, high, light, grid)
    units = _unit_frames(scenes)
    large = scenes.half.amax(2) > LARGE
    for kind, group in ((Shape.BOX, large), (Shape.BOX, ~large), (Shape.ELLIPSOID, None), (Shape.CYLINDER, None)):
        open_tiles = ~blocked.flatten(1).all(1, keepdim=True)
        some = wanted & open_tiles if group is None else wanted & open_tiles & group[grid.scene]
        for chosen, table in chunks(scenes, some, grid, kind):
            at, to, start = points[:, chosen], spots[chosen], passed[chosen][:, None, None]
            stopped = blocked[chosen]
            for solid in table:
                origin, direction = _beams(units.index_select(1, solid), at, to)
                enter, leave = CROSSINGS[kind](origin, direction)
                stopped |= (enter <= leave) & (leave > start) & (enter < 1)
            blocked[chosen] = stopped
    return (~blocked).float()


def _unit_frames(scenes: SceneBatch) -> Tensor:
    """(12, B * P + 1): matrix, row by row, and shift that take world positions into each solid's unit frame."""
    shift = -(scenes.to_unit @ scenes.center[..., None])
    rows = torch.cat([scenes.to_unit.flatten(2), shift[..., 0]], 2).flatten(0, 1).T
    padding = rows.new_zeros(12, 1)
    padding[9:] = PADDING_OFFSET
    return torch.cat([rows, padding], 1)


def _beams(units: Tensor, at: Tensor, to: Tensor) -> tuple[Components, Components]:
    """Segments from the points of n tiles to their spots on the light, in the unit frames of n solids."""
    matrix, shift = units[:9].view(3, 3, -1), units[9:]
    target = torch.einsum("ijn,nkj->ink", matrix, to) + shift[..., None]  # (3, n, PATTERN^2)
    repeats = TILE // PATTERN
    origins, directions = [], []
    for axis in range(3):
        row = matrix[axis, :, :, None, None]
        origin = torch.addcmul(shift[axis][:, None, None], row[0], at[0])
        origin.addcmul_(row[1], at[1]).addcmul_(row[2], at[2])
        blocks = origin.view(-1, repeats, PATTERN, repeats, PATTERN)
        direction = target[axis].view(-1, 1, PATTERN, 1, PATTERN) - blocks
        origins.append(origin)
        directions.append(direction.view_as(origin))
    return (origins[0], origins[1], origins[2]), (directions[0], directions[1], directions[2])


def _spots(like: Tensor) -> Tensor:
    """(PATTERN^2, 3) points within a ball, neighbours of the pattern far apart."""
    number = torch.arange(PATTERN * PATTERN, device=like.device, dtype=like.dtype)
    shuffled = (number * 7) % (PATTERN * PATTERN)
    height = (shuffled + 0.5) / (PATTERN * PATTERN) * 2 - 1
    angle = shuffled * 2.399963  # the golden angle
    across = (1 - height.square()).sqrt()
    radius = ((number * 5 % 16 + 1) / 16).pow(1 / 3)
    return torch.stack([across * angle.cos(), across * angle.sin(), height], 1) * radius[:, None]


def cast_free_rays(scenes: SceneBatch, scene: int, origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """First solid on any rays, by trying all of one scene's: for the few that no tile covers.

    Args:
        scenes: the batch.
        scene: number of the rays' scene.
        origin: (N, 3) metres, outside all solids.
        direction: (N, 3), any length.

    Returns:
        (N,) ray parameter, infinite where nothing is met, and (N,) int32 global number of the solid, B * P for none.
    """
    solids = scenes.shape[1]
    nearest = torch.full_like(origin[:, 0], torch.inf)
    number = torch.full_like(nearest, scenes.kind.numel(), dtype=torch.int32)
    for kind in Shape:
        members = (scenes.kind[scene] == kind).nonzero().flatten()
        for some in members.split(64):
            to_unit, center = scenes.to_unit[scene, some], scenes.center[scene, some]
            o = torch.einsum("pij,npj->inp", to_unit, origin[:, None] - center).unbind(0)
            d = torch.einsum("pij,nj->inp", to_unit, direction).unbind(0)
            enter, leave = CROSSINGS[kind]((o[0], o[1], o[2]), (d[0], d[1], d[2]))
            enter = torch.where((enter <= leave) & (enter > 1e-4), enter, torch.inf)
            if some.numel() == 0:
                continue
            first, which = enter.min(1)
            number = torch.where(first < nearest, (scene * solids + some[which]).int(), number)
            nearest = torch.minimum(nearest, first)
    return nearest, number
