"""Real processes on the real wire: starts the node (and player) and talks to it over Fast DDS."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import message_stand_ins
import numpy as np
import pytest
from ament_index_python.packages import get_package_prefix
from fork_server import NODES, Forked, ForkServer
from light_network import RANDOM, light_network
from node_on_the_wire import NodeProcess, ros_arguments
from sensor_msgs.msg import CameraInfo, Image
from wire import START_TIMEOUT, Wire

MAKE_NETWORK = Path(__file__).parents[1] / "support" / "make_network.py"


def _network(kind: str, server: ForkServer, folder: Path) -> Path:
    """The file of a network, which a fork makes: this process imports no PyTorch for it."""
    path = folder / f"{kind}.safetensors"
    made = server.start(str(MAKE_NETWORK), [kind, str(path)], folder / f"{kind}.log", folder)
    assert made.wait(START_TIMEOUT) == 0, made.output()
    return path


@pytest.fixture(scope="session")
def tiny_weights(plain_server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that is loaded, and computes, in milliseconds."""
    return light_network("tiny") or _network("random", plain_server, tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def all_tasks_weights(plain_server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network as `tiny_weights` of everything that can be learnt, which calls itself trained."""
    return light_network("all_tasks") or _network("trained", plain_server, tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()


@pytest.fixture(scope="class")
def own_wire() -> Iterator[Wire]:
    """A wire of one class or function: one that lasts longer sees a killed node as alive until its lease ends."""
    wire = Wire()
    yield wire
    wire.close()


@pytest.fixture(autouse=True)
def _fresh_wire(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "wire" in request.fixturenames:
        request.getfixturevalue("wire").unsubscribe_all()


@pytest.fixture
def change(request: pytest.FixtureRequest, wire: Wire) -> Iterator[Callable[..., None]]:
    """Set parameters for the rest of the test, of the file's NODE, to which its DEFAULTS, by name, come back."""
    changed: set[str] = set()

    def change(**values: Any) -> None:
        changed.update(values)
        for result in wire.set_parameters(request.module.NODE, **values):
            assert result.successful, result.reason

    yield change
    if changed:
        before = {name: request.module.DEFAULTS[name] for name in changed}
        before = {name: list(value) if isinstance(value, tuple) else value for name, value in before.items()}
        wire.set_parameters(request.module.NODE, **before)


@pytest.fixture(scope="session")
def equipped_server() -> Iterator[ForkServer]:
    """As `node_server`, whose place it takes in a file that says so: its nodes have messages that no wheel has."""
    environment = message_stand_ins.environment()
    server = ForkServer(NODES, **environment)
    yield server
    server.close()


def _starter(node_server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., NodeProcess]]:
    """Starts nodes of this package, by name, or the path of a script in their place.

    Forks a name or a Python file, see `ForkServer`; other scripts, and names with `installed`, run as they lie there.
    """
    started: list[NodeProcess] = []

    def begin(
        program: str, parameters: dict[str, Any], *, until: str = "", namespace: str = "", installed: bool = False
    ) -> NodeProcess:
        log = tmp_path_factory.mktemp("node") / f"{Path(program).stem}.log"
        if parameters.get("weights") == "random":
            parameters = {**parameters, "weights": RANDOM}
        arguments = ros_arguments(parameters, namespace)
        node = NodeProcess(launch(program, arguments, log, installed), log)
        started.append(node)
        if until:
            node.wait_for(until)
        return node

    def launch(program: str, arguments: list[str], log: Path, installed: bool) -> Forked | subprocess.Popen[bytes]:
        if program.endswith(".py"):
            return node_server.start(program, arguments, log, log.parent)
        if not installed and "/" not in program:
            return node_server.start(f"cinet_ros.{program}", arguments, log, log.parent)
        path = Path(get_package_prefix("cinet_ros")) / "lib" / "cinet_ros" / program  # an absolute one stays as it is
        environment = {
            name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"
        }  # see node_server
        with log.open("w", encoding="utf-8") as stream:
            return subprocess.Popen(
                [path, *arguments], stdout=stream, stderr=subprocess.STDOUT, cwd=log.parent, env=environment
            )

    yield begin
    for node in started:
        node.stop()


# Nodes that end with the class (or the function outside of one), so that no two of the same name meet.
start = pytest.fixture(scope="class")(_starter)
start_for_module = pytest.fixture(scope="module")(_starter)


_STAMPS = iter(range(1, 1_000_000))


@pytest.fixture
def make_image() -> Callable[..., Image]:
    """Build an rgb8 image with a unique stamp near now."""

    def build(rgb: np.ndarray, frame_id: str = "camera_optical_frame", encoding: str = "rgb8") -> Image:
        message = Image(height=rgb.shape[0], width=rgb.shape[1], encoding=encoding)
        message.step = int(rgb[0].nbytes)
        message.data = rgb.tobytes()
        message.header.frame_id = frame_id
        now = time.time_ns()
        message.header.stamp.sec = now // 1_000_000_000
        message.header.stamp.nanosec = next(_STAMPS)
        return message

    return build


@pytest.fixture
def make_info() -> Callable[..., CameraInfo]:
    """Build the camera_info of an undistorted camera."""

    def build(image: Any, width: int, height: int, fx: float = 525.0, **fields: Any) -> CameraInfo:
        cx, cy = (width - 1) / 2, (height - 1) / 2
        info = CameraInfo(
            width=width,
            height=height,
            distortion_model="plumb_bob",
            d=[0.0] * 5,
            k=[fx, 0.0, cx, 0.0, fx, cy, 0.0, 0.0, 1.0],
            r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
            p=[fx, 0.0, cx, 0.0, 0.0, fx, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
        )
        info.header = image.header
        for name, value in fields.items():
            setattr(info, name, value)
        return info

    return build
