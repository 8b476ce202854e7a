"""Python programs as processes of their own, without the seconds that their imports take.

`ForkServer` runs one process that imports what the programs need, and does nothing else: it has no thread and no tensor
and never initialises ROS. Each program is a fork of it that goes on as `python -m MODULE` or `python FILE` would, with
signals, output and exit status of its own. At its end threads are joined, exit handlers run and its objects are freed,
but modules are not taken apart, which for torch takes more than a second. Tests of start or end run the executable.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from light_network import HAS_TORCH

POLL_SECONDS = 0.02

NODES = (
    "cinet_ros.perception",
    "cinet_ros.player.playback",
    # What a node imports when it is configured, as it may do without: 9 s of processor for PyTorch and timm.
    *(("cinet_core.inference.torch_engine",) if HAS_TORCH else ()),
)
"""Modules of the nodes."""


class Forked:
    """A program that runs: as much of `subprocess.Popen` as tests ask for."""

    def __init__(self, server: ForkServer, program: str, log: Path, pid: int) -> None:
        self._server = server
        self._program = program
        self._log = log
        self.pid = pid
        self.returncode: int | None = None

    def output(self) -> str:
        """Everything printed so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def poll(self) -> int | None:
        """The exit status, negative the signal that ended it; None while it runs."""
        if self.returncode is None:
            self.returncode = self._server.ask(status_of=self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; return the exit status."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self._program, timeout or 0.0)
            time.sleep(POLL_SECONDS)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, unless it has ended."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """Starts programs.

    Args:
        modules: to import before the first program.
        environment: set before that, and None: not set; each program then gets the environment of the moment at which
            it is started, changed in the same way.
    """

    def __init__(self, modules: Sequence[str], **environment: str | None) -> None:
        self._modules = tuple(modules)
        self._environment = environment
        self._process: subprocess.Popen[str] | None = None

    def start(
        self, program: str, arguments: Sequence[str], log: Path, folder: Path, *, own_group: bool = False
    ) -> Forked:
        """Start a module by its dotted name, or a file that ends in .py.

        Args:
            program: what to run as `__main__`.
            arguments: of its command line.
            log: takes standard output and errors.
            folder: to run in.
            own_group: lead a session and a process group of its own, as what a terminal starts does.
        """
        log.write_bytes(b"")
        what = {"program": program, "arguments": list(arguments), "log": str(log), "folder": str(folder)}
        return Forked(self, program, log, self.ask(**what, own_group=own_group, environment=self._surroundings()))

    def ask(self, **request: Any) -> Any:
        """Send a request to the process, which begins with the first one; return its answer."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, __file__, *self._modules],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self._surroundings(),
                text=True,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, f"the fork server ended with status {self._process.wait()}"
        return json.loads(answer)

    def _surroundings(self) -> dict[str, str]:
        changed: dict[str, str | None] = {**os.environ, **self._environment}
        return {name: value for name, value in changed.items() if value is not None}

    def close(self) -> None:
        """End the process; programs that still run are left alone."""
        if self._process is not None:
            self._process.communicate()


def serve() -> dict[str, Any] | None:
    """Answer requests until there are no more; in a fork, return the one that it was made for."""
    for line in sys.stdin:
        request = json.loads(line)
        if "status_of" in request:
            pid, status = os.waitpid(request["status_of"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if answer == 0:
                return request
        print(json.dumps(answer), flush=True)
    return None


def become(
    program: str, arguments: list[str], log: str, folder: str, own_group: bool, environment: dict[str, str]
) -> None:
    """Go on as a program."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if own_group:
        os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for descriptor, path, flags in ((0, os.devnull, os.O_RDONLY), (1, log, os.O_WRONLY | os.O_TRUNC)):
        opened = os.open(path, flags)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.dup2(1, 2)
    sys.argv = [program, *arguments]
    if program.endswith(".py"):
        sys.path[0] = str(Path(program).parent)
        runpy.run_path(program, run_name="__main__")
    else:
        sys.path[0] = folder
        runpy.run_module(program, run_name="__main__", alter_sys=True)


def status_of(program: Callable[[], None]) -> int:
    """Run a program to its end; return the exit status that Python has for it."""
    status: Any = 0
    try:
        try:
            program()
        finally:
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
    except SystemExit as end:
        status = end.code
    except BaseException:
        traceback.print_exc()
        status = 1
    gc.collect()  # ROS nodes leave the network when they are freed
    if not isinstance(status, (int, type(None))):
        print(status, file=sys.stderr)
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status or 0


if __name__ == "__main__":
    # A terminal sends it to all; the tests end what they have started. A fork takes what came before it was ready.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    for module in sys.argv[1:]:
        importlib.import_module(module)
    gc.freeze()  # what is here already is neither searched nor copied by forks that collect garbage
    wanted = serve()
    os._exit(0 if wanted is None else status_of(functools.partial(become, **wanted)))
