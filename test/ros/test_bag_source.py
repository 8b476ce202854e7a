"""Bags written by rosbags and read back as messages."""

import array
import shutil
from pathlib import Path

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu
from std_msgs.msg import Header

from cinet_core.bags.errors import BagError
from cinet_core.data.bag_paths import is_bag
from cinet_ros.player.bag_source import BagSource

rosbag2 = pytest.importorskip("rosbags.rosbag2")
typesys = pytest.importorskip("rosbags.typesys")

STORAGES = ("sqlite3", "mcap")
START = 1_700_000_000
NAMES = {Image: "Image", CompressedImage: "CompressedImage", CameraInfo: "CameraInfo", Imu: "Imu"}


def header(number: int) -> Header:
    return Header(stamp=Time(sec=START, nanosec=number * 100_000_000), frame_id="recorded_frame")


def image(number: int, encoding: str = "rgb8") -> Image:
    data = array.array("B", np.full(4 * 6 * 3, number, np.uint8).tobytes())
    return Image(header=header(number), height=4, width=6, encoding=encoding, step=18, data=data)


def info(number: int, focal: float = 5.0) -> CameraInfo:
    message = CameraInfo(header=header(number), height=4, width=6, distortion_model="plumb_bob")
    message.k = np.array([focal, 0, 3, 0, focal, 2, 0, 0, 1], np.float64)
    return message


def write(path: Path, messages, storage: str = "sqlite3", topics=(), zstd: str = "") -> Path:
    """A bag of (topic, message) a tenth of a second apart; ``topics`` are (topic, class) without messages."""
    store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
    writer = rosbag2.Writer(path, version=9, storage_plugin=rosbag2.StoragePlugin[storage.upper()])
    if zstd:
        writer.set_compression(rosbag2.CompressionMode[zstd], rosbag2.CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for topic, kind in [*topics, *((topic, type(message)) for topic, message in messages)]:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, f"sensor_msgs/msg/{NAMES[kind]}", typestore=store)
        for number, (topic, message) in enumerate(messages):
            time_ns = START * 10**9 + number * 10**8
            writer.write(connections[topic], time_ns, serialize_message(message))
    return path


def camera(frames: int = 3) -> list:
    return [item for n in range(frames) for item in (("/cam/image_raw", image(n)), ("/cam/camera_info", info(n)))]


def stamps(frames) -> list[tuple[int, int | None]]:
    """Which image came with which camera_info, as numbers."""
    return [
        (
            frame.image.header.stamp.nanosec // 10**8,
            None if frame.camera_info is None else frame.camera_info.header.stamp.nanosec // 10**8,
        )
        for frame in frames
    ]


@pytest.mark.parametrize("as_file", [False, True], ids=["directory", "file"])
@pytest.mark.parametrize("storage", STORAGES)
def test_round_trip(tmp_path, storage, as_file):
    path = write(tmp_path / "bag", camera(), storage)
    if as_file:
        (path,) = (entry for entry in path.iterdir() if entry.name != "metadata.yaml")
    assert is_bag(str(path))
    bag = BagSource(str(path))
    assert (bag.image_topic, bag.camera_info_topic) == ("/cam/image_raw", "/cam/camera_info")
    assert (bag.compressed, len(bag)) == (False, 3)
    for _ in range(2):  # a bag can be played again
        frames = list(bag)
        assert [frame.image for frame in frames] == [image(n) for n in range(3)]
        assert [frame.camera_info for frame in frames] == [info(n) for n in range(3)]
        assert [frame.time_ns - START * 10**9 for frame in frames] == [0, 2 * 10**8, 4 * 10**8]


@pytest.mark.parametrize("mode", ["FILE", "MESSAGE"])
def test_zstd_compressed_bag(tmp_path, mode):
    bag = BagSource(str(write(tmp_path / "bag", camera(), zstd=mode)))
    assert stamps(bag) == [(0, 0), (1, 1), (2, 2)]


def test_camera_info_recorded_before_its_image(tmp_path):
    messages = [item for n in range(3) for item in (("/cam/camera_info", info(n)), ("/cam/image_raw", image(n)))]
    assert stamps(BagSource(str(write(tmp_path / "bag", messages)))) == [(0, 0), (1, 1), (2, 2)]


def test_camera_info_recorded_once_serves_every_image(tmp_path):
    messages = [("/image", image(0)), ("/image", image(1)), ("/camera_info", info(9)), ("/image", image(2))]
    assert stamps(BagSource(str(write(tmp_path / "bag", messages)))) == [(0, 9), (1, 9), (2, 9)]


def test_a_camera_without_camera_info(tmp_path):
    bag = BagSource(str(write(tmp_path / "bag", [("/image", image(0)), ("/image", image(1))])))
    assert bag.camera_info_topic is None
    assert stamps(bag) == [(0, None), (1, None)]


def test_depth_is_not_taken_for_the_image(tmp_path):
    depth = image(0, "16UC1")
    compressed_depth = CompressedImage(header=header(0), format="16UC1; compressedDepth png")
    messages = [("/a/depth", depth), ("/b/depth/compressedDepth", compressed_depth), ("/z/image", image(0, "bgr8"))]
    assert BagSource(str(write(tmp_path / "bag", messages))).image_topic == "/z/image"


def test_raw_images_come_before_compressed_ones(tmp_path):
    jpeg = CompressedImage(header=header(0), format="jpeg", data=array.array("B", b"\xff\xd8"))
    messages = [("/cam/image_raw/compressed", jpeg), *camera(1)]
    path = str(write(tmp_path / "bag", messages))
    assert BagSource(path).image_topic == "/cam/image_raw"
    chosen = BagSource(path, "/cam/image_raw/compressed")
    assert (chosen.compressed, chosen.camera_info_topic) == (True, "/cam/camera_info")
    assert [frame.image for frame in chosen] == [jpeg]


