"""A camera of 640x480 pixels with each lens that can be undone, and its camera_info."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sensor_msgs.msg import CameraInfo

WIDTH, HEIGHT = 640, 480
K = [500.0, 0.0, 322.5, 0.0, 505.0, 238.25, 0.0, 0.0, 1.0]
P = [450.0, 0.0, 318.0, 0.0, 0.0, 455.0, 242.0, 0.0, 0.0, 0.0, 1.0, 0.0]
LENSES = {
    "plumb_bob": [-0.28, 0.09, 0.001, -0.0007, -0.01],
    "rational_polynomial": [0.4, -0.2, 0.0005, -0.0004, -0.01, 0.75, -0.1, -0.03],
    "equidistant": [-0.03, 0.01, -0.004, 0.001],
}


def info(
    model: str = "plumb_bob",
    d: Sequence[float] = (0.0,) * 5,
    k: Sequence[float] = K,
    p: Sequence[float] = P,
    rotation: np.ndarray | None = None,
    width: int = WIDTH,
    height: int = HEIGHT,
    **fields: Any,
) -> CameraInfo:
    """The camera_info, with fields replaced."""
    msg = CameraInfo(width=width, height=height, distortion_model=model, **fields)
    msg.d, msg.k, msg.p = list(d), list(k), list(p)
    msg.r = (np.eye(3) if rotation is None else rotation).reshape(-1).tolist()
    return msg
