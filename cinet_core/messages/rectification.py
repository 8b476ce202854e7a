"""Undistortion maps, which give the source pixel of each pixel of the rectified image."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["Matrix", "Rectification"]

Matrix = npt.NDArray[np.float64]

_FRACTIONS = cv2.INTER_TAB_SIZE
"""Steps of a pixel in OpenCV's fixed-point maps: a fraction is row times this plus column."""

_RADII = 4096
"""Samples of the radial distortion between the optical axis and the farthest pixel."""


class Rectification:
    """Rectifies images of one size. The maps are computed once.

    A rectified pixel is valid where its source lies inside the image. Polynomials also fold rays of the far corners
    back into the image, where they would show a second time: beyond the radius at which the distorted radius
    stops growing nothing is valid either.
    """

    def __init__(
        self,
        camera: Matrix,
        coefficients: Matrix,
        fisheye: bool,
        rotation: Matrix,
        rectified: Matrix,
        size: tuple[int, int],
    ) -> None:
        """Compute the maps.

        Args:
            camera: (3, 3) K of the image as it arrives.
            coefficients: of OpenCV's polynomial or rational model (4, 5, 8, 12 or 14), or the 4 of its fisheye one.
            fisheye: which of the two models.
            rotation: (3, 3) R from the camera's frame to the rectified one.
            rectified: (3, 3) K of the rectified image.
            size: (width, height) of both images.
        """
        initialise = cv2.fisheye.initUndistortRectifyMap if fisheye else cv2.initUndistortRectifyMap
        u, v = initialise(camera, coefficients, rotation, rectified, size, cv2.CV_32FC1)
        inside = (u >= 0) & (u <= size[0] - 1) & (v >= 0) & (v <= size[1] - 1)
        self.valid: npt.NDArray[np.bool_] = inside & _unfolded(coefficients, fisheye, rotation, rectified, size)
        u[~self.valid] = v[~self.valid] = -2.0  # outside: remap fills it with black
        # Fixed point, 1/32 pixel: twice as fast as float maps.
        self._pixels, self._fractions = cv2.convertMaps(u, v, cv2.CV_16SC2)

    def __call__(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The rectified (H, W, 3) image, black where it is not valid."""
        return cv2.remap(image, self._pixels, self._fractions, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)

    @cached_property
    def _nearest(self) -> npt.NDArray[np.int16]:
        """(H, W, 2) the pixel nearest to each source: of the maps with fractions OpenCV would take the floor."""
        fractions = self._fractions.reshape(self._pixels.shape[:2])
        steps = np.dstack([fractions & (_FRACTIONS - 1), fractions // _FRACTIONS]) >= _FRACTIONS // 2
        return self._pixels + steps.astype(np.int16)

    def nearest(self, plane: npt.NDArray[Any], outside: float) -> npt.NDArray[Any]:
        """A rectified (H, W) plane whose values are not mixed, ``outside`` where it is not valid."""
        warped = cv2.remap(
            plane, self._nearest, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=outside
        )
        warped[~self.valid] = outside
        return warped


def _unfolded(
    coefficients: Matrix, fisheye: bool, rotation: Matrix, rectified: Matrix, size: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    """(H, W) bool: the pixel's ray points forward and lies where the distortion is still one to one."""
    width, height = size
    to_ray = np.linalg.inv(rectified @ rotation).astype(np.float32)  # the grids below are as large as the image
    u, v = np.arange(width, dtype=np.float32)[None, :], np.arange(height, dtype=np.float32)[:, None]
    x, y, z = (row[0] * u + row[1] * v + row[2] for row in to_ray)
    forward = z > 0
    if not forward.any():
        return forward
    radius = np.hypot(x, y)
    np.divide(radius, z, out=radius, where=forward)
    # Even in the angle: rays to the side have a radius without bound, and a fold near the axis must be found still.
    widest = math.atan(float(radius[forward].max()))
    samples = np.tan(np.linspace(0.0, widest, _RADII))
    shrinking = np.flatnonzero(~(np.diff(_distorted_radius(samples, coefficients, fisheye)) > 0))
    limit = samples[shrinking[0]] if len(shrinking) else np.inf
    return forward & (radius <= limit)


def _distorted_radius(radius: Matrix, coefficients: Matrix, fisheye: bool) -> Matrix:
    """Radius on the plane z = 1 after the radial terms of OpenCV's models (tangential ones do not fold)."""
    with np.errstate(all="ignore"):  # a denominator may be 0, and a wild D overflow: not one to one there
        if fisheye:
            theta = np.arctan(radius)
            t2 = theta * theta
            k1, k2, k3, k4 = coefficients
            return theta * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))
        padded = np.zeros(8)
        padded[: min(8, len(coefficients))] = coefficients[:8]
        k1, k2, _, _, k3, k4, k5, k6 = padded
        r2 = radius * radius
        return radius * (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
