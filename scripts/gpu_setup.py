"""``python -m scripts.gpu_setup DEVICE FOLDER``: what this machine lacks, and which stages of gpu_run.sh it costs."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

NEEDED = ("torch", "torchvision", "timm", "safetensors", "numpy", "cv2", "PIL", "yaml", "rich")
STAGES: Mapping[str, tuple[str, ...]] = {
    "tests": ("pytest",),
    "train_resnet101": ("lightning", "matplotlib"),
    "train_lite": ("lightning", "matplotlib"),
    "forward_tensorrt": ("tensorrt", "onnx", "onnxscript"),
    "forward_compile": ("triton",),
    "continued": ("lightning", "matplotlib", "jsonargparse", "docstring_parser", "typeshed_client"),
}
"""What a stage of `scripts/gpu_run.sh` needs beyond `NEEDED`, by the name that is imported."""

ON_A_GPU = frozenset({"forward_tensorrt", "forward_compile"})
"""Stages that a CPU leaves out by themselves."""


def main(device: str, folder: str) -> int:
    """Write setup.json, and left_out.txt with a line "STAGE missing: PACKAGES" each; 1 where nothing can run."""
    names = sorted({*NEEDED, *(name for names in STAGES.values() for name in names)})
    found = {name: is_here(name) for name in names}
    facts: dict[str, object] = {"packages": found, "cores": os.cpu_count(), "python": sys.version.split()[0]}
    missing = [name for name in NEEDED if not found[name]]
    if found["torch"]:
        import torch

        facts |= {"torch": torch.__version__, "cuda": torch.version.cuda}
        if torch.cuda.is_available():
            facts["device"] = torch.cuda.get_device_name()
            facts["bytes"] = torch.cuda.get_device_properties(0).total_memory
        elif device == "cuda":
            missing.append("a CUDA device")
    left_out = {
        stage: [name for name in names if not found[name]]
        for stage, names in STAGES.items()
        if device == "cuda" or stage not in ON_A_GPU
    }
    lines = [f"{stage} missing: {', '.join(lacking)}\n" for stage, lacking in left_out.items() if lacking]
    (Path(folder) / "left_out.txt").write_text("".join(lines), encoding="utf-8")
    (Path(folder) / "setup.json").write_text(json.dumps(facts | {"left_out": left_out}, indent=1), encoding="utf-8")
    print(json.dumps(facts, indent=1))
    if missing:
        print(f"missing: {', '.join(missing)} (wheels in .whl/ are installed)")
    return 1 if missing else 0


def is_here(name: str) -> bool:
    """Whether a package can be imported; it is not."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # of a rehearsal that plays a machine without it
        return False


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
