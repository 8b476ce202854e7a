"""How many threads the libraries may use for one thing in this process: PyTorch, OpenCV, OpenMP, and ONNX runtimes.

OpenMP's threads wait for each other with the processor in their hands. Where several processes have as many of them as
there are cores, each waits for a thread that the waiting of another keeps from running: two nodes on two cores, each
with two threads, take several times as long as with one thread each. Hence each node has a number of its own.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys

VARIABLE = "OMP_NUM_THREADS"

_in_use: int | None = None


def cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0))


def threads() -> int:
    """Those in use: what was said to `use_threads`, or by the environment, or one for each core."""
    return _in_use or _from_environment() or cores()


def use_threads(count: int, default: int = 0) -> int:
    """Let the libraries use so many threads from now on; returns how many that is.

    Args:
        count: 0: what the user's ``OMP_NUM_THREADS`` says, or else ``default``.
        default: 0: one for each core.
    """
    global _in_use  # as it is in each of the libraries
    import cv2

    _in_use = count or _from_environment() or default or cores()
    cv2.setNumThreads(_in_use)
    if "torch" in sys.modules:  # else it reads the environment when it is loaded, and this node does without it
        sys.modules["torch"].set_num_threads(_in_use)
    if _open3d_has_openmp():
        os.environ[VARIABLE] = str(_in_use)
    return _in_use


def _from_environment() -> int | None:
    """What the user's variable says for the outermost level; None where it is not set, or no number."""
    first = os.environ.get(VARIABLE, "").partition(",")[0].strip()
    return int(first) if first.isdigit() and int(first) > 0 else None


def _open3d_has_openmp() -> bool:
    """Whether Open3D here looks at the variable, at every loop, and takes all cores without it: up to 0.19.

    Since 0.20 it has TBB's threads, which do not wait for each other in that way and cannot be numbered from Python.
    """
    try:
        major, minor = importlib.metadata.version("open3d").split(".")[:2]
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return False
    return (int(major), int(minor)) < (0, 20) if major.isdigit() and minor.isdigit() else False
