"""Renders batches of scenes: images, exact z-depth and labels, on whatever device the tensors are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from cinet_core.label_sets import UNLABELLED
from cinet_core.rooms.raycast.camera import PosedCamera
from cinet_core.rooms.raycast.casting import cast_camera_rays, cast_shadow_rays, tile_points
from cinet_core.rooms.raycast.packing import CameraBatch, SceneBatch, pack_cameras, pack_scenes
from cinet_core.rooms.raycast.primitives import Scene
from cinet_core.rooms.raycast.sensor import Sensor, develop
from cinet_core.rooms.raycast.shading import (
    ambient_light,
    direct_light,
    lighting_of,
    mirrored,
    soften,
    surface_at,
)
from cinet_core.rooms.raycast.tiles import TileGrid, tile_grid

MIRROR_REFLECTANCE = 0.85

PIXELS_AT_ONCE = (2**17, 2**22)
"""Shaded together on a CPU, for its cache's sake, and on a GPU, for its memory's."""


@dataclass(frozen=True, eq=False)
class Rendering:
    """Views of B scenes.

    Attributes:
        images: (B, 3, H, W) uint8 RGB.
        depth: (B, H, W) float32 metres along z; 0 where nothing is seen.
        labels: (B, H, W) uint8 NYU40 ids; 255 where nothing is seen.
    """

    images: Tensor
    depth: Tensor
    labels: Tensor


@torch.no_grad()
def render(
    scenes: Sequence[Scene],
    cameras: Sequence[PosedCamera],
    seeds: Sequence[int],
    sensor: Sensor | None = None,
    shadows: bool = True,
    device: torch.device | str = "cpu",
) -> Rendering:
    """Render one view of each scene.

    Args:
        scenes: B scenes.
        cameras: one for each; all images of one size.
        seeds: of each image's sensor noise.
        sensor: of the camera; None for the usual one.
        shadows: cast shadow rays; without them a frame takes about half the time.
        device: where to work and where the result lies.

    Raises:
        ValueError: there are not as many cameras and seeds as scenes, or the cameras' image sizes differ.
    """
    if not len(scenes) == len(cameras) == len(seeds):
        raise ValueError(f"{len(scenes)} scenes, {len(cameras)} cameras, {len(seeds)} seeds: one of each a view")
    packed, views = pack_scenes(scenes, device), pack_cameras(cameras, device)
    grid = tile_grid(views)
    depth_tiles, seen_tiles = cast_camera_rays(packed, views, grid)
    points = tile_points(depth_tiles, views, grid)
    depth = grid.to_image(depth_tiles, views.height, views.width)
    seen = grid.to_image(seen_tiles, views.height, views.width)
    place = grid.to_image(points, views.height, views.width)
    visible = _visible(packed, grid, points, shadows, views)
    step = max(1, PIXELS_AT_ONCE[depth.device.type == "cuda"] // (views.height * views.width))
    light = torch.cat(
        [
            _light(packed, views, place, depth, seen, visible, slice(start, start + step))
            for start in range(0, len(scenes), step)
        ]
    )
    label = torch.cat([packed.label, packed.label.new_full((1,), UNLABELLED)])
    return Rendering(
        images=develop(light, sensor or Sensor(), seeds),
        depth=torch.where(depth.isinf(), 0.0, depth),
        labels=label[seen.long()],
    )


def _visible(scenes: SceneBatch, grid: TileGrid, points: Tensor, shadows: bool, views: CameraBatch) -> Tensor:
    """(L, B, H, W) 1 where a shadow ray reaches its light, everywhere without shadows."""
    lamps = range(scenes.light_color.shape[1])
    if not shadows:
        return points.new_ones((len(lamps), scenes.shape[0], views.height, views.width))
    reached = torch.stack([cast_shadow_rays(scenes, points, lamp, grid) for lamp in lamps])
    return grid.to_image(reached, views.height, views.width)


def _light(
    scenes: SceneBatch, views: CameraBatch, place: Tensor, depth: Tensor, seen: Tensor, visible: Tensor, chosen: slice
) -> Tensor:
    """(b, 3, H, W) linear light that reaches some of the cameras.

    Args:
        scenes: B scenes with L lights.
        views: B cameras.
        place: (3, B, H, W) world positions seen.
        depth: (B, H, W) metres.
        seen: (B, H, W) global numbers of solids.
        visible: (L, B, H, W) 1 where a shadow ray reached its light.
        chosen: the images to work on.
    """
    depth, visible, shape = depth[chosen], visible[:, chosen], depth[chosen].shape
    points = place[:, chosen].flatten(2).contiguous()
    ahead = points - views.position[chosen].T[:, :, None]
    ahead *= ahead.square().sum(0).rsqrt_()
    footprint = (depth / views.intrinsics[chosen, 0, None, None]).flatten()
    surface = surface_at(scenes, seen[chosen].flatten(), points.view(3, -1), footprint)
    scene = torch.arange(scenes.shape[0], device=depth.device)[chosen, None]
    lighting = lighting_of(scenes, scene)
    normal, gloss = surface.normal.view_as(points), surface.gloss.view(shape[0], -1)
    total = ambient_light(lighting, normal, points) * _crevices(depth).view(shape[0], -1)
    total.add_(surface.glow.view(shape[0], -1))
    shine = torch.zeros_like(total)
    visible = soften(visible, surface.face.view(shape)).flatten(2)
    for lamp in range(visible.shape[0]):
        diffuse, highlight = direct_light(lighting, lamp, normal, gloss, points, ahead)
        total.addcmul_(diffuse, visible[lamp])
        shine.addcmul_(highlight, visible[lamp])
    light = surface.albedo.mul_(total.reshape(3, -1)).add_(shine.reshape(3, -1))
    some = surface.mirror.nonzero().flatten()
    if some.numel():
        at, direction = points.view(3, -1)[:, some], ahead.reshape(3, -1)[:, some]
        of = scene.expand(-1, points.shape[2]).flatten()[some]
        light[:, some] = MIRROR_REFLECTANCE * mirrored(
            scenes, of, at, direction, surface.normal[:, some], footprint[some]
        )
    return light.view(3, *shape).transpose(0, 1)


def _crevices(depth: Tensor) -> Tensor:
    """(B, H, W) share of the ambient light that reaches a pixel: less where it lies behind its surroundings."""
    inverse = (1.0 / depth)[:, None]
    around = F.avg_pool2d(inverse, 9, stride=1, padding=4, count_include_pad=False)
    around = F.avg_pool2d(around, 5, stride=1, padding=2, count_include_pad=False)
    behind = (around / inverse.clamp_min(1e-6) - 1).clamp(0, 0.5)
    return (1 - 1.2 * behind)[:, 0].clamp_min(0.4)
