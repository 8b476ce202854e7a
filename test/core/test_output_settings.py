"""What decides the messages of a frame: checked as a whole, and read from the parameter file of a node."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cinet_core.label_sets import NYU40
from cinet_core.messages.settings import OutputSettings
from cinet_core.parameters import read_file

SHIPPED = Path(__file__).parents[2] / "config" / "perception.yaml"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"depth_scale": 20.0}, "depth_scale = 20.0 is outside 0.1 .. 10"),
        ({"depth_scale": 1}, "depth_scale = 1 must be a number in 0.1 .. 10"),
        ({"depth_scale": float("nan")}, "depth_scale = nan is outside"),
        ({"label_encoding": "rgb8"}, "'rgb8' is not one of mono8, 16SC1, 16UC1"),
        ({"depth_min": 2.0, "depth_max": 1.0}, "depth_max = 1 must be above depth_min = 2"),
        ({"output_width": 320}, "output_width and output_height must both be 0 or both be given"),
        ({"output_width": 8192, "output_height": 8192}, "8192x8192 must not exceed 33554432 pixels"),
    ],
)
def test_wrong_values_are_named_with_their_limit(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        OutputSettings(**values)


def test_sizes_are_height_and_width() -> None:
    settings = OutputSettings(network_width=320, network_height=240)
    assert (settings.network_size, settings.output_size) == ((240, 320), None)


def test_classes_are_checked_against_the_models() -> None:
    settings = OutputSettings(mask_classes=("wall", "unicorn"))
    settings.check_classes(None)
    OutputSettings().check_classes(NYU40)
    with pytest.raises(ValueError, match=r"mask_classes: .*unicorn"):
        settings.check_classes(NYU40)


def parameter_file(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "parameters.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_shipped_file_is_all_defaults_and_what_a_bag_does_not_know_is_named() -> None:
    settings, unused = read_file(SHIPPED, OutputSettings)
    assert settings == OutputSettings()
    assert {"max_rate", "cameras", "watchdog_timeout"} <= set(unused)
    assert not set(unused) & {field.name for field in dataclasses.fields(OutputSettings)}


def test_a_file_means_what_a_node_takes_it_for(tmp_path: Path) -> None:
    text = """
    /**: {ros__parameters: {depth_scale: 2, depth_max: 9, mask_classes: [wall, floor], autostart: false}}
    /front/perception: {ros__parameters: {depth_scale: 3, input_rectified: true}}
    """
    settings, unused = read_file(parameter_file(tmp_path, text), OutputSettings)
    expected = OutputSettings(depth_scale=3.0, depth_max=9.0, mask_classes=("wall", "floor"), input_rectified="true")
    assert settings == expected
    assert unused == ["autostart"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("depth_scale: 2", "is no parameter file"),
        ("[1, 2", "is no parameter file"),
        ("/**: {ros__parameters: {depth_scale: 30}}", "parameters.yaml: depth_scale = 30.0 is outside 0.1 .. 10"),
        ("/**: {ros__parameters: {depth_scale: }}", "depth_scale = None must be a number"),
        ("/**: {ros__parameters: {mask_classes: wall}}", "mask_classes = 'wall' must be a list"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_file(parameter_file(tmp_path, text), OutputSettings)


def test_no_file_is_no_parameter_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="FileNotFoundError"):
        read_file(tmp_path / "none.yaml", OutputSettings)


def test_settings_import_without_numpy_and_ros() -> None:
    blocked = "import sys; sys.modules.update(dict.fromkeys(['numpy', 'cv2', 'rclpy', 'torch']));"
    code = blocked + "from cinet_core.messages.settings import OutputSettings; OutputSettings()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
