"""Imports Open3D when it is first needed."""

from __future__ import annotations

from typing import Any

__all__ = ["Open3DError", "load_open3d"]


class Open3DError(RuntimeError):
    """Open3D cannot be loaded. The message names what is missing and how to install it."""


def load_open3d() -> Any:
    """Return the module open3d. It is imported only when needed, since that takes seconds.

    Raises:
        Open3DError: it is not installed, or a system library that it needs is missing.
    """
    try:
        import open3d
    except ModuleNotFoundError as error:
        raise Open3DError(
            f"Open3D is not installed ({error}): pip install open3d; maps and odometry need it"
        ) from error
    except (ImportError, OSError) as error:  # the message names the library, such as libusb-1.0.so.0
        raise Open3DError(
            f"Open3D cannot load a system library ({error}): apt-get install libusb-1.0-0 libgl1 libegl1 libgomp1"
        ) from error
    return open3d
