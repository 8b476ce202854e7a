"""Which pixels of a sensor's depth a sparse one would have: a lattice, one on half of the image, or random points."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["SparsePoints"]

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
