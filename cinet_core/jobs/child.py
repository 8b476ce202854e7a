"""The process of a part: a ``cinet`` command that ends with whoever started it.

``python -m cinet_core.jobs.child PARENT WORD...``: the number of the process that waits for it, then the command line.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import sys
import traceback

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit status."""
    parent, *words = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # it went before that was said
        return 128 + signal.SIGKILL
    run = importlib.import_module("cinet_core.cli").main  # above this room: a part is any command, by its words
    try:
        return int(run(words))
    except Exception:
        traceback.print_exc()
        return os.EX_SOFTWARE  # Python's own status is 1, which says that all could be done but what is damaged


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
