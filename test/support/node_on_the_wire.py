"""A node in a process of its own, and what its command line says."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from fork_server import Forked
from wire import START_TIMEOUT


class NodeProcess:
    """One node in a process of its own; its output goes to a file that failures quote.

    Args:
        process: of the node.
        log: takes its output.
    """

    def __init__(self, process: Forked | subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    def output(self) -> str:
        """Everything printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, text: str, timeout: float = START_TIMEOUT) -> None:
        """Wait until the process has printed a text."""
        deadline = time.monotonic() + timeout
        while text not in self.output():
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.output()}"
            assert time.monotonic() < deadline, f"no {text!r} within {timeout} s:\n{self.output()}"
            time.sleep(0.05)

    def stop(self) -> int:
        """End it as a launch file does and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not end on SIGINT:\n{self.output()}") from None


def ros_arguments(parameters: dict[str, Any], namespace: str) -> list[str]:
    """What the command line of a node says of its parameters and its namespace."""
    arguments = [item for key, value in parameters.items() for item in ("-p", f"{key}:={as_yaml(value)}")]
    return ["--ros-args", *arguments, *(["-r", f"__ns:=/{namespace}"] if namespace else [])]


def as_yaml(value: Any) -> str:
    """A parameter value as the command line takes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(as_yaml(item) for item in value) + "]"
    return f"'{value}'" if isinstance(value, str) else str(value)
