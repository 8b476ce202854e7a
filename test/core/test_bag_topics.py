"""Which topics of a driver's bag are the camera's, its calibration and its depth, in any order; and types of ours."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

pytest.importorskip("rosbags")

import field_bags
from driver_bags import DRIVERS, OURS, SMALL, orbbec, realsense
from field_bags import Row

from cinet_core.bags.definitions import OWN_DEFINITIONS, message_store
from cinet_core.bags.errors import BagError
from cinet_core.bags.frames import first_messages
from cinet_core.bags.image_topics import ImageKind, kind_of
from cinet_core.bags.reader import BagReader
from cinet_core.bags.topics import CameraTopics


def chosen(reader: BagReader) -> tuple[str, str | None, str, str]:
    """Images, calibration, images with depth, and depth or the error's text."""
    topics = CameraTopics(str(reader.path), reader.connections, lambda item: first_messages(reader, item))
    image = topics.image().topic
    info = topics.camera_info(image)
    try:
        with_depth, depth = topics.rgbd()
    except BagError as error:
        return image, info, image, str(error)
    assert depth is not None
    return image, info, with_depth.topic, depth.topic


@pytest.mark.parametrize("name", DRIVERS)
def test_the_topics_of_a_driver(tmp_path: Path, name: str) -> None:
    driver = DRIVERS[name]
    for seed in range(2):
        rows = list(driver.rows)
        if seed:
            random.Random(seed).shuffle(rows)
        with BagReader(field_bags.write(tmp_path / f"bag{seed}", rows)) as reader:
            image, info, with_depth, depth = chosen(reader)
        assert (image, info) == (driver.image, driver.info)
        assert with_depth == (driver.rgbd_image or driver.image)
        if driver.depth.startswith("/"):
            assert depth == driver.depth
        else:
            assert driver.depth in depth


def topics_of(path: Path, rows: list[Row]) -> CameraTopics:
    reader = BagReader(field_bags.write(path, rows))
    return CameraTopics("the bag", reader.connections, lambda item: first_messages(reader, item))


def test_what_is_not_taken_is_said(tmp_path: Path) -> None:
    topics = topics_of(tmp_path / "bag", realsense("/camera", True))
    topics.rgbd()
    (note,) = topics.notes
    assert note.startswith("not taken: ")
    assert "/camera/infra1/image_rect_raw (infrared, mono8 64x48)" in note
    assert "/camera/depth/image_rect_raw (depth, 16UC1 64x48)" in note
    assert "/camera/color" not in note
    around = topics_of(tmp_path / "around", DRIVERS["cameras around a robot"].rows)
    around.image()
    assert "several cameras: the images of /front/image_raw are taken; image_topic names others" in around.notes


WIDE = (128, 72)
ORDER = {
    "no snapshot": ([Row("/a/image", "rgb8", WIDE, skip=tuple(range(1, 30))), Row("/b/image", "rgb8")], "/b/image"),
    "no preview": ([Row("/a/preview/image", "rgb8", WIDE), Row("/b/image", "rgb8")], "/b/image"),
    "calibrated": ([Row("/a/image", "rgb8", WIDE), Row("/b/image", "rgb8"), Row("/b/camera_info", "info")], "/b/image"),
    "called colour": ([Row("/a/image", "rgb8", WIDE), Row("/b/color/image", "rgb8")], "/b/color/image"),
    "in front": ([Row("/rear/image", "rgb8", WIDE), Row("/z/image", "rgb8")], "/z/image"),
    "largest": ([Row("/a/image_rect", "rgb8"), Row("/b/image", "rgb8", WIDE)], "/b/image"),
    "rectified": ([Row("/a/image_raw", "rgb8"), Row("/a/image_rect", "rgb8")], "/a/image_rect"),
    "raw": ([Row("/a/image/compressed", "jpeg|jpeg"), Row("/b/image", "rgb8")], "/b/image"),
    "most": ([Row("/a/image", "rgb8", skip=(3, 4)), Row("/b/image", "rgb8")], "/b/image"),
    "first by name": ([Row("/b/image", "rgb8"), Row("/a/image", "rgb8")], "/a/image"),
    "colour, whatever else": ([Row("/rgb/image", "mono8", WIDE), Row("/b/preview/image", "bgr8")], "/b/preview/image"),
}


@pytest.mark.parametrize("name", ORDER)
def test_the_order_of_cameras(tmp_path: Path, name: str) -> None:
    rows, right = ORDER[name]
    for turn, ordered in enumerate((rows, rows[::-1])):
        with BagReader(field_bags.write(tmp_path / f"bag{turn}", ordered, frames=30)) as reader:
            topics = CameraTopics("bag", reader.connections, lambda item, reader=reader: first_messages(reader, item))
            assert topics.image().topic == right


