"""The player as a process of its own, heard over real Fast DDS."""

import array
import itertools
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import field_bags
import made_bags
import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from field_bags import Row
from fork_server import ForkServer
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from cinet_core.messages.compressed import decode_compressed
from cinet_core.messages.images import decode_image

REPOSITORY = Path(__file__).resolve().parents[2]
TIMEOUT = 60.0
START_NS = 1_700_000_000 * 10**9
STEP_NS = 50_000_000
_namespaces = (f"player_test_{number}" for number in itertools.count())


class Player:
    """A player process in a namespace of its own."""

    def __init__(self, server: ForkServer, folder: Path, **parameters: object) -> None:
        self.namespace = next(_namespaces)
        settings = [item for name, value in parameters.items() for item in ("-p", f"{name}:={value}")]
        arguments = ["--ros-args", "-r", f"__ns:=/{self.namespace}", *settings]
        self.process = server.start("cinet_ros.player_node", arguments, folder / "player.log", REPOSITORY)

    def end(self, number: signal.Signals | None = None) -> str:
        """Send a signal if one is given, wait for a good end, return the log."""
        if number is not None:
            self.process.send_signal(number)
        assert self.process.wait(TIMEOUT) == 0, self.process.output()
        assert "Traceback" not in self.process.output()
        return self.process.output()


class Listener:
    """Collects what players publish."""

    def __init__(self, node: Node, executor: SingleThreadedExecutor) -> None:
        self._node = node
        self._executor = executor

    def collect(self, player: Player, topic: str, kind: type, reliability: str = "RELIABLE") -> list:
        """Messages of a topic in the player's namespace (or an absolute one), as they come."""
        received: list = []
        qos = QoSProfile(depth=200, reliability=QoSReliabilityPolicy[reliability])
        name = topic if topic.startswith("/") else f"/{player.namespace}/{topic}"
        self._node.create_subscription(kind, name, received.append, qos)
        return received

    def wait_for(self, condition: Callable[[], bool], player: Player) -> None:
        """Spin until the condition holds; fail when it does not, or the player ends badly before."""
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            assert player.process.poll() in (None, 0), player.process.output()
            assert time.monotonic() < deadline, "the condition did not come true in time"
            self._executor.spin_once(timeout_sec=0.05)


@pytest.fixture
def listener() -> Iterator[Listener]:
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node("listener", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    yield Listener(node, executor)
    executor.shutdown()
    node.destroy_node()
    context.shutdown()


@pytest.fixture
def play(node_server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Player]]:
    """Starts players and ends those that a failed test left."""
    players: list[Player] = []

    def start(**parameters: object) -> Player:
        players.append(Player(node_server, tmp_path_factory.mktemp("player"), **parameters))
        return players[-1]

    yield start
    for player in players:
        player.process.kill()
        player.process.wait()


