"""What perception.launch.py and its like would start: topics of one and of several cameras, players, the ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from launch_walk import StartedNode, walk

REPOSITORY = Path(__file__).resolve().parents[2]
LAUNCH = REPOSITORY / "launch"
PERCEPTION, DEMO, MAPPING = (LAUNCH / f"{name}.launch.py" for name in ("perception", "demo", "mapping"))

FAST_DDS_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def perception(**arguments: str) -> StartedNode:
    """The perception node as perception.launch.py starts it."""
    return walk(PERCEPTION, **arguments).node("perception")


# --- topics ---


def test_topics_of_one_camera() -> None:
    assert perception(image="/cam/image_raw").remappings == {
        "image": "/cam/image_raw",
        "image/compressed": "/cam/image_raw/compressed",
    }
    assert perception(camera_info="/cam/info").remappings == {"camera_info": "/cam/info"}
    assert perception(cameras="front", image="/cam/image_raw").remappings["front/image"] == "/cam/image_raw"


def test_topics_of_anchors() -> None:
    given = {"anchor_odom": "/wheels", "anchor_depth": "/tof/image", "anchor_depth_info": "/tof/camera_info"}
    assert perception(**given).remappings == {
        "anchor/odom": "/wheels",
        "anchor/depth/image": "/tof/image",
        "anchor/depth/camera_info": "/tof/camera_info",
    }
    assert perception(anchor_scan="/scan", anchor_points="/vio").remappings == {
        "anchor/scan": "/scan",
        "anchor/points": "/vio",
    }


@pytest.mark.parametrize("image", ["/cam/image_raw/compressed", "/cam/image_raw/"])
def test_a_compressed_topic_is_as_good_as_its_base(image: str) -> None:
    assert perception(image=image).remappings["image/compressed"] == "/cam/image_raw/compressed"


SEVERAL = {
    "front/image": "/front/image_raw",
    "front/image/compressed": "/front/image_raw/compressed",
    "front/camera_info": "/front/camera_info",
    "rear/image": "/rear/image_raw",
    "rear/image/compressed": "/rear/image_raw/compressed",
    "rear/camera_info": "/rear/camera_info",
}


@pytest.mark.parametrize(
    ("image", "camera_info"),
    [
        ("/{camera}/image_raw", "/{camera}/camera_info"),
        ("/front/image_raw /rear/image_raw", "/front/camera_info /rear/camera_info"),
        ("[/front/image_raw, /rear/image_raw]", "/front/camera_info, /rear/camera_info"),
    ],
)
def test_topics_of_several_cameras(image: str, camera_info: str, tmp_path: Path) -> None:
    assert perception(cameras="front rear", image=image, camera_info=camera_info).remappings == SEVERAL
    # cameras that a parameter file names
    file = tmp_path / "two.yaml"
    sections = {
        "/**": {"ros__parameters": {"cameras": ["left"]}},
        "/robot/perception": {"ros__parameters": {"cameras": ["front", "rear"]}},
    }
    file.write_text(yaml.safe_dump(sections), encoding="utf-8")
    given = {"params_file": str(file), "namespace": "robot", "image": image, "camera_info": camera_info}
    assert perception(**given).remappings == SEVERAL


BROKEN = (
    *("", "[1, 2]", "a: {b: c}", "/**: {ros__parameters: 1}", "a: [", "\x00", "\xff"),
    *("/**: {ros__parameters: {cameras: front}}", "/**: {ros__parameters: {cameras: [1, 2]}}"),
)


@pytest.mark.parametrize("content", BROKEN)
def test_a_parameter_file_that_is_none_is_left_to_the_node(content: str, tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_bytes(content.encode("latin-1"))
    assert perception(params_file=str(file)).files == [str(file)]


# --- Fast DDS ---


@pytest.mark.parametrize(
    ("distribution", "variable"), [("humble", 0), ("jazzy", 0), ("kilted", 1), ("lyrical", 1), ("", 1)]
)
def test_fast_dds_profile_is_set_as_the_distribution_reads_it(
    monkeypatch: pytest.MonkeyPatch, distribution: str, variable: int
) -> None:
    for name in FAST_DDS_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROS_DISTRO", distribution)
    environment = perception().environment
    assert list(environment) == [FAST_DDS_VARIABLES[variable]]
    assert Path(environment[FAST_DDS_VARIABLES[variable]]).name == "fastdds.xml"


@pytest.mark.parametrize(("distribution", "name"), [("humble", "fastdds_localhost.xml"), ("jazzy", "fastdds.xml")])
def test_where_humble_stays_on_this_machine_it_has_a_profile_that_does(distribution: str, name: str) -> None:
    """In a process of its own: which of them is the default is decided when the launch file is loaded."""
    script = (
        "import sys; sys.path.insert(0, 'test/support'); import launch_stand_in; launch_stand_in.install()\n"
        "from cinet_ros.launching.nodes import COMMON_ARGUMENTS; print(COMMON_ARGUMENTS['fastdds_profile'][0])"
    )
    environment = os.environ | {"ROS_DISTRO": distribution, "ROS_LOCALHOST_ONLY": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()).name == name
    assert (REPOSITORY / "config" / name).is_file()


def test_fast_dds_profile_of_the_user_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "other.xml"
    other.touch()
    for name in FAST_DDS_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert perception(fastdds_profile="none").environment == {}
    assert list(perception(fastdds_profile=str(other)).environment.values()) == [str(other)]
    monkeypatch.setenv(FAST_DDS_VARIABLES[0], str(tmp_path / "mine.xml"))
    assert perception().environment == {}


# --- players ---


def test_the_player_is_in_the_cameras_place() -> None:
    walked = walk(PERCEPTION, source="/frames", rate="10", loop="false", namespace="robot", image="front/image_raw")
    player = walked.node("player")
    assert player.parameters == {"source": "/frames", "rate": 10.0, "loop": False, "encoding": "rgb8"}
    assert player.namespace == "robot"
    assert player.remappings == walked.node("perception").remappings


def test_the_player_sends_what_the_node_reads(tmp_path: Path) -> None:
    file = tmp_path / "compressed.yaml"
    file.write_text("perception: {ros__parameters: {image_transport: compressed}}", encoding="utf-8")
    for given in ({"image_transport": "compressed"}, {"params_file": str(file)}):
        assert walk(DEMO, **given).node("player").parameters["encoding"] == "compressed"
    assert walk(DEMO, image_transport="compressed", encoding="bgr8").node("player").parameters["encoding"] == "bgr8"


def test_each_of_several_cameras_has_a_player() -> None:
    walked = walk(DEMO, cameras="front rear", image="/{camera}/image_raw")
    assert [node.name for node in walked.nodes] == ["perception", "player_front", "player_rear"]
    for name in ("front", "rear"):
        player = walked.node(f"player_{name}")
        assert player.remappings["image"] == f"/{name}/image_raw"
        assert player.remappings["camera_info"] == f"{name}/camera_info"


# --- ends ---


def names(actions: list[Any]) -> list[str]:
    return [type(action).__name__ for action in actions]


@pytest.mark.parametrize("launch_file", [PERCEPTION, DEMO, MAPPING], ids=lambda path: path.name)
def test_a_player_that_dies_ends_everything(launch_file: Path) -> None:
    walked = walk(launch_file, source="/absent")
    with pytest.raises(RuntimeError, match="the player has ended with status 2"):
        walked.exits("player", 2)


def test_a_player_that_has_played_everything_ends_the_demo_in_order() -> None:
    said, timer = walk(DEMO, loop="false").exits("player", 0)
    assert names([said, timer]) == ["LogInfo", "TimerAction"]
    assert names(timer.actions) == ["Shutdown"]


def test_a_map_outlives_the_recording() -> None:
    assert names(walk(MAPPING, source="/frames", loop="false").exits("player", 0)) == ["LogInfo"]
    asked = walk(MAPPING, source="/frames", loop="false", end_with_player="true")
    assert names(asked.exits("player", 0)) == ["LogInfo", "TimerAction"]


def test_a_node_that_refuses_ends_the_demo_and_with_it_the_player() -> None:
    walked = walk(DEMO)
    with pytest.raises(RuntimeError, match="the perception node has ended with status 2"):
        walked.exits("perception", 2)
    assert walked.exits("player", 0) == [], "it has not played everything"


def test_a_map_outlives_its_perception_node() -> None:
    walked = walk(MAPPING, source="/frames")
    (asked,) = walked.exits("perception", 3)
    assert type(asked.event).__name__ == "ShutdownProcess"
    assert walked.exits("player", 0) == []


def test_a_node_that_is_started_anew_keeps_its_player() -> None:
    walked = walk(PERCEPTION, source="synthetic", respawn="true")
    assert walked.node("perception").options["respawn"] is True
    assert walked.node("player").options["respawn"] is False
    assert walked.exits("perception", -9) == []


def test_ctrl_c_is_no_failure() -> None:
    walked = walk(DEMO)
    walked.context._set_is_shutdown(True)
    assert walked.exits("player", -2) == []
    assert walked.exits("perception", -2) == []


# --- mapper ---


def test_the_mapper_and_its_perception_node() -> None:
    walked = walk(
        MAPPING,
        namespace="robot",
        odom="/wheels",
        camera_in_base="0.1 0 0.4 -0.5 0.5 -0.5 0.5",
        map_frame="map",
        cameras="front rear",
        depth_scale="1.1",
        autostart="false",
    )
    mapper = walked.node("mapping")
    assert mapper.parameters == {
        "camera_in_base": [0.1, 0.0, 0.4, -0.5, 0.5, -0.5, 0.5],
        "map_frame": "map",
        "camera": "front",
        "autostart": False,
    }
    assert mapper.remappings == {"odom": "/wheels"}
    assert {node.namespace for node in walked.nodes} == {"robot"}
    assert walked.node("perception").parameters == {
        "cameras": ["front", "rear"],
        "depth_scale": 1.1,
        "autostart": False,
    }
    assert [node.name for node in walk(MAPPING, perception="false").nodes] == ["mapping"]
    with pytest.raises(ValueError, match="camera_in_base:=ahead"):
        walk(MAPPING, camera_in_base="ahead")


def test_the_mapper_reads_the_camera_that_its_file_names(tmp_path: Path) -> None:
    assert walk(MAPPING, cameras="front rear").node("mapping").parameters == {"camera": "front"}
    file = tmp_path / "mapping.yaml"
    file.write_text("/**: {ros__parameters: {camera: rear}}", encoding="utf-8")
    walked = walk(MAPPING, cameras="front rear", mapping_params_file=str(file))
    assert walked.node("mapping").parameters == {}
    assert walk(MAPPING, cameras="front rear", camera="rear").node("mapping").parameters == {"camera": "rear"}


def test_the_viewer() -> None:
    viewer = walk(
        LAUNCH / "viewer.launch.py",
        file="walk.rrd",
        serve="false",
        port="9191",
        pose_source="none",
        camera_in_base="[0, 0, 0, 0, 0, 0, 1]",
        map_points="/map/points",
    ).node("viewer")
    assert viewer.parameters == {
        "file": "walk.rrd",
        "serve": False,
        "port": 9191,
        "pose_source": "none",
        "camera_in_base": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
    }
    assert viewer.remappings == {"map/points": "/map/points"}
