"""The coarse grid that a correction lives on: places of its nodes, interpolation, and the prior of a network's error.

The error ``e = ln(true / predicted)`` of the shipped network on 171 rendered frames of held-out rooms, within 0.2 and
10 m: its covariance over a distance d on the image is ``0.0285 exp(-d / (0.22 width))``, from 1 pixel to the whole
width to within 0.001, once the mean of each frame that was subtracted is accounted for. The means have a standard
deviation of 0.10, slopes over ln depth 0.23. A camera or a room unlike those trained on adds to the mean: the prior
allows 0.25.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["Array", "FieldPrior", "Grid"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FieldPrior:
    """Standard deviations of the network's error in ln depth before anything is measured.

    Attributes:
        field: of the smooth field.
        length: over which it is correlated (``exp(-d / length)``), as a part of the image's width.
        offset: of the offset that all pixels share, ln of a factor.
        slope: of the change with ln depth.
        detail: of what the grid cannot hold, on a scale below its nodes' distance.
    """

    field: float = 0.169
    length: float = 0.22
    offset: float = 0.25
    slope: float = 0.03
    detail: float = 0.07


@dataclass(frozen=True)
class Grid:
    """Nodes in rows and columns, the outer ones on the border of the image; bilinear between them.

    Attributes:
        rows, columns: of nodes, at least 2.
        aspect: height of the image by its width.
    """

    rows: int = 10
    columns: int = 13
    aspect: float = 0.75

    @property
    def nodes(self) -> int:
        """How many."""
        return self.rows * self.columns

    @property
    def _sides(self) -> tuple[int, int]:
        """Nodes of a row and of a column."""
        return self.columns, self.rows

    @cached_property
    def places(self) -> Array:
        """(nodes, 2) x and y of the nodes, 0 to 1 from the left and the upper border to the opposite ones."""
        x, y = np.meshgrid(np.linspace(0, 1, self.columns), np.linspace(0, 1, self.rows))
        return np.stack([x.ravel(), y.ravel()], axis=1)

    def covariance(self, prior: FieldPrior) -> Array:
        """(nodes, nodes) of the smooth field: ``field^2 exp(-d / length)``."""
        scaled = self.places * [1.0, self.aspect]
        distance = np.linalg.norm(scaled[:, None] - scaled[None], axis=-1)
        return prior.field**2 * np.exp(-distance / prior.length) + 1e-8 * np.eye(self.nodes)

    def weights(self, places: Array) -> tuple[npt.NDArray[np.intp], Array]:
        """Which nodes the field at some places is mixed from, and in what parts.

        Args:
            places: (N, 2) as `places`; those outside the image are moved to its border.

        Returns:
            (N, 4) numbers of nodes, (N, 4) weights that sum to 1.
        """
        x, y = (np.clip(line, 0.0, 1.0) * (count - 1) for line, count in zip(places.T, self._sides, strict=True))
        left, upper = (np.minimum(line.astype(np.intp), n - 2) for line, n in zip((x, y), self._sides, strict=True))
        x -= left
        y -= upper
        nodes = (upper * self.columns + left)[:, None] + np.array([0, 1, self.columns, self.columns + 1])
        weights = np.empty((len(x), 4))
        weights[:, 3] = x * y
        weights[:, 1], weights[:, 2] = x - weights[:, 3], y - weights[:, 3]
        weights[:, 0] = 1.0 - x - weights[:, 2]
        return nodes, weights

    def sums(self, places: Array, values: Array) -> Array:
        """(K, nodes) sums of values (K, N) at places (N, 2) around each node, by the `weights` of its places."""
        nodes, weights = self.weights(places)
        flat = nodes.ravel()
        return np.stack([
            np.bincount(flat, (weights * value[:, None]).ravel(), minlength=self.nodes) for value in values
        ])  # fmt: skip

    def sampled(self, values: Array, places: Array) -> Array:
        """(N,) of values (nodes,) at places, by cubic convolution (Keys 1981).

        What is carried from view to view by bilinear interpolation blurs a little more each time; this hardly does.
        """
        exact = np.clip(places, 0.0, 1.0) * (self.columns - 1, self.rows - 1)
        x, y = exact.astype(np.float32).T
        table = values.reshape(self.rows, self.columns).astype(np.float32)
        found = cv2.remap(table, x[:, None].copy(), y[:, None].copy(), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return found.ravel().astype(np.float64)

    def to_image(
        self, values: Array, width: int, height: int, out: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[np.float32]:
        """(height, width) float32: values (nodes,) between nodes, at the centres of an image's pixels; into `out`."""
        across, down = _hat_matrix(self.columns, width), _hat_matrix(self.rows, height)
        return np.matmul(down, values.reshape(self.rows, self.columns).astype(np.float32) @ across.T, out=out)


_matrices: dict[tuple[int, int], npt.NDArray[np.float32]] = {}


def _hat_matrix(nodes: int, pixels: int) -> npt.NDArray[np.float32]:
    """(pixels, nodes) weights of the nodes of a line at the centres of its pixels."""
    key = (nodes, pixels)
    if key not in _matrices:
        if len(_matrices) > 32:
            _matrices.clear()
        place = (np.arange(pixels) + 0.5) / pixels * (nodes - 1)
        _matrices[key] = np.maximum(1.0 - np.abs(place[:, None] - np.arange(nodes)), 0.0).astype(np.float32)
    return _matrices[key]
