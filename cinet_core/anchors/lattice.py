"""Every so-manieth pixel of an image, and what of it is the same for all images of its size: worked out once."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cinet_core.anchors.grid import Array, Grid
from cinet_core.geometry import Intrinsics

__all__ = ["Lattice"]


@dataclass(frozen=True, eq=False)
class Lattice:
    """A lattice of pixels, rows times columns of them, from `step` // 2 on.

    Attributes:
        width, height: of the image, pixels.
        step: pixels from one point to the next.
        grid: that values are spread to and taken from.
    """

    width: int
    height: int
    step: int
    grid: Grid

    @classmethod
    def of(cls, width: int, height: int, step: int, grid: Grid) -> Lattice:
        """The lattice, the same object for the same arguments."""
        return _lattice(width, height, step, grid)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self._lines[1]), len(self._lines[0])

    @cached_property
    def places(self) -> Array:
        """(N, 2) of the points, 0 to 1 over the image (`Grid.places`)."""
        x, y = np.meshgrid(*self._lines)
        return np.stack([x.ravel(), y.ravel()], axis=1)

    @cached_property
    def shares(self) -> Array:
        """(nodes,) how many points each node has, by the weights of bilinear interpolation."""
        return self.spread(np.ones(self.shape))

    def rays(self, intrinsics: Intrinsics) -> Array:
        """(3, N) x / z, y / z and 1 of the points, for a camera of the image's size."""
        return _rays(self, intrinsics)

    def spread(self, values: Array) -> Array:
        """(nodes,) sums of values (rows, columns) around each node, by the weights of bilinear interpolation."""
        across, down = self._weights
        return (down.T @ values @ across).ravel()

    def sampled(self, values: Array) -> Array:
        """(N,) values (nodes,) between the nodes, bilinear."""
        across, down = self._weights
        return (down @ values.reshape(self.grid.rows, self.grid.columns) @ across.T).ravel()

    @cached_property
    def _lines(self) -> tuple[Array, Array]:
        """Places of columns and rows, 0 to 1."""
        x, y = (np.arange(self.step // 2, size, self.step) for size in (self.width, self.height))
        return (x + 0.5) / self.width, (y + 0.5) / self.height

    @cached_property
    def _weights(self) -> tuple[Array, Array]:
        """(columns, nodes of a row) and (rows, nodes of a column)."""
        across, down = (
            np.maximum(1.0 - np.abs(line[:, None] * (nodes - 1) - np.arange(nodes)), 0.0)
            for line, nodes in zip(self._lines, (self.grid.columns, self.grid.rows), strict=True)
        )
        return across, down


@functools.lru_cache(maxsize=8)
def _lattice(width: int, height: int, step: int, grid: Grid) -> Lattice:
    return Lattice(width, height, step, grid)


@functools.lru_cache(maxsize=8)
def _rays(lattice: Lattice, k: Intrinsics) -> Array:
    x, y = lattice.places.T * [[lattice.width], [lattice.height]] - 0.5
    return np.stack([(x - k.cx) / k.fx, (y - k.cy) / k.fy, np.ones(len(x))])
