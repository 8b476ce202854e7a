"""scripts/demo.py as a process, for tests; the nodes that it starts are the installed ones."""

from __future__ import annotations

import os
from pathlib import Path

from fork_server import ForkServer

REPOSITORY = Path(__file__).resolve().parents[2]
TIMEOUT = 120.0


class Demo:
    """The demo, in a process group of its own, as a terminal starts it.

    Args:
        server: forks it.
        folder: for what it writes.
        arguments: of its command line.
    """

    def __init__(self, server: ForkServer, folder: Path, *arguments: str) -> None:
        options = ["--output", str(folder), *arguments]
        self.process = server.start("scripts.demo", options, folder / "demo.log", REPOSITORY, own_group=True)

    def finish(self, timeout: float = TIMEOUT) -> tuple[int, str]:
        """Wait for its end; return its exit status and what it printed."""
        return self.process.wait(timeout), self.process.output()

    def is_alone(self) -> bool:
        """Whether nothing is left of the group."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False