def test_without_frames_depth_is_that_of_the_images_namespace(tmp_path: Path) -> None:
    rows = [Row("/a/depth", "16UC1", frame=""), Row("/b/depth", "16UC1", frame=""), Row("/b/image", "rgb8", frame="")]
    image, depth = topics_of(tmp_path / "bag", rows).rgbd()
    assert depth is not None
    assert (image.topic, depth.topic) == ("/b/image", "/b/depth")


def test_a_camera_that_is_none_is_said(tmp_path: Path) -> None:
    topics = topics_of(tmp_path / "bag", [Row("/yolo/dbg_image", "bgr8")])
    assert topics.image().topic == "/yolo/dbg_image"
    assert topics.notes == [
        "WARNING: no topic has plain colour images: /yolo/dbg_image (drawn by a program, bgr8 64x48) is taken"
    ]
    topics = topics_of(tmp_path / "mask", [Row("/sam/mask", "mono8"), Row("/semantic_overlay/image_raw", "rgb8")])
    with pytest.raises(
        BagError, match=r"no topic with colour.*/sam/mask \(labels.*overlay/image_raw \(predicted by th"
    ):
        topics.image()


def test_a_topic_that_is_named_wrongly_is_answered_with_what_is_there(tmp_path: Path) -> None:
    topics = topics_of(tmp_path / "bag", [*realsense("/camera", True), Row("/chatter", "text"), *OURS])
    listing = (
        r".*it has: .*/camera/color/image_raw \(colour, rgb8 64x48\).*/camera/infra1/image_rect_raw \(infrared, mono8 "
        r"64x48\).*/chatter \(std_msgs/msg/String\).*/semantic/image_raw \(predicted by this package"
    )
    for topic, said in (
        ("/cam", "has no images on /cam"),
        ("/chatter", "has no images on /chatter"),
        ("/camera/aligned_depth_to_color/image_raw", r"/image_raw \(depth, 16UC1 64x48\) is no camera image"),
    ):
        with pytest.raises(BagError, match=said + listing):
            topics.image(topic)
    for topic, said in (
        ("/cam", "has no depth images on /cam"),
        ("/camera/color/image_raw", r"\(colour, rgb8 64x48\) is no depth that can be read"),
        ("/camera/aligned_depth_to_color/image_raw/compressed", "depth in 8 bits, which cannot be read"),
    ):
        with pytest.raises(BagError, match=said):
            topics.rgbd("", topic)
    assert topics.image("/camera/infra1/image_rect_raw").topic == "/camera/infra1/image_rect_raw"
    _, depth = topics.rgbd("/camera/color/image_raw", "/depth_registered/image_rect")  # ours, as it was asked for
    assert depth is not None


def test_depth_of_another_camera_must_be_asked_for(tmp_path: Path) -> None:
    topics = topics_of(tmp_path / "bag", orbbec("camera_depth_optical_frame"))
    for named in ("", "/camera/depth/image_raw"):
        with pytest.raises(
            BagError, match=r"depth is in camera_depth.*the images in camera_color.*--allow-unregistered"
        ):
            topics.rgbd("", named)
    image, depth = topics.rgbd(need_depth=False)
    assert (image.topic, depth) == ("/camera/color/image_raw", None)
    assert topics.notes[0].startswith("frames have no depth: ")
    _, depth = topics.rgbd(allow_unregistered=True)
    assert depth is not None
    assert any(note.startswith("WARNING: depth of /camera/depth/image_raw is not registered") for note in topics.notes)


def test_signs_of_registration_that_contradict_each_other_are_told(tmp_path: Path) -> None:
    rows = [Row("/cam/color/image_raw", "rgb8", SMALL, "a"), Row("/cam/depth_registered/image", "16UC1", SMALL, "b")]
    topics = topics_of(tmp_path / "named", rows)
    topics.rgbd()
    assert "may not be registered to /cam/color/image_raw: depth is in b, the images in a" in topics.notes[0]
    topics = topics_of(
        tmp_path / "unknown", [row._replace(frame="") for row in rows[:1]] + [Row("/cam/depth", "16UC1")]
    )
    topics.rgbd()
    assert "depth is in color_optical, the images in no frame" in topics.notes[0]
    frames = [Row("/cam/image", "rgb8", SMALL, "cam_color_frame"), Row("/d", "16UC1", SMALL, "cam_color_optical_frame")]
    topics = topics_of(tmp_path / "suffix", frames)
    assert topics.rgbd()[1] is not None
    assert topics.notes == []


