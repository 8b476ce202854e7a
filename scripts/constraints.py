"""Resolve the pinned versions anew: `make constraints`.

Writes scripts/constraints.txt, which every installation holds; scripts/runtime.txt, what predicts without PyTorch, in
the same versions; and scripts/constraints-DISTRIBUTION.txt with the ROS 2 packages of each distribution. Those are
found by way of the metapackages ``ros-DISTRIBUTION-*``, which name the one version of a package that belongs to the
distribution; they themselves need not be installed.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import setuptools  # noqa: F401  (before distutils, which it brings)

from distutils.core import run_setup  # isort: skip

SCRIPTS = Path(__file__).resolve().parent
OLDEST_PYTHON = "3.10"
DISTRIBUTIONS = ("jazzy", "kilted")
# Built from repositories that have no metapackage of this distribution: their versions follow from the others.
WITHOUT_METAPACKAGE = {"kilted": ("ros-fastrtps-cmake-module", "ros-python-cmake-module")}
# Both runtimes: which of them is faster depends on the processor. OpenCV without windows.
RUNTIME = ("numpy", "opencv-python-headless", "openvino", "onnxruntime", "pillow", "pyyaml", "rich")
RUNTIME_HEADER = "# What predicts without PyTorch: scripts/install.sh --runtime. Remade by `make constraints`."
HEADER = "# Versions that were built and tested together, for every Python from 3.10 on. Remade by `make constraints`."


def compiled(*arguments: str, requirements: str = "") -> list[str]:
    """Lines ``name==version`` that uv resolves for every Python from the oldest on."""
    command = [sys.executable, "-m", "uv", "pip", "compile", *arguments]
    every_python = ["--universal", "--python-version", OLDEST_PYTHON]
    plain = ["--no-emit-index-url", "--no-header", "--no-annotate", "--quiet"]
    run = subprocess.run(
        command + every_python + plain, input=requirements, capture_output=True, text=True, check=False
    )
    if run.returncode != 0:
        sys.exit(f"uv found no versions that fit together:\n{run.stderr}")
    return run.stdout.splitlines()


def metapackages(package: Any, distribution: str) -> list[str]:
    """What the extras of setup.py ask of ROS 2, as metapackages of a distribution."""
    wanted = package.extras_require["ros"] + package.extras_require[f"ros-build-{distribution}"]
    plain = WITHOUT_METAPACKAGE.get(distribution, ())
    ros = [name for name in wanted if name.startswith("ros-")]
    return [name if name in plain else re.sub("^ros-", f"ros-{distribution}-", name) for name in ros]


def write(path: Path, header: str, lines: list[str]) -> None:
    """Write a file of constraints."""
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")


def write_runtime(common: Path) -> None:
    """Write scripts/runtime.txt: `RUNTIME` and what it needs, in the versions of the common constraints."""
    text = common.read_text(encoding="utf-8")
    # One release of OpenCV is several packages.
    (opencv,) = re.findall(r"^opencv-python(==\S+)$", text, re.M)
    wanted = [f"{name}{opencv}" if name.startswith("opencv") else name for name in RUNTIME]
    lines = compiled("-", "-c", str(common), requirements="\n".join(wanted))
    write(SCRIPTS / "runtime.txt", RUNTIME_HEADER, lines)


def main() -> None:
    """Write every file."""
    package: Any = run_setup(str(SCRIPTS.parent / "setup.py"), stop_after="init")
    common = SCRIPTS / "constraints.txt"
    extras = [f"--extra={name}" for name in package.extras_require if not name.startswith("ros-build")]
    build = [name for name in package.extras_require["ros-build-jazzy"] if not name.startswith("ros-")]
    lines = compiled("setup.py", "-", *extras, "--upgrade", requirements="\n".join(build))
    write(common, HEADER, [line for line in lines if not line.startswith("ros-")])
    write_runtime(common)
    for distribution in DISTRIBUTIONS:
        lines = compiled("-", "-c", str(common), requirements="\n".join(metapackages(package, distribution)))
        header = f"# ROS 2 {distribution.capitalize()} from PyPI, beside constraints.txt. Remade by `make constraints`."
        own = [line for line in lines if re.match(f"ros-(?!{distribution}-)", line)]
        write(SCRIPTS / f"constraints-{distribution}.txt", header, own)


if __name__ == "__main__":
    main()
