"""The machine: whether it can be set up, and the system packages that it lacks."""

from __future__ import annotations

import ctypes.util
import os
import platform
import shutil
import sys
import sysconfig
from pathlib import Path

from scripts.bootstrap.command import run, say
from scripts.bootstrap.environment import DISTRIBUTIONS, ROOT, Environment, SetupError

# shared library -> Debian package that brings it (open3d and OpenCV load these)
SYSTEM_LIBRARIES = {
    "usb-1.0": "libusb-1.0-0",
    "GL": "libgl1",
    "EGL": "libegl1",
    "gomp": "libgomp1",
    "X11": "libx11-6",
    "glib-2.0": "libglib2.0-0",
}


def check_platform(environment: Environment) -> None:
    """Refuse machines without ROS 2 wheels, naming the way that works there, and paths with a blank."""
    if environment.ros not in DISTRIBUTIONS:
        raise SetupError(
            f"there are no wheels of ROS 2 {environment.ros!r}: choose ROS={' or ROS='.join(DISTRIBUTIONS)}; on a "
            "machine with another distribution use scripts/install.sh"
        )
    if any(character.isspace() for character in str(environment.root)):
        raise SetupError(
            f"colcon's setup.sh cannot read a path with a blank: move this checkout from {environment.root}"
        )
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise SetupError(
            f"no ROS 2 wheels are published for {platform.system()} {platform.machine()} (x86-64 Linux only); "
            "use a machine with a ROS 2 distribution and scripts/install.sh, or one of the images in docker/"
        )
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        raise SetupError(
            f"Python {platform.python_version()} is outside 3.10 - 3.13, for which ROS 2 wheels are published; "
            "choose another interpreter with `make PYTHON=python3.12 ...`"
        )


def install_system_packages() -> None:
    """Install missing shared libraries, compiler and Python headers by apt where that is possible."""
    missing = [package for name, package in SYSTEM_LIBRARIES.items() if ctypes.util.find_library(name) is None]
    if shutil.which("g++") is None or shutil.which("make") is None:
        missing.append("build-essential")
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        missing.append(f"python{sys.version_info.major}.{sys.version_info.minor}-dev")
    try:
        import ensurepip  # noqa: F401  (Debian splits it from python3)
    except ImportError:
        missing.append(f"python{sys.version_info.major}.{sys.version_info.minor}-venv")
    if not missing:
        return
    command = f"apt-get install -y {' '.join(missing)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SetupError(f"these system packages are missing: {', '.join(missing)}. Run: sudo {command}")
    say(f"installing system packages by apt: {', '.join(missing)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    log = ROOT / ".setup.log"
    run("apt-get", "update", "-q", env=quiet, log=log)
    run("apt-get", "install", "-y", "-q", "--no-install-recommends", *missing, env=quiet, log=log)
    log.unlink()
