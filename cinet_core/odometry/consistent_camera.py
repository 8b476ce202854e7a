"""Checks that the frames of a tracked sequence have one camera and one size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics

__all__ = ["ConsistentCamera"]


class ConsistentCamera:
    """Checks that all frames have the same camera and size."""

    def __init__(self) -> None:
        """None has been seen yet."""
        self._intrinsics: Intrinsics | None = None

    def check(self, image: npt.NDArray[np.uint8], depth: npt.NDArray[np.floating], intrinsics: Intrinsics) -> None:
        """Check the next frame: an (H, W, 3) image and (H, W) depth.

        Raises:
            ValueError: the sizes differ, or the camera is another than before.
        """
        size = (intrinsics.height, intrinsics.width)
        if image.shape != (*size, 3) or depth.shape != size:
            raise ValueError(
                f"image {image.shape}, depth {depth.shape} and intrinsics for {intrinsics.width}x{intrinsics.height}: "
                "all must be of one size; use Intrinsics.resized"
            )
        if self._intrinsics not in (None, intrinsics):
            raise ValueError(
                f"the camera changed from {self._intrinsics} to {intrinsics}: track each with an odometry of its own"
            )
        self._intrinsics = intrinsics
