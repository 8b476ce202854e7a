"""Checks the packages that the node requires."""

from __future__ import annotations

import importlib.util

# module -> name a user knows it by
REQUIRED = {"cv2": "OpenCV", "numpy": "NumPy"}
# What predicts: any one of these groups.
RUNTIMES = (("torch", "timm", "safetensors"), ("openvino",), ("onnxruntime",))


def missing() -> str | None:
    """Return a message about missing packages and how to install them, or None if the node has what it needs."""
    absent = [name for module, name in REQUIRED.items() if not _is_here(module)]
    if not any(all(map(_is_here, group)) for group in RUNTIMES):
        absent.append("PyTorch (with timm and safetensors), OpenVINO or ONNX Runtime")
    if not absent:
        return None
    return (
        f"{', '.join(absent)} cannot be imported by this Python. Run scripts/install.sh in the cinet checkout, with "
        "--runtime for the light set without PyTorch: it puts them into a virtual environment (a torch that is already "
        "there, as on a Jetson, is kept) and builds this package so that its nodes use it."
    )


def _is_here(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
