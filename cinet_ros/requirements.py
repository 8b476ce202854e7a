"""Checks the packages that the node requires."""

from __future__ import annotations

import importlib.util

# module -> name a user knows it by
REQUIRED = {
    "torch": "PyTorch",
    "timm": "timm",
    "safetensors": "safetensors",
    "cv2": "OpenCV",
    "numpy": "NumPy",
}


def missing() -> str | None:
    """Return a message about missing packages and how to install them, or None if all are installed."""
    absent = [name for module, name in REQUIRED.items() if importlib.util.find_spec(module) is None]
    if not absent:
        return None
    return (
        f"{', '.join(absent)} cannot be imported by this Python. Run scripts/install.sh in the cinet checkout: it puts "
        "them into a virtual environment (a torch that is already there, as on a Jetson, is kept) and builds this "
        "package so that its nodes use it."
    )
