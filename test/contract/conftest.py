"""Real processes on the real wire: starts the node (and player) and talks to it over Fast DDS."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import message_stand_ins
import numpy as np
import pytest
import rclpy
from ament_index_python.packages import get_package_prefix
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from fork_server import Forked, ForkServer
from light_network import RANDOM, light_network
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from cinet_ros.msg import PerceptionStats

# Generous: two cores may be importing torch in several processes at once.
START_TIMEOUT = 180.0
MESSAGE_TIMEOUT = 20.0
# A subscription that this side has matched may need this long to be matched on the other.
SETTLE_SECONDS = 0.25


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


class Wire:
    """A ROS node of the test's own: publishes camera images and collects what comes back."""

    def __init__(self, namespace: str = "") -> None:
        # a context of its own: tests that run a node's main() in this process need the default one
        self._context = Context()
        rclpy.init(context=self._context)
        self.node: Node = rclpy.create_node("wire", namespace=namespace, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.messages: dict[str, list[Any]] = defaultdict(list)
        self._subscriptions: dict[str, Any] = {}
        self._publishers: dict[str, Any] = {}
        self._clients: dict[str, Any] = {}
        # Publishers whose subscribers have had the time to match them, since the last change of subscriptions.
        self._settled: set[Any] = set()

    def subscribe(self, topic: str, kind: type, *, latched: bool = False) -> None:
        """Collect a topic; a second call changes nothing."""
        if topic in self._subscriptions:
            return
        self._settled.clear()
        durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
        profile = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE, durability=durability)
        subscription = self.node.create_subscription(kind, topic, self.messages[topic].append, profile)
        self._subscriptions[topic] = subscription
        self.spin_until(lambda: subscription.get_publisher_count() > 0, f"publisher of {topic}")

    def subscribe_stats(self, prefix: str = "") -> None:
        """Collect the statistics of frames, and an output, without which no frame would be worked on."""
        self.subscribe(f"{prefix}semantic/image_raw", Image)
        self.subscribe(f"{prefix}stats", PerceptionStats)

    def unsubscribe_all(self) -> None:
        """Stop collecting and forget what was collected."""
        for subscription in self._subscriptions.values():
            self.node.destroy_subscription(subscription)
        self._subscriptions.clear()
        self._settled.clear()
        self.messages.clear()

    def publisher(self, topic: str, kind: type) -> Any:
        """The (one) reliable publisher of a topic."""
        if topic not in self._publishers:
            self._publishers[topic] = self.node.create_publisher(kind, topic, 5)
        return self._publishers[topic]

    def spin_until(self, condition: Callable[[], bool], what: str, timeout: float = MESSAGE_TIMEOUT) -> None:
        """Handle messages until a condition holds."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"no {what} within {timeout} s"
            self._executor.spin_once(timeout_sec=0.05)

    def spin_for(self, seconds: float) -> None:
        """Handle messages for a while."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.02)

    def exchange(self, image: Any, info: CameraInfo | None, topics: list[str], prefix: str = "") -> dict[str, Any]:
        """Send one image with its camera_info and return what was published for its stamp on every topic."""
        image_topic = f"{prefix}image" if isinstance(image, Image) else f"{prefix}image/compressed"
        images, infos = self.publisher(image_topic, type(image)), self.publisher(f"{prefix}camera_info", CameraInfo)
        self.settle(images, *([infos] if info is not None else []))
        if info is not None:
            infos.publish(info)
            self.spin_for(0.05)  # the two topics are not ordered against each other
        images.publish(image)
        self.spin_until(
            lambda: all(any(same_stamp(item, image) for item in self.messages[topic]) for topic in topics),
            f"answer on all of {topics} (have { ({key: len(value) for key, value in self.messages.items()}) })",
        )
        return {topic: next(item for item in self.messages[topic] if same_stamp(item, image)) for topic in topics}

    def settle(self, *publishers: Any) -> None:
        """Wait until the node subscribes to what these publish, and has matched them and this side's subscriptions."""
        if self._settled.issuperset(publishers) and all(item.get_subscription_count() for item in publishers):
            return
        topics = [item.topic_name for item in publishers]
        self.spin_until(lambda: all(item.get_subscription_count() for item in publishers), f"subscribers of {topics}")
        self.spin_for(SETTLE_SECONDS)
        self._settled.update(publishers)

    def call(self, kind: type, service: str, request: Any, timeout: float = MESSAGE_TIMEOUT) -> Any:
        """Call a service of another node; return its answer."""
        if service not in self._clients:
            self._clients[service] = self.node.create_client(kind, service)
            self.spin_until(self._clients[service].service_is_ready, service, START_TIMEOUT)
            self.spin_for(2 * SETTLE_SECONDS)  # an answer is lost if the server has not matched its reader yet
        client = self._clients[service]
        self.spin_until(client.service_is_ready, service, START_TIMEOUT)
        future = client.call_async(request)
        self.spin_until(future.done, f"answer of {service}", timeout)
        return future.result()

    def set_parameters(self, node_name: str, **values: Any) -> list[Any]:
        """Set parameters of another node; return the results."""
        request = SetParameters.Request()
        request.parameters = [Parameter(key, value=value).to_parameter_msg() for key, value in values.items()]
        return list(self.call(SetParameters, f"{node_name}/set_parameters", request).results)

    def diagnosis(self, part: str, timeout: float = MESSAGE_TIMEOUT) -> DiagnosticStatus:
        """The next row of /diagnostics about a part of a node, such as "perception: model"."""
        rows: list[DiagnosticStatus] = []
        self.subscribe("/diagnostics", DiagnosticArray)
        self.messages["/diagnostics"].clear()

        def found() -> bool:
            rows.extend(row for array in self.messages["/diagnostics"] for row in array.status if row.name == part)
            self.messages["/diagnostics"].clear()
            return bool(rows)

        self.spin_until(found, f"diagnostics of {part}", timeout)
        return rows[-1]

    def close(self) -> None:
        """Leave the wire."""
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()


def same_stamp(one: Any, other: Any) -> bool:
    """Whether two messages carry exactly the same stamp."""
    return one.header.stamp == other.header.stamp


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that is loaded, and computes, in milliseconds."""
    if light_network("tiny"):
        return light_network("tiny")
    from tiny_network import tiny_checkpoint  # imports torch

    from cinet_core.checkpoint import save_checkpoint

    checkpoint = tiny_checkpoint()
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_checkpoint(path, checkpoint.model, checkpoint.metadata)
    return path


@pytest.fixture(scope="session")
def all_tasks_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network as `tiny_weights` of everything that can be learnt, which calls itself trained."""
    if light_network("all_tasks"):
        return light_network("all_tasks")
    from tiny_network import trained_checkpoint  # imports torch

    from cinet_core.checkpoint import save_checkpoint
    from cinet_core.tasks import TASKS

    checkpoint = trained_checkpoint(tasks=tuple(task.name for task in TASKS))
    path = tmp_path_factory.mktemp("weights") / "all_tasks.safetensors"
    save_checkpoint(path, checkpoint.model, checkpoint.metadata)
    return path


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


@pytest.fixture(scope="session")
def equipped_server() -> Iterator[ForkServer]:
    """As `node_server`, whose place it takes in a file that says so: its nodes have messages that no wheel has."""
    environment = message_stand_ins.environment(*message_stand_ins.DEFINITIONS)
    server = ForkServer(("cinet_ros.perception", "cinet_ros.player.playback"), **environment)
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
