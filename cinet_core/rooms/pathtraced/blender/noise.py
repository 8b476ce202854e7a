"""Fractal noise as images that repeat without a seam: far cheaper to look up, path for path, than to compute."""

from __future__ import annotations

from typing import Any

import bpy  # type: ignore[import-not-found]
import numpy as np

CELLS = 8
"""Units of noise space that an image covers before it repeats."""

PIXELS = 512


def noise_image(roughness: float) -> Any:
    """Noise whose octaves lose strength as Blender's do for this roughness; 0 to 1, its mean 0.5."""
    name = f"noise {roughness:.1f}"
    if name not in bpy.data.images:
        image = bpy.data.images.new(name, PIXELS, PIXELS, alpha=False, float_buffer=True)
        image.colorspace_settings.name = "Non-Color"
        pixels = np.ones((PIXELS, PIXELS, 4), dtype=np.float32)
        pixels[..., :3] = fractal(roughness)[..., None]
        image.pixels.foreach_set(pixels.ravel())
        image.update()
        image.pack()
        image.use_fake_user = True
    return bpy.data.images[name]


def fractal(roughness: float) -> np.ndarray:
    """(PIXELS, PIXELS) float32 noise; octave k has the strength roughness**k."""
    rng = np.random.default_rng(round(roughness * 10))
    frequency = np.fft.fftfreq(PIXELS) * PIXELS
    radius = np.hypot(frequency[:, None], frequency[None, :])
    octave = np.log2(np.maximum(radius / CELLS, 1e-3))
    # an octave holds 4 times the area of the one before: an even spectrum within it has a quarter of the power a wave
    strength = np.where(octave > -1.0, roughness ** np.maximum(octave, 0.0) / np.maximum(radius, 1.0), 0.0)
    spectrum = np.fft.fft2(rng.normal(size=(PIXELS, PIXELS))) * strength
    values = np.fft.ifft2(spectrum).real
    return np.clip(0.5 + 0.12 * values / values.std(), 0.0, 1.0).astype(np.float32)
