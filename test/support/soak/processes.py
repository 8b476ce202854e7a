"""Processes of a long run: started one by one, watched while it lasts, ended together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from ament_index_python.packages import get_package_prefix

SUPPORT = Path(__file__).resolve().parents[1]
START_TIMEOUT = 300.0
END_TIMEOUT = 60.0
SAMPLE_SECONDS = 1.0
MEBIBYTE = 2**20


@dataclass
class Program:
    """A process and where its output goes."""

    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raise RuntimeError where it has ended by itself with an error."""
        if self.process.poll() not in (None, 0):
            text = self.log.read_text(encoding="utf-8", errors="replace")
            raise RuntimeError(f"{self.log.stem} ended with {self.process.returncode}:\n{text}")

    def wait_for(self, text: str) -> None:
        """Wait until it has printed a text. Raises RuntimeError."""
        deadline = time.monotonic() + START_TIMEOUT
        while text not in self.log.read_text(encoding="utf-8", errors="replace"):
            self.check()
            if time.monotonic() > deadline:
                raise RuntimeError(f"no {text!r} within {START_TIMEOUT:g} s in {self.log}")
            time.sleep(0.1)


@contextmanager
def running(name: str, command: list[str], folder: Path, until: str = "") -> Iterator[Program]:
    """Run a command as long as the block lasts, and end it as Ctrl-C does."""
    log = folder / f"{name}.log"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(SUPPORT), os.environ.get("PYTHONPATH", "")])}
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=environment, cwd=folder)
    program = Program(process, log)
    try:
        if until:
            program.wait_for(until)
        yield program
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(END_TIMEOUT)
        finally:
            process.kill()
    program.check()


def node_command(weights: str) -> list[str]:
    """The perception node with a checkpoint, or random weights."""
    executable = Path(get_package_prefix("cinet_ros")) / "lib" / "cinet_ros" / "perception_node"
    return [str(executable), "--ros-args", "-p", f"weights:={weights}"]


def camera_command(rate: float, seconds: float, output: Path, beside_rate: float = 0.0) -> list[str]:
    """The camera of this package."""
    values = {"--rate": rate, "--beside-rate": beside_rate, "--seconds": seconds, "--output": output}
    return [sys.executable, "-m", "soak.camera", *(str(part) for pair in values.items() for part in pair)]


def listener_command(output: Path | None = None) -> list[str]:
    """The subscriber of the node's outputs, or without an output file the one beside the node."""
    return [sys.executable, "-m", "soak.listener", *([] if output is None else ["--output", str(output)])]


@dataclass
class Samples:
    """What was seen of a process and the machine while another process ran; one entry a second.

    Attributes:
        seconds: steady clock.
        resident, private: megabytes of the process: all, and without what it shares (libraries, the Fast DDS segments).
        processor: share of all cores in use by anybody, percent.
    """

    seconds: list[float] = field(default_factory=list)
    resident: list[float] = field(default_factory=list)
    private: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


def watch(watched: Program, while_running: Program) -> Samples:
    """Sample a process until another ends. Raises RuntimeError where either fails."""
    samples, process = Samples(), psutil.Process(watched.process.pid)
    psutil.cpu_percent()  # counts from here
    while while_running.process.poll() is None:
        watched.check()
        memory = process.memory_info()
        samples.seconds.append(time.monotonic())
        samples.resident.append(memory.rss / MEBIBYTE)
        samples.private.append((memory.rss - memory.shared) / MEBIBYTE)
        samples.processor.append(psutil.cpu_percent())
        time.sleep(SAMPLE_SECONDS)
    while_running.check()
    return samples
