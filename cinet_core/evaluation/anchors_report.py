"""What anchors are worth on a sequence, as tables and plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cinet_core.checkpoint import ModelMetadata
from cinet_core.evaluation.evaluation import BrokenFrame
from cinet_core.evaluation.geometry_report import plain_values
from cinet_core.evaluation.odometry_errors import OdometryErrors
from cinet_core.evaluation.report import RANDOM_WARNING, DataOrigin
from cinet_core.evaluation.tables import TextTable, number, percent

__all__ = ["AnchorScore", "AnchorsReport"]


@dataclass(frozen=True)
class AnchorScore:
    """Depth with one anchor.

    Attributes:
        anchor: its name.
        frames: that were scored.
        abs_rel: mean over frames of the mean relative error; metric, no scale is forgiven.
        delta1: mean over frames of the part of pixels within a factor of 1.25.
        edge_abs_rel: as abs_rel, over the pixels beside true depth edges.
        smooth_error: of ln depth, see `SmoothErrorMetrics`.
        scale_deviation: standard deviation over frames of ln of the median of true by corrected depth.
        scale_step: median over frames of the absolute change of the same from one frame to the next.
        within_sigmas: mean part of the pixels whose error of ln depth is below the standard deviation that is given
            with it, and below twice that: .68 and .95 for errors that are normal and as large as was said. NaN where
            none is given.
        anchored: mean part of the image that the anchor fixed (`CorrectionReport.anchored`).
        measured: part of the frames in which the anchor was used.
        milliseconds: median time of the correction, and of the measurement with its tracking, of a frame.
        reasons: why it was not used, with the number of frames.
    """

    anchor: str
    frames: int
    abs_rel: float
    delta1: float
    edge_abs_rel: float
    smooth_error: float
    scale_deviation: float
    scale_step: float
    within_sigmas: tuple[float, float]
    anchored: float
    measured: float
    milliseconds: tuple[float, float]
    reasons: Mapping[str, int]


@dataclass(frozen=True)
class AnchorsReport:
    """What anchors are worth on a sequence.

    Attributes:
        dataset, split, origin: of the frames.
        metadata, sha256: of the weights.
        errors: that the odometry was given.
        skipped: frames at the beginning that are not scored.
        every: of the frames each so-manieth was taken.
        max_height: metres above the floor that cameras were below; None = any.
        temporal: what was kept from frame to frame.
        points: that the anchor *depth* had.
        scores: one for each anchor, in the order asked for.
        broken: frames that could not be read.
    """

    dataset: str
    split: str
    origin: DataOrigin
    metadata: ModelMetadata
    sha256: str
    errors: OdometryErrors
    skipped: int
    every: int
    max_height: float | None
    temporal: str
    points: str
    scores: tuple[AnchorScore, ...]
    broken: tuple[BrokenFrame, ...] = ()

    def heading(self) -> str:
        """What was scored, in one line."""
        return f"Anchors on {self.dataset}, {self.split}, {self.metadata.config.name} {self.sha256[:12]}"

    def warnings(self) -> list[str]:
        """What makes the metrics mean nothing."""
        return [RANDOM_WARNING] if self.metadata.random_weights else []

    def tables(self) -> list[TextTable]:
        """A row for each anchor: its errors, and what was done."""
        errors = ("anchor", "frames", "abs rel", "delta1 [%]", "at edges", "smooth error", "sd of scale", "step")
        done = (
            "anchor", "1 sigma [%]", "2 sigma [%]", "anchored [%]", "used [%]", "correct [ms]", "measure [ms]",
        )  # fmt: skip
        return [
            TextTable(
                "Metric depth by anchor",
                errors,
                tuple(
                    (
                        score.anchor,
                        str(score.frames),
                        number(score.abs_rel, 4),
                        percent(score.delta1),
                        number(score.edge_abs_rel, 4),
                        number(score.smooth_error, 4),
                        number(score.scale_deviation, 4),
                        number(score.scale_step, 4),
                    )
                    for score in self.scores
                ),
            ),
            TextTable(
                "What was done, and how far errors are within what was said of them",
                done,
                tuple(
                    (
                        score.anchor,
                        percent(score.within_sigmas[0]),
                        percent(score.within_sigmas[1]),
                        percent(score.anchored),
                        percent(score.measured),
                        number(score.milliseconds[0], 1),
                        number(score.milliseconds[1], 1),
                    )
                    for score in self.scores
                ),
            ),
        ]

    def sentences(self) -> list[str]:
        """The errors of the odometry, and why anchors were not used."""
        given = self.errors
        found = [
            f"odometry: noise {given.noise:.1%} of a step, scale {given.scale:g}, delay {given.delay:g} s, "
            f"{'one second of slip' if given.slip else 'no slip'}; the first {self.skipped} frames are not scored",
            f"temporal: {self.temporal}; depth: {self.points} points; one frame of {self.every}"
            + ("" if self.max_height is None else f", of cameras below {self.max_height:g} m"),
        ]
        for score in self.scores:
            found += [f"{score.anchor}, {count} frames: {reason}" for reason, count in score.reasons.items()]
        return found

    def markdown(self) -> str:
        """All of it as a page."""
        notes = [f"- {line}" for line in (*self.warnings(), *self.sentences())]
        tables = [line for table in self.tables() for line in ("", table.markdown())]
        return "\n".join([f"# {self.heading()}", "", *notes, *tables])

    def to_dict(self) -> dict[str, Any]:
        """Plain values; None for what is not a number."""
        return plain_values({
            "dataset": self.dataset,
            "split": self.split,
            "sha256": self.sha256,
            "random_weights": self.metadata.random_weights,
            "errors": dataclasses.asdict(self.errors),
            "skipped": self.skipped,
            "every": self.every,
            "max_height": self.max_height,
            "temporal": self.temporal,
            "points": self.points,
            "scores": [dataclasses.asdict(score) | {"reasons": dict(score.reasons)} for score in self.scores],
            "broken": [broken.name for broken in self.broken],
        })  # fmt: skip
