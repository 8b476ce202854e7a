"""Messages in their serialised form: subscribers get of them what rclpy would have sent."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Header

from cinet_core.label_sets import NYU40
from cinet_core.messages.encoding import ImageBuffer
from cinet_core.messages.topics import POINTS, topics_of
from cinet_core.model.config import DEFAULT_TASKS
from cinet_core.roomy_arrays import BEFORE, roomy_copy
from cinet_ros import serialized
from cinet_ros.frame_messages import MESSAGE_TYPES, RosMessageBuilder
from cinet_ros.parameters import Settings
from cinet_ros.publishers import OUTPUT_QOS
from cinet_ros.serialized import SERIALIZED_TYPES, SerializedMessage, can_send, send
from scripts.benchmarks.nodes.frame import example_result

PATIENCE = 20.0
FRAME_IDS = ["", "a", "ab", "camera_optical_frame", "k\u00fcche/kamera"]


def header(frame_id: str = "camera", seconds: int = 3) -> Header:
    made = Header(frame_id=frame_id)
    made.stamp.sec, made.stamp.nanosec = seconds, 4
    return made


def received(message: SerializedMessage, kind: type = Image) -> Any:
    """What a subscriber makes of its bytes."""
    content = message.serialized()
    assert content is not None
    return deserialize_message(content.tobytes(), kind)


@pytest.mark.parametrize("frame_id", FRAME_IDS)
@pytest.mark.parametrize(
    ("encoding", "size"), [("mono8", (3, 5)), ("rgb8", (2, 7)), ("16UC1", (3, 3)), ("32FC1", (4, 6))]
)
def test_an_image_is_that_of_rclpy(encoding: str, size: tuple[int, int], frame_id: str) -> None:
    buffer = ImageBuffer(SERIALIZED_TYPES, encoding, *size)
    for seconds in (3, 2**31 - 1):  # refilled: another stamp, other pixels
        pixels = np.random.default_rng(seconds).integers(0, 256, buffer.array.shape)
        message = buffer.fill(pixels, header(frame_id, seconds))
        assert received(message) == message.message()
        assert message.message().header == header(frame_id, seconds)
        np.testing.assert_array_equal(np.frombuffer(received(message).data, buffer.array.dtype), pixels.ravel())


@pytest.mark.parametrize("depth", [None, math.nan])  # with nan downsampled clouds are empty
def test_all_outputs_are_those_of_rclpy(depth: float | None) -> None:
    result, settings = example_result(), Settings()
    if depth is not None:
        result.depth.fill(depth)
    usual, ours = RosMessageBuilder(NYU40), RosMessageBuilder(NYU40, types=SERIALIZED_TYPES)
    kinds = {}
    for topic in topics_of(DEFAULT_TASKS):
        expected, made = usual.build(topic, result, settings), ours.build(topic, result, settings)
        if made is None:  # no network or anchor says how sure it is
            assert expected is None
            continue
        kinds[topic] = type(made)
        assert (received(made, type(expected)) if isinstance(made, SerializedMessage) else made) == expected, topic
    assert {topic for topic, kind in kinds.items() if kind is SerializedMessage} == {
        topic for topic, kind in MESSAGE_TYPES.items() if topic in kinds and kind in (Image, PointCloud2)
    }


def test_another_frame_id_is_written_anew() -> None:
    buffer = ImageBuffer(SERIALIZED_TYPES, "mono8", 2, 3)
    for frame_id in FRAME_IDS:
        assert received(buffer.fill(np.ones((2, 3)), header(frame_id))).header.frame_id == frame_id


def test_what_has_room_around_it_is_sent_from_where_it_lies() -> None:
    buffer = ImageBuffer(SERIALIZED_TYPES, "32FC1", 3, 4)
    first, second = (np.random.default_rng(seed).random((3, 4), dtype=np.float32) for seed in (0, 1))
    answer = roomy_copy(first)
    message = buffer.fill_depth(answer, header())
    assert buffer.array is answer
    answer[0, 0] = 7.0
    assert np.frombuffer(received(message).data, np.float32)[0] == 7.0, "it was not copied"
    buffer.fill_depth(second, header())
    assert np.shares_memory(buffer.array, answer) is False
    np.testing.assert_array_equal(np.frombuffer(received(message).data, np.float32), second.ravel())
    assert answer[0, 1] == first[0, 1], "what belongs to somebody else is not written into"
    buffer.fill(roomy_copy(np.ones((3, 4), np.int32)), header())  # of another type: converted
    np.testing.assert_array_equal(np.frombuffer(received(message).data, np.float32), 1.0)


def test_other_bytes_than_the_message_has_are_not_taken() -> None:
    message = ImageBuffer(SERIALIZED_TYPES, "mono8", 2, 3).message
    assert not message.adopt(roomy_copy(np.zeros((2, 4), np.uint8)))
    assert not message.adopt(np.zeros((2, 3), np.uint8))


def test_a_frame_id_that_has_no_room_is_sent_as_rclpy_does() -> None:
    class Publisher:
        sent: Any = None

        def publish(self, message: Any) -> None:
            self.sent = message

    publisher = Publisher()
    message = ImageBuffer(SERIALIZED_TYPES, "mono8", 2, 3).fill(np.ones((2, 3)), header("f" * BEFORE))
    assert message.serialized() is None
    send(publisher, message)
    assert publisher.sent == message.message()
    assert bytes(publisher.sent.data) == bytes([1] * 6)


def test_there_is_no_field_that_the_message_has_not() -> None:
    with pytest.raises(AttributeError, match="dat"):
        _ = ImageBuffer(SERIALIZED_TYPES, "mono8", 2, 3).message.dat


class Echo:
    """A publisher and a subscriber of one topic."""

    def __init__(self, node: Node, kind: type) -> None:
        self.publisher = node.create_publisher(kind, "echo", OUTPUT_QOS)
        self.messages: list[Any] = []
        self._subscription = node.create_subscription(kind, "echo", self.messages.append, OUTPUT_QOS)
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self.spin_until(lambda: self.publisher.get_subscription_count() > 0)

    def spin_until(self, condition: Callable[[], bool]) -> None:
        clock = rclpy.clock.Clock(clock_type=rclpy.clock.ClockType.STEADY_TIME)
        end = clock.now().nanoseconds + PATIENCE * 1e9
        while not condition():
            assert clock.now().nanoseconds < end
            self._executor.spin_once(timeout_sec=0.05)


def test_it_arrives(make_node: Callable[..., Node]) -> None:
    assert can_send(), "rclpy's libraries are found here"
    echo, result, settings = Echo(make_node("echo"), PointCloud2), example_result(), Settings()
    cloud = RosMessageBuilder(NYU40, types=SERIALIZED_TYPES).build(POINTS, result, settings)
    send(echo.publisher, cloud)
    send(echo.publisher, cloud.message())
    echo.spin_until(lambda: len(echo.messages) == 2)
    assert echo.messages[0] == echo.messages[1] == RosMessageBuilder(NYU40).build(POINTS, result, settings)


@pytest.mark.parametrize("lost", ["rcl", "rcutils"])
def test_without_the_libraries_it_is_sent_as_a_message(
    make_node: Callable[..., Node], monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    echo = Echo(make_node("echo"), Image)
    loaded = ctypes.CDLL

    def load(name: str, mode: int) -> Any:
        if name == f"lib{lost}.so":
            raise OSError(f"{name}: cannot open shared object file")
        return loaded(name, mode)

    monkeypatch.setattr(serialized.ctypes, "CDLL", load)
    serialized._libraries.cache_clear()
    try:
        assert not can_send()
        message = ImageBuffer(SERIALIZED_TYPES, "mono8", 2, 3).fill(np.ones((2, 3)), header())
        send(echo.publisher, message)
        echo.spin_until(lambda: bool(echo.messages))
        assert echo.messages == [message.message()]
    finally:
        serialized._libraries.cache_clear()


def test_what_the_middleware_refuses_is_an_error_that_names_the_topic(
    make_node: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries = serialized._libraries()
    assert libraries is not None
    publisher = make_node("echo").create_publisher(Image, "echo", OUTPUT_QOS)
    message = ImageBuffer(SERIALIZED_TYPES, "mono8", 2, 3).fill(np.ones((2, 3)), header())
    monkeypatch.setattr(serialized, "_libraries", lambda: (lambda *arguments: 1, libraries[1]))
    with pytest.raises(RuntimeError, match="/echo: rcl_publish_serialized_message returned 1: "):
        send(publisher, message)


@pytest.mark.parametrize("gone", ["publisher", "context"])
def test_what_is_gone_is_the_error_that_it_is_of_rclpy(make_node: Callable[..., Node], gone: str) -> None:
    node = make_node("echo")
    publisher = node.create_publisher(Image, "echo", OUTPUT_QOS)
    message = ImageBuffer(SERIALIZED_TYPES, "mono8", 2, 3).fill(np.ones((2, 3)), header())
    if gone == "publisher":
        node.destroy_publisher(publisher)
    else:
        node.context.shutdown()
    errors = []
    for publish in (lambda: publisher.publish(message.message()), lambda: send(publisher, message)):
        with pytest.raises(Exception, match=r"(?i)invalid|destr") as caught:
            publish()
        errors.append((caught.type, str(caught.value)))
    assert errors[0] == errors[1]
