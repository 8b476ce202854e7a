"""Checks a frame before it is fused, since a wrong one would damage the map permanently."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics, rigidity_error
from cinet_core.label_sets import UNLABELLED

__all__ = ["check_frame", "check_rigid"]

MAX_RIGID_ERROR = 1e-3
"""How far R R^T of a pose may be from the identity: poses hold rounded numbers."""

MAX_DISTANCE = 1000.0
"""Metres of the camera from the map's origin: beyond, float32 coordinates are coarser than a tenth of a millimetre."""


def check_frame(
    depth: npt.NDArray[np.float32],
    labels: npt.NDArray[np.uint8],
    confidence: npt.NDArray[np.uint8],
    colour: npt.NDArray[np.uint8],
    intrinsics: Intrinsics,
    pose: npt.NDArray[np.float64],
    classes: int,
) -> None:
    """Raise ValueError if a frame is not valid for `SemanticMap.integrate` with this number of classes."""
    size = (intrinsics.height, intrinsics.width)
    images: dict[str, tuple[npt.NDArray[np.generic], tuple[int, ...], type[np.generic]]] = {
        "depth": (depth, size, np.float32),
        "labels": (labels, size, np.uint8),
        "confidence": (confidence, size, np.uint8),
        "colour": (colour, (*size, 3), np.uint8),
    }
    for name, (array, shape, dtype) in images.items():
        if array.shape != shape or array.dtype != dtype:
            raise ValueError(
                f"{name} is {array.dtype} {array.shape}: for intrinsics of {size[1]}x{size[0]} it must be "
                f"{np.dtype(dtype)} {shape}"
            )
    counts = np.bincount(labels.ravel(), minlength=UNLABELLED + 1)
    if counts[classes:UNLABELLED].any():
        worst = classes + int(np.flatnonzero(counts[classes:UNLABELLED])[-1])
        raise ValueError(f"a label is {worst}: the label set has {classes} classes, and {UNLABELLED} stands for none")
    check_rigid(pose)


def check_rigid(pose: npt.NDArray[np.float64]) -> None:
    """Raise ValueError if a (4, 4) pose is no rigid transform, or is farther away than `MAX_DISTANCE`."""
    if pose.shape != (4, 4) or not np.isfinite(pose).all():
        raise ValueError(f"the pose has shape {pose.shape}, or a value that is not finite: (4, 4) numbers are needed")
    fault = rigidity_error(pose, MAX_RIGID_ERROR)
    if fault is not None:
        raise ValueError(f"the pose is {fault}; give map_from_camera")
    distance = float(np.linalg.norm(pose[:3, 3]))
    if distance > MAX_DISTANCE:
        raise ValueError(
            f"the camera is {distance:.0f} m from the map's origin, the limit is {MAX_DISTANCE:.0f} m: use a map frame "
            "whose origin is near"
        )
