"""Colours and materials that a room's furniture is chosen from."""

from __future__ import annotations

import colorsys
from typing import TypeVar

import numpy as np

from cinet_core.rooms.raycast.primitives import Material, Pattern
from cinet_core.rooms.vocabulary import WOODS, Color

_T = TypeVar("_T")


class Style:
    """Draws materials; furniture of one room shares its wood, so that it looks bought together.

    Args:
        rng: source of all choices.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        """Choose what the room has in common; see the class."""
        self.rng = rng
        self._wood = self.pick(WOODS)
        self._metal = self.pick(((0.62, 0.62, 0.64), (0.18, 0.18, 0.19), (0.70, 0.62, 0.42)))

    def uniform(self, low: float, high: float) -> float:
        """A number between low and high."""
        return float(self.rng.uniform(low, high))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return bool(self.rng.random() < probability)

    def count(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def pick(self, choices: tuple[_T, ...]) -> _T:
        """One of the choices."""
        return choices[int(self.rng.integers(len(choices)))]

    def color(self, saturation: tuple[float, float] = (0.1, 0.7), value: tuple[float, float] = (0.2, 0.9)) -> Color:
        """A colour with saturation and value (HSV) in these ranges; warm hues are more common indoors."""
        hue = self.uniform(0.02, 0.14) if self.chance(0.5) else self.uniform(0, 1)
        share = self.uniform(0, 1) * self.uniform(0.4, 1)
        low, high = saturation
        return colorsys.hsv_to_rgb(hue, low + (high - low) * share, self.uniform(*value))

    def variant(self) -> tuple[float, float]:
        """Offsets of a pattern."""
        return self.uniform(0, 50), self.uniform(0, 50)

    def wood(self, own: float = 0.2) -> Material:
        """The room's wood; with probability ``own`` some other."""
        color, accent = self.pick(WOODS) if self.chance(own) else self._wood
        return Material(Pattern.WOOD, color, accent, self.uniform(0.03, 0.08), 0.15, variant=self.variant())

    def paneled(self, columns: int, rows: int, painted: float = 0.3) -> Material:
        """The room's wood or paint with the joints and handles of so many doors or drawers on its front."""
        color, accent = self._wood
        if self.chance(painted):
            color = self.color((0.0, 0.35), (0.35, 0.95))
            accent = self._metal
        return Material(Pattern.PANELS, color, accent, 0.05, 0.15, variant=(columns, rows))

    def fabric(self, saturation: tuple[float, float] = (0.05, 0.65)) -> Material:
        """Cloth: plain weave, stripes, checks or a print."""
        color, accent = self.color(saturation, (0.15, 0.9)), self.color(saturation, (0.3, 0.95))
        pattern = self.pick(
            (Pattern.FABRIC, Pattern.FABRIC, Pattern.FABRIC, Pattern.STRIPES, Pattern.CHECKER, Pattern.WALLPAPER)
        )
        period = self.uniform(0.004, 0.012) if pattern == Pattern.FABRIC else self.uniform(0.04, 0.2)
        return Material(pattern, color, accent, period, variant=self.variant())

    def paint(self, color: Color | None = None, gloss: float = 0.05) -> Material:
        """Plain paint or plastic."""
        chosen = color or self.color()
        return Material(Pattern.PLAIN, chosen, chosen, 0.3, gloss, variant=self.variant())

    def metal(self) -> Material:
        """The room's metal."""
        return Material(Pattern.PLAIN, self._metal, self._metal, 0.3, 0.6)

    def white(self) -> Material:
        """Ceramics and household machines."""
        value = self.uniform(0.82, 0.95)
        return Material(Pattern.PLAIN, (value, value, value * 0.98), gloss=0.5)

    def stone(self) -> Material:
        """Of counters and fireplaces."""
        value = self.uniform(0.15, 0.85)
        return Material(Pattern.MARBLE, (value, value * 0.97, value * 0.93), self.color((0, 0.3), (0.2, 0.8)), 0.4, 0.3)

    def carpet(self) -> Material:
        """Of rugs: pile, stripes, checks or a print."""
        pattern = self.pick((Pattern.CARPET, Pattern.STRIPES, Pattern.CHECKER, Pattern.WALLPAPER))
        return Material(pattern, self.color(), self.color(), self.uniform(0.1, 0.4), variant=self.variant())

    def art(self) -> Material:
        """A picture with its frame."""
        return Material(
            Pattern.ART,
            self.color((0.2, 0.9), (0.3, 1.0)),
            self.color((0, 0.5), (0.05, 0.9)),
            0.3,
            0.1,
            variant=self.variant(),
        )

    def books(self) -> Material:
        """A row of spines."""
        return Material(Pattern.BOOKS, self.color(), self.color(), self.uniform(0.02, 0.045), variant=self.variant())
