"""What an adaptation is made from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from cinet_core.model_metadata import DEFAULT_WEIGHTS

__all__ = ["AdaptationSettings"]


@dataclass(frozen=True)
class AdaptationSettings:
    """How recordings become weights.

    Attributes:
        weights: to start from, and to be compared with.
        teachers: as ``cinet data label --teacher`` has them; none: the weights themselves.
        extract: further arguments of ``cinet bag extract``, such as ("--every", "5").
        label: further arguments of ``cinet data label``.
        frames: chosen for training, at most.
        held_out: part of the frames, in whole rooms, that nothing learns from and all is judged on.
        rooms: data set of rooms that must not get worse: its training part is trained on along with the recordings, its
            test part is judged on.
        rooms_kind, rooms_options: of it.
        rehearsal: with which probability a training sample comes from it; 0: never.
        interpolation: parts of the way from `weights` to the trained ones that are scored on the validation part of
            `rooms`; the largest is taken by which that gets worse by at most half of what `worse` and `worse_points`
            allow, and depth is at most `worse` worse than at the best of them. (1.0,): all of what was learnt, untried.
        recipe: files of a training's recipe, laid over `recipe.BASE`.
        values: of the recipe, by names with dots, laid over these.
        worse: by which part depth may be worse on any set before the weights are refused.
        worse_points: by how many points of mean IoU labels may be.
        test_frames: of a set that are scored, at most, evenly spread.
        device: "auto", "cpu", "cuda" or "cuda:N", of labelling, selection and scores.

    Raises:
        ValueError: a value is out of range.
    """

    weights: str = str(DEFAULT_WEIGHTS)
    teachers: tuple[str, ...] = ()
    extract: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    frames: int = 600
    held_out: float = 0.2
    rooms: str = "synthetic"
    rooms_kind: str = "auto"
    rooms_options: Mapping[str, Any] = field(default_factory=dict)
    rehearsal: float = 0.5
    interpolation: tuple[float, ...] = (1.0, 0.85, 0.7, 0.55, 0.4, 0.25)
    recipe: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    worse: float = 0.02
    worse_points: float = 1.0
    test_frames: int = 300
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name, least in (("frames", 1), ("test_frames", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be at least {least}")
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out is {self.held_out}: it must be above 0 and below 1, or nothing can be judged")
        if not 0 <= self.rehearsal < 1:
            raise ValueError(f"rehearsal is {self.rehearsal}: it must be from 0 to below 1")
        if not self.interpolation or not all(0 < part <= 1 for part in self.interpolation):
            raise ValueError(f"interpolation is {self.interpolation}: give parts above 0, of 1 at most")
        for name in ("worse", "worse_points"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be 0 or more")

    @property
    def taught_by_others(self) -> bool:
        """A teacher is another network than the one that learns: its labels say something new."""
        return any(teacher != self.weights for teacher in self.teachers)

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)
