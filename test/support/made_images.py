"""Random images: smooth ones, and ones with detail."""

from __future__ import annotations

import cv2
import numpy as np


def smooth_image(width: int, height: int, seed: int = 0) -> np.ndarray:
    """(height, width, 3) uint8, colourful: survives shared chroma and mosaics, and is unlike its mirror images."""
    coarse = np.random.default_rng(seed).integers(30, 226, (4, 5, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def detailed_images(size: tuple[int, int], count: int = 1) -> np.ndarray:
    """(count, *size, 3) uint8 with detail finer than the input of a tiny network, so that its resampling shows."""
    coarse = np.random.default_rng(1).integers(0, 256, (count, 40, 50, 3), dtype=np.uint8)
    return np.stack([cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC) for image in coarse])
