"""What parameters of the outputs accept; without NumPy or OpenCV, which `ros2 launch` may lack and need not load."""

from __future__ import annotations

JPEG_QUALITY_LIMITS = (1, 100)
PNG_LEVEL_LIMITS = (0, 9)
VOXEL_SIZE_LIMITS = (0.005, 10.0)
"""Metres."""
