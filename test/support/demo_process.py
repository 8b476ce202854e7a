"""scripts/demo.py as a process, for tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TIMEOUT = 120.0


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """The demo, in a process group of its own, as a terminal starts it: a shell makes background jobs ignore SIGINT."""
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.demo", "--output", str(folder), *arguments],
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def is_alone(process: subprocess.Popen[str]) -> bool:
    """Whether nothing is left of the group."""
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return True
    return False
