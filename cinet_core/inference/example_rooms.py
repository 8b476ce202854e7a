"""Pictures of synthetic rooms as a deployable graph takes them: what backends are compared and calibrated on.

Of an image of nothing the network knows nothing: rounding would decide on its labels, and no activation would be as
large as in a room.
"""

from __future__ import annotations

import cv2
import numpy as np

from cinet_core.inference.backend import Floats, Images
from cinet_core.rooms.raycast import SyntheticRooms


def example_rooms(
    image_size: tuple[int, int], network_size: tuple[int, int], count: int, seed: int = 0
) -> tuple[Images, Floats]:
    """Images (count, H, W, 3) uint8 RGB and their intrinsics (count, 4): fx, fy, cx, cy.

    Args:
        image_size: (H, W).
        network_size: (height, width) that they are rendered at; more detail the network would not see.
        count: how many, each another room.
        seed: those of two seeds are different rooms.
    """
    height, width = image_size
    rooms = SyntheticRooms(count, seed, height=network_size[0], width=network_size[1])
    images, cameras = [], []
    for index in range(count):
        view = rooms.view(index)
        picture = rooms.render_views([view]).images[0].permute(1, 2, 0).numpy()
        images.append(cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR))
        cameras.append(view.camera.intrinsics.resized(width, height))
    return np.stack(images), np.array([(c.fx, c.fy, c.cx, c.cy) for c in cameras], dtype=np.float32)
