"""How far tracking on sensor and on predicted depth is from the recorded poses."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cinet_core.evaluation.trajectory import (
    AbsoluteError,
    Drift,
    RelativeError,
    absolute_error,
    align,
    drift,
    path_length,
    relative_error,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["OdometryComparison", "TrackedDepth"]

STEPS = (1, 30)
"""Frames of the relative pose errors: from one to the next, and over a second of a camera at 30 Hz."""

DRIFT_LENGTH = 1.0
"""Metres of path that drift is measured over."""


@dataclass(frozen=True, eq=False)
class TrackedDepth:
    """The errors of tracking on one kind of depth.

    Attributes:
        poses: (N, 4, 4) float64, estimated: the optical frame's coordinates to those of the first frame.
        lost: frames that could not be tracked.
        ate_se3: absolute error in its own metres.
        ate_sim3: the same with one factor of scale forgiven; None where the estimate never moved.
        rpe: relative errors, one a step of `STEPS`.
        drift: over `DRIFT_LENGTH` of path.
        path_length: of the estimate, metres.
    """

    poses: npt.NDArray[np.float64]
    lost: int
    ate_se3: AbsoluteError
    ate_sim3: AbsoluteError | None
    rpe: tuple[RelativeError, ...]
    drift: Drift
    path_length: float

    @classmethod
    def of(cls, estimate: npt.NDArray[np.float64], truth: npt.NDArray[np.float64], lost: int) -> TrackedDepth:
        """Compare estimated with true poses, both (N, 4, 4)."""
        length = path_length(estimate)
        return cls(
            poses=estimate,
            lost=lost,
            ate_se3=absolute_error(estimate, truth, with_scale=False),
            # an estimate that never moved, all tracking lost, has no scale
            ate_sim3=absolute_error(estimate, truth, with_scale=True) if length else None,
            rpe=tuple(relative_error(estimate, truth, step) for step in STEPS),
            drift=drift(estimate, truth, DRIFT_LENGTH),
            path_length=length,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all but the poses as JSON types. What a sequence is too short for is None."""
        return {
            "lost": self.lost,
            "ate_se3": _plain(self.ate_se3),
            "ate_sim3": None if self.ate_sim3 is None else _plain(self.ate_sim3),
            "rpe": [_plain(error) for error in self.rpe],
            "drift": _plain(self.drift),
            "path_length": self.path_length,
        }


@dataclass(frozen=True, eq=False)
class OdometryComparison:
    """The result of tracking a sequence on each kind of depth.

    Attributes:
        source, options: of the frames, as they were given.
        every: N, of which every N-th frame was taken.
        max_depth: metres; no points beyond were used.
        method: of the odometry.
        names: of the N frames.
        truth: (N, 4, 4) float64, recorded poses; NaN where one is not known.
        depth: by what was tracked on, "sensor" or "predicted".
        broken: frames that could not be read.
        weights: "name" and "sha256" of the checkpoint; None where none was used.
        random_weights: what is predicted means nothing.
        anchor, temporal: what predicted depth was corrected by, see `compare_odometry`.
    """

    source: str
    options: Mapping[str, Any]
    every: int
    max_depth: float
    method: str
    names: tuple[str, ...]
    truth: npt.NDArray[np.float64]
    depth: Mapping[str, TrackedDepth]
    broken: int
    weights: Mapping[str, str] | None
    random_weights: bool
    anchor: str = "none"
    temporal: str = "off"

    @property
    def path_length(self) -> float:
        """The length of the true path, in metres."""
        return path_length(self.truth)

    def to_dict(self) -> dict[str, Any]:
        """Return all measurements, without the poses, as JSON types."""
        return {
            "source": self.source,
            "options": dict(self.options),
            "every": self.every,
            "max_depth": self.max_depth,
            "method": self.method,
            "frames": len(self.names),
            "broken": self.broken,
            "first": self.names[0],
            "last": self.names[-1],
            "path_length": self.path_length,
            "weights": self.weights,
            "random_weights": self.random_weights,
            "anchor": self.anchor,
            "temporal": self.temporal,
            "depth": {name: tracked.to_dict() for name, tracked in self.depth.items()},
        }

    def top_view(self) -> Figure:
        """The true and the estimated paths from above, drawn by matplotlib.

        Raises:
            ModuleNotFoundError: matplotlib is not installed (extra `charts`).
        """
        from cinet_core.figures.trajectories import seen_from_above, trajectory_figure

        known = self.truth[np.isfinite(self.truth).all(axis=(1, 2))]
        views = []
        for title, with_scale in (("SE(3): in its own metres", False), ("Sim(3): scale forgiven", True)):
            lines = {}
            for name, tracked in self.depth.items():
                scaled = with_scale and tracked.path_length > 0.0
                moved = align(tracked.poses, self.truth, scaled)
                lines[f"{name} depth"] = moved.apply(tracked.poses[:, :3, 3])
            views.append((title, lines))
        return trajectory_figure(views, known[:, :3, 3], seen_from_above(known))


def _plain(error: AbsoluteError | RelativeError | Drift) -> dict[str, Any]:
    values = dataclasses.asdict(error)
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in values.items()}
