"""``python -m scripts.gpu_setup DEVICE FILE``: is what a run on this machine needs there, and what is it."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

NEEDED = ("torch", "torchvision", "timm", "safetensors", "numpy", "cv2", "PIL", "yaml", "rich", "pytest")
FOR_TRAINING = ("lightning", "tensorboard", "jsonargparse")
HELPFUL = ("triton", "onnx", "onnxscript", "onnxruntime", "tensorrt")


def main(device: str, output: str) -> int:
    """Write what was found as JSON; 1 where something needed is missing."""
    found = {name: importlib.util.find_spec(name) is not None for name in (*NEEDED, *FOR_TRAINING, *HELPFUL)}
    facts: dict[str, object] = {"packages": found, "cores": os.cpu_count(), "python": sys.version.split()[0]}
    missing = [name for name in (*NEEDED, *FOR_TRAINING) if not found[name]]
    if found["torch"]:
        import torch

        facts |= {"torch": torch.__version__, "cuda": torch.version.cuda}
        if torch.cuda.is_available():
            facts["device"] = torch.cuda.get_device_name()
            facts["bytes"] = torch.cuda.get_device_properties(0).total_memory
        elif device == "cuda":
            missing.append("a CUDA device")
    Path(output).write_text(json.dumps(facts, indent=1), encoding="utf-8")
    print(json.dumps(facts, indent=1))
    if missing:
        print(f"missing: {', '.join(missing)} (wheels in .whl/ are installed)")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
