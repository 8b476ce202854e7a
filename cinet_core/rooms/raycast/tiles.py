"""Which solids each tile of the image, or each beam from a tile to a light, can meet.

The image is cut into square tiles. For each tile a conservative test finds the solids worth intersecting; all tiles
of all images of a batch are then worked off together, longest lists first, so that the tiles of one chunk have lists
of about the same length and little padding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from cinet_core.rooms.raycast.packing import CameraBatch, SceneBatch
from cinet_core.rooms.raycast.primitives import Shape

TILE = 16
"""Pixels along a tile's side."""

TILES_PER_CHUNK = 256
"""Tiles worked on at once: 65536 rays, whose temporaries fit into a core's cache."""


@dataclass(frozen=True, eq=False)
class TileGrid:
    """The tiles of a batch, numbered image by image, row by row; T in all.

    Attributes:
        rows: of tiles in an image.
        columns: of tiles in an image.
        x: (T, TILE) ray x = (u - cx) / fx of each pixel column of the tile.
        y: (T, TILE) ray y of each pixel row.
        scene: (T,) int64, image of the tile.
    """

    rows: int
    columns: int
    x: Tensor
    y: Tensor
    scene: Tensor

    def to_image(self, values: Tensor, height: int, width: int) -> Tensor:
        """(..., T, TILE, TILE) to (..., B, height, width); tiles may reach over the edge."""
        lead = values.shape[:-3]
        grid = values.view(*lead, -1, self.rows, self.columns, TILE, TILE).transpose(-3, -2)
        return grid.reshape(*lead, -1, self.rows * TILE, self.columns * TILE)[..., :height, :width]


