"""Settings of the selection of frames."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["SelectionSettings"]


@dataclass(frozen=True)
class SelectionSettings:
    """What is left out, and what makes frames differ.

    Attributes:
        least_sharpness: variance of the Laplacian, by its median over the frames around, below which a frame is
            blurred.
        around: frames before and after, of the same recording, that this median is of.
        most_clipped: part of the pixels that may be black (4 or less of 255) or white (251 or more).
        luminance: mean of the grey values, 0 to 255, between which a frame must be.
        least_distance: frames that are nearer to a chosen one are near-duplicates. Two frames are as far apart as the
            parts below add up to, as a root of squares.
        appearance: of the distance of two frames whose embeddings are at right angles.
        place: of the distance of two frames a metre, or half a radian, apart, up to one; 0 leaves places out.
        depth: of the distance of two frames whose median depth differs by a factor of e.
        uncertainty: part by which the distance of the least certain frames is raised, those in between by their rank.

    Raises:
        ValueError: a value is out of range.
    """

    least_sharpness: float = 0.4
    around: int = 15
    most_clipped: float = 0.4
    luminance: tuple[float, float] = (15.0, 240.0)
    least_distance: float = 0.15
    appearance: float = 1.0
    place: float = 0.5
    depth: float = 0.5
    uncertainty: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name in ("least_sharpness", "least_distance", "appearance", "place", "depth", "uncertainty"):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0 <= value <= 100):
                raise ValueError(f"{name} is {value}: it must be from 0 to 100")
        if not 1 <= self.around <= 100_000:
            raise ValueError(f"around is {self.around}: it must be from 1 to 100000")
        if not 0 < self.most_clipped <= 1:
            raise ValueError(f"most_clipped is {self.most_clipped}: it must be above 0 and at most 1")
        low, high = self.luminance
        if not 0 <= low < high <= 255:
            raise ValueError(f"luminance is {low} to {high}: it must rise, within 0 and 255")
