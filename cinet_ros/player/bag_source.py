"""Images and camera_info out of a ROS 2 bag (directory, .db3 or .mcap), through the pure-Python reader `rosbags`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from cinet_core.bags.errors import BagError
from cinet_core.bags.pairing import CameraInfoPairing
from cinet_core.bags.topics import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, CameraTopics
from cinet_core.messages.fields import stamp_of

if TYPE_CHECKING:
    from rosbags.interfaces import Connection
    from rosbags.rosbag2 import Reader

_TYPES: dict[str, Any] = {IMAGE: Image, COMPRESSED_IMAGE: CompressedImage, CAMERA_INFO: CameraInfo}


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
            topics = CameraTopics(path, reader.connections, lambda item: _first(reader, item))
            image = topics.image(image_topic)
            self.image_topic = image.topic
            self.compressed = image.msgtype == COMPRESSED_IMAGE
            self.camera_info_topic = topics.camera_info(image.topic, camera_info_topic)
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
        first = None if self._first_info is None else (stamp_of(self._first_info), self._first_info)
        pairing = CameraInfoPairing[tuple[int, Any], CameraInfo](self.camera_info_topic is not None, first)
        for time_ns, message in self._messages():
            if isinstance(message, CameraInfo):
                ready = pairing.info(stamp_of(message), message)
            else:
                ready = pairing.image(stamp_of(message), (time_ns, message))
            for image, info in ready:
                yield BagFrame(*image, info)
        for image, info in pairing.end():
            yield BagFrame(*image, info)

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

    def _read_first_info(self, reader: Reader) -> CameraInfo | None:
        """First camera_info, so that images recorded before it have one as well."""
        connections = [item for item in reader.connections if item.topic == self.camera_info_topic]
        return _first(reader, connections[0]) if connections else None


def _first(reader: Reader, connection: Connection) -> Any | None:
    """The first message of a topic."""
    for _, _, data in reader.messages([connection]):
        return deserialize_message(data, _TYPES[connection.msgtype])
    return None
