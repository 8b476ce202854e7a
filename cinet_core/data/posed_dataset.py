"""Data sets that know where the camera stood: what is mapped, tracked, and scored for stability."""

from __future__ import annotations

import abc

import numpy as np
import numpy.typing as npt

from cinet_core.data.scene_dataset import SceneDataset

__all__ = ["PosedDataset"]


class PosedDataset(SceneDataset, abc.ABC):
    """A `SceneDataset` whose samples come with the pose of their camera, as far as it is known."""

    @abc.abstractmethod
    def pose(self, index: int) -> npt.NDArray[np.float64] | None:
        """Where the camera of a sample stood: (4, 4) float64, its optical frame's coordinates to the world's, metres.

        Returns:
            The pose; None where it is not known.

        Raises:
            SourceError: it cannot be read.
        """

    def world(self, index: int) -> str:
        """Name of the recording whose world the pose of a sample is in: poses of two worlds cannot be compared."""
        return self.meta.name
