"""ROS in the test's own process: nodes in a context of their own, which tests of a node's main() leave alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import rclpy
from light_network import RANDOM
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter


@pytest.fixture
def context() -> Iterator[Context]:
    context = Context()
    rclpy.init(context=context)
    yield context
    context.try_shutdown()


@pytest.fixture
def make_node(context: Context) -> Iterator[Callable[..., Node]]:
    """Create nodes by name; further arguments are rclpy.create_node's."""
    nodes: list[Node] = []

    def build(name: str, **arguments: Any) -> Node:
        nodes.append(rclpy.create_node(name, context=context, **arguments))
        return nodes[-1]

    yield build
    for node in nodes:
        node.destroy_node()


@pytest.fixture
def make_perception(context: Context) -> Iterator[Callable[..., Any]]:
    """Create perception nodes with parameters; none of them is spun."""
    from cinet_ros.perception import PerceptionNode  # imports OpenCV, which most tests of this folder do without

    nodes: list[PerceptionNode] = []

    def build(**parameters: Any) -> PerceptionNode:
        if parameters.get("weights") == "random":
            parameters["weights"] = RANDOM
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        nodes.append(PerceptionNode(context=context, parameter_overrides=overrides))
        return nodes[-1]

    yield build
    for node in nodes:
        node.close()
        node.destroy_node()


@pytest.fixture
def make_rig(make_node: Callable[..., Node], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Create corrections of a camera (`anchoring_rig.Rig`) by the node's parameters."""
    from anchoring_rig import Rig  # imports OpenCV, which most tests of this folder do without

    from cinet_ros.anchoring import frame_correction

    # No network runs meanwhile, which gives tracking its time: its answers are not to depend on the machine's speed.
    monkeypatch.setattr(frame_correction, "TRACKING_WAIT", 10.0)
    rigs: list[Rig] = []

    def build(**parameters: Any) -> Rig:
        rigs.append(Rig(make_node("rig"), **parameters))
        return rigs[-1]

    yield build
    for rig in rigs:
        rig.correction.close()
