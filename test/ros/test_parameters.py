"""Parameters of the perception node: checked together, described in one place, the same in the shipped file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from rclpy.node import Node
from rclpy.parameter import Parameter

from cinet_core.parameters import markdown_table
from cinet_ros.mapping.parameters import MappingSettings
from cinet_ros.parameter_fields import changed, declare, typed
from cinet_ros.parameters import Settings

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"overlay_opacity": 1.5}, ["overlay_opacity = 1.5", "0 .. 1"]),
        ({"overlay_opacity": float("nan")}, ["overlay_opacity = nan"]),
        ({"overlay_opacity": "half"}, ["overlay_opacity = 'half'", "a number in 0 .. 1", "0.5"]),
        ({"cloud_decimation": 1.5}, ["cloud_decimation = 1.5", "a whole number in 1 .. 16"]),
        ({"cloud_color": 3}, ["cloud_color = 3", "semantic, camera"]),
        ({"watchdog_timeout": 0.01}, ["watchdog_timeout = 0.01", "0.5 s at least"]),
        ({"max_rate": -1.0}, ["max_rate = -1.0", "0 .. 1000"]),
        ({"depth_encoding": "64FC1"}, ["depth_encoding = '64FC1'", "32FC1, 16UC1"]),
        ({"cloud_decimation": 0}, ["cloud_decimation = 0", "1 .. 16"]),
        ({"depth_min": 2.0, "depth_max": 1.0}, ["depth_max = 1", "depth_min = 2"]),
        ({"output_width": 8192, "output_height": 8192}, ["8192x8192", "33554432 pixels"]),
        ({"network_width": 320}, ["network_width", "network_height"]),
        ({"cameras": ("front", "front")}, ["each once"]),
        ({"cameras": ("front", "")}, ["single camera"]),
        ({"cameras": ()}, ["at least one"]),
        ({"cameras": ("front cam",)}, ["'front cam'", "topic name"]),
        ({"cameras": ("/front",)}, ["'/front'", "relative"]),
        ({"cameras": ("front", "2nd")}, ["'2nd'", "a letter first"]),
        ({"autostart": 1}, ["autostart = 1", "true or false"]),
        ({"mask_classes": ("wall", 3)}, ["mask_classes", "a list"]),
        ({"disabled_outputs": ("point",)}, ["'point'", "points, points_downsampled", "stats", "prefix"]),
        ({"disabled_outputs": ("/points",)}, ["'/points'"]),
        ({"cloud_voxel_size": 0.0}, ["cloud_voxel_size = 0.0", "0.005 .. 10"]),
        ({"compressed_jpeg_quality": 0}, ["compressed_jpeg_quality = 0", "1 .. 100"]),
        ({"compressed_png_level": 10}, ["compressed_png_level = 10", "0 .. 9"]),
    ],
)
def test_wrong_values_are_named_with_their_limit(values: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        Settings(**values)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("field", dataclasses.fields(Settings), ids=lambda field: field.name)
def test_every_parameter_has_a_meaning_and_numbers_a_range(field: Any) -> None:
    assert len(field.metadata["description"]) > 10
    number = isinstance(field.default, (int, float)) and not isinstance(field.default, bool)
    assert bool(field.metadata["limits"]) == number


def test_changes_replace_only_what_they_name_and_skip_parameters_that_are_not_ours() -> None:
    before = Settings(weights="random")
    after = changed(
        before,
        [
            Parameter("overlay_opacity", value=1),  # a whole number is a number
            Parameter("mask_classes", value=["wall", "floor"]),
            Parameter("input_rectified", value=True),  # what YAML makes of an unquoted `true`
            Parameter("use_sim_time", value=True),
        ],
    )
    assert after == dataclasses.replace(
        before, overlay_opacity=1.0, mask_classes=("wall", "floor"), input_rectified="true"
    )
    assert before.overlay_opacity == 0.5


@pytest.mark.parametrize("given", ["[]", "['']"])
def test_an_empty_list_from_the_command_line_is_one(make_node: Callable[..., Node], given: str) -> None:
    node = make_node("lists", cli_args=["--ros-args", "-p", f"mask_classes:={given}"])
    assert not any(declare(node, Settings).mask_classes)


def test_an_empty_list_is_no_number(make_node: Callable[..., Node]) -> None:
    node = make_node("lists", cli_args=["--ros-args", "-p", "overlay_opacity:=[]"])
    with pytest.raises(ValueError, match="overlay_opacity"):
        declare(node, Settings)


def in_a_file(tmp_path: Path, **values: Any) -> list[str]:
    """Arguments that hand a node a file with parameters, as people write it."""
    file = tmp_path / "parameters.yaml"
    file.write_text(yaml.safe_dump({"/**": {"ros__parameters": values}}), encoding="utf-8")
    return ["--ros-args", "--params-file", str(file)]


@pytest.mark.parametrize("from_file", [False, True])
def test_a_whole_number_given_at_the_start_for_a_double_is_one(
    make_node: Callable[..., Node], tmp_path: Path, from_file: bool
) -> None:
    pose = [0, 0, 1, 0, 0, 0, 1]
    arguments = ["--ros-args", "-p", "voxel_size:=1", "-p", f"camera_in_base:={pose}"]
    if from_file:
        arguments = in_a_file(tmp_path, voxel_size=1, camera_in_base=pose)
    node = make_node("whole", cli_args=arguments)
    settings = declare(node, MappingSettings)
    assert (type(settings.voxel_size), settings.voxel_size) == (float, 1.0)
    assert settings.camera_in_base == tuple(pose)
    assert {type(value) for value in settings.camera_in_base} == {float}
    for name, kind in (("voxel_size", Parameter.Type.DOUBLE), ("camera_in_base", Parameter.Type.DOUBLE_ARRAY)):
        assert node.get_parameter(name).type_ == kind
        assert node.describe_parameter(name).type == kind.value


@pytest.mark.parametrize("given", ["max_blocks:=10.0", "use_color:=1", "map_frame:=1", "camera_in_base:=[true]"])
def test_nothing_else_is_made_to_fit(make_node: Callable[..., Node], given: str) -> None:
    node = make_node("whole", cli_args=["--ros-args", "-p", given])
    with pytest.raises(ValueError, match=given.partition(":")[0]):
        declare(node, MappingSettings)


@pytest.mark.parametrize("given", ["[]", "['']"])
def test_an_empty_list_has_its_type(make_node: Callable[..., Node], given: str) -> None:
    node = make_node("lists", cli_args=["--ros-args", "-p", f"mask_classes:={given}"])
    declare(node, Settings)
    assert node.get_parameter("mask_classes").type_ == Parameter.Type.STRING_ARRAY
    assert node.describe_parameter("mask_classes").type == Parameter.Type.STRING_ARRAY.value


def test_changes_are_typed_before_rclpy_sees_them() -> None:
    double, text, array = Parameter("depth_scale", value=2), Parameter("cloud_color", value="camera"), Parameter.Type
    changes = typed(Settings(), [double, text, Parameter("mask_classes", array.BOOL_ARRAY, [])])
    assert [(change.type_, change.value) for change in changes] == [
        (array.DOUBLE, 2.0),
        (array.STRING, "camera"),
        (array.STRING_ARRAY, []),  # what `ros2 param set` makes of [] is a list of bool
    ]
    with pytest.raises(ValueError, match="max_rate = None must be a number"):  # `ros2 param delete`
        typed(Settings(), [Parameter("max_rate")])


def test_the_shipped_file_can_be_loaded_by_name(make_node: Callable[..., Node]) -> None:
    path = REPOSITORY / "config" / "perception.yaml"
    assert declare(make_node("any", cli_args=["--ros-args", "--params-file", str(path)]), Settings) == Settings()


def shipped() -> dict[str, Any]:
    """Values of the file that ships, in its order."""
    content = yaml.safe_load((REPOSITORY / "config" / "perception.yaml").read_text(encoding="utf-8"))
    (node,) = content
    return content[node]["ros__parameters"]


def test_the_shipped_file_holds_every_parameter_at_its_default() -> None:
    defaults = {
        field.name: list(field.default) if isinstance(field.default, tuple) else field.default
        for field in dataclasses.fields(Settings)
        # given by the launch file, or kept out of a file that a user shares between machines
        if field.name not in {"weights"}
    }
    assert shipped() == defaults


def test_the_readme_lists_every_parameter() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert markdown_table(Settings, list(shipped())) in readme, "run `make docs` to bring the appendix up to date"
