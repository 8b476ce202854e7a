"""Whether a process that a test did not start itself has ended."""

from __future__ import annotations

from pathlib import Path

__all__ = ["has_ended"]


def has_ended(process: int) -> bool:
    """Whether it runs no more. One that nobody has waited for yet, a zombie, has ended: who adopts it decides when."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return status.rpartition(")")[2].split()[0] in "ZX"
