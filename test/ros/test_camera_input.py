"""Subscriptions of a camera: topic names and reliability as the user asked for."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from cinet_ros.camera_input import REMEMBERED_CAMERA_INFOS, CameraInput


def subscribe(node: Node, prefix: str, reliability: str = "auto") -> CameraInput:
    """An input with its subscriptions made, waiting for discovery where it waits for a publisher."""
    camera_input = CameraInput(node, prefix, False, reliability, lambda message: None)
    deadline = time.monotonic() + 10.0
    while not node.get_subscriptions_info_by_topic(f"{prefix}image"):
        assert time.monotonic() < deadline, "no subscription"
        camera_input.update(wanted=True)
        time.sleep(0.02)
    return camera_input


def test_topics_are_remapped_once(make_node: Callable[..., Node]) -> None:
    swap = ["--ros-args", "-r", "front/image:=rear/image", "-r", "rear/image:=front/image"]
    node = make_node("swapped", cli_args=swap)
    camera_input = subscribe(node, "front/", "reliable")
    assert camera_input.image_topic == "/rear/image"
    assert node.count_subscribers("/rear/image") == 1
    assert node.count_subscribers("/front/image") == 0
    publisher = make_node("driver").create_publisher(Image, "/rear/image", 5)
    deadline = time.monotonic() + 10.0
    while camera_input.publishers() != 1:
        assert time.monotonic() < deadline, "publisher not found"
        time.sleep(0.02)
    publisher.destroy()


@pytest.mark.parametrize("offered", [ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT])
def test_reliability_follows_the_publisher(make_node: Callable[..., Node], offered: ReliabilityPolicy) -> None:
    make_node("driver").create_publisher(Image, "image", QoSProfile(depth=5, reliability=offered))
    node = make_node("listener")
    subscribe(node, "")
    (info,) = node.get_subscriptions_info_by_topic("image")
    assert info.qos_profile.reliability == offered


def wait_for_reliability(camera_input: CameraInput, node: Node, expected: ReliabilityPolicy) -> None:
    """Update as the node does until the subscription has this reliability."""
    deadline = time.monotonic() + 10.0
    while [info.qos_profile.reliability for info in node.get_subscriptions_info_by_topic("image")] != [expected]:
        assert time.monotonic() < deadline, f"not {expected}"
        camera_input.update(wanted=True)
        time.sleep(0.02)


@pytest.mark.fault(
    area="input",
    injected="a best-effort publisher beside a reliable one, which then goes",
    expected="the subscription follows what every publisher can serve",
)
def test_reliability_follows_publishers_that_come_and_go(make_node: Callable[..., Node]) -> None:
    driver, node = make_node("driver"), make_node("listener")
    driver.create_publisher(Image, "image", 5)
    camera_input = subscribe(node, "")
    wait_for_reliability(camera_input, node, ReliabilityPolicy.RELIABLE)
    other = driver.create_publisher(Image, "image", QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT))
    wait_for_reliability(camera_input, node, ReliabilityPolicy.BEST_EFFORT)
    driver.destroy_publisher(other)
    wait_for_reliability(camera_input, node, ReliabilityPolicy.RELIABLE)


def info(seconds: int, focal: float) -> CameraInfo:
    """A camera_info by its stamp and a mark."""
    message = CameraInfo(k=[focal] * 9)
    message.header.stamp.sec = seconds
    return message


@pytest.mark.fault(
    area="input",
    injected="camera_info late, missing for a frame, repeated by a bag that starts again, without end",
    expected="the one of exactly the image's stamp, else the latest that came; memory for the last 32",
)
def test_the_camera_info_of_an_image(make_node: Callable[..., Node]) -> None:
    camera_input = CameraInput(make_node("listener"), "", False, "auto", lambda message: None)
    second = 1_000_000_000
    assert camera_input.camera_info(0) is None
    for seconds in range(1, 101):
        camera_input._remember_info(info(seconds, seconds))
    assert len(camera_input._infos) == REMEMBERED_CAMERA_INFOS
    assert camera_input.camera_info(99 * second).k[0] == 99
    assert camera_input.camera_info(101 * second).k[0] == 100, "late: the latest"
    assert camera_input.camera_info(1 * second).k[0] == 100, "forgotten"
    camera_input._remember_info(info(99, 7))  # the bag starts again, with another calibration
    assert camera_input.camera_info(99 * second).k[0] == 7
    assert camera_input.camera_info(98 * second).k[0] == 98
    assert camera_input.camera_info(5 * second).k[0] == 7
    camera_input._remember_info(info(0, 3))
    camera_input._remember_info(info(0, 4))  # a driver without stamps
    assert camera_input.camera_info(0).k[0] == 4
    camera_input.close()
    assert camera_input.camera_info(0) is None


def test_a_qos_override_beats_the_publisher_and_is_fixed(make_node: Callable[..., Node]) -> None:
    name = "qos_overrides./image.subscription.reliability"
    node = make_node("listener", parameter_overrides=[Parameter(name, value="best_effort")])
    make_node("driver").create_publisher(Image, "image", 5)
    subscribe(node, "", "reliable")
    (info,) = node.get_subscriptions_info_by_topic("image")
    assert info.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    (result,) = node.set_parameters([Parameter(name, value="reliable")])
    assert not result.successful


def test_the_depth_of_the_queue_can_be_overridden_again_and_again(make_node: Callable[..., Node]) -> None:
    override = Parameter("qos_overrides./image.subscription.depth", value=7)
    node = make_node("listener", parameter_overrides=[override])
    for _ in range(2):
        camera_input = subscribe(node, "", "reliable")
        (subscription,) = [item for item in node.subscriptions if item.topic_name == "/image"]
        assert subscription.qos_profile.depth == 7
        camera_input.close()


@pytest.mark.parametrize("value", ["sometimes", 5])
def test_an_unknown_reliability_is_named(make_node: Callable[..., Node], value: object) -> None:
    name = "qos_overrides./image.subscription.reliability"
    node = make_node("listener", parameter_overrides=[Parameter(name, value=value)])
    with pytest.raises(ValueError, match=str(value)):
        CameraInput(node, "", False, "auto", lambda message: None)
