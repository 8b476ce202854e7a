"""Distance between two maps, and an independent fusion by Open3D as the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics
from cinet_core.mapping.frame_checks import check_rigid
from cinet_core.open3d_loading import load_open3d

__all__ = ["Open3DFusion", "surface_distance"]

QUANTILES = {"median": 0.5, "p90": 0.9}


def surface_distance(
    points: npt.NDArray[np.floating], reference: npt.NDArray[np.floating]
) -> dict[str, dict[str, float]]:
    """Return the distance in metres from each point of a surface to the nearest point of the reference.

    Args:
        points: (N, 3) metres, of the surface judged.
        reference: (M, 3) metres, of the surface that it is held against.

    Returns:
        "to_reference" (how accurate the points are) and "from_reference" (how much of the reference they reach), each
        with "median" and "p90" (the 90 % quantile).

    Raises:
        ValueError: one has no points.
        Open3DError: Open3D cannot be loaded.
    """
    o3d = load_open3d()
    for name, surface in (("map", points), ("reference", reference)):
        if not len(surface):
            raise ValueError(f"the {name} has no points: fuse more frames, or allow voxels that fewer of them saw")
    clouds = [
        o3d.geometry.PointCloud(o3d.utility.Vector3dVector(surface.astype(np.float64)))
        for surface in (points, reference)
    ]
    distances = {
        "to_reference": np.asarray(clouds[0].compute_point_cloud_distance(clouds[1])),
        "from_reference": np.asarray(clouds[1].compute_point_cloud_distance(clouds[0])),
    }
    return {
        name: {key: float(np.quantile(values, part)) for key, part in QUANTILES.items()}
        for name, values in distances.items()
    }


class Open3DFusion:
    """Open3D's `VoxelBlockGrid` at its own defaults, driven as its own example does it: blocks of 16 voxels, truncation
    at 8, depth alone, no budget, all of a frame's blocks in one call.

    Open3D's older `ScalableTSDFVolume`, of other code, would be more independent still: in 0.20 it finds no surface at
    all in depth images that this grid and `UniformTSDFVolume` agree on.

    Args:
        voxel_size: metres.
        max_depth: metres.

    Raises:
        Open3DError: Open3D cannot be loaded.
    """

    def __init__(self, voxel_size: float, max_depth: float) -> None:
        o3d = load_open3d()
        self._tensor, self._image = o3d.core.Tensor, o3d.t.geometry.Image
        self._max_depth = max_depth
        types = [o3d.core.float32, o3d.core.float32]
        self._grid: Any = o3d.t.geometry.VoxelBlockGrid(["tsdf", "weight"], types, [(1,), (1,)], voxel_size)

    def integrate(self, depth: npt.NDArray[np.float32], intrinsics: Intrinsics, pose: npt.NDArray[np.float64]) -> None:
        """Fuse (H, W) metres, 0 or NaN where unknown, seen from a (4, 4) camera-to-map pose.

        Raises:
            ValueError: the pose is no rigid motion.
        """
        check_rigid(pose)
        known = np.where((depth > 0) & (depth < self._max_depth), depth, 0).astype(np.float32)
        if not known.any():
            return
        image = self._image(self._tensor(known))
        camera = self._tensor(intrinsics.matrix()), self._tensor(np.linalg.inv(pose))
        blocks = self._grid.compute_unique_block_coordinates(image, *camera, 1.0, self._max_depth)
        self._grid.integrate(blocks, image, *camera, 1.0, self._max_depth)

    def points(self, min_weight: float) -> npt.NDArray[np.float32]:
        """Return (N, 3) surface points in metres between voxels that were observed more often than this weight."""
        return self._grid.extract_point_cloud(min_weight).point.positions.numpy()
