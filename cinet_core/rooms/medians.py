"""Which median depth a view is to have, so that those of many views are even in their logarithm.

It needs NumPy only: what chooses views within Blender imports it.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["MEDIANS", "median_of"]

MEDIANS = (0.5, 8.0)
"""Metres between which the logarithm of a view's median depth is even."""


def median_of(seed: int, index: int) -> float:
    """Metres of median depth that view ``index`` of a seed is to have.

    Logarithms are even over any run of numbers: they follow the multiples of the golden ratio (Weyl's sequence), from
    where the seed puts the first.
    """
    first = np.random.default_rng([seed, 3]).random()
    part = (first + index * (math.sqrt(5) - 1) / 2) % 1.0
    return float(MEDIANS[0] * (MEDIANS[1] / MEDIANS[0]) ** part)
