"""The virtual environment: the project and its dependencies, pinned."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from scripts.bootstrap.command import run, say
from scripts.bootstrap.environment import Environment
from scripts.bootstrap.stamps import digest, is_current, mark_current

# Packages whose pinned versions ask for NumPy 2.
FOLLOW_NUMPY = ("numpy", "opencv-python", "scipy", "contourpy", "ml-dtypes", "onnx", "onnx-ir", "onnxscript")


def install_packages(environment: Environment) -> None:
    """Create the virtual environment and install the project and its dependencies, pinned."""
    root, venv = environment.root, environment.venv
    inputs = [root / "setup.py", root / "pyproject.toml", root / "scripts" / "runtime.txt", *environment.constraints]
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
    what = "the light set, without torch, and" if environment.light else "torch,"
    size = "300 MB" if environment.light else "5 GB"
    say(
        f"installing {what} ROS 2 {environment.ros.capitalize()} and the rest ({size} the first time; a minute or more)"
    )
    run(
        environment.python, "-m", "uv", "pip", "install", "--python", environment.python, *pins, *backend, *cache,
        # once here, or every process that imports torch pays 10 s where PYTHONDONTWRITEBYTECODE is set
        "--compile-bytecode", *light_requirements(environment), "--editable", f"{root}[{environment.extras}]",
    )  # fmt: skip
    mark_current(environment, "packages", value)


def light_requirements(environment: Environment) -> list[str | Path]:
    """Arguments of uv: the light set in place of the dependencies that it leaves out; nothing for everything."""
    if not environment.light:
        return []
    overrides = environment.venv / "left_out.txt"
    # A requirement for a system that there is not, which is uv's way of leaving one out.
    overrides.write_text(
        "".join(f"{name} ; sys_platform == 'none'\n" for name in environment.left_out), encoding="utf-8"
    )
    return ["--override", overrides, "-r", environment.root / "scripts" / "runtime.txt"]


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
