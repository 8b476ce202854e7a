"""Arguments of the launch files: what each overrides, what is refused with which words, what is not swallowed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from launch_walk import Walked, walk

from cinet_ros.launching.arguments import named_on_command_line
from cinet_ros.launching.perception import ARGUMENTS, PARAMETERS

REPOSITORY = Path(__file__).resolve().parents[2]
LAUNCH = REPOSITORY / "launch"
PERCEPTION = LAUNCH / "perception.launch.py"
EVERY_FILE = sorted([*LAUNCH.glob("*.launch.py"), *(LAUNCH / "integrations").glob("*.launch.py")])
STARTED_ALONE = [path for path in EVERY_FILE if path.parent == LAUNCH]


def perception(**arguments: str) -> Walked:
    """perception.launch.py with arguments."""
    return walk(PERCEPTION, **arguments)


@pytest.mark.parametrize("path", STARTED_ALONE, ids=lambda path: path.name)
def test_every_file_starts_with_its_defaults(path: Path) -> None:
    started = walk(path)
    expected = {
        "perception.launch.py": ["perception"],
        "demo.launch.py": ["perception", "player"],
        "mapping.launch.py": ["mapping", "perception"],
        "viewer.launch.py": ["viewer"],
    }
    assert [node.name for node in started.nodes] == expected[path.name]
    for node in started.nodes:
        assert (node.package, node.executable) == ("cinet_ros", f"{node.name}_node")
        assert node.remappings == {}
        assert all(Path(file).is_file() for file in node.files)
        assert "FASTDDS_DEFAULT_PROFILES_FILE" in node.environment or not node.environment
    assert started.said == []


def test_nothing_given_overrides_nothing() -> None:
    assert perception().node("perception").parameters == {}
    assert walk(LAUNCH / "mapping.launch.py").node("mapping").parameters == {}
    assert walk(LAUNCH / "viewer.launch.py").node("viewer").parameters == {}


GIVEN = {
    "weights": ("/w.safetensors", "/w.safetensors"),
    "model_config": ("resnet50", "resnet50"),
    "device": ("cuda:1", "cuda:1"),
    "backend": ("openvino", "openvino"),
    "precision": ("int8", "int8"),
    "network_width": ("320", 320),
    "network_height": ("240", 240),
    "cameras": ("front rear", ["front", "rear"]),
    "image_transport": ("compressed", "compressed"),
    "input_rectified": ("true", "true"),
    "assumed_fov": ("70", 70.0),
    "depth_scale": ("1.07", 1.07),
    "mask_classes": ("[night stand, person]", ["night stand", "person"]),
    "anchor": ("auto", "auto"),
    "temporal": ("off", "off"),
    "autostart": ("false", False),
}


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("launch_file", ["perception", "demo", "mapping"])
def test_each_argument_becomes_its_parameter(name: str, launch_file: str) -> None:
    text, value = GIVEN[name]
    node = walk(LAUNCH / f"{launch_file}.launch.py", **{name: text}).node("perception")
    assert node.parameters[name] == value
    assert type(node.parameters[name]) is type(value)


@pytest.mark.parametrize("text", ["front rear", "front, rear", "front,rear", "[front, rear]", "['front', \"rear\"]"])
def test_lists_are_read_as_they_are_written_anywhere(text: str) -> None:
    assert perception(cameras=text).node("perception").parameters["cameras"] == ["front", "rear"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"log_level": "verbose"}, "log_level:=verbose is not one of debug, info, warn, error, fatal"),
        ({"rviz": "maybe"}, "rviz:=maybe is neither true nor false"),
        ({"source": "synthetic", "rate": "fast"}, "rate:=fast is not a number"),
        ({"network_width": "wide"}, "network_width:=wide is not a whole number"),
        ({"network_width": "9000"}, r"network_width = 9000 is outside 0 \.\. 4096"),
        ({"depth_scale": "0"}, r"depth_scale = 0\.0 is outside 0\.1 \.\. 10"),
        ({"assumed_fov": "nan"}, r"assumed_fov = nan is outside"),
        ({"backend": "tensorflow"}, "backend = 'tensorflow' is not one of auto, torch"),
        ({"image_transport": "theora"}, "image_transport = 'theora' is not one of raw, compressed"),
        ({"cameras": "[front, rear"}, "is not a list"),
        ({"params_file": "/absent.yaml"}, "params_file:=/absent.yaml: no such file"),
        ({"cameras": "front rear", "image": "/x"}, r"image:=/x names 1 topics for 2 cameras \(front, rear\)"),
        ({"image": "/x /y"}, "names 2 topics for 1 cameras"),
    ],
)
def test_bad_values_are_named_with_what_is_accepted(arguments: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        perception(**arguments)


# --- names ---


@pytest.mark.parametrize("path", EVERY_FILE, ids=lambda path: path.name)
def test_an_unknown_argument_is_named_with_the_one_that_is_meant(path: Path) -> None:
    with pytest.raises(ValueError, match=rf"unknown argument log_lvel \(did you mean log_level\?\).*{path.name}"):
        walk(path, log_lvel="debug")


def test_several_unknown_arguments_are_all_named() -> None:
    with pytest.raises(ValueError, match=r"imgae \(did you mean image\?\); unknown argument colour"):
        perception(imgae="/x", colour="red")


def test_options_of_ros2_launch_are_no_arguments() -> None:
    walked = perception(**{"launch-prefix": "xterm -e", "launch-prefix-filter": "perception"})
    assert [node.name for node in walked.nodes] == ["perception"]


def including(folder: Path, name: str = "bringup.launch.py", arguments: str = "[]") -> Path:
    """A robot's launch file that includes ours and has arguments of its own."""
    path = folder / name
    path.write_text(
        f"""
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

def generate_launch_description():
    ours = PythonLaunchDescriptionSource({str(PERCEPTION)!r})
    own = [DeclareLaunchArgument(name, default_value="") for name in ("robot", "camera", "base_image")]
    return LaunchDescription([*own, IncludeLaunchDescription(ours, launch_arguments={arguments})])
""",
        encoding="utf-8",
    )
    return path