def test_the_camera_info_beside_the_images_is_taken(tmp_path):
    messages = [("/left/camera_info", info(0, 7.0)), *camera(1), ("/left/image_raw", image(5))]
    path = str(write(tmp_path / "bag", messages))
    assert BagSource(path, "/cam/image_raw").camera_info_topic == "/cam/camera_info"
    assert BagSource(path, "/left/image_raw").camera_info_topic == "/left/camera_info"
    (frame,) = BagSource(path, "/cam/image_raw", "/left/camera_info")
    assert frame.camera_info.k[0] == 7.0


def test_several_camera_infos_and_none_beside_the_images(tmp_path):
    messages = [("/image", image(0)), ("/a/camera_info", info(0)), ("/b/camera_info", info(0))]
    with pytest.raises(
        BagError, match=r"several camera_info topics.*/a/camera_info, /b/camera_info; set camera_info_t"
    ):
        BagSource(str(write(tmp_path / "bag", messages)))


def test_a_bag_without_images_lists_what_it_has(tmp_path):
    path = write(tmp_path / "bag", [("/imu", Imu()), ("/camera_info", info(0))])
    with pytest.raises(BagError, match=r"no topic with colour.*/camera_info \(sensor_msgs/msg/CameraInfo\), /imu \("):
        BagSource(str(path))


def test_a_topic_that_is_not_there(tmp_path):
    path = str(write(tmp_path / "bag", camera(1)))
    with pytest.raises(BagError, match=r"no images on /front/image; it has: .*/cam/image_raw \("):
        BagSource(path, image_topic="/front/image")
    with pytest.raises(BagError, match=r"no camera_info on /cam/image_raw; it has: "):
        BagSource(path, camera_info_topic="/cam/image_raw")


def test_an_image_topic_without_messages(tmp_path):
    path = write(tmp_path / "bag", [("/imu", Imu())], topics=[("/image", Image)])
    with pytest.raises(BagError, match="not one message on /image"):
        BagSource(str(path))


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("keep", [0, 20, 400], ids=["empty", "magic only", "cut"])
def test_a_truncated_file(tmp_path, storage, keep):
    folder = write(tmp_path / "bag", camera(), storage)
    (file,) = (entry for entry in folder.iterdir() if entry.name != "metadata.yaml")
    file.write_bytes(file.read_bytes()[:keep])
    for path in (file, folder):
        with pytest.raises(
            BagError, match=rf"{path.name} holds no topic that can be read: .*{file.name} .*give another"
        ):
            list(BagSource(str(path)))


@pytest.mark.parametrize("storage", STORAGES)
def test_a_cut_file_is_played_as_far_as_it_can_be_read(tmp_path, storage):
    folder = write(tmp_path / "bag", [item for n in range(10) for item in camera(3)], storage)
    (file,) = (entry for entry in folder.iterdir() if entry.name != "metadata.yaml")
    content = file.read_bytes()
    file.write_bytes(content[: int(0.8 * len(content))])
    bag = BagSource(str(folder))
    assert 3 < len(list(bag)) < 30
    assert any(str(file) in fault for fault in bag.faults)


def damaged(path: Path, sound: int) -> Path:
    """A bag of some sound images, among them two that are cut."""
    store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
    with rosbag2.Writer(path, version=9) as writer:
        connection = writer.add_connection("/image", "sensor_msgs/msg/Image", typestore=store)
        for number, length in enumerate([None] * sound + [40, 40]):
            writer.write(connection, START * 10**9 + number, serialize_message(image(0))[:length])
    return path


def test_a_message_that_is_not_an_image_is_left_out_and_told_once(tmp_path):
    bag = BagSource(str(damaged(tmp_path / "bag", 2)))
    assert [frame.image for frame in bag] == [image(0)] * 2
    (fault,) = bag.faults
    assert "messages of /image cannot be read" in fault
    with pytest.raises(BagError, match=r"no topic with colour.*/image \(its first messages cannot be read\)"):
        BagSource(str(damaged(tmp_path / "none", 0)))


def test_a_bag_without_metadata(tmp_path):
    path = write(tmp_path / "bag", camera(1))
    (path / "metadata.yaml").unlink()
    assert is_bag(str(path))
    bag = BagSource(str(path))
    assert len(list(bag)) == 1
    (fault,) = bag.faults
    assert "no metadata.yaml" in fault


@pytest.mark.parametrize(("stamp", "said"), [(0, "are all 0"), (5, "are all the same")])
def test_stamps_that_are_no_time(tmp_path, stamp, said):
    messages = [
        ("/image", Image(header=Header(stamp=Time(sec=stamp)), height=4, width=6, encoding="mono8", step=6))
    ] * 3
    for _, message in messages:
        message.data = array.array("B", bytes(24))
    bag = BagSource(str(write(tmp_path / "bag", messages)))
    assert not bag.stamped
    assert said in bag.notes[-1]
    assert BagSource(str(write(tmp_path / "sound", camera()))).stamped


def test_a_ros_1_bag_is_named_as_such(tmp_path):
    path = tmp_path / "old.bag"
    path.write_bytes(b"#ROSBAG V2.0\n")
    assert is_bag(str(path))
    with pytest.raises(BagError, match="ROS 1 bag; convert it: rosbags-convert"):
        BagSource(str(path))


def test_folders_and_videos_are_no_bags(tmp_path):
    shutil.copy(__file__, tmp_path / "clip.mp4")
    assert not is_bag(str(tmp_path))
    assert not is_bag(str(tmp_path / "clip.mp4"))
    assert not is_bag("/does/not/exist")
