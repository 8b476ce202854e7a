"""What an anchor hands to the field estimator: depths at places of the image, and how well each is known."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["NO_MODES", "SOURCES", "AnchorGap", "AnchorMeasurement", "AnchorSource", "nothing"]

AnchorSource = Literal["odometry", "floor", "scan", "depth", "motion"]

SOURCES: tuple[AnchorSource, ...] = ("odometry", "floor", "scan", "depth", "motion")
"""Kinds of anchors, by name: tracks triangulated with known motion; the floor at a known height; a laser scan; a
low-resolution, low-rate or holey depth image, or a cloud; and the camera's own visual motion, whose scale is the
network's."""

NO_MODES: npt.NDArray[np.float64] = np.zeros((0, 0))


class AnchorGap(enum.Enum):
    """Why an anchor has nothing to say about an image."""

    STARTING = "the anchor has not seen enough images yet"
    NO_POSE = "there is no pose of the camera at the stamp of the image"
    POSE_JUMP = "the pose jumped, which is no motion: a relocalisation, or a clock that was set"
    NO_MOTION = "the camera did not move far enough for parallax"
    FEW_TRACKS = "too few points could be tracked: a blank wall, blur, or darkness"
    INCONSISTENT = "the poses do not explain what the image shows: wheel slip, a late stamp, or a wrong transform"
    NOT_IN_VIEW = "nothing of the measurement falls into the image"
    NO_VALUES = "the measurement holds no valid value"
    NO_FLOOR = "too few pixels of the image are floor"
    NO_UP = "the up direction or the height of the camera is not usable"


@dataclass(frozen=True, eq=False)
class AnchorMeasurement:
    """Depths that one source knows in one image.

    The errors of ``ln depth`` are ``diag(variance) + modes @ modes.T``: what each point has for itself, and what all
    share, such as a wrong height of the camera or a wrong length of the way between two images.

    >>> empty = nothing("scan", AnchorGap.NOT_IN_VIEW, (640, 480))
    >>> len(empty), empty.gap.name
    (0, 'NOT_IN_VIEW')

    Attributes:
        source: which anchor.
        size: (width, height) in pixels of the image that `pixels` are in.
        pixels: (N, 2) float64 as (u, v), the centre of a pixel at integers, within the image.
        depth: (N,) float64 metres along z, above 0.
        variance: (N,) float64, of ln depth, above 0.
        modes: (N, M) float64, errors of ln depth that the points share, each of unit variance; M may be 0.
        metric: False where the metres are the network's own (*motion*): such a measurement tells the shape of depth,
            and its factor only as far as `modes` say.
        memory: seconds over which each point's own error stays the same, so that a later measurement is no new evidence
            against it: 0 for a range sensor's noise.
        shared_memory: the same of the shared errors.
        exact: points lie on surfaces, so that they may correct detail too, not only what is smooth.
        triangulated: each point's own error is one of inverse depth, so that in ln depth it grows with depth;
            `variance` is that at the depth that was measured.
        gap: why there are no points; None where there are some.

    Raises:
        ValueError: arrays do not belong together, or hold what cannot be.
    """

    source: AnchorSource
    size: tuple[int, int]
    pixels: npt.NDArray[np.float64]
    depth: npt.NDArray[np.float64]
    variance: npt.NDArray[np.float64]
    modes: npt.NDArray[np.float64] = field(default_factory=lambda: NO_MODES)
    metric: bool = True
    memory: float = 0.0
    shared_memory: float = 0.0
    exact: bool = True
    triangulated: bool = False
    gap: AnchorGap | None = None

    def __post_init__(self) -> None:
        """Refuse what the estimator would misread."""
        if self.source not in SOURCES:
            raise ValueError(f"source is {self.source!r}: choose one of {', '.join(SOURCES)}")
        count = len(self.depth)
        if self.modes.size == 0:
            object.__setattr__(self, "modes", np.zeros((count, 0)))
        shapes = {"pixels": (count, 2), "depth": (count,), "variance": (count,), "modes": (count, self.modes.shape[-1])}
        for name, shape in shapes.items():
            values = getattr(self, name)
            if values.shape != shape:
                raise ValueError(f"{name} has shape {values.shape}: {shape} is needed for {count} points")
            if not np.isfinite(values).all():
                raise ValueError(f"{name} holds NaN or infinity: leave such points out")
        if count and not (self.depth.min() > 0 and self.variance.min() > 0):
            raise ValueError("depth and variance must be above 0: leave other points out")

    def __len__(self) -> int:
        """How many points."""
        return len(self.depth)

    def without(self, excluded: npt.NDArray[np.bool_] | None) -> AnchorMeasurement:
        """The measurement without points at pixels that an image excludes, such as people; the same one for None.

        Args:
            excluded: (h, w) bool, of the same view, of any resolution.
        """
        if excluded is None or not len(self):
            return self
        height, width = excluded.shape
        column, row = np.rint((self.pixels.T + 0.5) * [[width / self.size[0]], [height / self.size[1]]] - 0.5)
        column, row = column.clip(0, width - 1).astype(np.intp), row.clip(0, height - 1).astype(np.intp)
        return self.chosen(~excluded[row, column])

    def chosen(self, keep: npt.NDArray[np.bool_]) -> AnchorMeasurement:
        """The points that are to be kept, (N,) bool."""
        if keep.all():
            return self
        gap = self.gap if keep.any() else AnchorGap.NO_VALUES
        parts = {name: getattr(self, name)[keep] for name in ("pixels", "depth", "variance", "modes")}
        return replace(self, gap=gap, **parts)


def nothing(source: AnchorSource, gap: AnchorGap, size: tuple[int, int]) -> AnchorMeasurement:
    """A measurement without points, with the reason."""
    return AnchorMeasurement(source, size, np.zeros((0, 2)), np.zeros(0), np.zeros(0), gap=gap)
