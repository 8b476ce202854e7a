"""The programs of a long run; `scripts.benchmarks.nodes.processes` starts, watches and ends them."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path

from scripts.benchmarks.nodes import processes
from scripts.benchmarks.nodes.processes import Program, module_command
from scripts.benchmarks.nodes.processes import Samples as Samples
from scripts.benchmarks.nodes.processes import node_command as node_command
from scripts.benchmarks.nodes.processes import watch as watch

SUPPORT = Path(__file__).resolve().parents[1]


def running(name: str, command: list[str], folder: Path, until: str = "") -> AbstractContextManager[Program]:
    """As `processes.running`, with this package in reach."""
    path = os.pathsep.join([str(SUPPORT), os.environ.get("PYTHONPATH", "")])
    return processes.running(name, command, folder, until, {"PYTHONPATH": path})


def camera_command(rate: float, seconds: float, output: Path, beside_rate: float = 0.0) -> list[str]:
    """The camera of this package."""
    return module_command("soak.camera", rate=rate, beside_rate=beside_rate, seconds=seconds, output=output)


def listener_command(output: Path | None = None) -> list[str]:
    """The subscriber of the node's outputs, or without an output file the one beside the node."""
    return module_command("soak.listener", **({} if output is None else {"output": output}))
