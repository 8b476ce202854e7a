"""Every output of the README's contract, on the wire: one node process, one picture in, all topics out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField

from cinet_core.data.label_sets import NYU40, UNLABELLED
from cinet_ros.msg import PerceptionStats, SemanticClasses
from cinet_ros.player.image_encoder import RAW_ENCODINGS, ImageEncoder

WIDTH, HEIGHT = 160, 120
FRAME_ID = "front_camera_optical_frame"
INFO_TOPICS = ["depth_registered/camera_info", "semantic/camera_info", "rgb/camera_info"]
IMAGE_TOPICS = {
    "depth_registered/image_rect": "32FC1",
    "semantic/image_raw": "mono8",
    "semantic/confidence": "mono8",
    "semantic/mask": "mono8",
    "semantic_color/image_raw": "rgb8",
    "semantic_overlay/image_raw": "rgb8",
    "rgb/image_rect": "rgb8",
}
NUMPY_TYPES = {"32FC1": "<f4", "16UC1": "<u2", "16SC1": "<i2", "mono8": "u1", "rgb8": "u1"}
NODE = "/perception"


def picture(seed: int = 0) -> np.ndarray:
    """Smooth, colourful (H, W, 3): survives shared chroma and mosaics, and is unlike its mirror images."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(30, 226, (4, 5, 3), dtype=np.uint8)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def array_of(message: Image) -> np.ndarray:
    """Pixels of an output image."""
    channels = 3 if message.encoding == "rgb8" else 1
    pixels = np.frombuffer(bytes(message.data), NUMPY_TYPES[message.encoding])
    assert message.step == message.width * channels * pixels.itemsize
    return pixels.reshape((message.height, message.width, 3) if channels == 3 else (message.height, message.width))


def points_of(cloud: PointCloud2) -> np.ndarray:
    """Points as a structured (H, W) array, laid out by the fields of the message."""
    types = {PointField.FLOAT32: "<f4", PointField.UINT32: "<u4"}
    dtype = np.dtype(
        {
            "names": [field.name for field in cloud.fields],
            "formats": [types[field.datatype] for field in cloud.fields],
            "offsets": [field.offset for field in cloud.fields],
            "itemsize": cloud.point_step,
        }
    )
    return np.frombuffer(bytes(cloud.data), dtype).reshape(cloud.height, cloud.width)


@pytest.fixture(scope="module", autouse=True)
def node(start_for_module: Callable[..., Any]) -> Any:
    """The node, with random weights: conventions do not depend on what was learnt."""
    return start_for_module("perception_node", {"weights": "random"}, until="configured: lite")


@pytest.fixture
def answer(wire: Any, make_image: Callable[..., Image], make_info: Callable[..., CameraInfo]) -> Callable[..., Any]:
    """Send the picture and return what came back on the given topics."""

    def ask(*topics: str, info: dict[str, Any] | None = None) -> dict[str, Any]:
        for topic in topics:
            wire.subscribe(topic, kind_of(topic))
        image = make_image(picture(), FRAME_ID)
        camera_info = make_info(image, **{"width": WIDTH, "height": HEIGHT, **(info or {})})
        return {"sent": image, "sent_info": camera_info, **wire.exchange(image, camera_info, list(topics))}

    return ask


def kind_of(topic: str) -> type:
    if topic.endswith("camera_info"):
        return CameraInfo
    return {"points": PointCloud2, "stats": PerceptionStats}.get(topic, Image)


def test_every_output_copies_stamp_and_frame_and_has_the_size_of_the_input(answer: Callable[..., Any]) -> None:
    topics = [*IMAGE_TOPICS, *INFO_TOPICS, "points", "stats"]
    got = answer(*topics)
    for topic in topics:
        assert got[topic].header == got["sent"].header, topic
    for topic in (*IMAGE_TOPICS, *INFO_TOPICS, "points"):
        assert (got[topic].width, got[topic].height) == (WIDTH, HEIGHT), topic


@pytest.mark.parametrize(("topic", "encoding"), IMAGE_TOPICS.items())
def test_encodings(answer: Callable[..., Any], topic: str, encoding: str) -> None:
    message = answer(topic)[topic]
    assert message.encoding == encoding
    assert message.is_bigendian == 0
    array_of(message)  # asserts step and length


def test_depth_is_positive_metres_or_nan(answer: Callable[..., Any]) -> None:
    depth = array_of(answer("depth_registered/image_rect")["depth_registered/image_rect"])
    valid = np.isfinite(depth)
    assert valid.any()
    assert (depth[valid] > 0).all()
    assert np.isnan(depth[~valid]).all()


