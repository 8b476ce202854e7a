"""Faults that `faulty_node` has its network commit, told by the first pixel of an image."""

from __future__ import annotations

import enum
from pathlib import Path

import numpy as np

FAULTY_NODE = str(Path(__file__).with_name("faulty_node.py"))
MARK = (77, 78)
# How long a frame with the fault SLOW or HANG takes, seconds.
SLOW_SECONDS, HANG_SECONDS, STUCK_SECONDS = 1.0, 6.0, 3600.0


class Fault(enum.IntEnum):
    """What becomes of a frame in the network."""

    OUT_OF_MEMORY = 1
    ERROR = 2
    DEVICE_LOST = 3
    SLOW = 4
    HANG = 5
    STUCK = 6
    HOLD_INTERPRETER = 7


def painted(rgb: np.ndarray, fault: Fault) -> np.ndarray:
    """A copy of an (H, W, 3) uint8 RGB image on which the network commits a fault."""
    marked = rgb.copy()
    marked[0, 0] = (fault, *MARK)
    return marked
