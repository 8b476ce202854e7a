"""Where a process sends to, as the kernel sees it: Python, C++ and every library alike."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

_ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')


def strace_problem() -> str:
    """Why nothing can be traced here; "" where it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "true"], capture_output=True, text=True)
    return "" if tried.returncode == 0 else f"strace cannot trace here: {tried.stderr.strip()}"


def traced(command: list[str], log: Path) -> list[str]:
    """A command line that runs `command`, with its process id and signals, and notes all that it sends."""
    calls = "trace=connect,sendto,sendmsg,sendmmsg"
    return ["strace", "--daemonize=grandchild", "-f", "--seccomp-bpf", "-e", calls, "-o", str(log), *command]


def destinations(log: Path) -> set[str]:
    """IPv4 and IPv6 addresses in a log of `traced`."""
    found = _ADDRESS.findall(log.read_text(encoding="utf-8", errors="replace"))
    return {four or six for four, six in found}
