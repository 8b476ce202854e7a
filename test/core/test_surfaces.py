"""Normals and occlusion boundaries from depth, on scenes whose answer is known by geometry, in float64 and float32."""

import math

import pytest
import torch

from cinet_core.tasks.learning.surfaces import UNKNOWN, occlusion_boundaries, resolution_of, surface_normals

WIDTH, HEIGHT = 64, 48
INTRINSICS = torch.tensor([60.0, 57.0, 30.0, 22.0], dtype=torch.float64)


def rays(intrinsics: torch.Tensor = INTRINSICS, width: int = WIDTH, height: int = HEIGHT) -> torch.Tensor:
    """(H, W, 3): the point at z = 1 that each pixel sees."""
    fx, fy, cx, cy = intrinsics.tolist()
    u = (torch.arange(width, dtype=torch.float64) - cx) / fx
    v = (torch.arange(height, dtype=torch.float64) - cy) / fy
    return torch.stack((u.expand(height, width), v[:, None].expand(height, width), torch.ones(height, width)), dim=-1)


def plane(normal: torch.Tensor, distance: float, directions: torch.Tensor | None = None) -> torch.Tensor:
    """(H, W) depth of the plane normal . X = -distance, seen from the side that it faces; inf where it is not seen."""
    facing = ((rays() if directions is None else directions) * normal).sum(dim=-1)
    return torch.where(facing < 0, -distance / facing, torch.inf)


def unit(*values: float) -> torch.Tensor:
    vector = torch.tensor(values, dtype=torch.float64)
    return vector / vector.norm()


WALL = unit(0, 0, -1)
PLANES = {
    "wall": (WALL, 2.0),
    "floor": (unit(0, -1, 0), 1.2),
    "ceiling": (unit(0, 1, 0), 1.4),
    "side": (unit(1, 0, 0), 0.8),
    "tilted": (unit(0.4, -0.7, -0.6), 1.5),
    "steep": (unit(-0.9, 0.1, -0.42), 0.7),
}


def angles(found: torch.Tensor, normal: torch.Tensor) -> torch.Tensor:
    """Degrees between (3, H, W) and a vector, where it is known."""
    known = found.abs().sum(dim=0) > 0
    cosine = (found.double() * normal[:, None, None]).sum(dim=0)[known]
    return torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))


@pytest.mark.parametrize("name", PLANES)
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, 1e-5), (torch.float32, 0.15)])
def test_normals_of_a_plane_at_any_angle(name: str, dtype: torch.dtype, limit: float) -> None:
    normal, distance = PLANES[name]
    depth = plane(normal, distance).to(dtype)
    found = surface_normals(depth, INTRINSICS)
    assert found.dtype == dtype
    assert found.shape == (3, HEIGHT, WIDTH)
    assert torch.allclose(found.norm(dim=0)[depth.isfinite()], torch.ones((), dtype=dtype), atol=1e-6)
    assert not found[:, depth.isinf()].any()
    assert angles(found, normal).max() < limit


def test_a_grazing_plane_is_no_boundary() -> None:
    for normal, distance in PLANES.values():
        depth = plane(normal, distance)
        seen = depth.isfinite()
        # Its far end touches the horizon, beyond which nothing is seen: unknown, not a boundary.
        assert not (occlusion_boundaries(depth)[seen] == 1).any()
        assert (occlusion_boundaries(depth)[~seen] == UNKNOWN).all()


def test_the_last_metres_of_a_floor_before_a_wall_are_no_boundary() -> None:
    """At 8 m the floor recedes by 19 % of its depth from one row to the next: far more than the limit for jumps."""
    floor, wall = plane(unit(0, -1, 0), 1.0), plane(WALL, 8.0)
    depth = torch.minimum(floor, wall)
    rows = depth[:, 5]
    step = (rows[:-1] - rows[1:]) / rows[1:]
    assert step.max() > 0.1
    assert not (occlusion_boundaries(depth) == 1).any()
    # In the room's corner each pixel has its own plane's normal.
    normals = surface_normals(depth, INTRINSICS)
    of_floor = floor < wall
    assert angles(normals[:, of_floor][:, None], unit(0, -1, 0)).max() < 1e-5
    assert angles(normals[:, ~of_floor][:, None], WALL).max() < 1e-5


