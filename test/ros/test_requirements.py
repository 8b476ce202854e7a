"""A robot without torch: the node says which script installs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import cinet_ros

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
