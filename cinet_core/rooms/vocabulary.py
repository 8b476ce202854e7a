"""What the generators say alike: class ids by name, colours, sizes and counts that more than one of them uses.

Each furnishes rooms of its own: what only one of them has stays there. A frame depends on its seed alone, so a changed
value here changes the rooms of every seed.
"""

from __future__ import annotations

from types import SimpleNamespace

from cinet_core.label_sets import NYU40

__all__ = ["BLACK", "DARK_BROWN", "LABEL", "NEAR_BLACK", "OFF_WHITE", "PILLOW", "WINDOWS", "WOODS", "Color"]

Color = tuple[float, float, float]
"""sRGB, 0 to 1."""

LABEL = SimpleNamespace(**{name.replace(" ", "_"): index for index, name in enumerate(NYU40.classes)})
"""NYU40 ids by name: ``LABEL.night_stand``."""

WOODS: tuple[tuple[Color, Color], ...] = (
    ((0.72, 0.55, 0.37), (0.58, 0.41, 0.25)),
    ((0.48, 0.31, 0.19), (0.34, 0.20, 0.11)),
    ((0.32, 0.21, 0.15), (0.20, 0.12, 0.08)),
    ((0.83, 0.70, 0.52), (0.73, 0.58, 0.40)),
    ((0.60, 0.36, 0.22), (0.45, 0.24, 0.13)),
    ((0.63, 0.58, 0.52), (0.48, 0.43, 0.38)),
    ((0.90, 0.89, 0.86), (0.84, 0.83, 0.80)),
    ((0.16, 0.14, 0.13), (0.10, 0.09, 0.08)),
)
"""Colour and grain."""

OFF_WHITE: Color = (0.9, 0.9, 0.88)
"""Painted frames, radiators, ceilings."""
NEAR_BLACK: Color = (0.1, 0.1, 0.1)
"""Plinths, shoes, keyboards."""
BLACK: Color = (0.02, 0.02, 0.022)
"""Glass of screens and hobs."""
DARK_BROWN: Color = (0.3, 0.17, 0.1)
"""Leather and lacquer."""

PILLOW = (0.22, 0.2, 0.08)
"""Half of its extents, metres."""

WINDOWS = (0, 1, 1, 1, 2)
"""How many a room has; one of these is drawn."""
