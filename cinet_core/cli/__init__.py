"""The ``cinet`` command."""

from cinet_core.cli.main import main
from cinet_core.heap import keep_freed_memory

__all__ = ["main", "run"]


def run() -> int:
    """`main` in a process of its own, which keeps the memory that it frees."""
    keep_freed_memory()
    return main()
