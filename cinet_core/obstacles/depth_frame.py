"""One frame as the obstacles are made of it: depth, labels and where the camera stands, checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics, rigidity_error

__all__ = ["DepthFrame"]

MIN_SIDE = 8
"""Pixels: a smaller image has no neighbourhoods to judge by."""

MAX_RIGID_ERROR = 1e-3
"""How far R R^T of a pose may be from the identity: transforms hold rounded numbers."""


@dataclass(frozen=True, eq=False)
class DepthFrame:
    """Depth and labels of one image, with the camera's pose in the robot's base frame.

    The base frame is REP 103's and REP 105's: x forward, y to the left, z up, its origin on the floor (base_footprint)
    or a known height above it; then the pose is to be given with the origin lowered to the floor.

    Attributes:
        depth: (H, W) float32, metres along the optical axis; NaN, infinite or not positive where unknown.
        labels: (H, W) uint8 class ids; 255 = unlabelled.
        intrinsics: of these arrays.
        pose: (4, 4) float64, optical frame to base frame.
        confidence: (H, W) uint8, 0 to 255, how sure the network is of the label; None where it is not known.
        uncertainty: (H, W) float32 metres, standard deviation of depth, as the output `depth_uncertainty` of a network
            has it; NaN where unknown. None where there is none.

    Raises:
        ValueError: an array has another shape or type, the image is smaller than `MIN_SIDE`, the intrinsics are for
            another size, or the pose is no rigid transform.
    """

    depth: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]
    intrinsics: Intrinsics
    pose: npt.NDArray[np.float64]
    confidence: npt.NDArray[np.uint8] | None = None
    uncertainty: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be one frame."""
        shape = self.depth.shape
        if len(shape) != 2 or min(shape) < MIN_SIDE:
            raise ValueError(f"depth has shape {shape}: (H, W) with at least {MIN_SIDE} pixels each way is needed")
        for name, kind in (
            ("depth", "float32"),
            ("labels", "uint8"),
            ("confidence", "uint8"),
            ("uncertainty", "float32"),
        ):
            array = getattr(self, name)
            if array is not None and (array.shape != shape or array.dtype != np.dtype(kind)):
                raise ValueError(
                    f"{name} is {array.dtype} of shape {array.shape}: {kind} of the depth's shape {shape} is needed"
                )
        if shape != (self.intrinsics.height, self.intrinsics.width):
            raise ValueError(
                f"depth is {shape[1]}x{shape[0]} but the intrinsics are for {self.intrinsics.width}x"
                f"{self.intrinsics.height}: use intrinsics.resized() or cropped()"
            )
        if self.pose.shape != (4, 4) or not np.isfinite(self.pose).all():
            raise ValueError(f"the pose has shape {self.pose.shape}: a (4, 4) matrix of finite numbers is needed")
        if error := rigidity_error(self.pose, MAX_RIGID_ERROR):
            raise ValueError(f"the camera's pose is {error}: give the transform of the optical frame to the base frame")
