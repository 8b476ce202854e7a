"""What the player refuses, with which words and status; its parameters as ROS shows them."""

import dataclasses
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import rclpy
import yaml
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.context import Context

from cinet_ros.parameter_fields import declare
from cinet_ros.player.parameters import PlayerSettings
from cinet_ros.player_node import main

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def play_here(capfd) -> Iterator[Callable[..., tuple[int, str]]]:
    """Runs the player's main in this process; its status and log."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(**parameters: object) -> tuple[int, str]:
        arguments = [item for name, value in parameters.items() for item in ("-p", f"{name}:={value}")]
        status = main(["player", "--ros-args", *arguments])
        return status, capfd.readouterr().err

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("parameters", "texts"),
    [
        ({"rate": "fast"}, ["rate = 'fast' must be a number"]),
        ({"rate": -1.0}, ["rate = -1.0 is outside 0 .. 1000"]),
        ({"rate": ".nan"}, ["rate = nan is outside 0 .. 1000"]),
        ({"source": 12}, ["source = 12 must be text (quote it"]),
        ({"loop": 1}, ["loop = 1 must be true or false"]),
        ({"wait_for_subscribers": 1.5}, ["wait_for_subscribers = 1.5 must be a whole number"]),
        ({"encoding": "rgb9"}, ["encoding = 'rgb9' is not one of source, rgb8, "]),
        ({"stamp": "later"}, ["stamp = 'later' is not one of now, source"]),
        ({"step_padding": 4}, ["step_padding = 4 needs a raw encoding", "set encoding to rgb8"]),
        ({"big_endian": "true", "encoding": "rgb8"}, ["big_endian = true needs encoding = mono16"]),
        ({"publish_clock": "true"}, ["publish_clock = true needs stamp = source"]),
        ({"intrinsics": "[1.0, 2.0]"}, ["intrinsics = [1.0, 2.0] must be [fx, fy, cx, cy]"]),
        ({"intrinsics": "[500.0, .nan, 1.0, 1.0]"}, ["must be [fx, fy, cx, cy]"]),
        ({"intrinsics": "[5.0, 5.0, 1.0, 1.0]", "fov": 60}, ["intrinsics and fov = 60 are both given"]),
        ({"source": "/does/not/exist"}, ["/does/not/exist"]),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_wrong_values_are_named_with_their_limit(play_here, parameters, texts):
    status, log = play_here(**parameters)
    assert status == 2
    assert all(text in log for text in texts), log


def test_an_empty_folder(play_here, tmp_path):
    status, log = play_here(source=tmp_path)
    assert (status, str(tmp_path) in log) == (2, True)


def test_a_corrupt_bag(play_here, tmp_path):
    (tmp_path / "broken.mcap").write_bytes(b"\x89MCAP0\r\n" + bytes(100))
    status, log = play_here(source=tmp_path / "broken.mcap")
    assert status == 2
    assert "broken.mcap holds" in log
    assert "0 messages of it can be read. Record it again" in log


def test_arguments_that_ros_cannot_parse(play_here):
    assert play_here(**{"rate:=1.0:": "="})[0] == 2


def test_nobody_subscribes(play_here, tmp_path):
    cv2.imwrite(str(tmp_path / "frame.png"), np.zeros((20, 32, 3), np.uint8))
    status, log = play_here(source=tmp_path, wait_for_subscribers=2, wait_timeout=0.2)
    assert status == 1
    assert "0 of 2 subscribers of /image after wait_timeout = 0.2 s; start them" in log


def test_a_size_that_the_encoding_cannot_have(play_here, tmp_path):
    cv2.imwrite(str(tmp_path / "odd.png"), np.zeros((20, 33, 3), np.uint8))
    status, log = play_here(source=tmp_path, encoding="nv12")
    assert status == 1
    assert "nv12 needs an even width, and this image is 33 wide; use rgb8" in log


def test_every_parameter_is_described():
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node("described", context=context)
    try:
        settings = declare(node, PlayerSettings)
        for field in dataclasses.fields(PlayerSettings):
            descriptor: ParameterDescriptor = node.describe_parameter(field.name)
            assert len(descriptor.description) > 10
            assert descriptor.read_only
            if isinstance(field.default, int) and not isinstance(field.default, bool):
                assert len(descriptor.integer_range) == 1
            if isinstance(field.default, float):
                assert len(descriptor.floating_point_range) == 1
        assert settings == PlayerSettings()
    finally:
        node.destroy_node()
        context.shutdown()


def test_the_parameter_file_holds_every_default():
    file = yaml.safe_load((REPOSITORY / "config" / "player.yaml").read_text(encoding="utf-8"))
    values = file["/**"]["ros__parameters"]
    assert set(values) == {field.name for field in dataclasses.fields(PlayerSettings)}
    assert PlayerSettings(**{**values, "intrinsics": tuple(values["intrinsics"])}) == PlayerSettings()
