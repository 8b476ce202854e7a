#!/usr/bin/env python3
"""Set up everything that `make demo` and `make test` need on a machine without a ROS 2 distribution.

Steps, each skipped when nothing it depends on has changed: system libraries (apt, only where root), a virtual
environment in .venv with torch and real ROS 2 from PyPI wheels (pinned by scripts/constraints.txt), and a colcon build
of this package into .ros. Uses the standard library only. On a robot with a distribution use scripts/install.sh.
"""

from __future__ import annotations

import argparse
import ctypes.util
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
WORKSPACE = ROOT / ".ros"
STAMPS = VENV / "stamps"
CONSTRAINTS = ROOT / "scripts" / "constraints.txt"

# shared library -> Debian package that brings it (open3d and OpenCV load these)
SYSTEM_LIBRARIES = {
    "usb-1.0": "libusb-1.0-0",
    "GL": "libgl1",
    "EGL": "libegl1",
    "gomp": "libgomp1",
    "X11": "libx11-6",
    "glib-2.0": "libglib2.0-0",
}


class SetupError(RuntimeError):
    """A step failed; the text says what to do about it."""


def say(text: str) -> None:
    """Print one line of progress at once."""
    print(f"[setup] {text}", flush=True)


def run(*command: str | Path, env: dict[str, str] | None = None, log: Path | None = None) -> None:
    """Run a command; on failure raise SetupError with the end of its log."""
    merged = os.environ | (env or {})
    if log is None:
        code = subprocess.run([str(part) for part in command], env=merged, check=False).returncode
        tail = ""
    else:
        with log.open("w", encoding="utf-8") as stream:
            code = subprocess.run(
                [str(part) for part in command],
                env=merged,
                check=False,
                stdout=stream,
                stderr=subprocess.STDOUT,
            ).returncode
        tail = "\n" + "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:])
    if code != 0:
        raise SetupError(f"`{' '.join(str(part) for part in command)}` failed with exit status {code}{tail}")


def check_platform() -> None:
    """Refuse machines without ROS 2 wheels, naming the way that works there, and paths with a blank."""
    if any(character.isspace() for character in str(ROOT)):
        raise SetupError(f"colcon's setup.sh cannot read a path with a blank: move this checkout from {ROOT}")
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


def digest(paths: list[Path], extra: str = "") -> str:
    """Hash file contents and names, so that a step is redone when what it depends on has changed."""
    state = hashlib.sha256(f"{extra}|{platform.python_version()}|{ROOT}".encode())
    for path in sorted(paths):
        state.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return state.hexdigest()


def is_current(step: str, value: str) -> bool:
    """Tell whether a step was completed for exactly these inputs."""
    stamp = STAMPS / step
    return stamp.exists() and stamp.read_text(encoding="utf-8") == value


def mark_current(step: str, value: str) -> None:
    """Record that a step was completed for these inputs."""
    STAMPS.mkdir(parents=True, exist_ok=True)
    (STAMPS / step).write_text(value, encoding="utf-8")


