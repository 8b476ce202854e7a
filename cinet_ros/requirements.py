"""What the node cannot run without, and what to tell a user who lacks it."""

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
    """Text that names the missing packages and the script that installs them; None where nothing is missing."""
    absent = [name for module, name in REQUIRED.items() if importlib.util.find_spec(module) is None]
    if not absent:
        return None
    return (
        f"{', '.join(absent)} cannot be imported by this Python. Run scripts/install.sh in the cinet checkout: it puts "
        "them into a virtual environment (a torch that is already there, as on a Jetson, is kept) and builds this "
        "package so that its nodes use it."
    )
