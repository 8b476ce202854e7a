"""Processes of a measurement: started one by one, watched while it lasts, ended together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ament_index_python.packages import get_package_prefix

if TYPE_CHECKING:
    import psutil

START_TIMEOUT = 300.0
END_TIMEOUT = 60.0
SAMPLE_SECONDS = 1.0
MEBIBYTE = 2**20
CHECKOUT = Path(__file__).resolve().parents[3]
"""Where the modules of these programs are found. Last on the path: the built packages hold the messages."""


@dataclass
class Program:
    """A process and where its output goes.

    Attributes:
        begun: when it was started, steady seconds.
    """

    process: subprocess.Popen[bytes]
    log: Path
    begun: float = field(default_factory=time.monotonic)

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
def running(
    name: str, command: list[str], folder: Path, until: str = "", environment: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """Run a command as long as the block lasts, and end it as Ctrl-C does.

    Args:
        name: of the log, `folder/name.log`.
        command: with its arguments.
        folder: that it runs in.
        until: text that it has printed before the block begins.
        environment: what is other than in this process.

    Raises:
        RuntimeError: it ended by itself with an error, or did not print the text.
    """
    log = folder / f"{name}.log"
    variables = os.environ | (environment or {})
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, [variables.get("PYTHONPATH"), str(CHECKOUT)]))
    with log.open("wb") as stream:
        begun = time.monotonic()
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=variables, cwd=folder)
    program = Program(process, log, begun)
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


def node_command(weights: str, **parameters: str) -> list[str]:
    """The perception node with a checkpoint, or "default", or "random"; and further parameters."""
    return ros_command("perception_node", weights=weights, **parameters)


def ros_command(node: str, **parameters: object) -> list[str]:
    """A node of this package with parameters."""
    settings = [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]
    return [str(executable(node)), "--ros-args", *settings]


def executable(node: str) -> Path:
    """That of a node of this package, as it is installed."""
    return Path(get_package_prefix("cinet_ros")) / "lib" / "cinet_ros" / node


def module_command(module: str, **options: object) -> list[str]:
    """A module as a program, with options named as in ``--some-name VALUE``."""
    named = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    return [sys.executable, "-m", module, *named]


@dataclass
class Samples:
    """What was seen of a process and the machine while another process ran.

    Attributes:
        seconds: steady clock.
        resident, private: megabytes of the process: all, and without what it shares (libraries, the Fast DDS segments).
        spent: processor seconds of the process since it began.
        processor: share of all cores in use by anybody, percent.
    """

    seconds: list[float] = field(default_factory=list)
    resident: list[float] = field(default_factory=list)
    private: list[float] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Usage:
    """What a process took in a while.

    Attributes:
        share: processor time, percent of one core.
        resident: megabytes at the end, all of them.
        private: likewise, without what it shares.
    """

    share: float
    resident: float
    private: float


def usage(programs: Mapping[str, Program], seconds: float) -> dict[str, Usage]:
    """What each of these takes while the caller waits. Raises RuntimeError where one has ended with an error."""
    import psutil

    processes = {name: psutil.Process(program.process.pid) for name, program in programs.items()}
    before = {name: _spent(process) for name, process in processes.items()}
    begun = time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - begun
    found = {}
    for name, process in processes.items():
        programs[name].check()
        memory = process.memory_info()
        share = 100 * (_spent(process) - before[name]) / passed
        found[name] = Usage(share, memory.rss / MEBIBYTE, (memory.rss - memory.shared) / MEBIBYTE)
    return found


def _spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def watch(watched: Program, while_running: Program, every: float = SAMPLE_SECONDS) -> Samples:
    """Sample a process until another ends. Raises RuntimeError where either fails."""
    import psutil

    samples, process = Samples(), psutil.Process(watched.process.pid)
    psutil.cpu_percent()  # counts from here
    while while_running.process.poll() is None:
        watched.check()
        with process.oneshot():
            memory, times = process.memory_info(), process.cpu_times()
        samples.seconds.append(time.monotonic())
        samples.resident.append(memory.rss / MEBIBYTE)
        samples.private.append((memory.rss - memory.shared) / MEBIBYTE)
        samples.spent.append(times.user + times.system)
        samples.processor.append(psutil.cpu_percent())
        time.sleep(every)
    while_running.check()
    return samples