def install_packages(extras: str, torch_backend: str) -> None:
    """Create .venv and install the project and its dependencies, pinned."""
    value = digest([ROOT / "setup.py", ROOT / "pyproject.toml", CONSTRAINTS], f"{extras}|{torch_backend}")
    usable = is_usable(VENV)
    if usable and is_current("packages", value):
        return
    if not usable:
        say(f"creating a virtual environment in {VENV.name} with Python {platform.python_version()}")
        run(sys.executable, "-m", "venv", "--clear", VENV)
        # colcon crawls below the package: keep it out of the environment's own package.xml files
        (VENV / "COLCON_IGNORE").touch()
    say("installing uv, which downloads in parallel and hard-links from its cache")
    run(PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", CONSTRAINTS, "uv")
    backend = ["--torch-backend", torch_backend] if torch_backend else []
    cache = [] if is_writable(uv_cache()) else ["--no-cache"]
    say("installing torch, ROS 2 and the rest (5 GB the first time; a minute or more, by your network)")
    run(
        PYTHON, "-m", "uv", "pip", "install", "--python", PYTHON, "-c", CONSTRAINTS, *backend, *cache,
        # once here, or every process that imports torch pays 10 s where PYTHONDONTWRITEBYTECODE is set
        "--compile-bytecode", "--editable", f"{ROOT}[{extras}]",
    )  # fmt: skip
    rewrite_cmake_paths()
    mark_current("packages", value)


def is_usable(venv: Path) -> bool:
    """Tell whether an environment is complete, of this Python, and where it was made: its scripts name that place."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    pip, activate = venv / "lib" / version / "site-packages" / "pip" / "__main__.py", venv / "bin" / "activate"
    complete = all(path.exists() for path in (venv / "bin" / "python", pip, activate))
    return complete and str(venv) in activate.read_text(encoding="utf-8")


def uv_cache() -> Path:
    """Where uv keeps what it downloads."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("UV_CACHE_DIR") or home / "uv")


def is_writable(folder: Path) -> bool:
    """Tell whether a folder can be written to, or made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def rewrite_cmake_paths() -> None:
    """Point the ROS wheels' CMake files at this interpreter.

    They name the Python of the machine that built them, /opt/python/cp311-cp311/..., which exists on no other. Each
    file is replaced, not edited in place: uv hard-links it from a cache that other environments share. In one step,
    because uv would not bring back a file that an interruption left missing.
    """
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    here = sysconfig.get_paths()
    site_packages = VENV / "lib" / version / "site-packages"
    replacements = {
        f"/opt/python/{tag}-{tag}/include/{version}": here["include"],
        f"/opt/python/{tag}-{tag}/lib/{version}/site-packages": str(site_packages),
    }
    for path in (VENV / "share").rglob("*.cmake"):
        text = path.read_text(encoding="utf-8")
        new = text
        for old, value in replacements.items():
            new = new.replace(old, value)
        if new != text:
            written = path.with_name(f"{path.name}.new")
            written.write_text(new, encoding="utf-8")
            written.replace(path)


def lay_out_source() -> Path:
    """Link the package's files into a source folder of their own and return it.

    CMake refuses to export include folders that lie inside the source folder, and NumPy's lie in .venv, inside this
    checkout: so the build must see a source folder that does not contain .venv.
    """
    source = WORKSPACE / "src" / "cinet_ros"
    source.mkdir(parents=True, exist_ok=True)
    for name in (
        "CMakeLists.txt",
        "package.xml",
        "msg",
        "launch",
        "config",
        "scripts",
        "cinet_core",
        "cinet_ros",
    ):
        link = source / name
        if not link.is_symlink():
            link.symlink_to(ROOT / name)
        elif link.readlink() != ROOT / name:
            # the checkout was moved or copied: CMake's caches name the old place, too
            for built in ("build", "install"):
                shutil.rmtree(WORKSPACE / built, ignore_errors=True)
            link.unlink()
            link.symlink_to(ROOT / name)
    return source


def build_workspace() -> None:
    """Build the messages and lay out the package with colcon, Python files as links into this checkout."""
    built = [
        ROOT / "CMakeLists.txt",
        ROOT / "package.xml",
        *(ROOT / "msg").glob("*.msg"),
        *(ROOT / "scripts").glob("*.in"),
    ]
    linked = [
        str(path.relative_to(ROOT))
        for folder in ("cinet_core", "cinet_ros", "launch", "config")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and ".egg-info" not in str(path)
    ]
    packages = (STAMPS / "packages").read_text(encoding="utf-8")
    value = digest(built, "|".join([packages, *linked]))
    if is_current("workspace", value) and (WORKSPACE / "install" / "setup.sh").exists():
        return
    say("building the messages and the package cinet_ros with colcon into .ros")
    WORKSPACE.mkdir(exist_ok=True)
    (WORKSPACE / "COLCON_IGNORE").touch()
    prefix = str(VENV)
    run(
        PYTHON, "-m", "colcon", "--log-base", WORKSPACE / "log", "build",
        "--paths", lay_out_source(),
        "--build-base", WORKSPACE / "build", "--install-base", WORKSPACE / "install",
        "--symlink-install", "--event-handlers", "console_direct-",
        "--cmake-args", f"-DPython3_EXECUTABLE={PYTHON}", f"-DCINET_PYTHON={PYTHON}", "-DBUILD_TESTING=OFF",
        env={
            "AMENT_PREFIX_PATH": prefix,
            "CMAKE_PREFIX_PATH": prefix,
            "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "VIRTUAL_ENV": prefix,
        },
        log=WORKSPACE / "build.log",
    )  # fmt: skip
    mark_current("workspace", value)


def main() -> int:
    """Run every step that is not up to date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--extras", default="ros,ros-build,dev,train,onnx,openvino,viewer", help="extras of setup.py to install"
    )
    parser.add_argument(
        "--torch-backend",
        default=os.environ.get("TORCH_BACKEND", ""),
        help="passed to uv: auto, cpu, cu128, ... (default: what PyPI offers, which is CUDA)",
    )
    arguments = parser.parse_args()
    started = time.monotonic()
    try:
        check_platform()
        install_system_packages()
        install_packages(arguments.extras, arguments.torch_backend)
        build_workspace()
    except (SetupError, OSError) as error:
        print(f"[setup] failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("[setup] interrupted; run it again to go on", file=sys.stderr)
        return 130
    say(f"ready ({time.monotonic() - started:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
