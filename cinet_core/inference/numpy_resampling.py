"""The resampling of the deployable graph in NumPy and OpenCV, around a core graph that serves every size.

Each function gives what its counterpart in `cinet_core.inference.resampling` and `DeployableGraph` gives, without
PyTorch; `test/core/test_core_graph.py` compares them.
"""

from __future__ import annotations

import functools
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.inference.backend import Floats, Images
from cinet_core.roomy_arrays import resized_with_room

__all__ = ["Shrink", "resized"]

Size = tuple[int, int]


class Shrink:
    """`resampling.AntialiasedResize` of one image.

    Where both sides shrink by a whole factor, OpenCV's separable filter with the triangle's weights, of which each
    factor-th pixel is kept; else a weighted sum of the few pixels that each pixel takes from, one side after the other.

    Args:
        size: (H, W) that comes in.
        target: (h, w) that goes out.
    """

    def __init__(self, size: Size, target: Size) -> None:
        self._size, self._target = size, target
        self._factors = tuple(before // after for before, after in zip(size, target, strict=True))
        self._whole = all(
            after * factor == before for before, after, factor in zip(size, target, self._factors, strict=True)
        )

    def __call__(self, image: Images) -> Floats:
        """(H, W, 3) uint8 -> (h, w, 3) float32, 0 to 255."""
        if self._size == self._target:
            return image.astype(np.float32)
        if self._whole:
            return self._filtered(image) * self._border
        return self._summed(image)

    def _filtered(self, image: npt.NDArray[Any]) -> Floats:
        (rows, up), (columns, left) = (_triangle(factor) for factor in self._factors)
        summed = cv2.sepFilter2D(
            image, cv2.CV_32F, columns, rows, anchor=(left, up), borderType=cv2.BORDER_CONSTANT | cv2.BORDER_ISOLATED
        )
        return summed[:: self._factors[0], :: self._factors[1]]

    @functools.cached_property
    def _border(self) -> Floats:
        """(h, w, 1): at the borders a part of the filter is outside; what is inside is weighed up."""
        return np.reciprocal(self._filtered(np.ones(self._size, np.float32))[..., None])

    @functools.cached_property
    def _bands(self) -> tuple[tuple[npt.NDArray[np.int64], Floats], ...]:
        return tuple(_band(before, after) for before, after in zip(self._size, self._target, strict=True))

    def _summed(self, image: npt.NDArray[Any]) -> Floats:
        (rows, row_weights), (columns, column_weights) = self._bands
        lines = _weighted_sum(image, rows, row_weights[..., None, None], axis=0)
        return _weighted_sum(lines, columns, column_weights[..., None], axis=1)


def resized(values: npt.NDArray[Any], size: Size, resize: str) -> npt.NDArray[Any]:
    """(h, w) or (h, w, channels) at another size, as `DeployableGraph` resizes what a task answers.

    Args:
        values: float32 or uint8.
        size: (height, width).
        resize: "bilinear" or "nearest", see `OutputSpec.resize`.
    """
    if values.shape[:2] == size:
        return values
    way = cv2.INTER_LINEAR if resize == "bilinear" else cv2.INTER_NEAREST_EXACT
    return resized_with_room(values, size, way)


def _triangle(factor: int) -> tuple[Floats, int]:
    """Weights of the pixels that a pixel of the smaller image is the mean of, and how many of them lie in front."""
    reach = factor // 2 if factor % 2 == 0 else (factor - 1) // 2
    weights = 1 - np.abs(np.arange(-reach, factor + reach) - (factor - 1) / 2) / factor
    return (weights / weights.sum()).astype(np.float32), reach


def _band(before: int, after: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """Of each pixel that goes out, the numbers of the pixels that it takes from, and their weights: (taps, after)."""
    scale = before / after
    centres = (np.arange(after) + 0.5) * scale
    distances = np.abs(np.arange(before)[None] + 0.5 - centres[:, None])
    weights = np.maximum(0, 1 - distances / max(scale, 1.0))
    weights /= weights.sum(axis=1, keepdims=True)
    taps = int((weights > 0).sum(axis=1).max())
    first = np.minimum((weights > 0).argmax(axis=1), before - taps)
    numbers = first[:, None] + np.arange(taps)
    return numbers.T, np.take_along_axis(weights, numbers, axis=1).T.astype(np.float32)


def _weighted_sum(values: npt.NDArray[Any], numbers: npt.NDArray[np.int64], weights: Floats, axis: int) -> Floats:
    total: Any = 0
    for number, weight in zip(numbers, weights, strict=True):
        total = total + values.take(number, axis=axis) * weight
    return np.asarray(total, dtype=np.float32)
