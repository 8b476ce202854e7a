"""Resolves relative paths of parameters to $ROS_HOME, independently of the working directory."""

from __future__ import annotations

import os
from pathlib import Path


def ros_home() -> Path:
    """``$ROS_HOME`` or ``~/.ros``, where ROS 2 has its logs too; it may not exist yet.

    Raises:
        ValueError: there is neither the variable nor a home folder.
    """
    given = os.environ.get("ROS_HOME")
    try:
        return Path(given).expanduser().absolute() if given else Path.home() / ".ros"
    except RuntimeError as error:  # a user without an entry in passwd, and no HOME
        raise ValueError(f"there is no home folder ({error}): set ROS_HOME, or give an absolute path") from error


def in_ros_home(path: str) -> Path:
    """Return a path of a parameter as an absolute path. ``~`` is expanded, and relative paths lie in `ros_home`.

    Raises:
        ValueError: as `ros_home`.
    """
    try:
        expanded = Path(path).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{path!r}: {error}; give an absolute path") from error
    return expanded if expanded.is_absolute() else ros_home() / expanded
