"""Publishers of a camera's outputs: overrides of one topic's quality of service stay with that topic."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import ReliabilityPolicy

from cinet_core.label_sets import NYU40
from cinet_ros.publishers import CameraOutputs


def test_a_qos_override_holds_for_its_topic_only(make_node: Callable[..., Node]) -> None:
    override = Parameter("qos_overrides./depth_registered/image_rect.publisher.reliability", value="best_effort")
    node = make_node("outputs", parameter_overrides=[override])
    first = CameraOutputs(node, "", NYU40)
    first.close()
    CameraOutputs(node, "", NYU40)  # as after cleanup and configure
    offered = {
        topic: node.get_publishers_info_by_topic(topic)[0].qos_profile.reliability
        for topic in ("depth_registered/image_rect", "semantic/image_raw", "points", "stats", "semantic/classes")
    }
    assert offered.pop("depth_registered/image_rect") == ReliabilityPolicy.BEST_EFFORT
    assert set(offered.values()) == {ReliabilityPolicy.RELIABLE}
