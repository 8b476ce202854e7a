"""Every output of the README's contract, on the wire: one node process, one image in, all topics out."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from made_images import smooth_image
from output_arrays import colors, pixels, points
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField

from cinet_core.label_sets import NYU40, UNLABELLED
from cinet_core.messages.compressed import decode_compressed
from cinet_core.messages.planes import read_compressed_depth
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
COMPRESSED_TOPICS = {
    "depth_registered/image_rect/compressedDepth": "32FC1; compressedDepth png",
    "semantic/image_raw/compressed": "mono8; png compressed ",
    "semantic/confidence/compressed": "mono8; png compressed ",
    "semantic/mask/compressed": "mono8; png compressed ",
    "semantic_color/image_raw/compressed": "rgb8; png compressed bgr8",
    "semantic_overlay/image_raw/compressed": "rgb8; jpeg compressed bgr8",
    "rgb/image_rect/compressed": "rgb8; jpeg compressed bgr8",
}
CLOUDS = ["points", "points_downsampled"]
rgb_image = functools.partial(smooth_image, WIDTH, HEIGHT)


@pytest.fixture(scope="module", autouse=True)
def node(start_for_module: Callable[..., Any]) -> Any:
    """The node, with random weights and a small network: conventions depend on neither."""
    parameters = {"weights": "random", "network_width": 80, "network_height": 64}
    return start_for_module("perception_node", parameters, until="configured: lite")


@pytest.fixture
def answer(wire: Any, make_image: Callable[..., Image], make_info: Callable[..., CameraInfo]) -> Callable[..., Any]:
    """Send the image and return what came back on the given topics."""

    def ask(*topics: str, info: dict[str, Any] | None = None) -> dict[str, Any]:
        for topic in topics:
            if topic == "stats":
                wire.subscribe_stats()
            else:
                wire.subscribe(topic, kind_of(topic))
        image = make_image(rgb_image(), FRAME_ID)
        camera_info = make_info(image, **{"width": WIDTH, "height": HEIGHT, **(info or {})})
        return {"sent": image, "sent_info": camera_info, **wire.exchange(image, camera_info, list(topics))}

    return ask


def kind_of(topic: str) -> type:
    if topic.endswith("camera_info"):
        return CameraInfo
    if topic in COMPRESSED_TOPICS:
        return CompressedImage
    return PointCloud2 if topic in CLOUDS else Image


def test_every_output_copies_stamp_and_frame_and_has_the_size_of_the_input(answer: Callable[..., Any]) -> None:
    topics = [*IMAGE_TOPICS, *INFO_TOPICS, *COMPRESSED_TOPICS, *CLOUDS, "stats"]
    got = answer(*topics)
    for topic in topics:
        assert got[topic].header == got["sent"].header, topic
    for topic in (*IMAGE_TOPICS, *INFO_TOPICS, "points"):
        assert (got[topic].width, got[topic].height) == (WIDTH, HEIGHT), topic


def test_weights_without_a_task_have_none_of_its_topics(answer: Callable[..., Any], wire: Any) -> None:
    answer("semantic/image_raw")
    published = {name for name, _ in wire.node.get_publisher_names_and_types_by_node("perception", "/")}
    assert "/semantic/image_raw" in published
    assert not [name for name in published if "normals" in name or "boundaries" in name]


@pytest.mark.parametrize(("topic", "encoding"), IMAGE_TOPICS.items())
def test_encodings(answer: Callable[..., Any], topic: str, encoding: str) -> None:
    message = answer(topic)[topic]
    assert message.encoding == encoding
    assert message.is_bigendian == 0
    pixels(message)  # asserts step and length


def test_depth_is_positive_metres_or_nan(answer: Callable[..., Any]) -> None:
    depth = pixels(answer("depth_registered/image_rect")["depth_registered/image_rect"])
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
    labels = pixels(got["semantic/image_raw"])
    assert ((labels < 40) | (labels == UNLABELLED)).all()
    assert (pixels(got["semantic_color/image_raw"]) == NYU40.palette[labels]).all()


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
    found, depth = points(cloud), pixels(got["depth_registered/image_rect"])
    k = np.asarray(got["depth_registered/camera_info"].k).reshape(3, 3)
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    assert found["z"] == pytest.approx(depth, nan_ok=True)
    assert found["x"] == pytest.approx((u - k[0, 2]) / k[0, 0] * depth, abs=1e-5, nan_ok=True)
    assert found["y"] == pytest.approx((v - k[1, 2]) / k[1, 1] * depth, abs=1e-5, nan_ok=True)
    assert (found["label"] == pixels(got["semantic/image_raw"])).all()
    assert found["confidence"] == pytest.approx(pixels(got["semantic/confidence"]) / 255.0)
    assert (colors(found) == pixels(got["semantic_color/image_raw"])).all()


@pytest.mark.parametrize(("topic", "form"), COMPRESSED_TOPICS.items())
def test_a_compressed_form_alone_makes_the_node_work_and_says_what_it_is(
    answer: Callable[..., Any], topic: str, form: str
) -> None:
    got = answer(topic)
    message = got[topic]
    assert message.header == got["sent"].header
    assert message.format == form
    stored = cv2.imdecode(np.frombuffer(bytes(message.data), np.uint8)[12 * ("Depth" in topic) :], cv2.IMREAD_UNCHANGED)
    assert stored.shape[:2] == (HEIGHT, WIDTH)


def test_compressed_images_hold_what_the_images_do(answer: Callable[..., Any]) -> None:
    got = answer(*IMAGE_TOPICS, *COMPRESSED_TOPICS)
    for topic, form in COMPRESSED_TOPICS.items():
        message, raw = got[topic], pixels(got[topic.rsplit("/", 1)[0]])
        assert len(message.data) < raw.nbytes
        if "Depth" in topic:
            decoded = read_compressed_depth(message)
            assert (np.isnan(decoded) == np.isnan(raw)).all()
            assert (np.abs(decoded - raw)[np.isfinite(raw)] <= 1e-4 * raw[np.isfinite(raw)] ** 2 + 1e-4).all()
        elif "jpeg" in form:
            assert np.abs(decode_compressed(message).astype(int) - raw).mean() < 6.0, topic
        elif raw.ndim == 3:
            assert (decode_compressed(message) == raw).all(), topic
        else:
            assert (cv2.imdecode(np.asarray(message.data), cv2.IMREAD_UNCHANGED) == raw).all(), topic


def test_the_downsampled_cloud_is_a_part_of_the_organised_one_without_holes(answer: Callable[..., Any]) -> None:
    got = answer(*CLOUDS)
    whole, few = got["points"], got["points_downsampled"]
    assert (few.fields, few.point_step, few.is_bigendian) == (whole.fields, whole.point_step, whole.is_bigendian)
    assert (few.height, few.is_dense, few.row_step) == (1, True, 32 * few.width)
    every, found = points(whole).reshape(-1), points(few).reshape(-1)
    assert 0 < len(found) < np.isfinite(every["z"]).sum() / 2
    names = list(found.dtype.names or ())
    rows = {tuple(point) for point in every[names].tolist()}
    assert all(tuple(point) in rows for point in found[names].tolist())
    cubes = np.floor(np.stack([found[axis] / np.float32(0.05) for axis in "xyz"], axis=1)).astype(int)
    assert len(np.unique(cubes, axis=0)) >= len(found) - 2  # but for points at the very edge of a cube


@pytest.mark.parametrize("encoding", RAW_ENCODINGS)
@pytest.mark.parametrize("padding", [0, 7])
def test_every_encoding_goes_in(
    wire: Any, make_image: Callable[..., Image], make_info: Callable[..., CameraInfo], encoding: str, padding: int
) -> None:
    if padding % 2 and encoding in ("mono16",):
        padding += 1  # rows of 16-bit pixels start on even bytes
    wire.subscribe("rgb/image_rect", Image)
    stamped = make_image(rgb_image(), FRAME_ID)
    message = ImageEncoder(encoding, padding, big_endian=encoding == "mono16").encode(rgb_image())
    message.header = stamped.header
    got = pixels(wire.exchange(message, make_info(message, WIDTH, HEIGHT), ["rgb/image_rect"])["rgb/image_rect"])
    if encoding.startswith("mono"):
        gray = cv2.cvtColor(rgb_image(), cv2.COLOR_RGB2GRAY)
        assert np.abs(got.astype(int) - gray[..., None]).max() <= 1
    elif encoding.startswith(("rgb", "bgr")):
        assert (got == rgb_image()).all()
    else:  # colour is interpolated between pixels
        assert np.abs(got.astype(int) - rgb_image()).mean() < 3.0


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
    wire.subscribe_stats()
    wire.subscribe("/diagnostics", DiagnosticArray)
    image = make_image(rgb_image(), FRAME_ID)
    image.header.stamp.sec = 1000
    got = wire.exchange(image, make_info(image, WIDTH, HEIGHT), ["stats"])
    assert np.isnan(got["stats"].latency)
    assert wire.diagnosis_that_says("use_sim_time").level == DiagnosticStatus.WARN


def test_camera_info_of_another_aspect_is_an_error_and_the_frame_is_counted(
    wire: Any, answer: Callable[..., Any], make_image: Callable[..., Image], make_info: Callable[..., CameraInfo]
) -> None:
    before = answer("stats")["stats"].frames_dropped
    wire.subscribe("/diagnostics", DiagnosticArray)
    image = make_image(rgb_image(), FRAME_ID)
    wire.exchange(image, make_info(image, 160, 90), [])
    assert wire.diagnosis_that_says("aspect").level == DiagnosticStatus.ERROR
    wire.messages["stats"].clear()
    assert answer("stats")["stats"].frames_dropped == before + 1


def test_random_weights_are_told_in_diagnostics(wire: Any) -> None:
    wire.subscribe("/diagnostics", DiagnosticArray)
    status = wire.diagnosis_that_says("random weights")
    assert status.level == DiagnosticStatus.WARN
    assert status.name.endswith("model")


def test_images_are_taken_only_while_somebody_wants_an_output(wire: Any, answer: Callable[..., Any]) -> None:
    answer("semantic/image_raw")
    images = wire.publisher("image", Image)
    assert images.get_subscription_count() == 1
    wire.unsubscribe_all()
    wire.spin_until(lambda: images.get_subscription_count() == 0, "end of the subscription")


def test_statistics_alone_ask_for_no_work_and_the_first_output_is_prompt(
    wire: Any, make_image: Callable[..., Image], make_info: Callable[..., CameraInfo]
) -> None:
    images = wire.publisher("image", Image)
    wire.spin_until(lambda: images.get_subscription_count() == 0, "end of earlier subscriptions")
    wire.subscribe("stats", PerceptionStats)
    wire.spin_for(1.0)
    assert images.get_subscription_count() == 0
    wire.subscribe("/diagnostics", DiagnosticArray)
    status = wire.diagnosis_that_says("nobody subscribes to an output but stats")  # once what is over has been told
    assert status.level == DiagnosticStatus.OK
    assert {item.key: item.value for item in status.values}["subscribed outputs"] == "stats"
    assert not wire.messages["stats"]
    wire.subscribe("semantic/image_raw/compressed", CompressedImage)
    asked = time.monotonic()
    wire.spin_until(lambda: images.get_subscription_count() == 1, "subscription")
    assert time.monotonic() - asked < 2.0
    image = make_image(rgb_image(), FRAME_ID)
    wire.exchange(image, make_info(image, WIDTH, HEIGHT), ["stats", "semantic/image_raw/compressed"])


def test_quality_of_service_is_reliable_and_only_the_classes_are_latched(wire: Any) -> None:
    for topic in (*IMAGE_TOPICS, *INFO_TOPICS, *COMPRESSED_TOPICS, *CLOUDS, "stats", "semantic/classes"):
        (info,) = wire.node.get_publishers_info_by_topic(f"/{topic}")
        assert info.qos_profile.reliability == ReliabilityPolicy.RELIABLE, topic
        latched = info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
        assert latched == (topic == "semantic/classes"), topic


def test_no_transform_is_broadcast(wire: Any) -> None:
    assert not wire.node.get_publishers_info_by_topic("/tf")
    assert not wire.node.get_publishers_info_by_topic("/tf_static")
