"""RViz as the launch files start it: the shipped configurations, with every camera and the topics as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ament_prefix import Prefix
from launch_walk import Walked, walk

LAUNCH = Path(__file__).resolve().parents[2] / "launch"
PERCEPTION, DEMO, MAPPING = (LAUNCH / f"{name}.launch.py" for name in ("perception", "demo", "mapping"))


@pytest.fixture
def rviz2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An rviz2 that is installed."""
    prefix = Prefix(tmp_path / "prefix")
    prefix.add("rviz2", "rviz2")
    monkeypatch.setenv("AMENT_PREFIX_PATH", prefix.path())
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def shown(walked: Walked) -> dict[str, str]:
    """Name and topic of every display of the configuration that RViz is started with."""
    arguments = walked.node("rviz2").arguments
    content = yaml.safe_load(Path(arguments[arguments.index("-d") + 1]).read_text(encoding="utf-8"))
    displays = content["Visualization Manager"]["Displays"]
    return {display["Name"]: display["Topic"]["Value"] for display in displays if "Topic" in display}


def test_without_rviz_a_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    walked = walk(DEMO, rviz="true")
    assert walked.said == ["rviz:=true has no effect: rviz2 is not installed (apt install ros-jazzy-rviz2)"]


@pytest.mark.usefixtures("rviz2")
def test_rviz_shows_one_camera_with_the_shipped_file() -> None:
    walked = walk(DEMO, rviz="true", use_sim_time="true")
    rviz = walked.node("rviz2")
    assert Path(rviz.arguments[1]).name == "perception.rviz"
    assert rviz.arguments[2:] == ["-f", "camera_optical_frame"]
    assert rviz.parameters == {"use_sim_time": True}
    assert shown(walked)["Input"] == "/image"


@pytest.mark.usefixtures("rviz2")
def test_rviz_shows_the_topics_as_they_are_remapped_and_in_their_namespace() -> None:
    walked = walk(PERCEPTION, rviz="true", namespace="/robot", image="front/image_raw", rviz_frame="front_optical")
    assert shown(walked) == {
        "Points": "/robot/points",
        "Input": "/robot/front/image_raw",
        "Depth": "/robot/depth_registered/image_rect",
        "Labels": "/robot/semantic_color/image_raw",
        "Overlay": "/robot/semantic_overlay/image_raw",
    }


@pytest.mark.usefixtures("rviz2")
def test_rviz_takes_compressed_input() -> None:
    assert shown(walk(DEMO, rviz="true", image_transport="compressed"))["Input"] == "/image/compressed"


@pytest.mark.usefixtures("rviz2")
def test_rviz_shows_every_camera() -> None:
    topics = shown(walk(DEMO, rviz="true", cameras="front rear", image="/{camera}/image_raw", namespace="robot"))
    assert len(topics) == 10
    assert topics["Input rear"] == "/rear/image_raw"
    assert topics["Points front"] == "/robot/front/points"
    assert topics["Depth rear"] == "/robot/rear/depth_registered/image_rect"


@pytest.mark.usefixtures("rviz2")
def test_rviz_of_the_mapper() -> None:
    walked = walk(MAPPING, rviz="true", namespace="robot", map_frame="map")
    assert walked.node("rviz2").arguments[2:] == ["-f", "map"]
    topics = ("map/points", "map/occupancy", "map/markers", "mapping/objects/markers")
    assert set(shown(walked).values()) == {f"/robot/{topic}" for topic in topics}
    assert len(walked.nodes) == 3, "the perception node's own RViz is not started too"
