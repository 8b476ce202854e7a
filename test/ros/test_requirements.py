"""A robot without torch: nodes do without it, and say which script installs what they cannot do without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import cinet_ros

NODES = ("cinet_ros.perception", "cinet_ros.player.playback", "cinet_ros.mapping.node", "cinet_ros.viewer_node")
BARE_PYTHON = Path(sys.base_prefix) / "bin" / "python3"


def test_a_missing_torch_names_the_install_script() -> None:
    if subprocess.run([str(BARE_PYTHON), "-c", "import torch"], capture_output=True, check=False).returncode == 0:
        pytest.skip(f"{BARE_PYTHON} has torch of its own")
    package = Path(cinet_ros.__file__).parent.parent
    result = subprocess.run(
        [str(BARE_PYTHON), "-m", "cinet_ros.perception_node"],
        capture_output=True, text=True, check=False, cwd=package, env={"PYTHONPATH": str(package)},
    )  # fmt: skip
    assert result.returncode == 2
    assert "PyTorch" in result.stderr
    assert "scripts/install.sh" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("module", NODES)
def test_no_node_takes_torch_to_be_imported(module: str) -> None:
    """In a process where it cannot be had, nor what only PyTorch's backends, maps and exports need."""
    code = f"""
import sys
for name in ("torch", "timm", "torchvision", "safetensors", "open3d", "onnx", "onnxscript"):
    sys.modules[name] = None
import {module}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