def test_arguments_of_an_including_file_are_its_own(tmp_path: Path) -> None:
    path = including(tmp_path)
    walked = walk(path, parent=path, robot="r1", camera="left", image="/left/image_raw")
    assert walked.node("perception").remappings["image"] == "/left/image_raw"
    assert walked.said == []


def test_a_robots_file_of_the_same_name_is_not_ours(tmp_path: Path) -> None:
    path = including(tmp_path, "perception.launch.py")
    assert walk(path, parent=path, robot="r1").said == []


def test_our_launch_file_is_known_by_package_or_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(LAUNCH)
    for words, ours in (
        (["ros2", "launch", "cinet_ros", "perception.launch.py"], True),
        (["ros2", "launch", "-n", "cinet_ros", "perception.launch.py", "image:=/x"], True),
        (["ros2", "launch", str(PERCEPTION)], True),
        (["ros2", "launch", "./perception.launch.py"], True),
        (["ros2", "launch", "robot", str(tmp_path / "perception.launch.py")], False),
        (["ros2", "launch", "cinet_ros", "demo.launch.py"], False),
        (["robot.py"], False),
    ):
        assert named_on_command_line(PERCEPTION, words) is ours, words


def test_a_misspelling_in_an_including_file_is_pointed_out(tmp_path: Path) -> None:
    path = including(tmp_path, arguments="[('imgae', '/x')]")
    walked = walk(path, parent=path)
    assert [node.name for node in walked.nodes] == ["perception"]
    (line,) = walked.said
    assert "perception.launch.py has no argument imgae" in line
    assert "did you mean image?" in line


# --- descriptions and what they need ---


@pytest.mark.parametrize("path", EVERY_FILE, ids=lambda path: path.name)
def test_every_argument_is_described(path: Path) -> None:
    from launch.launch_description_sources import load_python_launch_file_as_module

    module = load_python_launch_file_as_module(str(path))
    table = {**ARGUMENTS, **module.ARGUMENTS} if hasattr(module, "ARGUMENTS") else ARGUMENTS
    assert all(len(description) > 10 for _, description in table.values())


def test_the_documentation_has_them_all() -> None:
    text = (REPOSITORY / "docs" / "launch.md").read_text(encoding="utf-8")
    assert [name for name in ARGUMENTS if f"`{name}`" not in text] == []


def test_the_contracts_arguments_exist() -> None:
    promised = "image camera_info namespace params_file weights device rviz use_sim_time source autostart log_level"
    daily = "backend precision cameras image_transport assumed_fov depth_scale mask_classes input_rectified"
    assert {*promised.split(), *daily.split(), "network_width", "network_height"} <= set(ARGUMENTS)


def test_arguments_of_the_parameter_file_exist_as_parameters() -> None:
    text = (REPOSITORY / "config" / "perception.yaml").read_text(encoding="utf-8")
    assert set(PARAMETERS) <= {*yaml.safe_load(text)["/**"]["ros__parameters"], "weights"}


@pytest.mark.parametrize("path", EVERY_FILE, ids=lambda path: path.name)
def test_no_launch_file_imports_what_ros2_launch_may_not_have(path: Path) -> None:
    """`ros2 launch` runs in the system's Python; the nodes in the environment that scripts/install.sh makes."""
    script = (
        "import sys; sys.path.insert(0, 'test/support'); import launch_stand_in; launch_stand_in.install()\n"
        "from launch.launch_description_sources import load_python_launch_file_as_module as load\n"
        f"load({str(path)!r}).generate_launch_description()\n"
        "print(sorted({'torch', 'cv2', 'PIL', 'timm', 'safetensors', 'open3d', 'rerun', 'rich'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert ast.literal_eval(done.stdout.splitlines()[-1]) == []
