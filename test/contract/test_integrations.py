"""Each consumer of docs/integrations.md gets what its source demands: on paper, and of a real node on the wire."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from consumer_demands import CONSUMERS, Consumer
from output_arrays import colors, pixels, points
from rclpy.qos import QoSCompatibility, qos_check_compatible
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField

from cinet_core.label_sets import NYU40
from cinet_ros.frame_messages import MESSAGE_TYPES
from cinet_ros.integrations import wiring
from cinet_ros.navigation.topics import message_types
from cinet_ros.parameters import Settings

CONFIG = Path(__file__).resolve().parents[2] / "config" / "integrations"
WIRINGS = {name: getattr(wiring, name.upper()) for name in CONSUMERS}
LABEL_INFO = "semantic/label_info"
WIDTH, HEIGHT = 160, 120
FRAME_ID = "front_camera_optical_frame"
BYTES = {"rgb8": 3, "mono8": 1, "16UC1": 2, "32FC1": 4}
KINDS = {**MESSAGE_TYPES, **message_types(), LABEL_INFO: "vision_msgs/msg/LabelInfo"}


# --- on paper ---


def encoding_of(topic: str, settings: Settings) -> str:
    """Encoding that we publish an image in."""
    chosen = {"depth_registered/image_rect": settings.depth_encoding, "semantic/image_raw": settings.label_encoding}
    return chosen.get(topic, "rgb8" if topic.startswith("rgb/") else "mono8")


def overrides(name: str) -> dict[str, Any]:
    """Parameters that the perception node has for a consumer, beside the defaults."""
    path = CONFIG / f"{name}_perception.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))["/**"]["ros__parameters"] if path.exists() else {}


@pytest.mark.parametrize("name", CONSUMERS)
def test_every_input_is_wired_to_a_topic_of_ours_that_has_its_type_and_encoding(name: str) -> None:
    consumer, wires = CONSUMERS[name], WIRINGS[name]
    assert set(wires) == set(consumer.inputs)
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in overrides(name).items()}
    settings = Settings(**given)
    for theirs, ours in wires.items():
        demand = consumer.inputs[theirs]
        assert KINDS[ours] == demand.kind, theirs
        assert demand.sources, theirs
        if demand.encodings:
            assert encoding_of(ours, settings) in demand.encodings, theirs


def test_absolute_names_of_topics() -> None:
    assert wiring.full_name("points") == "/points"
    assert wiring.full_name("points", "/robot/", "front") == "/robot/front/points"
    assert wiring.resolved(wiring.KIMERA, "robot") == {"pointcloud": "/robot/points"}


def keys(values: Any) -> Iterator[str]:
    """Names of all parameters of nested mappings, without those of the mappings themselves."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from keys(value)
        else:
            yield key


@pytest.mark.parametrize(
    ("name", "file"),
    [("rtabmap", "rtabmap.yaml"), ("nvblox", "nvblox.yaml"), ("nav2", "nav2_semantic_layer.yaml")],
)
def test_parameters_exist_in_the_consumers_source(name: str, file: str) -> None:
    values = yaml.safe_load((CONFIG / file).read_text(encoding="utf-8"))
    assert set(keys(values)) <= set(CONSUMERS[name].parameters)


def test_parameters_of_the_rtabmap_library_are_text() -> None:
    values = yaml.safe_load((CONFIG / "rtabmap.yaml").read_text(encoding="utf-8"))["/**"]["ros__parameters"]
    assert all(isinstance(value, str) for key, value in values.items() if "/" in key)
    assert values["approx_sync"] is False  # as RTABMAP.equal_stamps has it


def test_hydra_reads_the_input_that_the_wires_are_named_after() -> None:
    values = yaml.safe_load((CONFIG / "hydra_input.yaml").read_text(encoding="utf-8"))["input"]
    (name,) = values["inputs"]
    assert all(theirs.startswith(f"hydra/input/{name}/") for theirs in wiring.HYDRA)
    assert values["inputs"][name]["receiver"]["type"] == "ClosedSetImageReceiver"
    assert values["inputs"][name]["sensor"]["latch_info_sub"] is False


# --- on the wire ---


@pytest.fixture(scope="module")
def node(start_for_module: Callable[..., Any]) -> Any:
    """The node as nvblox's launch file starts it, but for weights and the depth of the others."""
    parameters = {**overrides("nvblox"), "weights": "random", "depth_encoding": "32FC1"}
    parameters["obstacle_camera_in_base"] = [0.0, 0.0, 0.5, -0.5, 0.5, -0.5, 0.5]  # level, looks ahead
    return start_for_module("perception_node", parameters, until="configured: lite")


@pytest.fixture
def taken(
    node: Any, wire: Any, make_image: Callable[..., Image], make_info: Callable[..., CameraInfo]
) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Subscribe as a consumer does, send one image, and return its messages by the consumer's topic."""
    subscriptions = []

    def take(name: str) -> dict[str, Any]:
        wires = {theirs: ours for theirs, ours in WIRINGS[name].items() if ours != LABEL_INFO}
        for theirs, ours in wires.items():
            demand = CONSUMERS[name].inputs[theirs]
            subscription = wire.node.create_subscription(demand.kind, ours, wire.messages[ours].append, demand.qos)
            subscriptions.append(subscription)
            wire.spin_until(lambda one=subscription: one.get_publisher_count() > 0, f"publisher of {ours}")
        generator = np.random.default_rng(0)
        coarse = generator.integers(30, 226, (4, 5, 3), dtype=np.uint8)
        image = make_image(cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), FRAME_ID)
        answers = wire.exchange(image, make_info(image, WIDTH, HEIGHT), list(wires.values()))
        for ours in wires.values():
            assert answers[ours].header == image.header, ours
        return {theirs: answers[ours] for theirs, ours in wires.items()}

    yield take
    for subscription in subscriptions:
        wire.node.destroy_subscription(subscription)


