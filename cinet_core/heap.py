"""Memory of one image is used again for the next.

The C library gives large freed blocks back to the system, which clears each page before it lends it again. A network's
tensors and a node's messages are such blocks and come again with each image: of a training step on a CPU a third of
the time went to it (docs/benchmarks.md).
"""

from __future__ import annotations

import ctypes
import os

__all__ = ["keep_freed_memory"]

# Of mallopt(3).
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4
_M_ARENA_MAX = -8
_SETTINGS = ((_M_TRIM_THRESHOLD, -1), (_M_MMAP_MAX, 0), (_M_ARENA_MAX, 1))
_SETTINGS_OF_THE_USER = (
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_MMAP_MAX_",
    "MALLOC_ARENA_MAX",
    "GLIBC_TUNABLES",
)


def keep_freed_memory() -> bool:
    """Let this process keep what it frees until it ends, instead of giving it back to the system.

    For a process that does the same over and over: its memory stays at its largest. Call it before torch is imported.
    Nothing happens where the C library has no such setting, or where the environment holds one of glibc's, which count
    then. All threads share one arena: those that glibc makes for each thread hold no large block.

    Returns:
        Whether it is so.
    """
    if any(name in os.environ for name in _SETTINGS_OF_THE_USER):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    done = [mallopt(setting, value) for setting, value in _SETTINGS]
    return all(done)
