"""What the light set adds to a ROS base image: its size unpacked, and whether it can be had for aarch64.

``python -m scripts.light_layer`` sums what is installed of scripts/runtime.txt in the environment that runs it, with
what pip itself takes of a virtual environment and with this package as a robot has it. Images are not built here.
``--aarch64`` asks the package index, through uv, for wheels of all of it; nothing is downloaded but their metadata.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
RUNTIME = ROOT / "scripts" / "runtime.txt"
# Of the Python of Ubuntu 22.04 and 24.04; Debian 12's, which Raspberry Pi OS has, is 3.11.
PYTHONS = ("3.10", "3.11", "3.12")
# glibc of Ubuntu 22.04, the oldest there is with ROS 2: what a Jetson with JetPack 6 has; Debian 12 has 2.36.
PLATFORM = "aarch64-manylinux_2_35"
MEGABYTE = 1e6
LIMIT = 600.0
"""Megabytes that the light layer may take unpacked."""

# What of the checkout a robot gets; tests and documentation stay in the checkout.
OURS = ("cinet_core", "cinet_ros", "config", "launch", "msg", "scripts")
INSTALLER = "pip"


class Part(NamedTuple):
    """One part of the layer, and its megabytes."""

    name: str
    version: str
    megabytes: float


def names(requirements: Path = RUNTIME) -> list[str]:
    """The packages of a file of pinned requirements, once each, in its order."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    found = [line.partition("==")[0] for line in lines if line and not line.startswith("#")]
    return list(dict.fromkeys(found))


def package(name: str) -> Part | None:
    """An installed package with all that its wheel brought, compiled files included; None where it is not installed."""
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    paths = [Path(str(file.locate())).resolve() for file in distribution.files or ()]
    return Part(name, distribution.version, _megabytes({*paths, *_compiled(paths)}))


def _compiled(paths: Iterable[Path]) -> set[Path]:
    """Files that Python makes beside modules, which uv does not list."""
    folders = {path.parent / "__pycache__" for path in paths if path.suffix == ".py"}
    stems = {(path.parent, path.stem) for path in paths if path.suffix == ".py"}
    found = {file for folder in folders if folder.is_dir() for file in folder.iterdir()}
    return {file for file in found if (file.parent.parent, file.name.partition(".")[0]) in stems}


def ours() -> Part:
    """This package: code, messages, configuration and the default weights in both forms."""
    files = {file for name in OURS for file in (ROOT / name).rglob("*") if "__pycache__" not in file.parts}
    return Part("cinet", importlib.metadata.version("cinet"), _megabytes(files))


def _megabytes(paths: Iterable[Path]) -> float:
    """Of the blocks that files occupy, as `du` counts."""
    return sum(path.stat().st_blocks * 512 for path in paths if path.is_file()) / MEGABYTE


def layer() -> list[Part]:
    """All parts that are installed here, the largest first."""
    parts = [part for name in (*names(), INSTALLER) if (part := package(name)) is not None]
    return sorted([*parts, ours()], key=lambda part: -part.megabytes)


def missing_wheels(python: str) -> str | None:
    """Why `RUNTIME` has no set of wheels for aarch64 and a Python; None where it has. Asks the package index.

    Args:
        python: such as "3.12".
    """
    command = [
        sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--python-version", python,
        "--python-platform", PLATFORM, "--only-binary", ":all:", "--no-header", "--no-annotate", str(RUNTIME),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return done.stderr.strip()
    resolved = set(re.findall(r"^([\w.-]+)==", done.stdout, re.MULTILINE))
    absent = {"numpy", "opencv-python-headless", "openvino", "onnxruntime"} - resolved
    return f"not resolved: {', '.join(sorted(absent))}" if absent else None


def main() -> int:
    """Print the table, or ask for wheels; the exit status is 1 where the layer is too large, or wheels are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aarch64", action="store_true", help="ask the package index for wheels (needs a network)")
    if parser.parse_args().aarch64:
        refusals = {python: missing_wheels(python) for python in PYTHONS}
        for python, refusal in refusals.items():
            print(f"{PLATFORM}, Python {python}: {refusal or 'wheels of the whole set'}")
        return int(any(refusals.values()))
    parts = layer()
    for part in parts:
        print(f"{part.megabytes:7.1f} MB  {part.name} {part.version}")
    total = sum(part.megabytes for part in parts)
    print(f"{total:7.1f} MB  in all, of {LIMIT:.0f}")
    return int(total > LIMIT)


if __name__ == "__main__":
    raise SystemExit(main())
