"""The surface of a map as points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["MapPoints"]


@dataclass(frozen=True)
class MapPoints:
    """Points on the surfaces of a map.

    Attributes:
        xyz: (N, 3) float32 metres, in the map's frame.
        rgb: (N, 3) uint8.
        labels: (N,) uint8 class ids, 255 where nothing voted.
        confidence: (N,) uint8: the winning class' share of all votes, 255 = all of them; 0 without a label.

    Raises:
        ValueError: an array has another type or size than stated here.
    """

    xyz: npt.NDArray[np.float32]
    rgb: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    confidence: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together."""
        count = len(self.xyz)
        wanted: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
            "xyz": ((count, 3), np.float32),
            "rgb": ((count, 3), np.uint8),
            "labels": ((count,), np.uint8),
            "confidence": ((count,), np.uint8),
        }
        for name, (shape, dtype) in wanted.items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != dtype:
                raise ValueError(
                    f"{name} is {array.dtype} {array.shape}: with {count} points it must be {np.dtype(dtype)} {shape}"
                )

    def __len__(self) -> int:
        """How many points there are."""
        return len(self.xyz)

    def __getitem__(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice) -> MapPoints:
        """Some of the points, by a mask, by numbers or by a slice."""
        return MapPoints(self.xyz[chosen], self.rgb[chosen], self.labels[chosen], self.confidence[chosen])
