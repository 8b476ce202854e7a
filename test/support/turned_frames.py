"""Frames as a camera that is held on its side, or mounted upside down, stores them, for each of EXIF's orientations."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from cinet_core.geometry import Intrinsics

WIDTH, HEIGHT = 48, 32
STORED = Intrinsics(50.0, 52.0, 21.0, 17.5, WIDTH, HEIGHT)
"""The sensor's: no two of its values are the same, and the principal point is off the centre."""

ROTATIONS = (1, 3, 6, 8)
MIRRORED = (2, 4, 5, 7)
SWAPPED = (5, 6, 7, 8)

# How Pillow, which the code under test does not use for these, turns a stored image upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(plane: np.ndarray, orientation: int) -> np.ndarray:
    """A stored array of any kind as Pillow turns it: through the numbers of its pixels."""
    rows, columns = plane.shape[:2]
    numbers = Image.fromarray(np.arange(rows * columns, dtype=np.int32).reshape(rows, columns))
    turned = numbers if orientation == 1 else numbers.transpose(_UPRIGHT[orientation])
    return plane.reshape(rows * columns, *plane.shape[2:])[np.asarray(turned)]


def rgb_image() -> np.ndarray:
    """(H, W, 3) as the sensor stores it: every pixel is another colour."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.dstack([5 * x, 7 * y, 128 + x - y]).astype(np.uint8)


def depth_mm() -> np.ndarray:
    """(H, W) millimetres as stored, every pixel another."""
    return (1000 + np.arange(HEIGHT * WIDTH)).astype(np.uint16).reshape(HEIGHT, WIDTH)


def labels() -> np.ndarray:
    """(H, W) class numbers from 1, without any symmetry."""
    return (1 + np.arange(HEIGHT * WIDTH) % 37).astype(np.uint8).reshape(HEIGHT, WIDTH)


def save_image(path: Path, orientation: int, stored: np.ndarray | None = None) -> None:
    """The image with that number in its EXIF; PNG and TIFF keep every value."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(rgb_image() if stored is None else stored).save(path, exif=exif)


def save_plane(path: Path, plane: np.ndarray) -> None:
    """A depth or label image, which has no EXIF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.ascontiguousarray(plane))
