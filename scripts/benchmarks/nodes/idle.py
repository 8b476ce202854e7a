"""What each node takes while it has nothing to do, and at five frames a second: share of the processor, and memory.

All are processes of their own, with default settings and the weights that ship; the player stands for the camera.
"""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from cinet_core.checkpoint import DEFAULT_WEIGHTS
from cinet_core.messages.topics import STATS
from cinet_core.viewer.library import ViewerError, load_rerun
from scripts.benchmarks.nodes.camera import HEIGHT, WIDTH
from scripts.benchmarks.nodes.phases import PAIR
from scripts.benchmarks.nodes.processes import (
    Program,
    module_command,
    node_command,
    ros_command,
    running,
    usage,
)
from scripts.benchmarks.rows import Row
from scripts.benchmarks.run import BenchmarkRun, LeftOutError
from scripts.benchmarks.start import first_output

RATE, POSE_RATE = 5, 20
# The optical frame of a camera that looks ahead, in a robot's.
CAMERA_IN_BASE = "[0.0, 0.0, 1.0, -0.5, 0.5, -0.5, 0.5]"
# A node that has started goes on for a while: loads the backend, discovers the others.
QUIET_SHARE, QUIET_SECONDS = 5.0, 60.0


def measure(run: BenchmarkRun) -> Iterator[Row]:
    """Rows of perception, mapper, viewer and player in one situation after another.

    Raises:
        LeftOutError: the viewer's library is not installed.
    """
    try:
        load_rerun()
    except ViewerError as error:
        raise LeftOutError(str(error)) from error
    run.say("the node's backend is prepared: its start is to be a warm one")
    first_output(run, (HEIGHT, WIDTH), run.cache)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=run.scratch)))
        perception = {"perception": stack.enter_context(_perception(run, folder))}
        with _consumers(folder) as consumers:
            yield from _rows(run, "at rest, no camera", perception | consumers, quiet=True)
        player = {"player": stack.enter_context(_player(folder))}
        yield from _rows(run, f"camera at {RATE} Hz, nobody subscribes", perception | player, quiet=True)
        with _subscriber([STATS], folder):
            yield from _rows(run, f"camera at {RATE} Hz, {STATS} alone", perception, quiet=True)
        with _subscriber(PAIR, folder):
            yield from _rows(run, f"camera at {RATE} Hz, depth + labels", perception | player)
        with _odometry(folder), _consumers(folder) as consumers:
            yield from _rows(run, f"camera at {RATE} Hz, mapper and viewer", perception | player | consumers)
        yield from _rows(run, f"camera at {RATE} Hz, nobody subscribes any more", perception, quiet=True)


def _rows(run: BenchmarkRun, situation: str, programs: Mapping[str, Program], quiet: bool = False) -> Iterator[Row]:
    """A row of each of the programs, once what changed before has settled; quiet ones take hardly anything by then."""
    run.say(situation)
    time.sleep(run.budget.phase)
    deadline = time.monotonic() + QUIET_SECONDS
    while quiet and any(taken.share > QUIET_SHARE for taken in usage(programs, 1.0).values()):
        if time.monotonic() > deadline:
            run.notes.append(f"idle: {situation}: not quiet within {QUIET_SECONDS:g} s")
            break
    windows = [usage(programs, run.budget.phase / 2) for _ in range(run.budget.processes)]
    for name in programs:
        last = windows[-1][name]
        beside = {"resident [MB]": last.resident, "private [MB]": last.private}
        yield Row.of(situation, name, "% of a core", [window[name].share for window in windows], None, beside)


def _perception(run: BenchmarkRun, folder: Path) -> AbstractContextManager[Program]:
    command = node_command(DEFAULT_WEIGHTS, device=str(run.device), precision=run.precision)
    return running("perception", command, folder, "configured", {"XDG_CACHE_HOME": str(run.cache)})


def _player(folder: Path) -> AbstractContextManager[Program]:
    """One view: a robot that stands."""
    return running("player", ros_command("player_node", rate=float(RATE), synthetic_frames=1), folder, "playing")


def _subscriber(topics: Sequence[str], folder: Path) -> AbstractContextManager[Program]:
    command = module_command("scripts.benchmarks.nodes.subscriber", topics=",".join(topics))
    return running("subscriber", command, folder, "listening")


def _odometry(folder: Path) -> AbstractContextManager[Program]:
    return running("odometry", module_command("scripts.benchmarks.nodes.odometry", rate=POSE_RATE), folder, "sending")


@contextmanager
def _consumers(folder: Path) -> Iterator[dict[str, Program]]:
    """Mapper and viewer."""
    mapping = ros_command("mapping_node", camera_in_base=CAMERA_IN_BASE)
    page, data = _free_ports()
    viewer = ros_command("viewer_node", port=page, data_port=data)
    with running("mapping", mapping, folder, "configured") as one, running("viewer", viewer, folder, "http") as other:
        yield {"mapping": one, "viewer": other}


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
