"""Turning the hue of an image: the dearest part of a training sample's colours, unless it is done as here."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torchvision.transforms.v2.functional import adjust_hue

__all__ = ["shift_hue"]

DEGREES = 360.0
WHITE = 255.0


def shift_hue(image: torch.Tensor, shift: float) -> torch.Tensor:
    """Turn the hue of every pixel in the HSV colour space; saturation and value stay.

    It computes what torchvision's `adjust_hue` computes, in float32 as that does, and rounds to the nearest grey level
    where torchvision cuts off: some percent of the values differ, by one level. OpenCV's conversions take a tenth of
    the time. A rotation in a linear space such as YIQ, one 3x3 matrix, would cost about as much and be another
    augmentation: it leaves the RGB cube, and clipping then takes saturation from bright colours. OpenCV's conversions
    of bytes are no faster by now, and are off by up to 11 levels, as they keep hue in 256 steps.

    Args:
        image: (3, H, W) uint8 RGB; one on another device than the CPU is left to torchvision.
        shift: in turns of the colour circle; any number, of which the whole turns do not matter.

    Returns:
        (3, H, W) uint8, in memory of its own.

    Raises:
        TypeError: the image is not uint8.
    """
    if image.dtype != torch.uint8:
        raise TypeError(f"the image is {image.dtype}: its hue is shifted in uint8, 0 to 255")
    if image.device.type != "cpu":
        return adjust_hue(image, (shift + 0.5) % 1.0 - 0.5)
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    hsv = cv2.cvtColor(np.multiply(pixels, np.float32(1 / WHITE), dtype=np.float32), cv2.COLOR_RGB2HSV)
    hsv[..., 0] += np.float32(shift % 1.0 * DEGREES)  # up to two turns, never negative: OpenCV takes whole turns off
    shifted = cv2.convertScaleAbs(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), alpha=WHITE)
    return torch.from_numpy(shifted).permute(2, 0, 1).contiguous()
