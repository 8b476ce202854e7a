"""A semantic point cloud as a PLY file, written by Open3D."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cinet_core.open3d_loading import load_open3d

__all__ = ["write_ply"]

# x y z, red green blue, label, confidence
BYTES_PER_POINT = 3 * 4 + 3 + 1 + 4
_HEADER_END = b"end_header\n"
_MAX_HEADER_BYTES = 4096


def write_ply(
    path: Path,
    xyz: npt.NDArray[np.floating],
    rgb: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    confidence: npt.NDArray[np.uint8],
) -> int:
    """Write the points whose position is known: x y z red green blue label confidence, binary.

    Args:
        path: of the file to write.
        xyz: (..., 3) metres.
        rgb: (..., 3) uint8.
        labels: (...) uint8 class ids, 255 for none.
        confidence: (...) uint8, 0 to 255; in the file a float from 0 to 1.

    Returns:
        The number of points written; 0 means that there is no file, since Open3D refuses to write an empty cloud.

    Raises:
        Open3DError: see load_open3d.
        OSError: the file cannot be written.
    """
    o3d = load_open3d()
    points = xyz.reshape(-1, 3)
    known = np.isfinite(points).all(axis=1)
    if not known.any():
        return 0
    cloud = o3d.t.geometry.PointCloud(o3d.core.Tensor(np.ascontiguousarray(points[known], dtype=np.float32)))
    cloud.point.colors = o3d.core.Tensor(np.ascontiguousarray(rgb.reshape(-1, 3)[known]))
    cloud.point.label = o3d.core.Tensor(labels.reshape(-1, 1)[known])
    cloud.point.confidence = o3d.core.Tensor(confidence.reshape(-1, 1)[known].astype(np.float32) / 255.0)
    count = int(known.sum())
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.unfinished-") as folder:
        unfinished = Path(folder) / path.name
        written = o3d.t.io.write_point_cloud(str(unfinished), cloud, write_ascii=False)
        if not (written and _is_whole(unfinished, count)):
            raise OSError(f"{path}: Open3D could not write the cloud; is the folder writable and the disk not full?")
        unfinished.replace(path)
    return count


def _is_whole(path: Path, points: int) -> bool:
    """Whether all was written: on a full disk Open3D leaves a part and reports success."""
    with path.open("rb") as file:
        end = file.read(_MAX_HEADER_BYTES).find(_HEADER_END)
    return end >= 0 and path.stat().st_size == end + len(_HEADER_END) + points * BYTES_PER_POINT
