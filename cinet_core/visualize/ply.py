"""A semantic point cloud as a PLY file, which Open3D, MeshLab and CloudCompare read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from cinet_core.atomic_file import atomic_write

__all__ = ["write_ply"]

# In the order of the file, little-endian and without gaps.
_POINT = np.dtype(
    [
        *((name, "<f4") for name in ("x", "y", "z")),
        *((name, "u1") for name in ("red", "green", "blue", "label")),
        ("confidence", "<f4"),
    ]
)
_TYPES = {"<f4": "float", "|u1": "uchar"}


def write_ply(
    path: Path,
    xyz: npt.NDArray[np.floating],
    rgb: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    confidence: npt.NDArray[np.uint8],
) -> int:
    """Write the points whose position is known: x y z red green blue label confidence, binary. The write is atomic.

    Args:
        path: of the file to write.
        xyz: (..., 3) metres.
        rgb: (..., 3) uint8.
        labels: (...) uint8 class ids, 255 for none.
        confidence: (...) uint8, 0 to 255; in the file a float from 0 to 1.

    Returns:
        The number of points written; 0 means that there is no file, since not every program reads an empty cloud.

    Raises:
        OSError: the file cannot be written.
    """
    positions = xyz.reshape(-1, 3)
    known = np.isfinite(positions).all(axis=1)
    points = np.empty(int(known.sum()), _POINT)
    if not len(points):
        return 0
    for axis, name in enumerate("xyz"):
        points[name] = positions[known, axis]
    for channel, name in enumerate(("red", "green", "blue")):
        points[name] = rgb.reshape(-1, 3)[known, channel]
    points["label"] = labels.reshape(-1)[known]
    points["confidence"] = confidence.reshape(-1)[known].astype(np.float32) / np.float32(255)
    properties = "".join(f"property {_TYPES[_POINT[name].str]} {name}\n" for name in _POINT.names or ())
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(points)}\n{properties}end_header\n"
    with atomic_write(path) as file:
        file.write(header.encode())
        file.write(points.tobytes())
    return len(points)
