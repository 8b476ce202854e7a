"""Random numbers that a seed and a position decide: equal on every device, in every batch, without a generator.

A generator lives on one device, draws other numbers there than elsewhere, and takes its seed from the host, which has
to wait for the device to know it. A hash of seed and position needs nothing of that.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["LARGEST", "random_integers"]

# SplitMix64 (Steele, Lea and Flood 2014), as int64 sees its constants.
_STEP = 0x9E3779B97F4A7C15 - 2**64
_FACTORS = (0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64)
LARGEST = 2**63 - 1
"""Of what `random_integers` draws."""


def random_integers(seeds: Sequence[int] | Tensor, count: int, device: torch.device) -> Tensor:
    """Independent uniform integers from 0 to 2^63 - 1: (B, count) int64, row b decided by seed b alone.

    >>> cpu = torch.device("cpu")
    >>> bool((random_integers([7, 8], 2, cpu)[1] == random_integers([8], 3, cpu)[0, :2]).all())
    True

    Args:
        seeds: (B,), each within int64.
        count: numbers for each seed.
        device: of the result; seeds that are there already are not waited for.
    """
    numbers = seeds if isinstance(seeds, Tensor) else torch.tensor(seeds, dtype=torch.int64)
    start = numbers.to(device, torch.int64)
    # The seeds first, so that neighbouring ones do not give the same numbers a step apart.
    places = torch.arange(1, count + 1, device=device) * _STEP
    return _mixed(_mixed(start + _STEP)[:, None] + places).bitwise_and_(LARGEST)


def _mixed(values: Tensor) -> Tensor:
    """SplitMix64's bijection of 64 bits; products wrap around."""
    for shift, factor in zip((30, 27), _FACTORS, strict=True):
        values = (values ^ _shifted(values, shift)) * factor
    return values ^ _shifted(values, 31)


def _shifted(values: Tensor, bits: int) -> Tensor:
    """Shifted right, zeros from the left."""
    return (values >> bits) & (2 ** (64 - bits) - 1)
