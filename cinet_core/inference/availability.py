"""What a backend needs of this machine, and what is missing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterable

from cinet_core.inference.backend import Device
from cinet_core.inference.choices import AUTO, BACKENDS, COMPILED, FLOAT32, HALF, INT8, PRECISIONS, TORCH
from cinet_core.inference.runtimes import (
    RUNTIMES,
    OnnxRuntimeBackend,
    OpenVinoBackend,
    openvino_has_bfloat16,
    processor_has_int8,
)

__all__ = [
    "COMPILED",
    "NO_TORCH",
    "PACKAGES",
    "TORCH",
    "check_backend",
    "has_torch",
    "is_installed",
    "missing_requirement",
    "resolve_precision",
]

PACKAGES = ("onnx", "onnxscript")
"""What exporting a graph takes, beside PyTorch."""
NO_TORCH = "pip install torch torchvision timm safetensors, or scripts/install.sh without --runtime"
"""How PyTorch comes to a machine that has the light runtime."""


def is_installed(module: str) -> bool:
    """Return whether a module can be imported, without importing it."""
    if sys.modules.get(module, module) is None:  # blocked: find_spec would raise ValueError
        return False
    return importlib.util.find_spec(module) is not None


def has_torch() -> bool:
    """Return whether PyTorch is installed."""
    return sys.modules.get("torch") is not None or is_installed("torch")


def check_backend(name: str, precision: str, device: Device, exporting: Iterable[str] = PACKAGES) -> None:
    """Raise ValueError if a backend does not exist or its requirements are not installed, see `missing_requirement`."""
    for what, value, known in (("backend", name, BACKENDS), ("precision", precision, PRECISIONS)):
        if value not in known:
            raise ValueError(f"{what} is {value!r}: it must be one of {', '.join(known)}")
    if precision == INT8 and device.type != "cpu":
        raise ValueError(f"precision is {INT8}, which is for a CPU, but the device is {device}: set it to half or auto")
    needed = missing_requirement(name, device, resolve_precision(precision, device), exporting)
    if needed is not None:
        raise ValueError(f"{needed}; or take auto, which does with what is there")


def resolve_precision(precision: str, device: Device) -> str:
    """Resolve the precision "auto": half on a GPU, where the loss is negligible, and float32 on a CPU."""
    if precision != AUTO:
        return precision
    return HALF if device.type == "cuda" else FLOAT32


def missing_requirement(
    name: str, device: Device, precision: str = FLOAT32, exporting: Iterable[str] = PACKAGES
) -> str | None:
    """Return which requirement of a backend is missing, as a sentence with the remedy, or None.

    Args:
        name: one of `choices.BACKENDS`.
        device: to run on.
        precision: one of `choices.PRECISIONS`, but not "auto".
        exporting: packages that write the graph; none, where there is a graph for every size.
    """
    if name in (TORCH, COMPILED) and not has_torch():
        return f"backend {name} needs PyTorch: {NO_TORCH}"
    if name in (TORCH, COMPILED) and precision == INT8:
        return f"backend {name} has no {INT8}: set precision to float32, or backend to openvino"
    if name == COMPILED:
        return _missing_compiler(device)
    if name not in RUNTIMES:
        return None
    kind = RUNTIMES[name]
    if device.type not in kind.precisions:
        return f"backend {name} does not run on {device}: choose another device or backend"
    if precision not in kind.precisions[device.type]:
        return f"backend {name} has no precision {precision} on {device}: set precision to float32"
    package = "onnxruntime" if issubclass(kind, OnnxRuntimeBackend) else name
    # ONNX Runtime is also what quantises.
    needed = dict.fromkeys((package, *exporting, *(("onnxruntime",) if precision == INT8 else ())))
    missing = [one for one in needed if not is_installed(one)]
    if missing:
        gpu = "-gpu" if device.type == "cuda" else ""
        names = [one + gpu if one == "onnxruntime" else one for one in missing]
        return f"backend {name} needs: pip install {' '.join(names)}"
    if precision == HALF and kind is OpenVinoBackend and not openvino_has_bfloat16():
        return f"backend {name}: this processor has no bfloat16 instructions: set precision to float32"
    if precision == INT8 and not processor_has_int8():
        return (
            f"backend {name}: this processor has no instructions for {INT8} (VNNI), which would cost accuracy and gain "
            "little: set precision to float32"
        )
    if device.type == "cuda" and issubclass(kind, OnnxRuntimeBackend):
        return _missing_provider(name, kind.provider("cuda"))
    return None


def _missing_compiler(device: Device) -> str | None:
    if device.type == "cpu" and shutil.which(os.environ.get("CXX", "g++")) is None:
        return f"backend {COMPILED} needs a C++ compiler on the CPU: apt install g++"
    if device.type == "cuda" and not is_installed("triton"):
        return f"backend {COMPILED} needs Triton on a GPU: pip install triton"
    return None


def _missing_provider(name: str, provider: str) -> str | None:
    import onnxruntime

    if provider in onnxruntime.get_available_providers():
        return None
    return f"backend {name} needs an ONNX Runtime with {provider}: pip install onnxruntime-gpu in place of onnxruntime"
