"""Mapper, perception node and player together on this machine, with default settings and no number of threads given.

The player shows a synthetic room at 5 Hz; odometry, a subscriber of the map, and calls of save come from one process
more. The nodes may be those of another checkout beside: by turns with the ones of this.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from cinet_core.checkpoint import DEFAULT_WEIGHTS
from scripts.benchmarks.nodes.camera import HEIGHT, WIDTH
from scripts.benchmarks.nodes.mapping_metrics import MappingRecord, mapping_rows
from scripts.benchmarks.nodes.processes import Samples, executable, module_command, running, watch
from scripts.benchmarks.rows import Row, Value
from scripts.benchmarks.run import BenchmarkRun
from scripts.benchmarks.start import first_output

RATE, VIEWS = 5.0, 48
SAVES = 4
HERE = "this checkout"
# Each of the two of a comparison.
TURNS = 2
# What a checkout's own environment is made of; nothing of this one's gets into it.
_KEPT = ("HOME", "PATH", "USER", "ROS_DOMAIN_ID")
_IN_CHECKOUT = """
set -e
here="$PWD"; cd "$1"; source scripts/env.sh; cd "$here"
prefix="$(python -c 'from ament_index_python.packages import get_package_prefix as p; print(p("cinet_ros"))')"
exec "$prefix/lib/cinet_ros/$2" "${@:3}"
"""


def measure(run: BenchmarkRun) -> Iterator[Row]:
    """Rows of the nodes of this checkout, and of the other one where there is one."""
    run.say("the node's backend is prepared")
    backend = str(first_output(run, (HEIGHT, WIDTH), run.cache)["backend"])
    subjects: dict[str, Path | None] = {HERE: None}
    if run.against is not None:
        subjects[str(run.against)] = run.against.resolve()
    records: dict[str, list[MappingRecord]] = {name: [] for name in subjects}
    processor: dict[str, list[float]] = {name: [] for name in subjects}
    for turn in range(TURNS if run.against is not None else 1):
        for name, checkout in subjects.items():
            run.say(f"mapper, perception node and player of {name}, {turn + 1}")
            record, samples = _together(run, checkout, backend)
            records[name].append(record)
            processor[name].append(_processor(record, samples))
    for name in subjects:
        yield from mapping_rows(name, records[name])
        beside: dict[str, Value] = {"runs": len(processor[name])}
        yield Row.of("processor of the mapper, of a core", name, "%", processor[name], beside=beside)


def _together(run: BenchmarkRun, checkout: Path | None, backend: str) -> tuple[MappingRecord, Samples]:
    """One run of all processes; samples are of the mapper."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=run.scratch)))
        output = folder / "robot.json"
        robot = stack.enter_context(
            running(
                "robot",
                module_command(
                    "scripts.benchmarks.nodes.robot",
                    views=VIEWS,
                    rate=RATE,
                    seconds=run.budget.together,
                    saves=SAVES,
                    output=output,
                    backend=backend,
                ),
                folder,
                "ready",
            )
        )
        nodes = (
            ("player_node", {"rate": str(RATE), "synthetic_frames": str(VIEWS)}),
            ("perception_node", {"weights": DEFAULT_WEIGHTS, "device": str(run.device), "precision": run.precision}),
            ("mapping_node", {"camera_in_base": "[0.,0.,0.,0.,0.,0.,1.]", "save_path": str(folder / "map")}),
        )
        programs = {
            name: stack.enter_context(running(name, _command(name, parameters, checkout, run.cache), folder))
            for name, parameters in nodes
        }
        samples = watch(programs["mapping_node"], robot)
        return MappingRecord.of(json.loads(output.read_text(encoding="utf-8"))), samples


def _command(node: str, parameters: dict[str, str], checkout: Path | None, cache: Path) -> list[str]:
    """A node with its parameters, in an environment that says nothing of threads."""
    settings = ["--ros-args", *(part for name, value in parameters.items() for part in ("-p", f"{name}:={value}"))]
    if checkout is None:
        return ["env", "--unset=OMP_NUM_THREADS", f"XDG_CACHE_HOME={cache}", str(executable(node)), *settings]
    kept = [f"{name}={os.environ[name]}" for name in _KEPT if name in os.environ]
    script = ["bash", "-c", _IN_CHECKOUT, node, str(checkout), node]
    return ["env", "--ignore-environment", *kept, f"XDG_CACHE_HOME={cache}", *script, *settings]


def _processor(record: MappingRecord, samples: Samples) -> float:
    """Per cent of a core that the mapper took during the measurement."""
    begin, end = np.interp(record.span, samples.seconds, samples.spent)
    return float(100.0 * (end - begin) / (record.span[1] - record.span[0]))
