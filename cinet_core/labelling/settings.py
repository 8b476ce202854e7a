"""Settings of pseudo-labelling."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["AgreementSettings", "LabelSettings", "SensorUse"]

SensorUse = Literal["use", "anchor", "ignore"]


@dataclass(frozen=True)
class AgreementSettings:
    """When views count as agreeing. Differences are of ln depth: 0.1 is 10 %.

    The values were chosen on synthetic rooms of seeds that are not scored (docs/fleet_labels.md).

    Attributes:
        views: other views that a frame is compared with, at most; 0 compares none.
        reach: frames before and after, within which they are looked for.
        least_shift: metres that the camera must have moved between two views, or
        least_turn: radians that it must have turned: a network errs alike in what looks alike.
        depth: difference of depth up to which views agree.
        occluder: the same, up to which what hides a point in another view is believed to stand there.
        surface: difference up to which two views see the same surface, so that their labels can be compared.
        least_depth: part of the views that see a point which must agree with its depth.
        least_labels: part of the confidence of the views that see a surface which must be for its label.

    Raises:
        ValueError: a value is out of range.
    """

    views: int = 6
    reach: int = 15
    least_shift: float = 0.08
    least_turn: float = 0.1
    depth: float = 0.06
    occluder: float = 0.15
    surface: float = 0.2
    least_depth: float = 0.5
    least_labels: float = 0.75

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not 0 <= self.views <= 100 or not 1 <= self.reach <= 10_000:
            raise ValueError(f"views is {self.views} and reach {self.reach}: 0 to 100, and 1 to 10000, are possible")
        for name in ("least_shift", "least_turn", "depth", "occluder", "surface"):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0 < value < 10):
                raise ValueError(f"{name} is {value}: it must be above 0 and below 10")
        for name in ("least_depth", "least_labels"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be from 0 to 1")


@dataclass(frozen=True)
class LabelSettings:
    """How frames are labelled.

    Attributes:
        flip: ask about the mirror image of each frame too, and take the mean.
        scales: of the networks' inputs that are asked about; several are averaged.
        anchors: correct depth by what the robot knew: odometry, scan, floor, sparse and sensor depth. Relative depth
            becomes metric by them, or not at all.
        sensor: of depth that the recording has: "use" takes it where it is valid, and anchors the rest to it; "anchor"
            does the latter only; "ignore" neither.
        keep_labels: take labels that the recording has where it has some. Those of a bag are its own network's.
        floor_height: z of the floor in the world of the poses, whose z points up, metres; None where it is not known.
        agreement: of several views.
        least_trust: below which a pixel is void.
        score: compare with the depth and labels that the recording has, which are then used for nothing else.

    Raises:
        ValueError: a value is out of range, or the settings contradict each other.
    """

    flip: bool = False
    scales: tuple[float, ...] = (1.0,)
    anchors: bool = True
    sensor: SensorUse = "use"
    keep_labels: bool = False
    floor_height: float | None = None
    agreement: AgreementSettings = field(default_factory=AgreementSettings)
    least_trust: float = 0.05
    score: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not self.scales or not all(0.25 <= scale <= 4 for scale in self.scales):
            raise ValueError(f"scales are {list(self.scales)}: one or more from 0.25 to 4 are needed")
        if self.sensor not in ("use", "anchor", "ignore"):
            raise ValueError(f"sensor is {self.sensor!r}: choose one of use, anchor, ignore")
        if not 0 <= self.least_trust < 1:
            raise ValueError(f"least_trust is {self.least_trust}: it must be from 0 to below 1")
        if self.floor_height is not None and not math.isfinite(self.floor_height):
            raise ValueError(f"floor_height is {self.floor_height}: a height in metres is needed")
        if self.score and (self.sensor != "ignore" or self.keep_labels):
            raise ValueError(
                "what is scored against the recording's own depth and labels must not use them: set sensor to ignore "
                "and keep_labels to false"
            )
