"""What a depth map says of surfaces: which way they face, and where one ends in front of another.

Both are taken from inverse depth, w = 1 / z, because a plane n . X = d, seen by a pinhole camera, is linear in it:
w = n . r / d with the ray r = ((u - cx) / fx, (v - cy) / fy, 1). Its slope along a row is the same at every pixel,
however slanted the plane, so that "does this step belong to the plane beside it?" has an exact answer, without the
camera and whatever the scale of the depth.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cinet_core.losses.masks import valid_depth

__all__ = ["RELATIVE_JUMP", "UNKNOWN", "occlusion_boundaries", "resolution_of", "surface_normals"]

RELATIVE_JUMP = 0.05
"""By which part of the nearer depth a surface lies behind the one before it, at a boundary: 10 cm at 2 m."""

UNKNOWN = 255
"""In a map of boundaries: the depth on one of the sides is not known."""

MILLIMETRE = 0.001

_SAME_SLOPE = 2.0


def occlusion_boundaries(depth: Tensor, relative_jump: float = RELATIVE_JUMP) -> Tensor:
    """Where a surface ends in front of another: the outermost pixels of the nearer one.

    Two neighbours in a row or a column are on different surfaces where the step between their inverse depths is outside
    what the slants on its two sides explain, by more than `relative_jump` of the farther one's. Floors and walls seen
    at a grazing angle are no boundaries, nor are the edges where two of them meet.

    Args:
        depth: (..., H, W) metres along z, of any common scale; 0, NaN and inf are unknown.
        relative_jump: (far - near) / near, from which on a step is a boundary.

    Returns:
        (..., H, W) uint8: 1 at a boundary, 0 where there is none, `UNKNOWN` where the depth of the pixel, or, if
        nothing else makes it a boundary, that of a neighbour is not known.

    Raises:
        ValueError: relative_jump is not above 0.
    """
    if not relative_jump > 0:
        raise ValueError(f"relative_jump is {relative_jump}: it must be above 0, for example {RELATIVE_JUMP}")
    inverse = _inverse(depth)
    across, across_open = _nearer_sides(inverse, relative_jump)
    down, down_open = _nearer_sides(inverse.mT, relative_jump)
    boundary = across | down.mT
    unknown = inverse.isnan() | ((across_open | down_open.mT) & ~boundary)
    return boundary.to(torch.uint8).masked_fill_(unknown, UNKNOWN)


def surface_normals(
    depth: Tensor, intrinsics: Tensor, relative_jump: float = RELATIVE_JUMP, resolution: float = 0.0
) -> Tensor:
    """Unit normals of the surfaces seen, in the camera's optical frame (x right, y down, z forward), facing the camera.

    n ~ -(fx dw/du, fy dw/dv, w - (u - cx) dw/du - (v - cy) dw/dv), which for planes is exact at every angle. Slopes are
    differences to the neighbours, never over a depth edge (`occlusion_boundaries`), and where two planes meet only to
    the neighbours in the pixel's own plane.

    Depth in whole millimetres, as files hold it, is a staircase: a surface 1 m away that slants by 8 degrees has steps
    of 0 and of 16 in an image 320 pixels wide. With its `resolution` a slope is the mean of those around it, in 6 x 5
    steps, that differ from it by no more than rounding explains; those of another surface are not among them.

    Args:
        depth: (..., H, W) metres along z; 0, NaN and inf are unknown.
        intrinsics: (..., 4) fx, fy, cx, cy in pixels of these images.
        relative_jump: as for `occlusion_boundaries`.
        resolution: metres to which depth was rounded (`resolution_of`); 0 where it is exact.

    Returns:
        (..., 3, H, W) of the depth's type; the zero vector where the normal is not known: at unknown depth, and where
        no neighbour in a row or in a column is on the same surface.
    """
    inverse = _inverse(depth)
    height, width = inverse.shape[-2:]
    fx, fy, cx, cy = (value[..., None, None] for value in intrinsics.to(inverse).unbind(-1))
    slope_u = _slopes(inverse, relative_jump, resolution)
    slope_v = _slopes(inverse.mT, relative_jump, resolution).mT
    u = torch.arange(width, dtype=inverse.dtype, device=inverse.device) - cx
    v = torch.arange(height, dtype=inverse.dtype, device=inverse.device)[:, None] - cy
    normals = -torch.stack((fx * slope_u, fy * slope_v, inverse - u * slope_u - v * slope_v), dim=-3)
    # For w > 0 it points to the camera already: n . X = -w z = -1.
    unit = normals / normals.square().sum(dim=-3, keepdim=True).sqrt()
    return torch.where(unit.isnan().any(dim=-3, keepdim=True), torch.zeros_like(unit), unit)


def resolution_of(depth: Tensor) -> float:
    """Metres to which a depth map was rounded: 0.001 where all of it is in whole millimetres, else 0."""
    millimetres = 1000 * depth[valid_depth(depth)].double()
    # float32 holds 10 m to half a micrometre.
    return MILLIMETRE if bool(((millimetres - millimetres.round()).abs() < 0.002).all()) else 0.0


def _inverse(depth: Tensor) -> Tensor:
    """1 / depth, NaN where it is not known."""
    return torch.where(valid_depth(depth), depth, torch.nan).reciprocal()


def _nearer_sides(inverse: Tensor, relative_jump: float) -> tuple[Tensor, Tensor]:
    """Along rows: pixels at which a surface ends before another, and pixels with a side that is not known; both
    bool."""
    excess = _excess(inverse)
    jump = excess > relative_jump
    left_nearer = inverse[..., :-1] > inverse[..., 1:]
    return _either(jump & left_nearer, jump & ~left_nearer), _either(excess.isnan(), excess.isnan())


def _either(of_left: Tensor, of_right: Tensor) -> Tensor:
    """(..., W - 1) marks for the left and for the right pixel of each pair -> (..., W)."""
    off = of_left.new_zeros((*of_left.shape[:-1], 1))
    return torch.cat((of_left, off), dim=-1) | torch.cat((off, of_right), dim=-1)


def _excess(inverse: Tensor) -> Tensor:
    """(..., W) -> (..., W - 1): by which part of the farther one's inverse depth each step is not due to slant.

    The slant on either side is the flatter of the two next steps there: one of them may be a jump itself. A step
    between the slants of both sides is where two planes meet. NaN where the step, or the slant on both sides, is not
    known.
    """
    steps = inverse.diff(dim=-1)
    missing = steps.new_full((*steps.shape[:-1], 2), torch.nan)
    padded = torch.cat((missing, steps, missing), dim=-1)
    count = steps.shape[-1]
    second, first, _, third, fourth = (padded[..., place : place + count] for place in range(5))
    before, after = _flatter(first, second), _flatter(third, fourth)
    before, after = torch.where(before.isnan(), after, before), torch.where(after.isnan(), before, after)
    low, high = torch.minimum(before, after), torch.maximum(before, after)
    farther = torch.minimum(inverse[..., :-1], inverse[..., 1:])
    return ((low - steps).clamp(min=0) + (steps - high).clamp(min=0)) / farther


def _flatter(first: Tensor, second: Tensor) -> Tensor:
    """The one of smaller magnitude; the other one where one is NaN."""
    return torch.where(second.isnan() | (first.abs() <= second.abs()), first, second)


def _slopes(inverse: Tensor, relative_jump: float, resolution: float) -> Tensor:
    """(..., W) -> (..., W): slope of inverse depth along rows, on each pixel's own surface; NaN where not known.

    The mean of the steps to both neighbours, but where these differ much more than one of them does from the step
    beyond it: there two planes meet, and that one lies in the pixel's own.
    """
    steps = inverse.diff(dim=-1)
    steps = steps.masked_fill(~(_excess(inverse) <= relative_jump), torch.nan)
    missing = steps.new_full((*steps.shape[:-1], 2), torch.nan)
    padded = torch.cat((missing, steps, missing), dim=-1)
    count = inverse.shape[-1]
    far_left, left, right, far_right = (padded[..., place : place + count] for place in range(4))
    bend, left_bend, right_bend = (
        (a - b).abs().nan_to_num(nan=torch.inf) for a, b in ((left, right), (left, far_left), (right, far_right))
    )
    one_sided = torch.where(left_bend <= right_bend, left, right)
    # One side only is known, and perhaps no step beyond it.
    one_sided = torch.where(one_sided.isnan(), torch.where(left.isnan(), right, left), one_sided)
    straight = bend <= _SAME_SLOPE * torch.minimum(left_bend, right_bend)
    slopes = torch.where(straight & bend.isfinite(), (left + right) / 2, one_sided)
    # Both ends of either step are off by up to half of the resolution, dw = w^2 dz.
    return slopes if resolution == 0 else _agreeing_mean(steps, slopes, 2 * resolution * inverse.square())


def _agreeing_mean(steps: Tensor, slopes: Tensor, tolerance: Tensor) -> Tensor:
    """Mean of the steps (..., H, W - 1) around each pixel that differ by no more than (..., H, W) from its slope."""
    rows, before, after = 2, 3, 2
    height, width = slopes.shape[-2:]
    padded = F.pad(steps, (before, after + 1, rows, rows), value=torch.nan)
    total, count = torch.zeros_like(slopes), torch.zeros_like(slopes)
    for down in range(2 * rows + 1):
        for right in range(before + after + 1):
            step = padded[..., down : down + height, right : right + width]
            agrees = (step - slopes).abs() <= tolerance
            total += torch.where(agrees, step, 0.0)
            count += agrees
    return torch.where(count > 0, total / count.clamp(min=1), slopes)
