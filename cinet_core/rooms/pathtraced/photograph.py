"""From traced light to a photograph: exposure, white balance, a tone curve, 8 bits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cinet_core.srgb import LUMA, encoded

Linear = npt.NDArray[np.float32]


def photograph(light: Linear, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A camera's image of linear RGB light (H, W, 3), with automatic exposure that errs as cameras do.

    Exposure: the middle of the image's log luminance, or for some images what keeps 97 % of it below white, gets a
    target brightness. White balance takes back most of the light's colour. The curve is between sRGB's, which clips,
    and one with a shoulder. Returns (H, W, 3) uint8 sRGB.
    """
    light = np.maximum(light, 0.0)
    exposed = light * _exposure(light, rng) * _balance(light, rng)
    return np.rint(_curve(exposed, rng) * 255).astype(np.uint8)


def _exposure(light: Linear, rng: np.random.Generator) -> float:
    luma = np.maximum(light @ LUMA, 1e-6)
    middle = float(np.exp(np.median(np.log(luma))))
    bright = float(np.percentile(luma, 97))
    by_middle = rng.uniform(0.13, 0.34) / max(middle, 1e-5)
    by_highlights = rng.uniform(0.8, 1.6) / max(bright, 1e-5)
    share = rng.uniform(0.3, 0.9)
    return float(by_middle**share * by_highlights ** (1 - share) * 2 ** rng.normal(0, 0.25))


def _balance(light: Linear, rng: np.random.Generator) -> Linear:
    """Factors of the channels, (3,)."""
    luma = light @ LUMA
    usable = luma < np.percentile(luma, 98)
    mean = np.maximum(light[usable].mean(axis=0), 1e-6) if usable.any() else np.ones(3)
    grey = (mean @ LUMA) / mean
    factors = grey ** rng.uniform(0.35, 0.85) * np.exp(rng.normal(0, 0.035, 3))
    return (factors / (factors @ LUMA)).astype(np.float32)


def _curve(exposed: Linear, rng: np.random.Generator) -> Linear:
    shoulder = rng.uniform(0.0, 0.9)
    soft = exposed * (1 + exposed / 6.0) / (1 + exposed * 0.85)
    mixed = np.clip(exposed * (1 - shoulder) + soft * shoulder, 0.0, 1.0)
    image = encoded(mixed.astype(np.float32))
    contrast = rng.uniform(-0.15, 0.5)
    image = image + contrast * image * (1 - image) * (2 * image - 1)
    grey = (image @ LUMA)[..., None]
    return np.clip(grey + (image - grey) * rng.uniform(0.8, 1.3), 0.0, 1.0).astype(np.float32)
