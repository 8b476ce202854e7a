"""Current and peak memory of this process, as counted by Linux.

Not by psutil, which knows the peak on Windows alone: it would be one more package on a robot for the easier half.
"""

from __future__ import annotations

import resource
from pathlib import Path

__all__ = ["forget_peak", "peak_memory", "resident_memory"]

_STATUS = Path("/proc/self/status")
_FORGET = Path("/proc/self/clear_refs")


def resident_memory() -> int | None:
    """Bytes of this process that are in memory; None where the system does not tell."""
    return _bytes("VmRSS")


def peak_memory() -> int:
    """The most bytes that this process had in memory, since `forget_peak` where that was called.

    Where the system does not tell, the peak since the start, or that of the process that started this one if that is
    higher: never too little.
    """
    peak = _bytes("VmHWM")
    # Not getrusage first: its maximum survives exec, so that a child starts with its parent's.
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if peak is None else peak


def forget_peak() -> None:
    """Make the peak what the process has now. Raises OSError where the system cannot."""
    _FORGET.write_text("5", encoding="ascii")


def _bytes(field: str) -> int | None:
    try:
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:")), None)
