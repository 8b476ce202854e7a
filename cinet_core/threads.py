"""Number of threads that numerical libraries use in this process: PyTorch, OpenCV, NumPy and ONNX runtimes.

Threads of OpenMP and OpenBLAS wait for each other with the processor in their hands. Where several processes have as
many of them as there are cores, each waits for a thread that the waiting of another keeps from running: two nodes on
two cores, each with two threads, take several times as long as with one thread each. So each node has its own number.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.metadata
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

__all__ = ["VARIABLE", "OneBlasThread", "cores", "threads", "use_threads"]

VARIABLE = "OMP_NUM_THREADS"
# In the copies that NumPy and OpenCV bring along, and in Debian's.
_OPENBLAS = tuple(
    tuple(f"{prefix}openblas_{what}_num_threads{suffix}" for what in ("set", "get"))
    for prefix in ("", "scipy_")
    for suffix in ("", "64_")
)

_in_use: int | None = None


def cores() -> int:
    """Return the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0))


def threads() -> int:
    """Return the number of threads: from `use_threads`, from the environment, or one per core."""
    return _in_use or _from_environment() or cores()


def use_threads(count: int, default: int = 0) -> int:
    """Set the number of threads of the libraries, and return it.

    Args:
        count: 0: what the user's ``OMP_NUM_THREADS`` says, or else ``default``.
        default: 0: one for each core.
    """
    global _in_use  # as it is in each of the libraries
    import cv2

    _in_use = count or _from_environment() or default or cores()
    cv2.setNumThreads(_in_use)
    _blas.use(_in_use)
    if "torch" in sys.modules:  # else it reads the environment when it is loaded, and this node does without it
        sys.modules["torch"].set_num_threads(_in_use)
    if _open3d_has_openmp():
        os.environ[VARIABLE] = str(_in_use)
    return _in_use


class OneBlasThread(contextlib.ContextDecorator):
    """OpenBLAS works on one thread within this block, or this function, whatever its number is elsewhere.

    For products of some hundred rows, on a machine that has other things to do. OpenBLAS hands half of such a product
    to another thread and waits for it with the processor in its hands: on two cores with two other busy processes 132
    rows take 36 ms on two threads, and 0.1 ms on one.

    The number is one for the whole process: threads that multiply meanwhile have one thread as well.
    """

    def __enter__(self) -> None:
        """Begin."""
        _blas.narrow()

    def __exit__(self, *error: object) -> None:
        """As before, once all that began have ended."""
        _blas.widen()


class _Blas:
    """The copies of OpenBLAS in this process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._narrow = 0
        self._before: list[tuple[Callable[[int], object], int]] = []

    def use(self, count: int) -> None:
        """Set the number of threads."""
        _openblas.cache_clear()  # some may have been loaded since
        with self._lock:
            setters = [setter for setter, _ in _openblas()]
            self._before = [(setter, count) for setter in setters]
            if not self._narrow:
                self._restore()

    def narrow(self) -> None:
        """One thread from now on."""
        with self._lock:
            self._narrow += 1
            if self._narrow == 1:
                self._before = [(setter, getter()) for setter, getter in _openblas()]
                for setter, _ in self._before:
                    setter(1)

    def widen(self) -> None:
        """As it was, once this has been called as often as `narrow`."""
        with self._lock:
            self._narrow -= 1
            if not self._narrow:
                self._restore()

    def _restore(self) -> None:
        for setter, count in self._before:
            setter(count)


_blas = _Blas()


@functools.lru_cache(maxsize=1)
def _openblas() -> list[tuple[Callable[[int], object], Callable[[], int]]]:
    """What sets and gets the number of threads of each copy that is loaded.

    NumPy has loaded it long before a node's parameters are known, and it looks at the environment then only.
    """
    found: list[tuple[Callable[[int], object], Callable[[], int]]] = []
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return found
    for path in {line.split(maxsplit=5)[-1] for line in lines if "openblas" in line}:
        try:
            library = ctypes.CDLL(path, mode=os.RTLD_NOLOAD)
        except OSError:  # replaced by an update since
            continue
        for setter, getter in _OPENBLAS:
            if hasattr(library, setter) and hasattr(library, getter):
                found.append((getattr(library, setter), getattr(library, getter)))
    return found


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