@pytest.mark.parametrize("topic", INFO_TOPICS)
def test_camera_info_is_of_a_pinhole_at_the_published_size(answer: Callable[..., Any], topic: str) -> None:
    got = answer(topic)
    info, sent = got[topic], got["sent_info"]
    assert list(info.k) == pytest.approx(list(sent.k))
    assert not np.any(info.d)
    assert info.distortion_model == "plumb_bob"
    assert list(info.r) == np.eye(3).ravel().tolist()
    assert np.asarray(info.p).reshape(3, 4)[:, :3].tolist() == np.asarray(info.k).reshape(3, 3).tolist()
    assert not np.asarray(info.p).reshape(3, 4)[:, 3].any()


def test_intrinsics_of_another_size_at_the_same_aspect_are_scaled(answer: Callable[..., Any]) -> None:
    k = [1050.0, 0.0, 320.0, 0.0, 1050.0, 240.0, 0.0, 0.0, 1.0]
    p = [1050.0, 0.0, 320.0, 0.0, 0.0, 1050.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    got = answer("depth_registered/camera_info", info={"width": 640, "height": 480, "k": k, "p": p})
    scaled = np.asarray(got["depth_registered/camera_info"].k).reshape(3, 3)
    # as image_proc's resize has it: c * s
    assert scaled == pytest.approx(np.array([[262.5, 0, 80.0], [0, 262.5, 60.0], [0, 0, 1]]))


def test_labels_are_class_ids_and_colours_are_exactly_the_palette(answer: Callable[..., Any]) -> None:
    got = answer("semantic/image_raw", "semantic_color/image_raw")
    labels, colors = array_of(got["semantic/image_raw"]), array_of(got["semantic_color/image_raw"])
    assert ((labels < 40) | (labels == UNLABELLED)).all()
    assert (colors == NYU40.palette[labels]).all()


def test_overlay_blends_camera_image_and_colours_by_the_opacity(answer: Callable[..., Any], wire: Any) -> None:
    assert wire.set_parameters(NODE, overlay_opacity=0.25)[0].successful
    got = answer("semantic_color/image_raw", "semantic_overlay/image_raw")
    expected = 0.75 * picture() + 0.25 * array_of(got["semantic_color/image_raw"]).astype(float)
    assert np.abs(array_of(got["semantic_overlay/image_raw"]) - expected).max() <= 1.0
    assert wire.set_parameters(NODE, overlay_opacity=0.5)[0].successful


def test_mask_marks_the_chosen_classes(answer: Callable[..., Any], wire: Any) -> None:
    labels = array_of(answer("semantic/image_raw")["semantic/image_raw"])
    present = [NYU40.classes[index] for index in np.unique(labels) if index != UNLABELLED][:2]
    assert wire.set_parameters(NODE, mask_classes=present)[0].successful
    got = answer("semantic/image_raw", "semantic/mask")
    expected = np.isin(array_of(got["semantic/image_raw"]), NYU40.ids(present))
    assert expected.any()
    assert (array_of(got["semantic/mask"]) == expected).all()


def test_the_cloud_is_organised_and_agrees_with_the_images(answer: Callable[..., Any]) -> None:
    got = answer(
        "points",
        "depth_registered/image_rect",
        "depth_registered/camera_info",
        "semantic/image_raw",
        "semantic/confidence",
        "semantic_color/image_raw",
    )
    cloud = got["points"]
    layout = [(field.name, field.offset, field.datatype, field.count) for field in cloud.fields]
    assert layout == [
        ("x", 0, PointField.FLOAT32, 1),
        ("y", 4, PointField.FLOAT32, 1),
        ("z", 8, PointField.FLOAT32, 1),
        ("rgb", 16, PointField.FLOAT32, 1),
        ("label", 20, PointField.UINT32, 1),
        ("confidence", 24, PointField.FLOAT32, 1),
    ]
    assert (cloud.point_step, cloud.row_step, cloud.is_dense) == (32, 32 * WIDTH, False)
    points, depth = points_of(cloud), array_of(got["depth_registered/image_rect"])
    k = np.asarray(got["depth_registered/camera_info"].k).reshape(3, 3)
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    assert points["z"] == pytest.approx(depth, nan_ok=True)
    assert points["x"] == pytest.approx((u - k[0, 2]) / k[0, 0] * depth, abs=1e-5, nan_ok=True)
    assert points["y"] == pytest.approx((v - k[1, 2]) / k[1, 1] * depth, abs=1e-5, nan_ok=True)
    assert (points["label"] == array_of(got["semantic/image_raw"])).all()
    assert points["confidence"] == pytest.approx(array_of(got["semantic/confidence"]) / 255.0)
    packed = points["rgb"].copy().view("<u4")
    rgb = np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], axis=-1)
    assert (rgb == array_of(got["semantic_color/image_raw"])).all()


