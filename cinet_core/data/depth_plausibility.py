"""Detects implausible depth: images without any measurement, and wrong units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["DepthPlausibility"]

MEDIAN_RANGE = (0.25, 7.0)
"""Metres between which the median depth of a view of a room lies; NYU-Depth-v2's frames have 1 to 5."""

LEAST_VALID = 1e-3
"""Share of pixels with depth below which an image says nothing."""

TOLERATED = 0.1
"""Share of frames that may look far or near: into a hall, or at a wall."""

_SHOWN = 3
_MEDIAN_PIXELS = 10_000  # evenly over the image; of all of them it would take 10 ms


class DepthPlausibility:
    """Looks at depth images, one at a time.

    Attributes:
        frames: depth images seen.
        empty: names of those without valid depth.
        far: of the others, names and medians beyond `MEDIAN_RANGE`.
        near: names and medians below it.
    """

    def __init__(self) -> None:
        """Start from nothing."""
        self.frames = 0
        self.empty: list[str] = []
        self.far: list[tuple[str, float]] = []
        self.near: list[tuple[str, float]] = []

    def add(self, name: str, depth: npt.NDArray[np.floating]) -> None:
        """Look at a frame's depth image, in metres, 0 or NaN where unknown."""
        self.frames += 1
        known = depth[depth > 0]
        if known.size <= LEAST_VALID * depth.size:
            self.empty.append(name)
            return
        median = float(np.median(known[:: max(1, known.size // _MEDIAN_PIXELS)]))
        if median > MEDIAN_RANGE[1]:
            self.far.append((name, median))
        elif median < MEDIAN_RANGE[0]:
            self.near.append((name, median))

    def warnings(self) -> list[str]:
        """What is wrong, in whole sentences; empty where nothing is."""
        too_far = "a unit of 0.1 mm reads 10 times too far, TUM's 0.2 mm 5 times"
        too_near = "centimetres read 10 times too near, metres 1000 times"
        found = []
        if self.empty:
            found.append(
                f"no valid depth in {self._share(len(self.empty))}: {_some(self.empty)}; 0 and 65535 mean unknown: "
                "look at what wrote them, or remove them"
            )
        for frames, usual in ((self.far, too_far), (self.near, too_near)):
            if len(frames) > TOLERATED * self.frames:
                median = float(np.median([median for _, median in frames]))
                limits = "{:g} to {:g} m".format(*MEDIAN_RANGE)
                found.append(
                    f"the median depth is {median:.3g} m in {self._share(len(frames))}, where rooms have {limits}: "
                    f"{_some([name for name, _ in frames])}; is the unit right? 16 bits must hold "
                    f"millimetres, 32FC1 metres: {usual}"
                )
        return found

    def _share(self, count: int) -> str:
        return f"{count} of {self.frames} frame{'' if self.frames == 1 else 's'} with depth"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
