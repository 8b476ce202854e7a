"""What the integrations' launch files would start, with stand-ins for the consumers' packages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import consumer_packages
import pytest
import yaml
from ament_prefix import Prefix
from launch_walk import Walked, walk

from cinet_ros.integrations import wiring
from cinet_ros.launching.perception import PARAMETERS

FOLDER = Path(__file__).resolve().parents[2] / "launch" / "integrations"
CONSUMERS: dict[str, tuple[Callable[[Prefix], None], str, str]] = {
    # launch file: its consumer's packages, one of its executables, how to get it
    "rtabmap": (consumer_packages.add_rtabmap, "rtabmap", "apt install ros-jazzy-rtabmap-ros"),
    "hydra": (consumer_packages.add_hydra, "", "build it in your workspace"),
    "nvblox": (consumer_packages.add_nvblox, "nvblox_node", "apt install ros-jazzy-isaac-ros-nvblox"),
    "nav2": (consumer_packages.add_nav2, "navigation", "apt install ros-jazzy-navigation2"),
}
every_integration = pytest.mark.parametrize("name", CONSUMERS)


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Walked]:
    """Walk a launch file whose consumer is installed."""

    def start(name: str, **arguments: str) -> Walked:
        prefix = Prefix(tmp_path / f"prefix_{len(list(tmp_path.iterdir()))}")
        CONSUMERS[name][0](prefix)
        monkeypatch.setenv("AMENT_PREFIX_PATH", prefix.path())
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        return walk(FOLDER / f"{name}.launch.py", **arguments)

    return start


def test_every_integration_is_tested() -> None:
    assert {path.name.removesuffix(".launch.py") for path in FOLDER.glob("*.launch.py")} == set(CONSUMERS)


@every_integration
def test_a_consumer_that_is_missing_is_named_before_anything_starts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    with pytest.raises(RuntimeError, match=f"is not installed: .*{CONSUMERS[name][2]}"):
        walk(FOLDER / f"{name}.launch.py")


@every_integration
def test_it_starts_the_perception_node_with_every_argument_of_it(name: str, started: Callable[..., Walked]) -> None:
    given = {
        "depth_scale": "1.1",
        "network_width": "320",
        "network_height": "240",
        "mask_classes": "person",
        "device": "cpu",
    }
    walked = started(name, image="/cam/image_raw", source="synthetic", **given)
    assert walked.node("perception").parameters == {
        "depth_scale": 1.1,
        "network_width": 320,
        "network_height": 240,
        "mask_classes": ["person"],
        "device": "cpu",
        "use_sim_time": False,
    }
    assert walked.node("perception").remappings["image"] == "/cam/image_raw"
    assert walked.node("player").remappings["image"] == "/cam/image_raw"
    assert set(PARAMETERS) <= set(walked.context.launch_configurations)
    assert walked.said == []


@every_integration
def test_a_perception_node_that_runs_already_is_not_started(name: str, started: Callable[..., Walked]) -> None:
    assert "perception" not in [node.name for node in started(name, perception="false").nodes]


@pytest.mark.parametrize("name", ["rtabmap", "nvblox", "nav2"])
def test_consumers_have_the_fast_dds_profile(
    name: str, started: Callable[..., Walked], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(variable, raising=False)
    for perception in ("true", "false"):
        consumer = started(name, perception=perception).node(CONSUMERS[name][1])
        assert any(value.endswith("fastdds.xml") for value in consumer.environment.values())


def test_the_first_of_several_cameras_is_used_unless_another_is_named(started: Callable[..., Walked]) -> None:
    for given, camera in (({}, "front"), ({"camera": "rear"}, "rear")):
        consumer = started("rtabmap", cameras="front rear", namespace="robot", **given).node("rtabmap")
        assert consumer.remappings == wiring.resolved(wiring.RTABMAP, "robot", camera)


def test_rtabmap(started: Callable[..., Walked]) -> None:
    walked = started("rtabmap", optical_frame="front_optical", delete_db="true", viz="true", use_sim_time="true")
    slam, odometry = walked.node("rtabmap"), walked.node("rgbd_odometry")
    assert slam.parameters == {"frame_id": "camera_link", "use_sim_time": True, "subscribe_odom_info": True}
    assert odometry.parameters == {"frame_id": "camera_link", "use_sim_time": True, "odom_frame_id": "odom"}
    assert slam.arguments == ["--delete_db_on_start"]
    transform = walked.node("static_transform_publisher").arguments
    assert transform[-4:] == ["--frame-id", "camera_link", "--child-frame-id", "front_optical"]
    alone = started("rtabmap", odometry="false")
    assert "rgbd_odometry" not in [node.executable for node in alone.nodes]
    assert alone.node("rtabmap").parameters["odom_frame_id"] == "odom"


def test_hydra(started: Callable[..., Walked]) -> None:
    walked = started("hydra", robot_frame="body")
    (given,) = [arguments for path, arguments in walked.included if path.endswith("hydra.launch.yaml")]
    assert (given["robot_frame"], given["odom_frame"], given["use_sim_time"]) == ("body", "odom", "false")
    for name in ("hydra_config_path", "input_config_path", "labelspace_path"):
        assert Path(given[name]).is_file(), name
    assert Path(yaml.safe_load(given["extra_yaml"])["semantic_colormap_file"]).is_file()


def test_nvblox(started: Callable[..., Walked]) -> None:
    walked = started("nvblox", global_frame="map")
    consumer = walked.node("nvblox_node")
    assert consumer.remappings == wiring.resolved(wiring.NVBLOX)
    assert consumer.parameters == {"global_frame": "map", "map_clearing_frame_id": "base_link", "use_sim_time": False}
    (file,) = walked.node("perception").files
    assert Path(file).name == "nvblox_perception.yaml"


def test_nav2_does_not_see_our_arguments(started: Callable[..., Walked]) -> None:
    consumer = started("nav2", namespace="robot", log_level="debug").node("navigation")
    merged, use_sim_time, autostart, namespace, log_level = consumer.arguments
    assert (use_sim_time, autostart, namespace, log_level) == ("false", "true", "", "warn")
    layer = yaml.safe_load(Path(merged).read_text(encoding="utf-8"))["local_costmap"]["local_costmap"]
    topics = wiring.resolved(wiring.NAV2, "robot")
    assert {topic: layer["ros__parameters"]["semantic_layer"]["cinet"][topic] for topic in topics} == topics


@pytest.mark.parametrize("layer", wiring.NAV2_LAYERS)
def test_nav2_gets_the_layer_that_is_asked_for(layer: str, started: Callable[..., Walked]) -> None:
    walked = started("nav2", layer=layer, camera_frame="front_optical", namespace="robot")
    merged = yaml.safe_load(Path(walked.node("navigation").arguments[0]).read_text(encoding="utf-8"))
    values = merged["local_costmap"]["local_costmap"]["ros__parameters"]
    name = f"cinet_{layer}_layer"
    assert values["plugins"] == [name, "inflation_layer"]
    for source, topic in wiring.resolved(wiring.NAV2_LAYERS[layer], "robot").items():
        assert values[name][source]["topic"] == topic
        assert values[name][source]["sensor_frame"] in ("front_optical", ""), "a scan's ranges are from the base"
    assert values[name][next(iter(wiring.NAV2_LAYERS[layer]))]["sensor_frame"] == "front_optical"


def test_an_unknown_layer_is_named(started: Callable[..., Walked]) -> None:
    with pytest.raises(ValueError, match=r"layer:=voxels is not one of semantic, obstacle, voxel, stvl"):
        started("nav2", layer="voxels")
