"""The node as a robot has it: camera, node and subscriber are processes under the shipped Fast DDS profile.

The camera is slower than the node, so that no frame waits for another; only for the frames a second it is faster.
Beside the node runs a publisher of ready messages: its time is the floor of what the node can need around the network.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import numpy as np

from cinet_core.checkpoint import DEFAULT_WEIGHTS
from scripts.benchmarks.nodes.camera import HEIGHT, WIDTH
from scripts.benchmarks.nodes.node_metrics import Arrays, NodeRecording, frame_rate_rows, memory_rows, phase_rows
from scripts.benchmarks.nodes.phases import ALL, ALL_NAME, PAIR, Phase, planned, write_phases
from scripts.benchmarks.nodes.processes import Program, module_command, node_command, running, watch
from scripts.benchmarks.rows import Row
from scripts.benchmarks.run import BenchmarkRun
from scripts.benchmarks.start import first_output, import_rows

NODE_MODULE = "cinet_ros.perception"
# Slower than the fastest backend on two cores with all that listens beside it, and faster than it can be.
RATE, FAST_RATE = 4.0, 30.0
SAMPLE_SECONDS = 0.5
# Until the node predicts with the backend that is expected.
START = Phase("start", PAIR, 0.0)


def measure(run: BenchmarkRun) -> Iterator[Row]:
    """All rows of the node, with the weights that ship and the fastest backend."""
    yield from import_rows(run, NODE_MODULE)
    run.say("the node's backend is prepared: its start is to be a warm one")
    backend = str(first_output(run, (HEIGHT, WIDTH), run.cache)["backend"])
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=run.scratch)))
        run.say("the node with one set of subscribers after another")
        phases = [START, *planned(run.budget.phase)]
        floor = folder / "floor.npz"
        ready = module_command("scripts.benchmarks.nodes.floor", rate=RATE, output=floor)
        with running("floor", ready, folder, "ready"), _camera(RATE, folder), ExitStack() as listening:
            listener = listening.enter_context(_listener("listener", folder, phases, backend))
            node = stack.enter_context(_node(run, folder))
            samples = watch(node, listener, SAMPLE_SECONDS)
        got = _load(folder / "listener.npz")
        yield _first_output(got, node, backend)
        yield from phase_rows(NodeRecording(phases, got, _load(floor), samples))
        yield from memory_rows(samples)
        run.say(f"the node at {FAST_RATE:g} Hz")
        last = [Phase(ALL_NAME, ALL, run.budget.phase)]
        with _camera(FAST_RATE, folder), _listener("fast_listener", folder, last) as listener:
            watch(node, listener, SAMPLE_SECONDS)
        yield from frame_rate_rows(_load(folder / "fast_listener.npz"), FAST_RATE)


def _camera(rate: float, folder: Path) -> AbstractContextManager[Program]:
    return running(f"camera_{rate:g}", module_command("scripts.benchmarks.nodes.camera", rate=rate), folder, "sending")


def _listener(name: str, folder: Path, phases: list[Phase], backend: str = "") -> AbstractContextManager[Program]:
    """It ends by itself, and leaves `folder/name.npz`."""
    planned_file = folder / f"{name}.json"
    write_phases(planned_file, phases)
    options = {"phases": planned_file, "output": folder / f"{name}.npz", **({"backend": backend} if backend else {})}
    return running(name, module_command("scripts.benchmarks.nodes.listener", **options), folder, "listening")


def _node(run: BenchmarkRun, folder: Path) -> AbstractContextManager[Program]:
    command = node_command(DEFAULT_WEIGHTS, device=str(run.device), precision=run.precision)
    return running("node", command, folder, environment={"XDG_CACHE_HOME": str(run.cache)})


def _first_output(got: Arrays, node: Program, backend: str) -> Row:
    seconds = float(got[f"arrivals/{PAIR[0]}"][0]) - node.begun
    beside = {"backend": f"{backend}; PyTorch until it is loaded"}
    return Row.of("warm start, process to first output", "node", "s", [seconds], (HEIGHT, WIDTH), beside)


def _load(path: Path) -> Arrays:
    with np.load(path) as arrays:
        return dict(arrays)