def rgb_image(number: int) -> np.ndarray:
    """A small image that says which one it is."""
    rgb = np.full((24, 32, 3), 40, np.uint8)
    rgb[:, : number + 1] = (200, 100, 10 * number)
    return rgb


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve frames without loss; in natural order, which is not that of the letters."""
    path = tmp_path / "frames"
    path.mkdir()
    for number in range(12):
        cv2.imwrite(str(path / f"frame{number}.png"), cv2.cvtColor(rgb_image(number), cv2.COLOR_RGB2BGR))
    return path


def write_bag(path: Path, storage: str, frames: int = 6) -> tuple[list[Image], list[CameraInfo]]:
    """Record a camera at 20 Hz; images and camera_info as recorded."""
    rosbag2 = pytest.importorskip("rosbags.rosbag2")
    typesys = pytest.importorskip("rosbags.typesys")
    store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
    images, infos = [], []
    with rosbag2.Writer(path, version=9, storage_plugin=rosbag2.StoragePlugin[storage]) as writer:
        topics = [
            writer.add_connection(f"/robot/{name}", f"sensor_msgs/msg/{kind}", typestore=store)
            for name, kind in (("image_raw", "Image"), ("camera_info", "CameraInfo"))
        ]
        for number in range(frames):
            time_ns = START_NS + number * STEP_NS
            # exposed 3 ms before it was recorded
            stamp = Time(sec=(time_ns - 3_000_000) // 10**9, nanosec=(time_ns - 3_000_000) % 10**9)
            header = Header(stamp=stamp, frame_id="left_optical_frame")
            data = array.array("B", rgb_image(number).tobytes())
            images.append(Image(header=header, height=24, width=32, encoding="bgr8", step=96, data=data))
            info = CameraInfo(
                header=header, height=24, width=32, distortion_model="plumb_bob", d=[0.1, 0.0, 0.0, 0.0, 0.0]
            )
            info.k = np.array([30, 0, 16, 0, 30, 12, 0, 0, 1], np.float64)
            infos.append(info)
            for connection, message in zip(topics, (images[-1], infos[-1]), strict=True):
                writer.write(connection, time_ns, serialize_message(message))
    return images, infos


def seconds(message: Image | CameraInfo) -> float:
    return message.header.stamp.sec + message.header.stamp.nanosec * 1e-9


def test_synthetic_scene_at_30_hz(listener, play):
    player = play(source="synthetic", rate=30, synthetic_frames=3, reliability="best_effort", wait_for_subscribers=1)
    images = listener.collect(player, "image", Image, "BEST_EFFORT")
    infos = listener.collect(player, "camera_info", CameraInfo, "BEST_EFFORT")
    listener.wait_for(lambda: len(images) >= 61, player)
    log = player.end(signal.SIGINT)
    assert "sent " in log

    first, last = images[0], images[60]
    assert (first.width, first.height, first.encoding, first.step) == (640, 480, "rgb8", 1920)
    assert first.header.frame_id == "camera_optical_frame"
    assert first.data.tobytes() != images[1].data.tobytes()
    stamps = [seconds(image) for image in images]
    assert stamps == sorted(set(stamps))
    assert 60 / (seconds(last) - seconds(first)) == pytest.approx(30, rel=0.1)
    assert abs(time.time() - stamps[-1]) < 30
    # best effort may lose a message of either topic
    assert len({seconds(info) for info in infos[:60]} & set(stamps)) >= 55
    info = infos[0]
    focal = 320 / math.tan(math.radians(31))
    assert np.allclose(info.k, [focal, 0, info.k[2], 0, focal, info.k[5], 0, 0, 1])
    assert abs(info.k[2] - 320) <= 0.5
    assert abs(info.k[5] - 240) <= 0.5
    assert (info.width, info.height, info.distortion_model, set(info.d)) == (640, 480, "plumb_bob", {0.0})
    assert info.header.frame_id == "camera_optical_frame"


def test_every_frame_of_a_folder_once(listener, play, folder):
    player = play(source=folder, rate=60, loop="false", wait_for_subscribers=1, fov=90, frame_id="eye")
    images = listener.collect(player, "image", Image)
    infos = listener.collect(player, "camera_info", CameraInfo)
    listener.wait_for(lambda: player.process.poll() is not None, player)
    assert "sent 12 frames" in player.end()
    listener.wait_for(lambda: len(images) == len(infos) == 12, player)
    assert all(np.array_equal(decode_image(image), rgb_image(number)) for number, image in enumerate(images))
    assert [info.header for info in infos] == [image.header for image in images]
    assert {image.header.frame_id for image in images} == {"eye"}
    assert infos[0].k[0] == pytest.approx(16)


def test_padded_big_endian_grey_with_the_source_as_clock(listener, play, folder):
    options = {"encoding": "mono16", "big_endian": "true", "step_padding": 6, "stamp": "source"}
    player = play(source=folder, rate=50, wait_for_subscribers=1, **options)
    images = listener.collect(player, "image", Image)
    listener.wait_for(lambda: len(images) >= 24, player)
    log = player.end(signal.SIGTERM)
    assert "no camera_info is published" in log
    assert (images[0].encoding, images[0].is_bigendian, images[0].step) == ("mono16", 1, 70)
    grey = cv2.cvtColor(rgb_image(5), cv2.COLOR_RGB2GRAY)
    assert np.array_equal(decode_image(images[5])[..., 0], grey)
    # seconds into the source, which starts again after twelve frames
    assert [seconds(image) for image in images[:24]] == pytest.approx([number / 50 for number in range(12)] * 2)


def test_compressed_goes_to_its_own_topic(listener, play, folder):
    player = play(source=folder, rate=60, wait_for_subscribers=1, encoding="compressed")
    images = listener.collect(player, "image/compressed", CompressedImage)
    listener.wait_for(lambda: len(images) >= 4, player)
    player.end(signal.SIGINT)
    assert "jpeg" in images[0].format
    assert np.abs(decode_compressed(images[3]).astype(int) - rgb_image(3)).mean() < 8


def test_bag_with_its_own_time(listener, play, tmp_path):
    recorded_images, recorded_infos = write_bag(tmp_path / "bag", "SQLITE3")
    player = play(source=tmp_path / "bag", loop="false", stamp="source", publish_clock="true", wait_for_subscribers=1)
    images = listener.collect(player, "image", Image)
    infos = listener.collect(player, "camera_info", CameraInfo)
    clocks = listener.collect(player, "/clock", Clock)
    listener.wait_for(lambda: player.process.poll() is not None and len(images) == len(infos) == 6, player)
    player.end()
    assert images == recorded_images
    assert infos == recorded_infos
    ticks = [message.clock.sec * 10**9 + message.clock.nanosec for message in clocks]
    assert ticks == sorted(ticks)
    assert ticks[0] >= START_NS
    assert {START_NS + number * STEP_NS for number in range(1, 6)} <= set(ticks)
    assert len(ticks) > 12, "the clock must go on between frames"


def test_a_bag_of_several_cameras_without_stamps(listener, play, tmp_path):
    names = ("/ir/image_raw", "mono16"), ("/rgb/image_raw", "rgb8"), ("/rgb/camera_info", "info")
    field_bags.write(tmp_path / "bag", [Row(*name, zero=True) for name in names], frames=3)
    player = play(source=tmp_path / "bag", loop="false", stamp="source", wait_for_subscribers=1)
    images = listener.collect(player, "image", Image)
    listener.wait_for(lambda: player.process.poll() is not None and len(images) == 3, player)
    log = player.end()
    for number, image in enumerate(images):
        assert np.array_equal(decode_image(image), field_bags.colour(number))
        stamp = image.header.stamp.sec * 10**9 + image.header.stamp.nanosec
        assert stamp == made_bags.START + number * made_bags.PERIOD + 1001  # when it was recorded
    assert "not taken: /ir/image_raw (infrared, mono16 64x48)" in log
    assert "the header stamps of /rgb/image_raw are all 0: times of recording stand for them" in log


def test_bag_as_a_live_camera(listener, play, tmp_path):
    _, recorded_infos = write_bag(tmp_path / "bag", "MCAP")
    player = play(source=tmp_path / "bag", encoding="rgb8", frame_id="eye", rate=40, wait_for_subscribers=1)
    images = listener.collect(player, "image", Image)
    infos = listener.collect(player, "camera_info", CameraInfo)
    listener.wait_for(lambda: len(images) >= 14 and len(infos) >= 14, player)
    player.end(signal.SIGTERM)
    # recorded as bgr8, sent as rgb8; it starts again after six
    assert [decode_image(image)[0, 0, 2] for image in images[:14]] == [200] * 14
    assert [image.data == images[index % 6].data for index, image in enumerate(images[:14])] == [True] * 14
    assert abs(time.time() - seconds(images[0])) < 60
    assert [info.header for info in infos[:14]] == [image.header for image in images[:14]]
    assert infos[0].header.frame_id == "eye"
    assert (list(infos[0].d), list(infos[0].k)) == (list(recorded_infos[0].d), list(recorded_infos[0].k))


def test_a_signal_ends_the_wait_for_subscribers(play):
    player = play(synthetic_frames=1, wait_for_subscribers=1)
    while "waiting for 1 subscribers" not in player.process.output():
        assert player.process.poll() is None
        time.sleep(0.02)
    started = time.monotonic()
    assert "sent" not in player.end(signal.SIGTERM)
    assert time.monotonic() - started < 10


def test_a_wrong_value_ends_the_process_with_status_2():
    result = subprocess.run(
        [sys.executable, "-m", "cinet_ros.player_node", "--ros-args", "-p", "source:=/does/not/exist"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert "/does/not/exist" in result.stderr
