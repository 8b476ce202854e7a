"""An object that is remembered: the cells it is in, how often each was seen, and how long it was not seen in view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from cinet_core.mapping.object_parts import Keys, SeenPart, View, centres_of
from cinet_core.mapping.upright_boxes import UprightBox

__all__ = ["ObjectTrack"]

MAX_WEIGHT = 20.0
"""Of a cell: what is seen always gets there, and is forgotten as soon as what is seen once in 20 frames."""

UNSEEN, THROUGH = 0.95, 0.5
"""What is left of a cell's weight where a frame shows that nothing is before it but does not have it in the object,
and where it sees through it."""

LEAST_WEIGHT = 0.3
"""A lighter cell is left out."""

SOLID = 0.1
"""Share of the weight that the object's best seen cells have, above which a cell counts for its box."""

MAX_CELLS = 2000
"""The heaviest are kept: 5 square metres of surface."""

FRESH = 0.3
"""Weight of the latest frame in what is averaged over time: the confidence, and a mover's size and speed."""


@dataclass(eq=False)
class ObjectTrack:
    """An object. It is changed in place.

    Attributes:
        id: its number.
        label: class id.
        dynamic: whether its class moves by itself.
        keys: cells that it is in.
        weights: (N,) float32, how well each was seen.
        box: around those that were seen well.
        confidence: 0 to 1.
        pixels: of the frame that showed it last.
        stamp_ns: when that was, nanoseconds.
        seen: in how many frames.
        unseen: seconds for which its place was in view without it, since.
        left: whether the last frame saw through its place.
        velocity: (3,) metres a second; 0 for what does not move by itself.
    """

    id: int
    label: int
    dynamic: bool
    keys: Keys
    weights: npt.NDArray[np.float32]
    box: UprightBox
    confidence: float
    pixels: int
    stamp_ns: int
    seen: int = 1
    unseen: float = 0.0
    left: bool = False
    velocity: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))

    @classmethod
    def begun(cls, number: int, part: SeenPart, dynamic: bool, stamp_ns: int) -> ObjectTrack:
        """An object that was seen for the first time."""
        weights = np.ones(len(part.keys), dtype=np.float32)
        return cls(number, part.label, dynamic, part.keys, weights, part.box, part.confidence, part.pixels, stamp_ns)

    def predicted(self, stamp_ns: int) -> npt.NDArray[np.float64]:
        """(3,) metres: where its middle is at a stamp, if it goes on as it did."""
        return self.box.centre + self.velocity * max(0.0, (stamp_ns - self.stamp_ns) * 1e-9)

    def see_standing(self, keys: Keys, others: Keys, parts: Sequence[SeenPart], view: View, stamp_ns: int) -> None:
        """Take a frame's look at what does not move by itself.

        Cells that the frame sees through, or something else in, or that nothing is before and that are not in the
        object, lose weight.

        Args:
            keys: cells that are its own in the frame.
            others: cells that are in something else in the frame.
            parts: that they are of.
            view: of the frame.
            stamp_ns: of the frame.
        """
        open_to, through = view.look(centres_of(self.keys))
        again = np.isin(self.keys, keys, assume_unique=True)
        gone = through | (np.isin(self.keys, others) & ~again)
        lost = np.where(gone, np.float32(THROUGH), np.where(open_to & ~again, np.float32(UNSEEN), np.float32(1.0)))
        weights = self.weights * lost
        kept = weights >= LEAST_WEIGHT
        every = np.concatenate([self.keys[kept], keys])
        shares = np.concatenate([weights[kept], np.ones(len(keys), dtype=np.float32)])
        self.set_cells(*_summed(every, shares))
        self._saw(parts, stamp_ns)

    def see_moving(self, part: SeenPart, speed: float, stamp_ns: int) -> None:
        """Take a frame's look at what moves by itself: it is where it is seen.

        Args:
            part: that it is.
            speed: metres a second, at most.
            stamp_ns: of the frame.
        """
        seconds = (stamp_ns - self.stamp_ns) * 1e-9
        if seconds > 0:
            velocity = (part.box.centre - self.box.centre) / seconds
            velocity[2] = 0.0
            velocity *= min(1.0, speed / max(1e-9, float(np.linalg.norm(velocity))))
            self.velocity = self.velocity + FRESH * (velocity - self.velocity)
        size = self.box.size + FRESH * (part.box.size - self.box.size)
        self.keys, self.weights = part.keys, np.ones(len(part.keys), dtype=np.float32)
        self.box = UprightBox(part.box.centre, size, part.box.yaw)
        self._saw([part], stamp_ns)

    def miss(self, view: View, seconds: float, least_pixels: float) -> None:
        """Take a frame that does not show it: it is out of view, hidden, or gone.

        Args:
            view: of the frame.
            seconds: since the frame before.
            least_pixels: with fewer it is too far away to be seen.
        """
        self.left = False
        if view.pixels_of(self.box) < least_pixels:
            return
        open_to, through = view.look(centres_of(self.keys))
        if np.count_nonzero(open_to) > len(self.keys) / 2:
            self.unseen += seconds
            self.left = bool(np.count_nonzero(through) > np.count_nonzero(open_to) / 2)

    def forget_cells(self) -> None:
        """Be in no cell, until it is seen elsewhere."""
        self.keys, self.weights = self.keys[:0], self.weights[:0]

    def set_cells(self, keys: Keys, weights: npt.NDArray[np.float32]) -> None:
        """Be in other cells, at least one, sorted and each once."""
        if len(keys) > MAX_CELLS:
            heaviest = np.sort(np.argsort(-weights, kind="stable")[:MAX_CELLS])
            keys, weights = keys[heaviest], weights[heaviest]
        self.keys, self.weights = keys, weights
        solid = weights >= SOLID * np.percentile(weights, 90.0)
        self.box = UprightBox.around(centres_of(keys[solid]))

    def take_over(self, other: ObjectTrack) -> None:
        """Be what another object was taken for, too."""
        self.set_cells(*_summed(np.concatenate([self.keys, other.keys]), np.concatenate([self.weights, other.weights])))
        self.seen = max(self.seen, other.seen)

    def _saw(self, parts: Sequence[SeenPart], stamp_ns: int) -> None:
        self.pixels = sum(part.pixels for part in parts)
        confidence = sum(part.confidence * part.pixels for part in parts) / self.pixels
        self.confidence += FRESH * (confidence - self.confidence)
        self.stamp_ns, self.seen, self.unseen, self.left = stamp_ns, self.seen + 1, 0.0, False


def _summed(keys: Keys, weights: npt.NDArray[np.float32]) -> tuple[Keys, npt.NDArray[np.float32]]:
    """Each cell once, with the sum of its weights."""
    once, numbers = np.unique(keys, return_inverse=True)
    total = np.bincount(numbers.ravel(), weights, minlength=len(once))
    return once, np.minimum(total, MAX_WEIGHT).astype(np.float32)