def box(gap: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A slab `gap` metres in front of a wall at 3 m; depth, and where the slab is seen."""
    inside = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    inside[10:30, 20:45] = True
    return torch.where(inside, plane(WALL, 3.0 - gap), plane(WALL, 3.0)), inside


def rim(inside: torch.Tensor) -> torch.Tensor:
    """Pixels of a region with a neighbour, up, down, left or right, that is not of it."""
    outside = torch.nn.functional.pad(~inside, (1, 1, 1, 1))
    beside = outside[:-2, 1:-1] | outside[2:, 1:-1] | outside[1:-1, :-2] | outside[1:-1, 2:]
    return inside & beside


def test_a_box_before_a_wall_has_its_rim_as_boundary() -> None:
    depth, inside = box(0.5)
    assert torch.equal(occlusion_boundaries(depth) == 1, rim(inside))
    assert not (occlusion_boundaries(depth) == UNKNOWN).any()
    assert torch.equal(occlusion_boundaries(2.5 * depth), occlusion_boundaries(depth))  # whatever the scale
    normals = surface_normals(depth, INTRINSICS)
    assert angles(normals, WALL).max() < 1e-5  # never over the edge
    assert (normals.norm(dim=0) > 0).all()


@pytest.mark.parametrize(("gap", "expected"), [(0.13, False), (0.15, True)])
def test_the_least_jump(gap: float, expected: bool) -> None:
    """5 % of the nearer depth: 14.3 cm before a wall at 3 m."""
    depth, inside = box(gap)
    assert torch.equal(occlusion_boundaries(depth) == 1, rim(inside) & expected)
    assert torch.equal(occlusion_boundaries(depth, 0.01) == 1, rim(inside))


def test_a_box_before_a_slanted_wall() -> None:
    inside = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    inside[12:25, 20:40] = True
    slanted = unit(0.9, 0.0, -0.44)
    depth = torch.where(inside, plane(slanted, 0.5), plane(slanted, 0.8))
    assert torch.equal(occlusion_boundaries(depth) == 1, rim(inside))
    normals = surface_normals(depth, INTRINSICS)
    assert angles(normals, slanted).max() < 1e-5


def test_one_pixel_wide_and_two_jumps_in_a_row() -> None:
    """A chair leg, and stairs whose every step is a jump."""
    depth = torch.full((5, 12), 4.0, dtype=torch.float64)
    depth[:, 6] = 2.0
    assert (occlusion_boundaries(depth) == 1).nonzero()[:, 1].unique().tolist() == [6]
    stairs = torch.tensor([4.0, 4.0, 4.0, 3.0, 2.0, 2.0, 2.0], dtype=torch.float64).expand(3, -1)
    assert (occlusion_boundaries(stairs) == 1).nonzero()[:, 1].unique().tolist() == [3, 4]


def test_unknown_depth() -> None:
    depth, inside = box(0.5)
    for value in (0.0, math.nan, math.inf):
        holed = depth.clone()
        holed[5, 5] = holed[10, 30] = value  # on the wall, and on the box' rim
        boundaries = occlusion_boundaries(holed)
        expected = rim(inside).to(torch.uint8)
        for row, column in ((5, 5), (10, 30)):
            for y, x in ((row, column), (row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
                if (y, x) == (row, column) or not expected[y, x]:
                    expected[y, x] = UNKNOWN
        assert torch.equal(boundaries, expected)
        normals = surface_normals(holed, INTRINSICS)
        unknown = normals.abs().sum(dim=0) == 0
        assert unknown.nonzero().tolist() == [[5, 5], [10, 30]]
        assert angles(normals, WALL).max() < 1e-5


@pytest.mark.parametrize("tilt", [3.0, 8.0, 30.0, 60.0])
def test_depth_in_whole_millimetres(tilt: float) -> None:
    """A surface 0.7 m away, in an image of 320 pixels: a step of 1 mm from one pixel to the next is 21 degrees."""
    focal, angle = 262.5, math.radians(tilt)
    intrinsics = torch.tensor([focal, focal, 32.0, 24.0])
    normal = unit(math.sin(angle), 0.3 * math.sin(angle), -math.cos(angle))
    depth = plane(normal, 0.7 * math.cos(angle), rays(intrinsics)).float()
    rounded = (1000 * depth).round() / 1000
    assert (resolution_of(depth), resolution_of(rounded), resolution_of(torch.zeros(3, 3))) == (0.0, 0.001, 0.001)
    errors = angles(surface_normals(rounded, intrinsics), normal)
    smoothed = angles(surface_normals(rounded, intrinsics, resolution=0.001), normal)
    assert errors.max() > 7
    assert smoothed.mean() < 1.5
    assert smoothed.mean() < errors.mean() / 3
    # What is exact stays exact.
    assert angles(surface_normals(depth.double(), intrinsics.double(), resolution=0.001), normal).max() < 0.02


def test_rounded_depth_in_a_corner() -> None:
    """Slopes of another surface are not averaged with."""
    floor, wall = plane(unit(0, -1, 0), 0.5), plane(WALL, 1.6)
    depth = (1000 * torch.minimum(floor, wall)).round() / 1000
    normals = surface_normals(depth, INTRINSICS, resolution=0.001)
    of_floor = floor < wall
    assert angles(normals[:, of_floor][:, None], unit(0, -1, 0)).mean() < 1
    assert angles(normals[:, ~of_floor][:, None], WALL).mean() < 1


def test_a_sphere_and_batches() -> None:
    """Curved surfaces are exact to the second order of the pixel size; images of a batch do not touch."""
    directions, centre, radius = rays(), torch.tensor([0.1, 0.05, 3.0], dtype=torch.float64), 1.2
    a, b = directions.square().sum(-1), (directions * centre).sum(-1)
    root = b.square() - a * (centre.square().sum() - radius**2)
    depth = torch.where(root > 0, (b - root.clamp(min=0).sqrt()) / a, 0.0)
    points = directions * depth[..., None]
    true = ((points - centre) / radius).movedim(-1, 0)
    found = surface_normals(depth, INTRINSICS)
    frontal = (depth > 0) & (-(true * directions.movedim(-1, 0)).sum(0) / a.sqrt() > 0.5)
    cosine = (found * true).sum(0)[frontal]
    assert torch.rad2deg(torch.acos(cosine.clamp(-1, 1))).max() < 2.0
    two = surface_normals(torch.stack((depth, plane(WALL, 2.0))), torch.stack((INTRINSICS, 2 * INTRINSICS)))
    assert torch.equal(two[0], found)
    assert angles(two[1], WALL).max() < 1e-5
    assert torch.equal(occlusion_boundaries(torch.stack((depth, depth)))[1], occlusion_boundaries(depth))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5), (2, 2), (3, 4)])
def test_small_images(height: int, width: int) -> None:
    depth = torch.full((height, width), 2.0)
    assert occlusion_boundaries(depth).shape == (height, width)
    assert surface_normals(depth, INTRINSICS).shape == (3, height, width)


def test_a_limit_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="relative_jump is 0"):
        occlusion_boundaries(torch.ones(3, 3), 0)