def test_cloud_options_take_effect_on_the_next_frame(answer: Callable[..., Any], wire: Any) -> None:
    full = points_of(answer("points")["points"])
    middle = float(np.nanmedian(np.linalg.norm([full["x"], full["y"], full["z"]], axis=0)))
    changes = {"cloud_decimation": 2, "cloud_color": "camera", "cloud_max_range": middle}
    assert all(result.successful for result in wire.set_parameters(NODE, **changes))
    cloud = answer("points")["points"]
    points = points_of(cloud)
    assert (cloud.width, cloud.height) == (WIDTH // 2, HEIGHT // 2)
    packed = points["rgb"].copy().view("<u4")
    assert (np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], axis=-1) == picture()[::2, ::2]).all()
    distance = np.linalg.norm([points["x"], points["y"], points["z"]], axis=0)
    assert 0.3 < np.isnan(distance).mean() < 0.7
    assert np.nanmax(distance) <= middle
    wire.set_parameters(NODE, cloud_decimation=1, cloud_color="semantic", cloud_max_range=0.0)


def test_alternative_encodings_by_parameter(answer: Callable[..., Any], wire: Any) -> None:
    metres = array_of(answer("depth_registered/image_rect")["depth_registered/image_rect"])
    near = float(np.nanmedian(metres))
    for depth_encoding, label_encoding in (("16UC1", "16SC1"), ("16UC1", "16UC1")):
        changes = {"depth_encoding": depth_encoding, "label_encoding": label_encoding, "depth_max": near}
        assert all(result.successful for result in wire.set_parameters(NODE, **changes))
        got = answer("depth_registered/image_rect", "semantic/image_raw")
        assert got["depth_registered/image_rect"].encoding == depth_encoding
        assert got["semantic/image_raw"].encoding == label_encoding
        millimetres = array_of(got["depth_registered/image_rect"])
        expected = np.where(metres <= near, np.rint(np.nan_to_num(metres) * 1000), 0)
        assert np.abs(millimetres - expected).max() <= 1
        assert (millimetres == 0).any()
    wire.set_parameters(NODE, depth_encoding="32FC1", label_encoding="mono8", depth_max=0.0)


def test_pixels_below_the_confidence_threshold_are_unlabelled(answer: Callable[..., Any], wire: Any) -> None:
    confidence = array_of(answer("semantic/confidence")["semantic/confidence"])
    threshold = float(np.median(confidence) + 0.5) / 255.0
    assert wire.set_parameters(NODE, label_min_confidence=threshold)[0].successful
    got = answer("semantic/image_raw", "semantic/confidence")
    labels, confidence = array_of(got["semantic/image_raw"]), array_of(got["semantic/confidence"])
    assert ((labels == UNLABELLED) == (confidence < threshold * 255)).all()
    wire.set_parameters(NODE, label_min_confidence=0.0)


def test_bad_and_read_only_parameters_are_refused_with_the_reason(wire: Any) -> None:
    for name, value, words in (
        ("overlay_opacity", 1.5, ("overlay_opacity",)),
        ("depth_encoding", "64FC1", ("32FC1", "16UC1")),
        ("mask_classes", ["persn"], ("person",)),
        ("weights", "other.safetensors", ("read-only",)),
    ):
        (result,) = wire.set_parameters(NODE, **{name: value})
        assert not result.successful
        assert all(word in result.reason for word in words), result.reason


@pytest.mark.parametrize("encoding", RAW_ENCODINGS)
@pytest.mark.parametrize("padding", [0, 7])
def test_every_encoding_goes_in(
    wire: Any, make_image: Callable[..., Image], make_info: Callable[..., CameraInfo], encoding: str, padding: int
) -> None:
    if padding % 2 and encoding in ("mono16",):
        padding += 1  # rows of 16-bit pixels start on even bytes
    wire.subscribe("rgb/image_rect", Image)
    stamped = make_image(picture(), FRAME_ID)
    message = ImageEncoder(encoding, padding, big_endian=encoding == "mono16").encode(picture())
    message.header = stamped.header
    got = array_of(wire.exchange(message, make_info(message, WIDTH, HEIGHT), ["rgb/image_rect"])["rgb/image_rect"])
    if encoding.startswith("mono"):
        gray = cv2.cvtColor(picture(), cv2.COLOR_RGB2GRAY)
        assert np.abs(got.astype(int) - gray[..., None]).max() <= 1
    elif encoding.startswith(("rgb", "bgr")):
        assert (got == picture()).all()
    else:  # colour is interpolated between pixels
        assert np.abs(got.astype(int) - picture()).mean() < 3.0