def check_qos(wire: Any, name: str, consumer: Consumer) -> None:
    for theirs, ours in WIRINGS[name].items():
        publishers = wire.node.get_publishers_info_by_topic(f"/{ours}")
        if ours == LABEL_INFO and not publishers:
            continue  # vision_msgs comes with a distribution only
        (publisher,) = publishers
        verdict, reason = qos_check_compatible(publisher.qos_profile, consumer.inputs[theirs].qos)
        assert verdict == QoSCompatibility.OK, f"{theirs}: {reason}"


def check_image(message: Image, encodings: tuple[str, ...]) -> None:
    assert message.encoding in encodings
    assert message.is_bigendian == 0
    assert (message.width, message.height) == (WIDTH, HEIGHT)
    assert message.step == WIDTH * BYTES[message.encoding]  # no padding: some consumers do not look
    assert len(message.data) == HEIGHT * message.step


def check_info(info: CameraInfo) -> None:
    assert (info.width, info.height) == (WIDTH, HEIGHT)
    k, p = np.reshape(info.k, (3, 3)), np.reshape(info.p, (3, 4))
    assert min(k[0, 0], k[1, 1], k[0, 2], k[1, 2]) > 0
    assert (p[:, :3] == k).all()
    assert not p[:, 3].any()  # not the right camera of a stereo pair
    assert not np.any(info.d)  # nothing is rectified a second time


@pytest.mark.parametrize("name", CONSUMERS)
def test_messages_fulfil_the_consumers_demands(
    name: str, wire: Any, taken: Callable[[str], dict[str, Any]], request: pytest.FixtureRequest
) -> None:
    if "depth_encoding" in overrides(name):
        (result,) = wire.set_parameters("perception", depth_encoding=overrides(name)["depth_encoding"])
        assert result.successful, result.reason
        request.addfinalizer(lambda: wire.set_parameters("perception", depth_encoding="32FC1"))
    messages = taken(name)
    check_qos(wire, name, CONSUMERS[name])
    for theirs, message in messages.items():
        if isinstance(message, Image):
            check_image(message, CONSUMERS[name].inputs[theirs].encodings)
        elif isinstance(message, CameraInfo):
            check_info(message)
        else:
            check_cloud(message)
    CHECKS.get(name, lambda _: None)(messages)


def check_cloud(cloud: PointCloud2) -> None:
    assert cloud.is_bigendian is False
    kinds = {field.name: field.datatype for field in cloud.fields}
    assert [kinds[axis] for axis in "xyz"] == [PointField.FLOAT32] * 3
    assert kinds["rgb"] == PointField.FLOAT32  # voxblox voxblox_ros/src/tsdf_server.cc:222: exactly this name
    assert kinds["label"] == PointField.UINT32


def check_hydra(messages: dict[str, Any]) -> None:
    labels = pixels(messages["hydra/input/camera/semantic/image_raw"])
    space = yaml.safe_load((CONFIG / "hydra_label_space.yaml").read_text(encoding="utf-8"))
    assert set(np.unique(labels).tolist()) <= {*range(space["total_semantic_labels"]), *space["invalid_labels"]}


def check_nvblox(messages: dict[str, Any]) -> None:
    assert set(np.unique(pixels(messages["camera_0/mask/image"])).tolist()) <= {0, 1}
    assert pixels(messages["camera_0/depth/image"]).any()


def check_nav2(messages: dict[str, Any]) -> None:
    image, cloud = messages["segmentation_topic"], messages["pointcloud_topic"]
    assert image.width * image.height == cloud.width * cloud.height
    # pixel i of the image is point i of the cloud: the layer walks through both
    assert (points(cloud)["label"].ravel() == pixels(image).ravel()).all()


def check_kimera(messages: dict[str, Any]) -> None:
    cloud = points(messages["pointcloud"])
    written = list(csv.DictReader((CONFIG / "kimera_semantics.csv").read_text(encoding="utf-8").splitlines()))
    id_of = {tuple(int(row[name]) for name in ("red", "green", "blue")): int(row["id"]) for row in written}
    found = [id_of[tuple(color)] for color in colors(cloud).reshape(-1, 3).tolist()]
    assert found == NYU40.groupings["kimera20"].lookup[cloud["label"].ravel()].tolist()


CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {
    "hydra": check_hydra,
    "nvblox": check_nvblox,
    "nav2": check_nav2,
    "kimera": check_kimera,
}


def test_nav2_gets_names_that_its_parameters_know(node: Any, wire: Any) -> None:
    vision_msgs = pytest.importorskip("vision_msgs.msg", reason="vision_msgs comes with a ROS distribution only")
    wire.subscribe(LABEL_INFO, vision_msgs.LabelInfo, latched=True)
    wire.spin_until(lambda: wire.messages[LABEL_INFO], "label info")
    source = yaml.safe_load((CONFIG / "nav2_semantic_layer.yaml").read_text(encoding="utf-8"))["semantic_layer"][
        "cinet"
    ]
    known = {name for kind in source["class_types"] for name in source[kind]["classes"]}
    published = {item.class_name for item in wire.messages[LABEL_INFO][0].class_map}
    assert published - known == {"ceiling"}
    assert known <= published
