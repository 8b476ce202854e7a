"""Procedural materials: the colour of a surface at a point, evaluated for many points of many surfaces at once.

Noise comes from two small tables made with a fixed seed, so that a room looks the same on every device.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cinet_core.rooms.raycast.primitives import Pattern

_TABLE_SIZE = 256


@dataclass(frozen=True, eq=False)
class SurfacePoints:
    """N points of one pattern on the surfaces of solids.

    Attributes:
        u: (N,) metres along the surface, horizontally where the surface is upright.
        v: (N,) metres along the surface, upwards where it is upright.
        s: (N,) place along u from -1 to 1 over the solid's face.
        t: (N,) the same along v.
        front: (N,) bool, a face that looks along the solid's y, where doors, pictures and screens are.
        color: (3, N) linear RGB.
        accent: (3, N) linear RGB.
        period: (N,) metres.
        first: (N,) variant.
        second: (N,) variant.
        footprint: (N,) metres of surface a pixel covers: what is finer fades to its mean.
    """

    u: Tensor
    v: Tensor
    s: Tensor
    t: Tensor
    front: Tensor
    color: Tensor
    accent: Tensor
    period: Tensor
    first: Tensor
    second: Tensor
    footprint: Tensor


@functools.lru_cache(maxsize=4)
def _tables(device: torch.device) -> tuple[Tensor, Tensor]:
    """Tileable noise, (SIZE^2,) each, zero mean, about -1 to 1: smooth with several octaves, and white."""
    rng = np.random.default_rng(7)
    frequency = np.fft.fftfreq(_TABLE_SIZE) * _TABLE_SIZE
    radius = np.hypot(frequency[:, None], frequency[None, :])
    spectrum = np.fft.fft2(rng.normal(size=(_TABLE_SIZE, _TABLE_SIZE))) * (radius >= 2) / np.maximum(radius, 2) ** 1.6
    smooth = np.fft.ifft2(spectrum).real
    smooth /= 2.2 * smooth.std()
    white = rng.uniform(-1, 1, size=_TABLE_SIZE**2)
    return (
        torch.from_numpy(smooth.ravel().astype(np.float32)).to(device),
        torch.from_numpy(white.astype(np.float32)).to(device),
    )


def smooth_noise(x: Tensor, y: Tensor) -> Tensor:
    """Noise with features of about 1/10 to 1/2 in units of x and y, which repeats after 8 units."""
    return _look_up(_tables(x.device)[0], x * 32, y * 32)


def cell_noise(x: Tensor, y: Tensor) -> Tensor:
    """One number from -1 to 1 for each unit cell."""
    return _look_up(_tables(x.device)[1], x, y)


def _look_up(table: Tensor, x: Tensor, y: Tensor) -> Tensor:
    column, row = x.floor().long() & (_TABLE_SIZE - 1), y.floor().long() & (_TABLE_SIZE - 1)
    return table[row * _TABLE_SIZE + column]


def _mix(points: SurfacePoints, share: Tensor) -> Tensor:
    """From color (0) to accent (1)."""
    return torch.lerp(points.color, points.accent, share)


def _fade(points: SurfacePoints, size: Tensor | float) -> Tensor:
    """1 for details of this size that a pixel resolves, down to 0 for those it does not."""
    return (size / points.footprint * 0.5 - 0.5).clamp(0, 1)


def _line(position: Tensor, width: Tensor) -> Tensor:
    """1 on lines of this relative width at whole numbers, else 0."""
    return ((position - position.round()).abs() < width / 2).float()


def _plain(p: SurfacePoints) -> Tensor:
    cloudy = smooth_noise((p.u + p.first) * 0.6, (p.v + p.second) * 0.6)
    return p.color * (1 + 0.05 * cloudy)


def _grain(p: SurfacePoints, u: Tensor, v: Tensor) -> Tensor:
    return 0.5 + 0.5 * smooth_noise(u * 0.35, v * 4) * _fade(p, 0.012) + 0.3 * smooth_noise(u * 0.2, v * 0.9)


def _wood(p: SurfacePoints) -> Tensor:
    return _mix(p, _grain(p, p.u + p.first, p.v + p.second).clamp(0, 1))


def _planks(p: SurfacePoints) -> Tensor:
    row = ((p.v + p.second) / p.period).floor()
    along = (p.u + p.first) / (p.period * 7) + cell_noise(row, row * 3) * 3
    tone = cell_noise(along.floor(), row)
    joint = torch.maximum(_line((p.v + p.second) / p.period, 0.004 / p.period), _line(along, 0.0006 / p.period))
    wood = _mix(p, (0.5 * _grain(p, p.u + p.first + tone * 9, p.v) + 0.25 + 0.35 * tone).clamp(0, 1))
    return wood * (1 - 0.55 * joint * _fade(p, 0.006))


def _tiles(p: SurfacePoints) -> Tensor:
    x, y = (p.u + p.first) / p.period, (p.v + p.second) / p.period
    grout = torch.maximum(_line(x, 0.006 / p.period), _line(y, 0.006 / p.period)) * _fade(p, 0.008).clamp_min(0.25)
    tone = 1 + 0.07 * cell_noise((x + 0.5).floor(), (y + 0.5).floor()) + 0.05 * smooth_noise(p.u, p.v)
    return torch.lerp(p.color * tone, p.accent, grout)


def _checker(p: SurfacePoints) -> Tensor:
    x, y = (p.u + p.first) / p.period, (p.v + p.second) / p.period
    odd = (x.floor() + y.floor()) % 2
    return _mix(p, torch.lerp(torch.full_like(odd, 0.5), odd, _fade(p, p.period))) * (1 + 0.04 * smooth_noise(p.u, p.v))


def _fabric(p: SurfacePoints) -> Tensor:
    weave = (p.u * 2 * math.pi / p.period).sin() * (p.v * 2 * math.pi / p.period).sin() * _fade(p, p.period)
    shade = smooth_noise((p.u + p.first) * 1.5, (p.v + p.second) * 1.5)
    return p.color * (1 + 0.18 * weave + 0.12 * shade)


def _carpet(p: SurfacePoints) -> Tensor:
    pile = cell_noise((p.u + p.first) / 0.006, (p.v + p.second) / 0.006) * _fade(p, 0.008)
    return p.color * (1 + 0.25 * pile + 0.15 * smooth_noise(p.u + p.first, p.v + p.second))


def _stripes(p: SurfacePoints) -> Tensor:
    place = (p.u + p.first) / p.period
    odd = (((place % 1) < 0.5) ^ ((place % 4) < 0.4)).float()
    return _mix(p, torch.lerp(torch.full_like(odd, 0.45), odd, _fade(p, p.period))) * (
        1 + 0.04 * smooth_noise(p.u, p.v)
    )


def _brick(p: SurfacePoints) -> Tensor:
    y = (p.v + p.second) / p.period
    row = y.floor()
    x = (p.u + p.first) / (p.period * 3) + 0.5 * (row % 2)
    mortar = torch.maximum(_line(y, 0.012 / p.period), _line(x, 0.004 / p.period))
    tone = 1 + 0.22 * cell_noise((x + 0.5).floor(), row) + 0.2 * smooth_noise(p.u * 3, p.v * 3)
    return torch.lerp(p.color * tone, p.accent, mortar)


def _panels(p: SurfacePoints) -> Tensor:
    """Doors or drawers: ``first`` columns and ``second`` rows, each with a handle."""
    x, y = (p.s + 1) / 2 * p.first, (p.t + 1) / 2 * p.second
    wide, tall = (
        p.u.abs() / p.s.abs().clamp_min(0.02) * 2 / p.first,
        p.v.abs() / p.t.abs().clamp_min(0.02) * 2 / p.second,
    )
    from_left, from_top = x % 1, y % 1
    joint = torch.maximum(_line(x, 0.007 / wide), _line(y, 0.007 / tall))
    groove = torch.maximum(((from_left - 0.5).abs() * wide - wide / 2 + 0.06).abs(), torch.zeros_like(wide)) < 0.004
    inside = (from_top - 0.5).abs() * tall < tall / 2 - 0.06
    upright = tall > wide
    across = torch.where(upright, from_left - 0.9, from_left - 0.5) * wide
    up = torch.where(upright, from_top - 0.5, from_top - 0.75) * tall
    handle = (across.abs() < torch.where(upright, 0.008, 0.06)) & (up.abs() < torch.where(upright, 0.06, 0.008))
    wood = p.color * (1 + 0.12 * (_grain(p, p.v + p.first, p.u) - 0.5))
    drawn = wood * (1 - 0.7 * joint - 0.3 * (groove & inside & upright))
    drawn = torch.where(handle, p.accent, drawn)
    return torch.where(p.front, drawn, wood)


def _art(p: SurfacePoints) -> Tensor:
    """Abstract or landscape, in a frame with a mount."""
    a = smooth_noise(p.s * 0.5 + p.first, p.t * 0.5 + p.second)
    b = smooth_noise(p.s * 0.4 + p.second, p.t * 0.9 + p.first)
    c = smooth_noise(p.s * 0.8 + p.second, p.t * 0.3 - p.first)
    land = (p.t + 0.35 * b < p.first % 0.9 - 0.45).float()
    land = torch.where(p.first % 1 < 0.5, land, (a > 0.1).float())
    tint = torch.stack([0.5 + 0.6 * a, 0.5 + 0.6 * b, 0.5 + 0.6 * c])
    canvas = (_mix(p, land) * (0.35 + tint)).clamp(0.01, 0.95)
    edge = torch.maximum(p.s.abs(), p.t.abs())
    mount = torch.where((edge > 0.66) & (p.second % 1 < 0.6), 0.8, canvas)
    return torch.where((edge > 0.9) | ~p.front, p.accent, mount)


def _books(p: SurfacePoints) -> Tensor:
    place = (p.u + p.first) / p.period
    left = place.floor()
    left = left + ((place - left) > 0.5 + 0.3 * cell_noise(left, p.second)).float() * 0.5
    hue = torch.stack([cell_noise(left * 2, p.second + shift) for shift in (3.0, 7.0, 11.0)])
    value = 0.3 + 0.28 * cell_noise(left * 2, p.second + 20)
    cover = value * (1 + 0.75 * hue)
    band = ((p.t - 0.4 - 0.3 * hue[0]).abs() < 0.09).float() * _fade(p, 0.03)
    cover = torch.lerp(cover, 0.75 - 0.5 * hue, band * 0.7)
    gap = _line(place, 0.12 * torch.ones_like(place)) * _fade(p, p.period).clamp_min(0.3)
    return cover.clamp(0.01, 0.9) * (1 - 0.75 * gap)


def _sky(p: SurfacePoints) -> Tensor:
    """Outdoors, out of focus: sky, clouds and trees or houses."""
    clouds = smooth_noise(p.u * 0.3 + p.first, p.v * 0.6 + p.second).clamp(0, 1)
    sky = torch.lerp(p.color, torch.ones_like(p.color), (0.5 - 0.3 * p.t + clouds).clamp(0, 1))
    skyline = p.t + 0.35 * smooth_noise(p.u * 0.4 + p.second, p.first) + 0.35 + 0.3 * (p.first % 2 - 1)
    ground = p.accent * (0.6 + 0.35 * smooth_noise(p.u * 0.8 + p.first, p.v * 0.8))
    return torch.lerp(sky, ground, (0.5 - 6 * skyline).clamp(0, 1))


def _screen(p: SurfacePoints) -> Tensor:
    edge = torch.maximum(p.s.abs(), p.t.abs())
    shown = _art(p) * 0.8
    return torch.where(p.front & (edge < 0.95), torch.where(p.first % 1 < 0.55, p.color, shown), p.color * 0.6)


def _marble(p: SurfacePoints) -> Tensor:
    vein = 1 - (smooth_noise((p.u + p.first) * 0.8, (p.v + p.second) * 0.8) * 6).abs().clamp(0, 1)
    speckle = cell_noise(p.u / 0.006, p.v / 0.006) * _fade(p, 0.008)
    return _mix(p, (0.45 * vein).clamp(0, 1)) * (1 + 0.1 * speckle)


def _folds(p: SurfacePoints) -> Tensor:
    wave = ((p.u + p.first) * 2 * math.pi / p.period + 2 * smooth_noise(p.u * 0.3, p.v * 0.1)).sin()
    return p.color * (0.8 + 0.25 * wave * _fade(p, p.period))


def _writing(p: SurfacePoints) -> Tensor:
    line = (p.v + p.second) / p.period
    ink = (smooth_noise(p.u / p.period * 0.09 + p.first, line.floor()) > 0.0) & ((line % 1) < 0.55)
    ink = ink & (cell_noise(p.u / p.period * 3, line * 4) > -0.3) & (p.s.abs() < 0.82) & (p.t.abs() < 0.85)
    block = smooth_noise(p.s * 0.3 + p.first, p.t * 0.3 + p.second) > 0.05
    return _mix(p, (ink & block).float() * (0.35 + 0.5 * _fade(p, p.period * 0.3)))


def _wallpaper(p: SurfacePoints) -> Tensor:
    x, y = (p.u + p.first) * 2 * math.pi / p.period, (p.v + p.second) * 2 * math.pi / p.period
    flower = x.sin() * y.sin() + 0.5 * (2 * x + y.sin()).cos() * (2 * y).cos()
    share = torch.lerp(torch.full_like(x, 0.35), (flower * 4).clamp(0, 1), _fade(p, p.period * 0.5))
    return _mix(p, share)


def _slats(p: SurfacePoints) -> Tensor:
    place = (p.v / p.period) % 1
    return p.color * (0.55 + 0.5 * torch.lerp(torch.full_like(place, 0.5), place, _fade(p, p.period)))


PATTERNS: dict[Pattern, Callable[[SurfacePoints], Tensor]] = {
    Pattern.PLAIN: _plain,
    Pattern.WOOD: _wood,
    Pattern.PLANKS: _planks,
    Pattern.TILES: _tiles,
    Pattern.CHECKER: _checker,
    Pattern.FABRIC: _fabric,
    Pattern.CARPET: _carpet,
    Pattern.STRIPES: _stripes,
    Pattern.BRICK: _brick,
    Pattern.PANELS: _panels,
    Pattern.ART: _art,
    Pattern.BOOKS: _books,
    Pattern.SKY: _sky,
    Pattern.SCREEN: _screen,
    Pattern.MARBLE: _marble,
    Pattern.FOLDS: _folds,
    Pattern.WRITING: _writing,
    Pattern.WALLPAPER: _wallpaper,
    Pattern.SLATS: _slats,
    Pattern.MIRROR: _plain,
}
"""What each pattern draws: points to (3, N) linear RGB."""
