"""From light to image: exposure, lens, vignetting, noise, tone curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

GAMMA = 2.2

MIDDLE_LIGHT = 0.24
"""Geometric mean of the light in a correctly exposed image."""


@dataclass(frozen=True)
class Sensor:
    """Strength of each effect; 0 switches it off.

    Attributes:
        exposure: automatic exposure is off by up to this many stops.
        white_balance: red and blue gain are off by up to this part.
        blur: standard deviation of the lens blur in pixels, at most.
        vignetting: loss of light in the corners, at most.
        noise: standard deviation at mid grey, at most; 1 is white.
    """

    exposure: float = 0.5
    white_balance: float = 0.08
    blur: float = 0.7
    vignetting: float = 0.35
    noise: float = 0.025


PLAIN_SENSOR = Sensor(0.0, 0.0, 0.0, 0.0, 0.0)
"""Correct exposure and nothing else."""


def develop(light: Tensor, sensor: Sensor, seeds: Sequence[int]) -> Tensor:
    """Images of some scenes.

    Args:
        light: (B, 3, H, W) linear RGB, 0 or more.
        sensor: strengths.
        seeds: of each image's random numbers; equal seeds give equal images on equal devices.

    Returns:
        (B, 3, H, W) uint8 RGB.
    """
    generators = [torch.Generator(light.device).manual_seed(seed) for seed in seeds]
    draws = torch.stack([torch.rand(7, generator=generator, device=light.device) for generator in generators])
    luminance = light.mean(1).flatten(1)
    middle = luminance.clamp_min(1e-4).log().mean(1).exp()
    gain = MIDDLE_LIGHT / middle * torch.exp2((2 * draws[:, 0] - 1) * sensor.exposure)
    balance = 1 + (2 * draws[:, 1:4] - 1) * sensor.white_balance
    balance = balance / balance[:, 1:2]
    light = light * (gain[:, None] * balance)[..., None, None]
    if sensor.blur > 0:
        light = _blur(light, (0.5 + 0.5 * draws[:, 4]) * sensor.blur)
    if sensor.vignetting > 0:
        light = light * _vignette(light, draws[:, 5] * sensor.vignetting)
    curve = 1 - torch.exp(-1.3 * light)  # a soft shoulder, so that windows do not clip hard
    if sensor.noise > 0:
        curve = curve + _noise(curve, generators, draws[:, 6] * sensor.noise)
    return (curve.clamp(0, 1).pow(1 / GAMMA) * 255 + 0.5).to(torch.uint8)


def _blur(light: Tensor, deviation: Tensor) -> Tensor:
    """Gaussian of 5 x 5 pixels, one deviation (B,) an image; clipped first, as a sensor's pixels are."""
    images, channels, height, width = light.shape
    offset = torch.arange(-2.0, 3.0, device=light.device)
    kernel = torch.exp(-(offset**2) / (2 * deviation[:, None].clamp_min(0.05) ** 2))
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    flat = F.pad(light.clamp_max(4.0).view(1, -1, height, width), (2, 2, 2, 2), mode="replicate")
    flat = F.conv2d(flat, kernel[:, None, None, :], groups=images * channels)
    return F.conv2d(flat, kernel[:, None, :, None], groups=images * channels).view_as(light)


def _vignette(light: Tensor, loss: Tensor) -> Tensor:
    """(B, 1, H, W): 1 in the middle, 1 - loss in the corners."""
    height, width = light.shape[-2:]
    y = torch.linspace(-1, 1, height, device=light.device)
    x = torch.linspace(-1, 1, width, device=light.device)
    squared = (y[:, None] ** 2 + x[None, :] ** 2) / 2
    return 1 - loss[:, None, None, None] * squared


def _noise(curve: Tensor, generators: Sequence[torch.Generator], deviation: Tensor) -> Tensor:
    """Shot noise, which grows with the root of the signal, and read noise."""
    grains = torch.stack([torch.randn(curve.shape[1:], generator=g, device=curve.device) for g in generators])
    return grains * (0.15 + curve.clamp_min(0).sqrt()) * deviation[:, None, None, None]