def tile_grid(cameras: CameraBatch) -> TileGrid:
    """Tiles that cover the images of these cameras."""
    rows, columns = -(-cameras.height // TILE), -(-cameras.width // TILE)
    device, images = cameras.position.device, cameras.position.shape[0]
    fx, fy, cx, cy = cameras.intrinsics[:, :, None].unbind(1)
    x = ((torch.arange(columns * TILE, device=device) - cx) / fx).view(images, 1, columns, TILE)
    y = ((torch.arange(rows * TILE, device=device) - cy) / fy).view(images, rows, 1, TILE)
    return TileGrid(
        rows,
        columns,
        x.expand(-1, rows, -1, -1).reshape(-1, TILE),
        y.expand(-1, -1, columns, -1).reshape(-1, TILE),
        torch.arange(images, device=device).repeat_interleave(rows * columns),
    )


def solids_in_view(scenes: SceneBatch, cameras: CameraBatch, grid: TileGrid) -> Tensor:
    """(T, P) bool: the solid's box reaches into the tile's view pyramid.

    A box is left out only if all its corners lie on the outer side of one of the pyramid's planes; these pass
    through the camera, so that the test also holds for boxes that reach behind it.
    """
    corners = (scenes.corners() - cameras.position[:, None, None]) @ cameras.rotation[:, None]
    x, y, z = corners.unbind(-1)
    fx, fy, cx, cy = cameras.intrinsics[:, None, None, :, None].unbind(3)

    def reached(coordinate: Tensor, tiles: int, focal: Tensor, middle: Tensor) -> Tensor:
        edges = (torch.arange(tiles + 1, device=z.device) * TILE - 0.5 - middle) / focal
        beyond = coordinate[..., None] - edges * z[..., None]  # (B, P, 8, tiles + 1)
        return (beyond >= 0).any(2)[..., :-1] & (beyond <= 0).any(2)[..., 1:]

    seen = (z > 0).any(2) & (scenes.kind >= 0)
    columns = reached(x, grid.columns, fx, cx) & seen[..., None]
    rows = reached(y, grid.rows, fy, cy)
    both = rows.transpose(1, 2)[:, :, None] & columns.transpose(1, 2)[:, None]
    return both.reshape(-1, scenes.shape[1])


def solids_before_light(scenes: SceneBatch, low: Tensor, high: Tensor, light: int, grid: TileGrid) -> Tensor:
    """(T, P) bool: the solid may stand between the light and the points of the tile, which lie within low and high.

    The hull of the points' box and the light's ball is tested along the solid's own axes, and as a capsule
    against the ball around the solid.
    """
    images, solids = scenes.shape
    middle = ((low + high) / 2).view(images, -1, 1, 3)
    reach = ((high - low) / 2).view(images, -1, 1, 3)
    source, radius = scenes.light_position[:, light], scenes.light_radius[:, light]
    axes = scenes.to_unit.reshape(images, 1, solids * 3, 3)
    shift = (scenes.to_unit @ scenes.center[..., None]).reshape(images, 1, -1)
    flat = axes[:, 0].transpose(1, 2)
    of_points = middle[:, :, 0] @ flat - shift
    spread = reach[:, :, 0] @ flat.abs()
    of_light = source[:, None] @ flat - shift
    # A ball, or where the light has a normal the disc across it.
    along_normal = axes @ scenes.light_normal[:, light, None, :, None]
    light_spread = radius[:, None, None] * (axes.square().sum(3) - along_normal[..., 0].square()).clamp_min(0).sqrt()
    highest = torch.maximum(of_points + spread, of_light + light_spread)
    lowest = torch.minimum(of_points - spread, of_light - light_spread)
    overlap = ((highest >= -1) & (lowest <= 1)).view(images, -1, solids, 3).all(3)

    beam = source[:, None] - middle[:, :, 0]  # (B, tiles, 3)
    offset_along = beam @ scenes.center.transpose(1, 2) - (beam * middle[:, :, 0]).sum(2, keepdim=True)
    length = beam.square().sum(2, keepdim=True)
    part = (offset_along / length).clamp_(0, 1)
    away = torch.cdist(middle[:, :, 0], scenes.center, compute_mode="donot_use_mm_for_euclid_dist").square_()
    away += part * (part * length - 2 * offset_along)  # squared distance from the beam's axis
    thickness = torch.maximum(reach[:, :, 0].norm(dim=2), radius[:, None])
    near = away <= (scenes.half.norm(dim=2)[:, None] + thickness[..., None]).square_() + 1e-3
    casting = scenes.casts_shadow & (scenes.kind >= 0)
    lit = scenes.light_color[:, light].amax(1) > 0
    return (overlap & near & casting[:, None] & lit[:, None, None]).view(-1, solids)


def chunks(scenes: SceneBatch, wanted: Tensor, grid: TileGrid, kind: Shape) -> Iterator[tuple[Tensor, Tensor]]:
    """The solids of one kind that each tile wants, in chunks of tiles.

    Args:
        scenes: B scenes with P solids.
        wanted: (T, P) bool.
        grid: the tiles.
        kind: of the solids.

    Yields:
        (n,) tile numbers and (K, n) global solid numbers, B * P where a tile has fewer than K.
    """
    solids = scenes.shape[1]
    mask = wanted & (scenes.kind == kind)[grid.scene]
    counts = mask.sum(1)
    order = torch.argsort(counts, descending=True, stable=True)
    tile, solid = mask[order].nonzero(as_tuple=True)
    sorted_counts = counts[order]
    rank = torch.arange(tile.numel(), device=tile.device) - (sorted_counts.cumsum(0) - sorted_counts)[tile]
    first_counts = sorted_counts[::TILES_PER_CHUNK].tolist()
    table = torch.full((max(first_counts), order.numel()), scenes.kind.numel(), device=tile.device)
    table[rank, tile] = grid.scene[order][tile] * solids + solid
    for number, longest in enumerate(first_counts):
        if longest == 0:
            return
        part = slice(number * TILES_PER_CHUNK, (number + 1) * TILES_PER_CHUNK)
        yield order[part], table[:longest, part]
