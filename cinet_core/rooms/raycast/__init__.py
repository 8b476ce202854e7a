"""Synthetic rooms: a procedural indoor world, rendered in batches by PyTorch, with exact depth and NYU40 labels.

layout.py furnishes a room from a seed; camera.py puts a camera into it; renderer.py casts rays at its solids;
dataset.py serves views by number. Nothing is read from disk. It is the embedded default and a test bed, not a
replacement for photographs.
"""

from cinet_core.rooms.raycast.camera import CameraRange, PosedCamera
from cinet_core.rooms.raycast.dataset import SyntheticBatches, SyntheticRooms
from cinet_core.rooms.raycast.renderer import Rendering, render
from cinet_core.rooms.raycast.sensor import PLAIN_SENSOR, Sensor

__all__ = [
    "PLAIN_SENSOR",
    "CameraRange",
    "PosedCamera",
    "Rendering",
    "Sensor",
    "SyntheticBatches",
    "SyntheticRooms",
    "render",
]
