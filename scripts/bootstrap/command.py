"""Commands that a step runs, and what it says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from scripts.bootstrap.environment import SetupError


def say(text: str) -> None:
    """Print one line of progress at once."""
    print(f"[setup] {text}", flush=True)


def run(*command: str | Path, env: dict[str, str] | None = None, log: Path | None = None) -> None:
    """Run a command; on failure raise SetupError with the end of its log."""
    merged = os.environ | (env or {})
    if log is None:
        code = subprocess.run([str(part) for part in command], env=merged, check=False).returncode
        tail = ""
    else:
        with log.open("w", encoding="utf-8") as stream:
            code = subprocess.run(
                [str(part) for part in command],
                env=merged,
                check=False,
                stdout=stream,
                stderr=subprocess.STDOUT,
            ).returncode
        tail = "\n" + "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:])
    if code != 0:
        raise SetupError(f"`{' '.join(str(part) for part in command)}` failed with exit status {code}{tail}")
