"""Which pixels of a sensor's depth a sparse one would have: a lattice, one on half of the image, or random points.

And what they are worth without a field: interpolated, or as one factor of what a network predicts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["BASELINES", "SparsePoints", "interpolated", "one_factor"]

BASELINES = ("interpolation", "factor")
"""What is done with sparse points without a field."""

_PATTERN = re.compile(r"(?:(left:)?(\d{1,4})x(\d{1,4})|random:(\d{1,6}))")


@dataclass(frozen=True)
class SparsePoints:
    """A pattern of points in an image.

    >>> SparsePoints.parse("left:32x24")
    SparsePoints(columns=32, rows=24, left=True, count=0)

    Attributes:
        columns, rows: of a lattice over the whole image; 0 for points at random.
        left: only those of its left half.
        count: of points at random, others in each frame.
    """

    columns: int = 32
    rows: int = 24
    left: bool = False
    count: int = 0

    @classmethod
    def parse(cls, text: str) -> SparsePoints:
        """The pattern that a text names: ``32x24``, ``left:32x24`` or ``random:100``.

        Raises:
            ValueError: it names none, or one without a point.
        """
        found = _PATTERN.fullmatch(text)
        left, columns, rows, count = found.groups() if found else (None, "0", "0", None)
        pattern = cls(0, 0, False, int(count)) if count else cls(int(columns), int(rows), left is not None)
        if not (pattern.count or pattern.columns * pattern.rows):
            raise ValueError(
                f"points are {text!r}: give a lattice such as 32x24, left:32x24 for one half, or random:100"
            )
        return pattern

    def places(
        self, width: int, height: int, random: np.random.Generator
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Columns and rows (N,) of the points in an image of this size."""
        if self.count:
            u, v = random.integers(0, width, self.count), random.integers(0, height, self.count)
            return u.astype(np.intp), v.astype(np.intp)
        row, column = (axis.ravel() for axis in np.mgrid[0 : self.rows, 0 : self.columns])
        u, v = (2 * column + 1) * width // (2 * self.columns), (2 * row + 1) * height // (2 * self.rows)
        kept = u < width / 2 if self.left else np.ones(u.shape, dtype=bool)
        return u[kept].astype(np.intp), v[kept].astype(np.intp)


def interpolated(
    pixels: npt.NDArray[np.floating], depth: npt.NDArray[np.floating], shape: tuple[int, int], step: int = 1
) -> npt.NDArray[np.float32]:
    """Depth between points without any image: linear in the triangles between them, that of the nearest one outside.

    Args:
        pixels: (N, 2) u and v of the points.
        depth: (N,) metres.
        shape: (H, W) of the image.
        step: of rows and columns each so-manieth is computed, from its middle on.

    Returns:
        (h, w) metres; NaN without points.

    Raises:
        ValueError: SciPy is not installed.
    """
    try:
        from scipy.interpolate import LinearNDInterpolator, NearestNDInterpolator
        from scipy.spatial import QhullError
    except ImportError as error:
        raise ValueError("interpolation takes SciPy: pip install scipy, or cinet's extra 'data'") from error
    v, u = np.mgrid[step // 2 : shape[0] : step, step // 2 : shape[1] : step]
    if not len(depth):
        return np.full(u.shape, np.nan, dtype=np.float32)
    found = NearestNDInterpolator(pixels, depth)(u, v)
    try:
        between = LinearNDInterpolator(pixels, depth)(u, v)
    except QhullError:  # fewer than three points, or all on one line: there is no triangle
        return found.astype(np.float32)
    return np.where(np.isnan(between), found, between).astype(np.float32)


def one_factor(
    predicted: npt.NDArray[np.floating], pixels: npt.NDArray[np.floating], depth: npt.NDArray[np.floating]
) -> npt.NDArray[np.float32]:
    """Predicted depth (H, W), metres, times the median of measured by predicted depth at points (N, 2), (N,)."""
    column, row = np.rint(pixels).astype(np.intp).T
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = depth / predicted[row, column]
    ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
    return (predicted * (np.median(ratio) if len(ratio) else 1.0)).astype(np.float32)
