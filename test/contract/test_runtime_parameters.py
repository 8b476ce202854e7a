"""Parameters that change while the node runs, each in force on the next frame."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from made_images import smooth_image
from output_arrays import colors, distances, pixels, points
from rcl_interfaces.srv import GetParameters
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_srvs.srv import SetBool

from cinet_core.geometry import depth_edges
from cinet_core.label_sets import NYU40, UNLABELLED
from cinet_ros.parameters import Settings

NODE = "/perception"
WIDTH, HEIGHT = 80, 60
DEPTH, INFO, LABELS = "depth_registered/image_rect", "depth_registered/camera_info", "semantic/image_raw"
JPEG, PNG = "rgb/image_rect/compressed", "semantic/confidence/compressed"
KINDS = {
    INFO: CameraInfo,
    "points": PointCloud2,
    "points_downsampled": PointCloud2,
    JPEG: CompressedImage,
    PNG: CompressedImage,
}
FIELDS = dataclasses.fields(Settings)
DEFAULTS = {field.name: field.default for field in FIELDS}
RUN_TIME = {field.name for field in FIELDS if field.metadata["run_time"]}
rgb_image = functools.partial(smooth_image, WIDTH, HEIGHT, seed=2)


@pytest.fixture(scope="module", autouse=True)
def node(start_for_module: Callable[..., Any]) -> Any:
    """The node, with random weights and a small network: what it sees does not matter."""
    parameters = {"weights": "random", "network_width": 80, "network_height": 64}
    return start_for_module("perception_node", parameters, until="configured")


@pytest.fixture
def answer(wire: Any, make_image: Callable[..., Image], make_info: Callable[..., CameraInfo]) -> Callable[..., Any]:
    """Send the image and return what comes back."""

    def ask(*topics: str, info: dict[str, Any] | None = None) -> dict[str, Any]:
        for topic in topics:
            if topic == "stats":
                wire.subscribe_stats()
            else:
                wire.subscribe(topic, KINDS.get(topic, Image))
        image = make_image(rgb_image())
        return wire.exchange(image, make_info(image, WIDTH, HEIGHT, fx=70.0, **(info or {})), list(topics))

    return ask


def test_encodings(answer: Callable[..., Any], change: Callable[..., None]) -> None:
    metres = pixels(answer(DEPTH)[DEPTH])
    for depth, labels in (("16UC1", "16SC1"), ("16UC1", "16UC1"), ("32FC1", "mono8")):
        change(depth_encoding=depth, label_encoding=labels)
        got = answer(DEPTH, LABELS)
        assert (got[DEPTH].encoding, got[LABELS].encoding) == (depth, labels)
        millimetres = np.nan_to_num(metres) * (1000 if depth == "16UC1" else 1)
        assert np.abs(np.nan_to_num(pixels(got[DEPTH])) - millimetres).max() <= 0.51


def test_depth_limits(answer: Callable[..., Any], change: Callable[..., None]) -> None:
    depth = pixels(answer(DEPTH)[DEPTH])
    near, far = (float(np.nanquantile(depth, q)) for q in (0.25, 0.75))
    change(depth_min=near, depth_max=far)
    limited = pixels(answer(DEPTH)[DEPTH])
    np.testing.assert_array_equal(limited, np.where((depth >= near) & (depth <= far), depth, np.nan))
    assert 0.3 < np.isnan(limited).mean() < 0.7
    change(depth_encoding="16UC1")
    millimetres = pixels(answer(DEPTH)[DEPTH])
    np.testing.assert_array_equal(millimetres == 0, np.isnan(limited))


def test_depth_scale(answer: Callable[..., Any], change: Callable[..., None]) -> None:
    depth = pixels(answer(DEPTH)[DEPTH])
    change(depth_scale=1.25)
    scaled = pixels(answer(DEPTH)[DEPTH])
    np.testing.assert_allclose(scaled, depth * np.float32(1.25), rtol=1e-6)
    change(depth_max=float(np.nanmedian(scaled)))  # limits are of what is published
    np.testing.assert_array_equal(np.isnan(pixels(answer(DEPTH)[DEPTH])), ~(scaled <= np.nanmedian(scaled)))


def test_label_min_confidence(answer: Callable[..., Any], change: Callable[..., None]) -> None:
    confidence = pixels(answer("semantic/confidence")["semantic/confidence"])
    change(label_min_confidence=float(np.median(confidence) + 0.5) / 255)
    labels = pixels(answer(LABELS)[LABELS])
    np.testing.assert_array_equal(labels == UNLABELLED, confidence <= np.median(confidence))


def test_mask_classes(answer: Callable[..., Any], change: Callable[..., None]) -> None:
    labels = pixels(answer(LABELS)[LABELS])
    present = [NYU40.classes[index] for index in np.unique(labels) if index != UNLABELLED][:2]
    for chosen in (present, present[:1], [""], []):
        change(mask_classes=chosen)
        got = pixels(answer("semantic/mask")["semantic/mask"])
        np.testing.assert_array_equal(got, np.isin(labels, NYU40.ids(name for name in chosen if name)))


def test_overlay_opacity(answer: Callable[..., Any], change: Callable[..., None]) -> None:
    change(overlay_opacity=1.0)
    got = answer("semantic_color/image_raw", "semantic_overlay/image_raw")
    np.testing.assert_array_equal(*(pixels(message) for message in got.values()))
    change(overlay_opacity=0.0)
    overlay = pixels(answer("semantic_overlay/image_raw")["semantic_overlay/image_raw"])
    np.testing.assert_array_equal(overlay, rgb_image())
    change(overlay_opacity=0.25)
    got = answer("semantic_color/image_raw", "semantic_overlay/image_raw")
    expected = 0.75 * rgb_image() + 0.25 * pixels(got["semantic_color/image_raw"])
    assert np.abs(pixels(got["semantic_overlay/image_raw"]) - expected).max() <= 1.0


def test_cloud_options(answer: Callable[..., Any], change: Callable[..., None]) -> None:
    full = points(answer("points")["points"])
    change(cloud_color="camera")
    np.testing.assert_array_equal(colors(points(answer("points")["points"])), rgb_image())
    change(cloud_decimation=3)
    decimated = answer("points")["points"]
    assert (decimated.width, decimated.height) == (-(-WIDTH // 3), -(-HEIGHT // 3))
    np.testing.assert_array_equal(colors(points(decimated)), rgb_image()[::3, ::3])
    near, far = (float(np.nanquantile(distances(full), q)) for q in (0.25, 0.75))
    change(cloud_decimation=1, cloud_min_range=near, cloud_max_range=far)
    found = distances(points(answer("points")["points"]))
    kept = (distances(full) >= near) & (distances(full) <= far)
    assert (np.isfinite(found) != kept).sum() <= 2  # the quantiles themselves, in another precision
    change(cloud_min_range=0.0, cloud_max_range=0.0, cloud_edge_filter=0.002)
    edges = depth_edges(full["z"], 0.002)
    assert 0 < edges.sum() < edges.size
    np.testing.assert_array_equal(np.isnan(points(answer("points")["points"])["z"]), edges | np.isnan(full["z"]))


def test_size_of_the_cubes(answer: Callable[..., Any], change: Callable[..., None]) -> None:
    sizes = []
    for edge in (0.01, 0.1, 1.0):
        change(cloud_voxel_size=edge)
        sizes.append(answer("points_downsampled")["points_downsampled"].width)
    assert sizes[0] > 2 * sizes[1] > 4 * sizes[2] > 0
    change(cloud_voxel_size=0.05, cloud_max_range=0.001)
    assert answer("points_downsampled")["points_downsampled"].width == 0


def test_quality_of_compressed_images(answer: Callable[..., Any], change: Callable[..., None]) -> None:
    sizes = []
    for quality, level in ((95, 9), (20, 0)):
        change(compressed_jpeg_quality=quality, compressed_png_level=level)
        got = answer(JPEG, PNG)
        sizes.append((len(got[JPEG].data), len(got[PNG].data)))
    assert sizes[1][0] < sizes[0][0]
    assert sizes[1][1] > WIDTH * HEIGHT > sizes[0][1]


def test_an_output_that_is_switched_off_is_not_made_whatever_subscribes(
    wire: Any, answer: Callable[..., Any], change: Callable[..., None]
) -> None:
    images = wire.publisher("image", Image)
    answer(LABELS, "points")
    change(disabled_outputs=["points", JPEG])
    wire.messages["points"].clear()
    answer(LABELS)
    wire.spin_for(0.2)
    assert not wire.messages["points"]
    assert rows_of(wire)["disabled outputs"] == f"points, {JPEG}"
    wire.unsubscribe_all()
    wire.subscribe("points", PointCloud2)
    wire.spin_until(lambda: images.get_subscription_count() == 0, "end of the work")
    (result,) = wire.set_parameters(NODE, disabled_outputs=["poinst"])
    assert not result.successful
    assert "'poinst'" in result.reason
    assert "points_downsampled" in result.reason
    change(disabled_outputs=[""])
    answer("points")


def test_the_node_can_be_switched_off_and_on(
    wire: Any,
    answer: Callable[..., Any],
    change: Callable[..., None],
    make_image: Callable[..., Image],
    make_info: Callable[..., CameraInfo],
) -> None:
    change(enabled=True)  # and so it will be after the test, whatever happens
    images, infos = wire.publisher("image", Image), wire.publisher("camera_info", CameraInfo)
    answer(LABELS)
    switched = wire.call(SetBool, f"{NODE}/enable", SetBool.Request(data=False))
    assert (switched.success, switched.message) == (True, "disabled")
    wire.spin_until(lambda: images.get_subscription_count() == infos.get_subscription_count() == 0, "end of traffic")
    wire.messages[LABELS].clear()
    image = make_image(rgb_image())
    infos.publish(make_info(image, WIDTH, HEIGHT))
    images.publish(image)
    wire.spin_for(0.5)
    assert not wire.messages[LABELS]
    (value,) = wire.call(GetParameters, f"{NODE}/get_parameters", GetParameters.Request(names=["enabled"])).values
    assert value.bool_value is False
    status = camera(wire)
    assert status.level != DiagnosticStatus.ERROR
    assert status.message.startswith("disabled")
    assert "~/enable" in status.message
    assert rows_of(wire)["enabled"] == "False"
    switched = wire.call(SetBool, f"{NODE}/enable", SetBool.Request(data=True))
    assert (switched.success, switched.message) == (True, "enabled")
    answer(LABELS)


def test_rate_of_clouds(wire: Any, answer: Callable[..., Any], change: Callable[..., None]) -> None:
    change(cloud_max_rate=0.01)
    wire.subscribe("points", PointCloud2)
    for _ in range(4):
        answer(DEPTH)
    wire.spin_for(0.2)
    assert len(wire.messages[DEPTH]) == 4
    assert len(wire.messages["points"]) == 2, "those that a quiet time has saved up"
    change(cloud_max_rate=0.0)
    answer("points")


def test_rate_of_frames(wire: Any, answer: Callable[..., Any], change: Callable[..., None]) -> None:
    before = answer("stats")["stats"]
    change(max_rate=0.01)
    wire.messages["stats"].clear()
    for _ in range(2):
        answer("stats")
    images = wire.publisher("image", Image)
    for _ in range(3):
        images.publish(Image(width=WIDTH, height=HEIGHT, encoding="mono8", step=WIDTH, data=bytes(WIDTH * HEIGHT)))
        wire.spin_for(0.1)
    assert len(wire.messages["stats"]) == 2
    change(max_rate=0.0)
    after = answer("stats")["stats"]
    assert after.frames_received - before.frames_received == 6
    assert after.frames_dropped - before.frames_dropped == 3
    assert drops(wire)["max_rate"] == 3


def test_max_stamp_age(wire: Any, answer: Callable[..., Any], change: Callable[..., None]) -> None:
    answer("stats")
    change(max_stamp_age=5.0)
    before = drops(wire).get("stale", 0)
    old = Image(width=WIDTH, height=HEIGHT, encoding="mono8", step=WIDTH, data=bytes(WIDTH * HEIGHT))
    old.header.stamp.sec = 1000
    wire.publisher("image", Image).publish(old)
    wire.spin_until(lambda: drops(wire).get("stale", 0) == before + 1, "drop of an old stamp")
    answer("stats")


def test_assumed_fov(answer: Callable[..., Any], change: Callable[..., None]) -> None:
    change(assumed_fov=90.0)
    got = answer(INFO, info={"k": [0.0] * 9})[INFO]
    assert got.k[0] == pytest.approx(WIDTH / 2)  # tan(45 degrees) = 1


def test_camera_info_timeout(
    wire: Any, answer: Callable[..., Any], change: Callable[..., None], make_image: Callable[..., Image]
) -> None:
    answer(DEPTH)
    images = wire.publisher("image", Image)
    wire.unsubscribe_all()  # with the last subscriber the node forgets the camera_info
    wire.spin_until(lambda: images.get_subscription_count() == 0, "end of the subscription")
    change(camera_info_timeout=60.0)
    before = drops(wire).get("waiting_for_camera_info", 0)
    wire.subscribe(DEPTH, Image)
    wire.exchange(make_image(rgb_image()), None, [])
    wire.spin_until(lambda: drops(wire).get("waiting_for_camera_info", 0) > before, "drop of an early image")
    assert not wire.messages[DEPTH]
    change(camera_info_timeout=0.0)
    wire.exchange(make_image(rgb_image()), None, [DEPTH])


def test_stale_after(wire: Any, answer: Callable[..., Any], change: Callable[..., None]) -> None:
    answer("stats")
    change(stale_after=0.1)
    wire.spin_until(lambda: "no image on /image" in camera(wire).message, "warning")
    change(stale_after=3600.0)
    assert "no image on /image" not in camera(wire).message


def camera(wire: Any) -> DiagnosticStatus:
    """The newest row of the camera."""
    status: DiagnosticStatus = wire.diagnosis("perception: camera")
    return status


def drops(wire: Any) -> dict[str, int]:
    """Dropped frames by reason, as the next diagnostics have them."""
    rows = rows_of(wire)
    return {key.removeprefix("dropped: "): int(value) for key, value in rows.items() if key.startswith("dropped: ")}


def rows_of(wire: Any) -> dict[str, str]:
    """Values of the camera, as the next diagnostics have them."""
    return {item.key: item.value for item in camera(wire).values}


def test_all_run_time_parameters_are_tried_above() -> None:
    """A new one wants a test here.

    Those of the machine have theirs in test_machine_faults.py, those of anchors in test_anchors.py, and those of
    navigation in test_navigation.py, which counts them itself.
    """
    tried = {
        "depth_encoding", "label_encoding", "depth_scale", "depth_min", "depth_max", "label_min_confidence",
        "mask_classes",
        "overlay_opacity", "cloud_color", "cloud_decimation", "cloud_min_range", "cloud_max_range", "cloud_edge_filter",
        "cloud_voxel_size", "compressed_jpeg_quality", "compressed_png_level", "disabled_outputs", "enabled",
        "cloud_max_rate", "max_rate", "max_stamp_age", "assumed_fov", "camera_info_timeout", "stale_after",
    }  # fmt: skip
    anchors = {"anchor", "temporal", "camera_height", "anchor_pose_timeout", "anchor_max_age", "anchor_up"}
    navigation = {name for name in RUN_TIME if name.startswith(("obstacle_", "base_"))}
    assert RUN_TIME - tried - anchors - navigation == {"oom_fallback", "watchdog_timeout"}
