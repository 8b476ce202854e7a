"""Where things are in a recording: paths of its entities, and its timelines."""

from __future__ import annotations

__all__ = [
    "ABOUT",
    "CAMERA",
    "CLOUD",
    "DEPTH",
    "FRAME",
    "HERTZ",
    "IMAGE",
    "IMAGE_PLANE",
    "LABELS",
    "LEGEND",
    "MAP",
    "MILLISECONDS",
    "STAMP",
    "TRAJECTORY",
    "WORLD",
]

WORLD = "world"
CAMERA = "world/camera"
IMAGE_PLANE = "world/camera/image"
IMAGE = "world/camera/image/rgb"
LABELS = "world/camera/image/labels"
DEPTH = "world/camera/image/depth"
CLOUD = "world/camera/cloud"
MAP = "world/map"
TRAJECTORY = "world/trajectory"
LEGEND = "legend"
MILLISECONDS = "milliseconds"
HERTZ = "hertz"
ABOUT = "about"

FRAME = "frame"
"""Timeline: the number of the frame, in the order in which frames were recorded."""

STAMP = "stamp"
"""Timeline: the stamp of the image; absent where the source has no clock."""
