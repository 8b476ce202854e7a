"""The report of a selection: why each frame was taken or not, and what is in the set before and after."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cinet_core.selection.choice import Verdict
from cinet_core.selection.features import FrameFeatures

__all__ = ["FORMAT", "FrameVerdict", "SelectionReport"]

FORMAT, VERSION = "cinet selection", 1
DEPTHS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, math.inf)
CELL = 1.0
"""Metres: side of a cell of the floor that a place is counted in, with one of eight directions."""


@dataclass(frozen=True, eq=False)
class FrameVerdict:
    """A frame and what became of it.

    Attributes:
        name: of the frame, in the chosen set.
        source: of the recording.
        verdict: why it was taken or not.
        features: what was measured of it.
        sharpness: by the median of the frames around.
        labels: pixels by class id; empty where it has none.
    """

    name: str
    source: str
    verdict: Verdict
    features: FrameFeatures
    sharpness: float
    labels: Mapping[int, int]


@dataclass(frozen=True, eq=False)
class SelectionReport:
    """What was chosen of what.

    Attributes:
        frames: all that could be read, in their order.
        unreadable: reason of each that could not, by name.
        identity: source, weights and settings, as JSON types.
        classes: names of the classes.
    """

    frames: Sequence[FrameVerdict]
    unreadable: Mapping[str, str]
    identity: Mapping[str, Any]
    classes: Sequence[str]

    @property
    def chosen(self) -> list[FrameVerdict]:
        """The frames that were taken."""
        return [frame for frame in self.frames if frame.verdict == "chosen"]

    def to_dict(self) -> dict[str, Any]:
        """All of it, as JSON types."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "identity": dict(self.identity),
            "verdicts": self.counts(),
            "unreadable": dict(self.unreadable),
            "before": self._contents(self.frames),
            "after": self._contents(self.chosen),
            "frames": [_plain(frame) for frame in self.frames],
        }

    def counts(self) -> dict[str, int]:
        """Frames by verdict."""
        return dict(sorted(Counter(frame.verdict for frame in self.frames).items()))

    def text(self) -> str:
        """The report for people."""
        before, after = self._contents(self.frames), self._contents(self.chosen)
        lines = [
            f"{len(self.chosen)} of {len(self.frames)} frames chosen"
            + (f", {len(self.unreadable)} could not be read" if self.unreadable else ""),
            "verdicts: " + ", ".join(f"{count} {name}" for name, count in self.counts().items()),
            "",
            f"{'':<24}{'all':>12}{'chosen':>12}",
        ]
        for name in ("luminance", "sharpness", "uncertainty", "median_depth"):
            low, high = (f"{part[name]['median']:.2f}" if part[name] else "-" for part in (before, after))
            lines.append(f"{'median ' + name.removeprefix('median_'):<24}{low:>12}{high:>12}")
        lines.append(f"{'places seen':<24}{before['places']:>12}{after['places']:>12}")
        for name, share in before["depths"].items():
            lines.append(f"{'depth ' + name:<24}{share:>12.0%}{after['depths'].get(name, 0.0):>12.0%}")
        for name, share in sorted(before["labels"].items(), key=lambda item: -item[1]):
            lines.append(f"{name:<24}{share:>12.1%}{after['labels'].get(name, 0.0):>12.1%}")
        return "\n".join(lines) + "\n"

    def _contents(self, frames: Sequence[FrameVerdict]) -> dict[str, Any]:
        """What is in some frames: quartiles, places, shares of depths and classes."""
        features = [frame.features for frame in frames]
        found: dict[str, Any] = {
            "frames": len(frames),
            "worlds": len({one.world for one in features}),
            "luminance": _quartiles([one.luminance for one in features]),
            "sharpness": _quartiles([frame.sharpness for frame in frames]),
            "uncertainty": _quartiles([one.uncertainty for one in features]),
            "median_depth": _quartiles([one.median_depth for one in features]),
            "places": len({_place(one) for one in features if one.pose is not None}),
        }
        counts, _ = np.histogram([one.median_depth for one in features], DEPTHS)
        shares = (counts / max(len(frames), 1)).tolist()
        found["depths"] = {
            f"{low:g} - {high:g} m": round(share, 4)
            for (low, high), share in zip(itertools.pairwise(DEPTHS), shares, strict=True)
        }
        total: Counter[int] = Counter()
        for frame in frames:
            total.update(frame.labels)
        pixels = max(sum(total.values()), 1)
        found["labels"] = {self.classes[label]: round(count / pixels, 5) for label, count in sorted(total.items())}
        return found


def _plain(frame: FrameVerdict) -> dict[str, Any]:
    one = frame.features
    return {
        "name": frame.name,
        "source": frame.source,
        "verdict": frame.verdict,
        "sharpness": round(frame.sharpness, 4),
        "luminance": round(one.luminance, 2),
        "clipped": round(one.clipped, 4),
        "uncertainty": round(one.uncertainty, 4),
        "median_depth": round(one.median_depth, 3),
        "world": one.world,
    }


def _quartiles(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    low, middle, high = np.percentile(values, (25, 50, 75)).tolist()
    return {"quarter": round(low, 4), "median": round(middle, 4), "three_quarters": round(high, 4)}


def _place(frame: FrameFeatures) -> tuple[str, int, int, int, int]:
    """Cell of the world and direction of a camera: which way is up is not known, so that cells have three sides."""
    assert frame.pose is not None
    x, y, z = np.floor(frame.pose[:3, 3] / CELL).astype(int).tolist()
    ahead = frame.pose[:3, 2]
    octant = int(ahead[0] > 0) + 2 * int(ahead[1] > 0) + 4 * int(ahead[2] > 0)
    return frame.world, x, y, z, octant
