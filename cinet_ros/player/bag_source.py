"""Images and camera_info out of a ROS 2 bag (directory, .db3 or .mcap), through the pure-Python reader `rosbags`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from cinet_ros.conversions.images import ENCODINGS

if TYPE_CHECKING:
    from rosbags.interfaces import Connection
    from rosbags.rosbag2 import Reader

_TYPES: dict[str, Any] = {
    "sensor_msgs/msg/Image": Image,
    "sensor_msgs/msg/CompressedImage": CompressedImage,
    "sensor_msgs/msg/CameraInfo": CameraInfo,
}
_IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
_CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
_STORAGE_SUFFIXES = (".db3", ".mcap")


class BagError(Exception):
    """A bag cannot be played; the text names the file, the reason and the remedy."""


@dataclass(frozen=True)
class BagFrame:
    """One recorded image.

    Attributes:
        time_ns: when it was recorded, nanoseconds since the epoch.
        image: as recorded.
        camera_info: the recorded one of the same stamp, else the latest before the next image, else the first of
            the bag; None when there is none at all.
    """

    time_ns: int
    image: Image | CompressedImage
    camera_info: CameraInfo | None


def is_bag(path: str) -> bool:
    """Whether the path looks like a ROS 2 bag: a storage file, or a directory with metadata or storage files."""
    location = Path(path)
    if location.is_dir():
        return (location / "metadata.yaml").is_file() or any(
            entry.suffix in _STORAGE_SUFFIXES for entry in location.iterdir()
        )
    return location.suffix in (*_STORAGE_SUFFIXES, ".bag")


class BagSource:
    """One camera of a bag. Iterating reads the bag from its start, a message at a time.

    Args:
        path: bag directory or storage file.
        image_topic: topic of Image or CompressedImage; empty: the first with colour or grey images, raw ones first.
        camera_info_topic: topic of CameraInfo; empty: the one in the image topic's namespace, else the only one.

    Raises:
        BagError: the bag cannot be read, has no such topic, or leaves open which topic to take.
    """

    def __init__(self, path: str, image_topic: str = "", camera_info_topic: str = "") -> None:
        self.path = path
        if Path(path).suffix == ".bag":
            raise BagError(f"{path} is a ROS 1 bag; convert it: rosbags-convert --src {path} --dst <new directory>")
        with self._open() as reader:
            self._topics = {item.topic: item.msgtype for item in reader.connections}
            image = self._image_connection(reader, image_topic)
            self.image_topic = image.topic
            self.compressed = image.msgtype == "sensor_msgs/msg/CompressedImage"
            self.camera_info_topic = self._camera_info_topic(camera_info_topic)
            self._first_info = self._read_first_info(reader)
            self._count = sum(item.msgcount for item in reader.connections if item.topic == image.topic)

    def __len__(self) -> int:
        """Number of images."""
        return self._count

    def __iter__(self) -> Iterator[BagFrame]:
        """Images in recorded order, each with its camera_info.

        Raises:
            BagError: a message cannot be read.
        """
        waiting: tuple[int, Image | CompressedImage] | None = None
        info = self._first_info
        for time_ns, message in self._messages():
            if isinstance(message, CameraInfo):
                info = message
            else:
                if waiting is not None:
                    yield BagFrame(*waiting, info)
                waiting = (time_ns, message)
            # An image is sent on as soon as its own camera_info is there; drivers record either of them first.
            if waiting is not None and (
                self.camera_info_topic is None or (info is not None and info.header.stamp == waiting[1].header.stamp)
            ):
                yield BagFrame(*waiting, info)
                waiting = None
        if waiting is not None:
            yield BagFrame(*waiting, info)

    @contextmanager
    def _open(self) -> Iterator[Reader]:
        try:
            from rosbags.rosbag2 import Reader
        except ImportError as error:
            raise BagError(f"{self.path}: reading a bag needs the package rosbags: pip install rosbags") from error
        try:
            with Reader(self.path) as reader:
                yield reader
        except (BagError, GeneratorExit):
            raise
        except Exception as error:  # what a parser raises on a damaged file is not limited to its own errors
            raise BagError(
                f"{self.path} cannot be read as a ROS 2 bag ({type(error).__name__}: {error}); "
                f"check it with `ros2 bag info`, repair it with `ros2 bag reindex` (`mcap recover`), or record it again"
            ) from error

    def _messages(self) -> Iterator[tuple[int, Any]]:
        wanted = (self.image_topic, self.camera_info_topic)
        with self._open() as reader:
            connections = [item for item in reader.connections if item.topic in wanted and item.msgtype in _TYPES]
            for connection, time_ns, data in reader.messages(connections):
                yield time_ns, deserialize_message(data, _TYPES[connection.msgtype])

    def _image_connection(self, reader: Reader, topic: str) -> Connection:
        candidates = [item for item in reader.connections if item.msgtype in _IMAGES]
        candidates.sort(key=lambda item: _IMAGES.index(item.msgtype))
        if topic:
            candidates = [item for item in candidates if item.topic == topic]
        elif candidates:
            candidates = [item for item in candidates if _shows_colour(reader, item)]
        if not candidates:
            what = f"no images on {topic}" if topic else "no topic with colour or grey images"
            raise BagError(f"{self.path} has {what}; it has: {self._listing()}; set image_topic or play another bag")
        if candidates[0].msgcount == 0:
            raise BagError(f"{self.path} has not one message on {candidates[0].topic}; it has: {self._listing()}")
        return candidates[0]

    def _camera_info_topic(self, topic: str) -> str | None:
        infos = [name for name, kind in self._topics.items() if kind == _CAMERA_INFO]
        if topic:
            if topic not in infos:
                raise BagError(f"{self.path} has no camera_info on {topic}; it has: {self._listing()}")
            return topic
        parts = self.image_topic.split("/")
        # camera/image_raw, camera/image_raw/compressed
        beside = ["/".join([*parts[:-levels], "camera_info"]) for levels in (1, 2) if len(parts) > levels]
        for name in beside:
            if name in infos:
                return name
        if len(infos) > 1:
            raise BagError(
                f"{self.path} has several camera_info topics and none beside {self.image_topic}: {', '.join(infos)}; "
                "set camera_info_topic"
            )
        return infos[0] if infos else None

    def _read_first_info(self, reader: Reader) -> CameraInfo | None:
        """First camera_info, so that images recorded before it have one as well."""
        connections = [item for item in reader.connections if item.topic == self.camera_info_topic]
        for _, _, data in reader.messages(connections) if connections else ():
            return deserialize_message(data, CameraInfo)
        return None

    def _listing(self) -> str:
        return ", ".join(f"{name} ({kind})" for name, kind in sorted(self._topics.items())) or "no topics at all"


def _shows_colour(reader: Reader, connection: Connection) -> bool:
    """Whether the topic's first message is a picture rather than depth; an empty topic counts as one."""
    for _, _, data in reader.messages([connection]):
        message = deserialize_message(data, _TYPES[connection.msgtype])
        if isinstance(message, CompressedImage):
            return "compressedDepth" not in message.format
        return message.encoding in ENCODINGS
    return True
