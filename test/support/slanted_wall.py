"""A slanted wall, a smooth error of its predicted depth, and a small sensor that sees it: for tests of anchors."""

from __future__ import annotations

import numpy as np

from cinet_core.anchors import AnchorMeasurement, CorrectedDepth, measure_cloud
from cinet_core.geometry import Intrinsics

CAMERA = Intrinsics.from_fov(160, 120, 62)
LATTICE = CAMERA.resized(32, 24)


def scene(shift: float = 0.0) -> np.ndarray:
    """(H, W) depth of a slanted wall, seen by a camera that has moved to the right by some metres."""
    x = (np.arange(160) - CAMERA.cx) / CAMERA.fx
    # The wall x_w * 0.3 + z = 3 in the world: z (1 + 0.3 x) = 3 - 0.3 shift.
    return np.tile((3.0 - 0.3 * shift) / (1.0 + 0.3 * x), (120, 1)).astype(np.float32)


def smooth_error() -> np.ndarray:
    """(H, W) ln factor, +-0.2 from one side to the other."""
    return np.linspace(-0.2, 0.2, 160, dtype=np.float32)[None] * np.ones((120, 1), np.float32)


def points(depth: np.ndarray, part: slice = slice(None)) -> np.ndarray:
    """(24, 32) what a small sensor sees of a depth image; 0 outside the part of its columns."""
    small = depth[2::5, 2::5].copy()
    hidden = np.ones(32, bool)
    hidden[part] = False
    small[:, hidden] = 0.0
    return small


def small_sensor(depth: np.ndarray, part: slice = slice(None)) -> AnchorMeasurement:
    """The same as a measurement."""
    v, u = np.mgrid[2:120:5, 2:160:5]
    z = points(depth, part)
    cloud = np.stack([(u - CAMERA.cx) / CAMERA.fx * z, (v - CAMERA.cy) / CAMERA.fy * z, z], axis=-1)
    return measure_cloud(cloud, CAMERA, relative_sigma=0.01, sigma=0.0)


def error(result: CorrectedDepth, truth: np.ndarray) -> float:
    """Mean relative error."""
    return float(np.abs(result.depth / truth - 1).mean())