def test_classes_are_latched(wire: Any) -> None:
    wire.subscribe("semantic/classes", SemanticClasses, latched=True)
    wire.spin_until(lambda: wire.messages["semantic/classes"], "classes")
    message = wire.messages["semantic/classes"][0]
    assert message.label_set == "nyu40"
    assert [item.id for item in message.classes] == list(range(40))
    assert [item.name for item in message.classes] == list(NYU40.classes)
    assert [item.color.r * 255 for item in message.classes] == pytest.approx(NYU40.colors[:, 0].tolist())
    assert SemanticClasses.UNLABELLED == UNLABELLED


def test_label_info_is_latched_where_vision_msgs_exists(wire: Any) -> None:
    messages = pytest.importorskip("vision_msgs.msg", reason="vision_msgs comes with a ROS distribution only")
    wire.subscribe("semantic/label_info", messages.LabelInfo, latched=True)
    wire.spin_until(lambda: wire.messages["semantic/label_info"], "label info")
    info = wire.messages["semantic/label_info"][0]
    assert [(item.class_id, item.class_name) for item in info.class_map] == list(enumerate(NYU40.classes))


def test_stats_account_for_every_frame_and_say_that_the_weights_are_random(answer: Callable[..., Any]) -> None:
    stats = answer("stats")["stats"]
    assert stats.frames_received == stats.frames_used + stats.frames_dropped
    assert 0.0 < stats.latency < 10.0
    assert 0.0 < stats.receive_latency <= stats.latency + 1.0
    stages = {item.stage: item.seconds for item in stats.stages}
    assert {"decode", "network", "build", "publish"} <= set(stages)
    assert all(seconds >= 0 for seconds in stages.values())
    assert sum(stages.values()) <= stats.receive_latency
    assert (stats.model, stats.label_set, stats.model_hash) == ("lite", "nyu40", "random")
    assert stats.random_weights


def test_a_stamp_of_another_clock_makes_the_latency_nan_and_names_use_sim_time(
    wire: Any, make_image: Callable[..., Image], make_info: Callable[..., CameraInfo]
) -> None:
    wire.subscribe("stats", PerceptionStats)
    wire.subscribe("/diagnostics", DiagnosticArray)
    image = make_image(picture(), FRAME_ID)
    image.header.stamp.sec = 1000
    got = wire.exchange(image, make_info(image, WIDTH, HEIGHT), ["stats"])
    assert np.isnan(got["stats"].latency)
    assert camera_status(wire, "use_sim_time").level == DiagnosticStatus.WARN


def test_camera_info_of_another_aspect_is_an_error_and_the_frame_is_counted(
    wire: Any, answer: Callable[..., Any], make_image: Callable[..., Image], make_info: Callable[..., CameraInfo]
) -> None:
    before = answer("stats")["stats"].frames_dropped
    wire.subscribe("/diagnostics", DiagnosticArray)
    image = make_image(picture(), FRAME_ID)
    wire.exchange(image, make_info(image, 160, 90), [])
    assert camera_status(wire, "aspect").level == DiagnosticStatus.ERROR
    wire.messages["stats"].clear()
    assert answer("stats")["stats"].frames_dropped == before + 1


def test_random_weights_are_told_in_diagnostics(wire: Any) -> None:
    wire.subscribe("/diagnostics", DiagnosticArray)
    status = camera_status(wire, "random weights")
    assert status.level == DiagnosticStatus.WARN
    assert status.name.endswith("model")


def camera_status(wire: Any, text: str) -> DiagnosticStatus:
    """The first diagnostic whose message contains a text."""

    def find() -> DiagnosticStatus | None:
        every = [status for array in wire.messages["/diagnostics"] for status in array.status]
        return next((status for status in every if text in status.message), None)

    wire.spin_until(lambda: find() is not None, f"diagnostic with {text!r}")
    found = find()
    assert found is not None
    return found


def test_images_are_taken_only_while_somebody_wants_an_output(wire: Any, answer: Callable[..., Any]) -> None:
    answer("semantic/image_raw")
    images = wire.publisher("image", Image)
    assert images.get_subscription_count() == 1
    wire.unsubscribe_all()
    wire.spin_until(lambda: images.get_subscription_count() == 0, "end of the subscription")


def test_quality_of_service_is_reliable_and_only_the_classes_are_latched(wire: Any) -> None:
    for topic in (*IMAGE_TOPICS, *INFO_TOPICS, "points", "stats", "semantic/classes"):
        (info,) = wire.node.get_publishers_info_by_topic(f"/{topic}")
        assert info.qos_profile.reliability == ReliabilityPolicy.RELIABLE, topic
        latched = info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
        assert latched == (topic == "semantic/classes"), topic


def test_no_transform_is_broadcast(wire: Any) -> None:
    assert not wire.node.get_publishers_info_by_topic("/tf")
    assert not wire.node.get_publishers_info_by_topic("/tf_static")