@pytest.mark.parametrize(
    ("topic", "encoding", "kind"),
    [
        ("/camera/infra1/image_rect_raw", "mono8", ImageKind.INFRARED),
        ("/camera/aligned_depth_to_infra1/image_raw", "16UC1", ImageKind.DEPTH),
        ("/camera/confidence/image_rect_raw", "mono8", ImageKind.MEASURE),
        ("/camera/depth/confidence/image", "16UC1", ImageKind.MEASURE),
        ("/ir/image_raw", "mono16", ImageKind.INFRARED),
        ("/tof/intensity", "mono8", ImageKind.INFRARED),
        ("/tof/depth/amplitude", "16UC1", ImageKind.MEASURE),
        ("/ifm/camera/distance", "32FC1", ImageKind.DEPTH),
        ("/ir_camera/image_raw", "mono16", ImageKind.INFRARED),
        ("/depth/image_raw", "mono16", ImageKind.DEPTH),
        ("/depth_camera/image_raw", "mono16", ImageKind.DEPTH),
        ("/depth_camera/image_raw", "rgb8", ImageKind.COLOR),
        ("/depth_camera/ir/image_raw", "mono16", ImageKind.INFRARED),
        ("/basler/image_raw", "mono16", ImageKind.GREY),
        ("/rgb_to_depth/image_raw", "bgra8", ImageKind.WARPED),
        ("/camera/color_aligned_to_depth/image_raw", "rgb8", ImageKind.WARPED),
        ("/camera/depth/image_colorized", "rgb8", ImageKind.RENDERED),
        ("/camera/depth/image_8bit", "mono8", ImageKind.RENDERED),
        ("/tof/distance", "16UC1", ImageKind.DEPTH),
        ("/long_range/image_raw", "mono8", ImageKind.GREY),
        ("/tracking_camera/image_raw", "mono8", ImageKind.GREY),
        ("/mask_cam/image_raw", "mono8", ImageKind.GREY),
        ("/infrastructure/image_raw", "rgb8", ImageKind.COLOR),
        ("/fire/image_raw", "rgb8", ImageKind.COLOR),
        ("/panoptic/labels", "16UC1", ImageKind.LABELS),
        ("/semantic/image", "8UC1", ImageKind.LABELS),
        ("/thermal/image", "rgb8", ImageKind.THERMAL),
        ("/stereo/normals", "32FC3", ImageKind.UNREAD),
    ],
)
def test_what_names_and_encodings_say(topic: str, encoding: str, kind: ImageKind) -> None:
    assert kind_of(topic, encoding) is kind


def test_a_calibration_of_another_camera_is_not_taken(tmp_path: Path) -> None:
    rows = [Row("/web/image_raw", "rgb8", SMALL, "web"), Row("/ir/image_raw", "mono8", SMALL, "ir")]
    rows += [Row("/ir/camera_info", "info", SMALL, "ir")]
    assert topics_of(tmp_path / "bag", rows).camera_info("/web/image_raw") is None
    same = [row._replace(frame="web") for row in rows]  # the same camera, processed
    assert topics_of(tmp_path / "same", same).camera_info("/web/image_raw") == "/ir/camera_info"
    free = [rows[0], Row("/calibration/camera_info", "info", SMALL, "elsewhere")]
    assert topics_of(tmp_path / "free", free).camera_info("/web/image_raw") == "/calibration/camera_info"
    two = [rows[0], Row("/x/camera_info", "info", SMALL, "x"), Row("/y/camera_info", "info", SMALL, "web")]
    assert topics_of(tmp_path / "two", two).camera_info("/web/image_raw") == "/y/camera_info"
    with pytest.raises(BagError, match="several camera_info topics and none beside /web/image_raw: /x/camera_info, /y"):
        topics_of(tmp_path / "open", [*two[:2], two[2]._replace(frame="z")]).camera_info("/web/image_raw")


def test_a_topic_recorded_with_two_qualities_of_service_is_one(tmp_path: Path) -> None:
    path = field_bags.write(tmp_path / "bag", [Row("/cam/image_raw", "rgb8")])
    reader = BagReader(path)
    (item,) = reader.connections
    other = item._replace(id=7, ext=item.ext._replace(offered_qos_profiles=["other"]))
    topics = CameraTopics("bag", [item, other], lambda _: first_messages(reader, item))
    assert topics.image().msgcount == 4


def test_hashes_and_definitions_are_those_that_ros_generated() -> None:
    messages_of_ros = pytest.importorskip("cinet_ros.msg")
    store = message_store()
    for name in OWN_DEFINITIONS:
        fields = getattr(messages_of_ros, name).get_fields_and_field_types()
        assert [field for field, _ in store.fielddefs[f"cinet_ros/msg/{name}"][1]] == list(fields)
