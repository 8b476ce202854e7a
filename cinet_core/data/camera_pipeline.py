"""Simulates the artefacts of a cheap camera on a clean image.

The artefacts come in the order in which a camera makes them: light, lens (vignetting, motion, defocus) and sensor
(noise) in linear light, then the image processor (gamma, contrast, grey, sharpening, scaling) and the JPEG encoder on
display values. OpenCV and tables, not torch: 240x320 pixels take some milliseconds of one core, all artefacts together.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import torch

from cinet_core.data.camera_artifacts import DrawnArtifacts
from cinet_core.srgb import LUMA, decoded, encoded

__all__ = ["Light", "Pixels", "apply_artifacts", "linear_light", "motion_kernel"]

Pixels = npt.NDArray[np.uint8]
Light = npt.NDArray[np.float32]

_LEVELS = 2**14 - 1  # of linear light: as fine as a good sensor's, and every 8-bit display value survives
_SHARPENING_SIGMA = 1.0  # pixels: halos of cheap image processors are two or three pixels wide
_BLOTCH = 4  # pixels: what noise reduction and subsampled colour leave of coloured noise


def apply_artifacts(image: torch.Tensor, drawn: DrawnArtifacts) -> torch.Tensor:
    """Apply the drawn artefacts to an image.

    Args:
        image: (3, H, W) uint8 RGB, of display values (sRGB).
        drawn: what is wrong with the camera.

    Returns:
        (3, H, W) uint8 RGB; the image itself if there is nothing to do.

    Raises:
        ValueError: the image has another shape or type.
    """
    if image.dim() != 3 or image.shape[0] != 3 or image.dtype != torch.uint8:
        raise ValueError(f"image is {image.dtype} {tuple(image.shape)}: artefacts are for uint8 (3, H, W), RGB")
    steps: list[Callable[[Pixels], Pixels]] = []
    if drawn.in_linear_light:
        steps.append(lambda pixels: _developed(_exposed(pixels, drawn), drawn.gamma, drawn.contrast))
    if drawn.grayscale:
        steps.append(lambda pixels: cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))
    if drawn.sharpening > 0.0:
        steps.append(lambda pixels: _sharpened(pixels, drawn.sharpening))
    if drawn.downsampling > 1.0:
        steps.append(lambda pixels: _downsampled(pixels, drawn.downsampling))
    if drawn.quality < 100:
        steps.append(lambda pixels: _compressed(pixels, drawn.quality))
    if not steps:
        return image
    pixels: Pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    for step in steps:
        pixels = step(pixels)
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def linear_light(pixels: Pixels, gains: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Light:
    """Display values (H, W, 3) as linear light: white is 1 before the gains of the channels."""
    table = _LINEAR[:, None] * np.asarray(gains, dtype=np.float32)
    return cv2.LUT(pixels, table[None])


def _exposed(pixels: Pixels, drawn: DrawnArtifacts) -> Light:
    """What the sensor reads, not yet clipped: blur comes before clipping, so that blown lights bleed."""
    light = linear_light(pixels, drawn.gains)
    if drawn.vignetting > 0.0:
        light *= _vignette(light.shape[0], light.shape[1], drawn.vignetting)
    if drawn.motion_blur > 0.0:
        light = cv2.filter2D(light, -1, motion_kernel(drawn.motion_blur, drawn.motion_angle))
    if drawn.defocus > 0.0:
        light = cv2.GaussianBlur(light, (0, 0), drawn.defocus)
    return light + _noise(light, drawn) if drawn.noisy else light


def _vignette(height: int, width: int, lost: float) -> Light:
    """(H, W, 1) factors: 1 in the middle, 1 - lost at the middle of the corner pixels."""
    y = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None] * (height - 1)
    x = np.linspace(-1.0, 1.0, width, dtype=np.float32) * (width - 1)
    corner = max((height - 1) ** 2 + (width - 1) ** 2, 1)
    return (1.0 - lost * (y * y + x * x) / corner)[..., None].astype(np.float32)


def motion_kernel(length: float, angle: float) -> Light:
    """Weights, of sum 1, of a straight path of this length (pixels) in this direction (degrees from the x axis)."""
    reach = math.ceil(length / 2)
    grid = np.arange(-reach, reach + 1, dtype=np.float32)
    path = np.linspace(-length / 2, length / 2, 4 * reach + 1)

    def shares(places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.maximum(0.0, 1.0 - np.abs(grid - places[:, None]))  # linear, between the two nearest pixels

    kernel = shares(path * math.sin(math.radians(angle))).T @ shares(path * math.cos(math.radians(angle)))
    return (kernel / kernel.sum()).astype(np.float32)


def _noise(light: Light, drawn: DrawnArtifacts) -> Light:
    """(H, W, 3) noise of zero mean; that of the sensor has variance noise^2 * light + read_noise^2."""
    random = np.random.Generator(np.random.PCG64(drawn.noise_seed))
    height, width = light.shape[:2]
    root = cv2.sqrt(np.maximum(light, 0.0))
    total = np.zeros_like(light)
    if max(drawn.noise, drawn.read_noise) > 0.0:
        grain = _grain(random, light.shape)
        if drawn.noise_size > 0.0:
            kernel = cv2.getGaussianKernel(2 * math.ceil(3 * drawn.noise_size) + 1, drawn.noise_size)
            grain = cv2.sepFilter2D(grain, -1, kernel, kernel) / np.float32((kernel**2).sum())
        total += grain * cv2.sqrt(drawn.noise**2 * root * root + np.float32(drawn.read_noise**2))
    if drawn.chroma_noise > 0.0:
        small = (math.ceil(height / _BLOTCH), math.ceil(width / _BLOTCH), 3)
        blotches = random.standard_normal(small, dtype=np.float32)
        blotches -= (blotches @ LUMA)[..., None]  # of no luminance
        total += cv2.resize(blotches, (width, height), interpolation=cv2.INTER_CUBIC) * root * drawn.chroma_noise
    return total


def _grain(random: np.random.Generator, shape: tuple[int, ...]) -> Light:
    """Nearly normal numbers of variance 1: sums of four bytes, several times faster than normal ones proper."""
    parts = np.frombuffer(random.bytes(4 * math.prod(shape)), dtype=np.uint8).reshape(4, *shape)
    deviation = math.sqrt(4 * (256**2 - 1) / 12)
    return (parts.sum(axis=0, dtype=np.float32) - np.float32(4 * 127.5)) / np.float32(deviation)


def _developed(light: Light, gamma: float, contrast: float) -> Pixels:
    """Display values of linear light, of which what is above white clips."""
    display = _DISPLAY**gamma
    display = display + contrast * (display * display * (3.0 - 2.0 * display) - display)  # towards smoothstep, or away
    curve = np.rint(display * 255.0).astype(np.uint8)
    return np.take(curve, np.rint(np.clip(light, 0.0, 1.0) * _LEVELS).astype(np.uint16))


def _sharpened(pixels: Pixels, amount: float) -> Pixels:
    blurred = cv2.GaussianBlur(pixels, (0, 0), _SHARPENING_SIGMA)
    return cv2.addWeighted(pixels, 1.0 + amount, blurred, -amount, 0.0)


def _downsampled(pixels: Pixels, factor: float) -> Pixels:
    height, width = pixels.shape[:2]
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    return cv2.resize(cv2.resize(pixels, small, interpolation=cv2.INTER_AREA), (width, height))


def _compressed(pixels: Pixels, quality: int) -> Pixels:
    """Through the encoder, which halves the resolution of colour, and back."""
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


_LINEAR = decoded(np.arange(256) / 255.0)
_DISPLAY = encoded(np.linspace(0.0, 1.0, _LEVELS + 1, dtype=np.float32))
