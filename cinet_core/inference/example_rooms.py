"""Images of rooms as a deployable graph takes them: what backends are compared and calibrated on.

Of an image of nothing the network knows nothing: rounding would decide on its labels, and no activation would be as
large as in a room. The frames are synthetic rooms of our own ray caster, stored, so that a robot needs no renderer:
``python -m scripts.example_rooms`` makes both files anew.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from cinet_core.geometry import Intrinsics
from cinet_core.inference.backend import Floats, Images

__all__ = ["CALIBRATION", "CAMERAS", "COMPARISON", "IMAGES", "example_rooms"]

IMAGES = Path(__file__).with_suffix(".webp")
"""The frames below each other."""
CAMERAS = Path(__file__).with_suffix(".json")
"""Their size and intrinsics."""

COMPARISON = range(4)
"""Frames that the answers of backends are compared on."""
CALIBRATION = range(4, 36)
"""Frames that the ranges of integers come from: others, since what is judged must not decide. With 8 rooms far walls
are cut off (9 % at the 99th percentile, where 32 have 3)."""


def example_rooms(image_size: tuple[int, int], frames: range) -> tuple[Images, Floats]:
    """Images (N, H, W, 3) uint8 RGB and their intrinsics (N, 4): fx, fy, cx, cy.

    Args:
        image_size: (H, W) that they are resized to.
        frames: which of the stored ones, each another room: `COMPARISON`, `CALIBRATION` or a part of these.

    Raises:
        OSError: the stored files are not there.
    """
    height, width = image_size
    cameras = json.loads(CAMERAS.read_text(encoding="utf-8"))
    columns, rows = cameras["width"], cameras["height"]
    strip = cv2.imdecode(np.frombuffer(IMAGES.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    rooms = cv2.cvtColor(strip, cv2.COLOR_BGR2RGB).reshape(-1, rows, columns, 3)
    resized = [cv2.resize(rooms[number], (width, height), interpolation=cv2.INTER_LINEAR) for number in frames]
    values = [cameras["intrinsics"][number] for number in frames]
    intrinsics = [Intrinsics(fx, fy, cx, cy, columns, rows).resized(width, height) for fx, fy, cx, cy in values]
    return np.stack(resized), np.array([(k.fx, k.fy, k.cx, k.cy) for k in intrinsics], dtype=np.float32)
