"""What is to be done to predicted frames before they are used: the options ``anchor`` and ``temporal``.

Imports neither NumPy nor OpenCV: launch files read the choices.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ANCHORS", "TEMPORAL", "CorrectionSettings"]

ANCHORS = ("none", "auto", "odometry", "floor", "scan", "depth", "motion")
"""Which anchors correct depth: none, every one that has something to say, or one by its name."""

TEMPORAL = ("off", "field", "fused")
"""What is kept from frame to frame: nothing, the field that corrects depth, or also depth and labels of every pixel."""


@dataclass(frozen=True)
class CorrectionSettings:
    """What is to be done to frames.

    >>> CorrectionSettings("auto", "fused").uses("scan"), CorrectionSettings("floor").uses("scan")
    (True, False)

    Attributes:
        anchor: one of `ANCHORS`.
        temporal: one of `TEMPORAL`.

    Raises:
        ValueError: a value is none of these.
    """

    anchor: str = "none"
    temporal: str = "off"

    def __post_init__(self) -> None:
        """Refuse unknown values."""
        for name, choices in (("anchor", ANCHORS), ("temporal", TEMPORAL)):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is {getattr(self, name)!r}: choose one of {', '.join(choices)}")

    @property
    def active(self) -> bool:
        """Whether frames are changed at all: without anchor there is no field to keep."""
        return self.anchor != "none" or self.temporal == "fused"

    @property
    def needs_motion(self) -> bool:
        """Whether the motion between frames is of use."""
        return self.active and self.temporal != "off"

    @property
    def needs_poses(self) -> bool:
        """Whether poses of the camera are of use. The anchor *motion* is there for where none are."""
        return self.uses("odometry") or (self.needs_motion and self.anchor != "motion")

    def uses(self, source: str) -> bool:
        """Whether an anchor is one of those that correct depth."""
        return self.anchor in ("auto", source)
