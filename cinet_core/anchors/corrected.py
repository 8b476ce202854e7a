"""A corrected depth image, and what was done to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["CorrectedDepth", "CorrectionLevel", "CorrectionReport"]

CorrectionLevel = Literal["field", "factor", "raw"]


@dataclass(frozen=True)
class CorrectionReport:
    """What was done to a depth image.

    Attributes:
        level: "field", one "factor" over the image, or "raw".
        scale: median factor that predicted depth was multiplied by.
        sigma: standard deviation of its ln.
        sources: names of the anchors that were used on this image.
        age: seconds since an anchor was last used; infinite where none ever was.
        anchored: part of the image, 0 to 1, in which anchors have at least halved the variance of the correction.
        points: of the anchors that were used.
        carried: part of the image, 0 to 1, whose correction came from the view before.
        reason: why it is no more than this, of a level below "field" or where anchors were held back; else None.
    """

    level: CorrectionLevel
    scale: float
    sigma: float
    sources: tuple[str, ...]
    age: float
    anchored: float
    points: int
    carried: float
    reason: str | None


@dataclass(frozen=True, eq=False)
class CorrectedDepth:
    """A depth image after correction.

    Attributes:
        depth: (H, W) float32 metres, NaN where the prediction is.
        report: what was done.
        deviation: works out `uncertainty`.
    """

    depth: npt.NDArray[np.float32]
    report: CorrectionReport
    deviation: Callable[[], npt.NDArray[np.float32]]

    @cached_property
    def uncertainty(self) -> npt.NDArray[np.float32]:
        """(H, W) float32, standard deviation of ln depth after correction; made when somebody asks for it."""
        return self.deviation()
