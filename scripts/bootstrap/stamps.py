"""Which steps were completed, and for which inputs."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

from scripts.bootstrap.environment import Environment


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
