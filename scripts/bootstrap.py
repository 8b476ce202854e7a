#!/usr/bin/env python3
"""Set up everything that `make demo` and `make test` need on a machine without a ROS 2 distribution.

Steps, each skipped when nothing it depends on has changed: system libraries (apt, only where root), a virtual
environment in .venv with torch and real ROS 2 from PyPI wheels (pinned by scripts/constraints*.txt), and a colcon build
of this package into .ros. `make ROS=kilted` has both in folders of their own, .venv-kilted and .ros-kilted. Uses the
standard library only. On a robot with a distribution use scripts/install.sh.
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
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# ROS 2 distributions that there are wheels of; the first is the default.
DISTRIBUTIONS = ("jazzy", "kilted")
EXTRAS = ("ros", "dev", "docs", "train", "onnx", "openvino", "viewer")

# Packages whose pinned versions ask for NumPy 2.
FOLLOW_NUMPY = ("numpy", "opencv-python", "scipy", "ml-dtypes", "onnx", "onnx-ir", "onnxscript")

# What colcon sees of the checkout.
LINKED = ("CMakeLists.txt", "package.xml", "msg", "launch", "config", "scripts", "cinet_core", "cinet_ros")

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


@dataclass(frozen=True)
class Environment:
    """What is set up: its place in the checkout, and what is in it.

    Attributes:
        root: the checkout.
        ros: the ROS 2 distribution.
        numpy: the version of NumPy, such as 1.26 for that of Ubuntu 24.04; empty: the pinned one.
        torch_backend: passed to uv; empty: what PyPI offers.
    """

    root: Path = ROOT
    ros: str = DISTRIBUTIONS[0]
    numpy: str = ""
    torch_backend: str = ""

    @property
    def suffix(self) -> str:
        """Of the names of its folders; empty for the default, which `scripts/env.sh` enters without being told."""
        return "".join(f"-{part}" for part in (self.ros.removeprefix(DISTRIBUTIONS[0]), self.numpy) if part)

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.root / f".venv{self.suffix}"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.venv / "bin" / "python"

    @property
    def workspace(self) -> Path:
        """The colcon workspace."""
        return self.root / f".ros{self.suffix}"

    @property
    def extras(self) -> str:
        """Extras of setup.py that it has, separated by commas; no viewer with NumPy 1, for which Rerun has no build."""
        old = self.numpy.startswith("1.")
        return ",".join((*(name for name in EXTRAS if not (old and name == "viewer")), f"ros-build-{self.ros}"))

    @property
    def constraints(self) -> list[Path]:
        """Files that pin what is installed."""
        return [self.root / "scripts" / name for name in ("constraints.txt", f"constraints-{self.ros}.txt")]


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


def digest(environment: Environment, paths: list[Path], extra: str = "") -> str:
    """Hash file contents and names, so that a step is redone when what it depends on has changed."""
    state = hashlib.sha256(f"{extra}|{platform.python_version()}|{environment}".encode())
    for path in sorted(paths):
        state.update(str(path.relative_to(environment.root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return state.hexdigest()


def stamp(environment: Environment, step: str) -> Path:
    """The file that says for which inputs a step was completed."""
    return environment.venv / "stamps" / step


def is_current(environment: Environment, step: str, value: str) -> bool:
    """Tell whether a step was completed for exactly these inputs."""
    path = stamp(environment, step)
    return path.exists() and path.read_text(encoding="utf-8") == value


def mark_current(environment: Environment, step: str, value: str) -> None:
    """Record that a step was completed for these inputs."""
    path = stamp(environment, step)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value, encoding="utf-8")


def install_packages(environment: Environment) -> None:
    """Create the virtual environment and install the project and its dependencies, pinned."""
    root, venv = environment.root, environment.venv
    inputs = [root / "setup.py", root / "pyproject.toml", *environment.constraints]
    value = digest(environment, inputs, environment.extras)
    usable = is_usable(venv)
    if usable and is_current(environment, "packages", value):
        return
    if not usable:
        say(f"creating a virtual environment in {venv.name} with Python {platform.python_version()}")
        run(sys.executable, "-m", "venv", "--clear", venv)
        # colcon crawls below the package: keep it out of the environment's own package.xml files
        (venv / "COLCON_IGNORE").touch()
    pins = [part for path in pinned(environment) for part in ("-c", path)]
    say("installing uv, which downloads in parallel and hard-links from its cache")
    run(environment.python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *pins, "uv")
    backend = ["--torch-backend", environment.torch_backend] if environment.torch_backend else []
    cache = [] if is_writable(uv_cache()) else ["--no-cache"]
    say(f"installing torch, ROS 2 {environment.ros.capitalize()} and the rest (5 GB the first time; a minute or more)")
    run(
        environment.python, "-m", "uv", "pip", "install", "--python", environment.python, *pins, *backend, *cache,
        # once here, or every process that imports torch pays 10 s where PYTHONDONTWRITEBYTECODE is set
        "--compile-bytecode", "--editable", f"{root}[{environment.extras}]",
    )  # fmt: skip
    mark_current(environment, "packages", value)


def pinned(environment: Environment) -> list[Path]:
    """The constraints that hold here: those of the checkout, where another NumPy is asked for without its own."""
    if not environment.numpy:
        return environment.constraints
    lines = [line for path in environment.constraints for line in path.read_text(encoding="utf-8").splitlines()]
    kept = [line for line in lines if line.split("==")[0] not in FOLLOW_NUMPY]
    opencv = ["opencv-python<4.12"] if environment.numpy.startswith("1.") else []
    path = environment.venv / "constraints.txt"
    path.write_text("\n".join([*kept, f"numpy=={environment.numpy}.*", *opencv]) + "\n", encoding="utf-8")
    return [path]


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


def rewrite_cmake_paths(venv: Path) -> None:
    """Point the ROS wheels' CMake files at this interpreter.

    They name the Python of the machine that built them, /opt/python/cp311-cp311/..., which exists on no other. Each
    file is replaced, not edited in place: uv hard-links it from a cache that other environments share. In one step,
    because uv would not bring back a file that an interruption left missing.
    """
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    here = sysconfig.get_paths()
    site_packages = venv / "lib" / version / "site-packages"
    replacements = {
        f"/opt/python/{tag}-{tag}/include/{version}": here["include"],
        f"/opt/python/{tag}-{tag}/lib/{version}/site-packages": str(site_packages),
    }
    if not (site_packages / "numpy" / "_core" / "include").is_dir():
        replacements["numpy/_core/include"] = "numpy/core/include"  # as NumPy 1 has it
    for path in (venv / "share").rglob("*.cmake"):
        text = path.read_text(encoding="utf-8")
        new = text
        for old, value in replacements.items():
            new = new.replace(old, value)
        if new != text:
            written = path.with_name(f"{path.name}.new")
            written.write_text(new, encoding="utf-8")
            written.replace(path)


def lay_out_source(environment: Environment) -> Path:
    """Link the package's files into a source folder of their own and return it.

    CMake refuses to export include folders that lie inside the source folder, and NumPy's lie in the virtual
    environment, inside this checkout: so the build must see a source folder that does not contain it.
    """
    root, workspace = environment.root, environment.workspace
    source = workspace / "src" / "cinet_ros"
    source.mkdir(parents=True, exist_ok=True)
    for name in LINKED:
        link = source / name
        if not link.is_symlink():
            link.symlink_to(root / name)
        elif link.readlink() != root / name:
            # the checkout was moved or copied: CMake's caches name the old place, too
            for built in ("build", "install"):
                shutil.rmtree(workspace / built, ignore_errors=True)
            link.unlink()
            link.symlink_to(root / name)
    return source


def build_workspace(environment: Environment) -> None:
    """Build the messages and lay out the package with colcon, Python files as links into this checkout."""
    root, workspace = environment.root, environment.workspace
    built = [
        root / "CMakeLists.txt",
        root / "package.xml",
        *(root / "msg").glob("*.msg"),
        *(root / "scripts").glob("*.in"),
    ]
    linked = [
        str(path.relative_to(root))
        for folder in ("cinet_core", "cinet_ros", "launch", "config")
        for path in sorted((root / folder).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and ".egg-info" not in str(path)
    ]
    packages = stamp(environment, "packages").read_text(encoding="utf-8")
    value = digest(environment, built, "|".join([packages, *linked]))
    if is_current(environment, "workspace", value) and (workspace / "install" / "setup.sh").exists():
        return
    say(f"building the messages and the package cinet_ros with colcon into {workspace.name}")
    workspace.mkdir(exist_ok=True)
    (workspace / "COLCON_IGNORE").touch()
    (workspace / "distribution").write_text(f"{environment.ros}\n", encoding="utf-8")  # for scripts/env.sh
    rewrite_cmake_paths(environment.venv)
    prefix, python = str(environment.venv), environment.python
    run(
        python, "-m", "colcon", "--log-base", workspace / "log", "build",
        "--paths", lay_out_source(environment),
        "--build-base", workspace / "build", "--install-base", workspace / "install",
        "--symlink-install", "--event-handlers", "console_direct-",
        "--cmake-args", f"-DPython3_EXECUTABLE={python}", f"-DCINET_PYTHON={python}", "-DBUILD_TESTING=OFF",
        env={
            "AMENT_PREFIX_PATH": prefix,
            "CMAKE_PREFIX_PATH": prefix,
            "PATH": f"{environment.venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "VIRTUAL_ENV": prefix,
            "ROS_DISTRO": environment.ros,
            "COLCON_HOME": str(workspace / "colcon"),  # not the defaults of whoever runs this
        },
        log=workspace / "build.log",
    )  # fmt: skip
    mark_current(environment, "workspace", value)


def main() -> int:
    """Run every step that is not up to date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ros", default=DISTRIBUTIONS[0], help=f"ROS 2 distribution: {' or '.join(DISTRIBUTIONS)}")
    parser.add_argument("--numpy", default="", help="version of NumPy, such as 1.26 (default: the pinned one)")
    parser.add_argument(
        "--torch-backend",
        default=os.environ.get("TORCH_BACKEND", ""),
        help="passed to uv: auto, cpu, cu128, ... (default: what PyPI offers, which is CUDA)",
    )
    arguments = parser.parse_args()
    started = time.monotonic()
    environment = Environment(ROOT, arguments.ros, arguments.numpy, arguments.torch_backend)
    try:
        check_platform(environment)
        install_system_packages()
        install_packages(environment)
        build_workspace(environment)
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
