"""Where things are in a recording: paths of its entities, and its timelines."""

from __future__ import annotations

__all__ = [
    "ABOUT",
    "AGREEMENT",
    "CAMERA",
    "CLOUD",
    "COMPARED",
    "DEPTH",
    "FRAME",
    "HERTZ",
    "IMAGE",
    "IMAGE_PLANE",
    "LABELS",
    "LEGEND",
    "MAP",
    "MILLISECONDS",
    "SOURCES",
    "STAMP",
    "TRAJECTORY",
    "TRUST",
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
SOURCES = "sources"
"""Where depth and labels of a labelled frame came from: ``sources/depth`` and ``sources/labels``."""

TRUST = "trust"
"""How far they are trusted, likewise."""

AGREEMENT = "agreement"
"""A plot of each frame's shares."""

COMPARED = "compared"
"""What weights predict on the frame: ``compared/NAME/depth``, ``labels`` and ``error``."""

FRAME = "frame"
"""Timeline: the number of the frame, in the order in which frames were recorded."""

STAMP = "stamp"
"""Timeline: the stamp of the image; absent where the source has no clock."""
