"""Publishers of a camera's outputs: overrides of one topic's quality of service stay with that topic."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import ReliabilityPolicy

from cinet_core.label_sets import NYU40
from cinet_core.messages.topics import POINTS
from cinet_ros import publishers
from cinet_ros.frame_messages import MESSAGE_TYPES
from cinet_ros.parameters import Settings
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


def test_between_two_looks_who_leaves_is_noticed_and_who_comes_waits(
    make_node: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    node, settings = make_node("outputs"), Settings()
    outputs = CameraOutputs(node, "", NYU40)
    counts = dict.fromkeys(MESSAGE_TYPES, 0)
    for topic, publisher in outputs._publishers.items():
        monkeypatch.setattr(publisher, "get_subscription_count", lambda topic=topic: counts.get(topic, 0))
    counts |= {POINTS: 1, "semantic/image_raw": 2}
    assert outputs.wanted(settings) == {POINTS, "semantic/image_raw"}, "who has not looked asks all"
    outputs.look()
    counts |= {POINTS: 0, "depth_registered/image_rect": 1}
    assert outputs.wanted(settings) == {"semantic/image_raw"}
    outputs.look()
    assert outputs.wanted(settings) == {"semantic/image_raw", "depth_registered/image_rect"}
    monkeypatch.setattr(publishers, "LOOK_LASTS", 0.0)
    counts[POINTS] = 1
    assert POINTS in outputs.wanted(settings), "a look of long ago is none"
    outputs.close()
    outputs._seen = (math.inf, frozenset({POINTS}))
    assert outputs.wanted(settings) == frozenset(), "a worker left behind may still ask"
