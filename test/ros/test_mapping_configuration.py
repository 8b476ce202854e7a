"""Configuring the mapping node: what it refuses, and the map that it begins with."""

from __future__ import annotations

import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rclpy.context import Context
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from room_on_the_wire import CAMERA_IN_BASE, LABEL_SET, MAP_FRAME, RoomOnTheWire

from cinet_core.mapping.semantic_map import SemanticMap
from cinet_ros.mapping.node import MappingNode


@pytest.fixture
def configured(context: Context) -> Iterator[Callable[..., tuple[TransitionCallbackReturn, str]]]:
    """Configure a node with parameters; what came of it and what the node says of itself."""
    nodes = []

    def configure(**parameters: Any) -> tuple[TransitionCallbackReturn, str]:
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        nodes.append(MappingNode(context=context, parameter_overrides=overrides))
        outcome = nodes[-1].trigger_configure()
        return outcome, "; ".join(item.text for item in nodes[-1].conditions.current())

    yield configure
    for node in nodes:
        node.close(1.0)
        node.destroy_node()


def test_a_missing_extrinsic_is_an_error(configured: Callable[..., tuple[TransitionCallbackReturn, str]]) -> None:
    outcome, text = configured(pose_source="pose")
    assert outcome == TransitionCallbackReturn.FAILURE
    assert "camera_in_base" in text
    assert "0 0 0 0 0 0 1" in text
    assert "PoseStamped" in text


def test_a_saved_map_is_begun_with_and_anything_else_refused(
    configured: Callable[..., tuple[TransitionCallbackReturn, str]], tmp_path: Path
) -> None:
    room = RoomOnTheWire()
    view = room.views[0].frame
    saved = SemanticMap(LABEL_SET, 0.05, 6.0)
    sure = np.full(view.labels.shape, 255, dtype=np.uint8)
    saved.integrate(view.depth, view.labels, sure, view.image, room.intrinsics, view.camera_to_world)
    saved.save(tmp_path / "room.npz")
    given = {"camera_in_base": list(CAMERA_IN_BASE), "map_frame": MAP_FRAME}
    outcome, text = configured(load_path=str(tmp_path / "room.npz"), **given)
    assert (outcome, text) == (TransitionCallbackReturn.SUCCESS, "")
    (tmp_path / "none.npz").write_bytes(b"no map")
    outcome, text = configured(load_path=str(tmp_path / "none.npz"), **given)
    assert outcome == TransitionCallbackReturn.FAILURE
    assert "none.npz" in text


def test_the_map_has_one_thread_unless_it_is_given_more(
    configured: Callable[..., tuple[TransitionCallbackReturn, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for threads, expected in ((0, 1), (3, 3), (0, 1)):
        configured(threads=threads, camera_in_base=list(CAMERA_IN_BASE))
        assert cv2.getNumThreads() == expected


def test_a_device_that_is_not_there_is_named(configured: Callable[..., tuple[TransitionCallbackReturn, str]]) -> None:
    outcome, text = configured(device="cuda:99", camera_in_base=list(CAMERA_IN_BASE))
    assert outcome == TransitionCallbackReturn.FAILURE
    assert "cuda:99" in text
    assert "Open3D has cpu" in text


def test_what_does_not_come_is_named_for_what_it_is(context: Context) -> None:
    """With poses of messages, and of TF, which is asked for those of frames and missed only then."""

    def told(node: MappingNode, missing_requirement: str) -> list[str]:
        node._watch_arrivals(node._inputs, node._poses)
        conditions = {"frame": node._frame_conditions, "pose": node._pose_conditions}[missing_requirement]
        return [item.text for item in conditions.current()]

    extrinsic = Parameter("camera_in_base", value=[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
    node = MappingNode(context=context, parameter_overrides=[extrinsic, Parameter("stale_after", value=0.1)])
    try:
        assert node.autostart()
        time.sleep(0.15)
        (text,) = told(node, "pose")
        assert "nobody publishes /odom:" in text
        (text,) = told(node, "frame")
        assert "/depth_registered/image_rect" in text
        assert "/odom" not in text
        node._poses = types.SimpleNamespace(topic="", map_frame="odom", last_received=None, clear=lambda: None)
        del node._inputs._wanted["odom"]
        assert told(node, "pose") == [], "no frame has come: none is missed"
        node._counters.receive(1)
        assert told(node, "pose") == [], "the frame has just come"
        time.sleep(0.15)
        node._counters.receive(2)
        (text,) = told(node, "pose")
        assert "TF knows none of the images' frame in 'odom'" in text
    finally:
        node.close(1.0)
        node.destroy_node()
