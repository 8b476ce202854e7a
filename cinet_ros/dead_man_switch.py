"""Ends a process that hangs as a whole.

C code that keeps Python's interpreter lock stops every Python thread, one that watches over it too. faulthandler's
timer is a thread of C that needs no lock: unless it is wound up again it writes the traceback of every thread and ends
the process with status 1, so that whoever started the process can start it anew.
"""

from __future__ import annotations

import faulthandler
import time

# Winding up starts a thread: often enough, but not in every turn of an executor. Seconds.
PERIOD = 1.0
# The descriptor: what Python has in its place may have none.
STDERR = 2


class DeadManSwitch:
    """The one of this process; a debugger that stops the process for longer than the limit sets it off, too."""

    def __init__(self) -> None:
        self._limit: float | None = None
        self._wound = 0.0

    def hold(self, limit: float | None) -> None:
        """End the process unless this is called again within ``limit`` seconds; None: let it take its time."""
        now = time.monotonic()
        if limit == self._limit and (limit is None or now - self._wound < PERIOD):
            return
        self._limit, self._wound = limit, now
        if limit is None:
            faulthandler.cancel_dump_traceback_later()
        else:
            faulthandler.dump_traceback_later(limit + PERIOD, exit=True, file=STDERR)
