"""Images and camera_info out of a ROS 2 bag (directory, .db3 or .mcap), as far as it can be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from cinet_core.bags.clocks import unusable
from cinet_core.bags.frames import first_messages
from cinet_core.bags.pairing import CameraInfoPairing
from cinet_core.bags.reader import BagReader
from cinet_core.bags.topics import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, CameraTopics
from cinet_core.messages.fields import stamp_of

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

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
    """One camera of a bag. Iterating reads the bag from its start, a message at a time, as far as it can be read.

    Args:
        path: bag directory or storage file.
        image_topic: topic of Image or CompressedImage; empty: the best camera, see `CameraTopics.image`.
        camera_info_topic: topic of CameraInfo; empty: the one of these images.

    Attributes:
        image_topic, camera_info_topic: chosen; camera_info_topic is None where there is none.
        compressed: whether the images are CompressedImage.
        stamped: whether the images' stamps can be used: they are not 0, nor all the same.
        notes: notes on the choice of topics, and on bags without faults.
        faults: what is wrong with the bag; grows while iterating.

    Raises:
        BagError: the bag cannot be read, has no such topic, or leaves open which topic to take.
    """

    def __init__(self, path: str, image_topic: str = "", camera_info_topic: str = "") -> None:
        self.path = path
        self.faults: list[str] = []
        self._damaged: set[str] = set()
        with BagReader(path) as reader:
            topics = CameraTopics(path, reader.connections, lambda item: first_messages(reader, item))
            image = topics.image(image_topic)
            self.image_topic = image.topic
            self.compressed = image.msgtype == COMPRESSED_IMAGE
            self.camera_info_topic = topics.camera_info(image.topic, camera_info_topic)
            self._types = {(image.topic, image.msgtype): _TYPES[image.msgtype]}
            if self.camera_info_topic is not None:
                self._types[self.camera_info_topic, CAMERA_INFO] = CameraInfo
            self._first_info = self._read_first_info(reader)
            self._count = sum(item.msgcount for item in self._connections(reader) if item.msgtype == image.msgtype)
            stamps = [stamp_of(message) for message in first_messages(reader, image)]
            self.notes = [*reader.notes, *topics.notes]
            self._add_faults(reader.faults)
        problem = unusable(stamps)
        self.stamped = not problem
        if problem:
            self.notes.append(f"the header stamps of {image.topic} {problem}: times of recording stand for them")

    def __len__(self) -> int:
        """Number of images."""
        return self._count

    def __iter__(self) -> Iterator[BagFrame]:
        """Images in recorded order, each with its camera_info; a message that cannot be read is a fault."""
        first = None if self._first_info is None else (stamp_of(self._first_info), self._first_info)
        pairing = CameraInfoPairing[tuple[int, Any], CameraInfo](self.camera_info_topic is not None, first)
        with BagReader(self.path) as reader:
            for time_ns, message in self._messages(reader):
                if isinstance(message, CameraInfo):
                    ready = pairing.info(stamp_of(message), message)
                else:
                    ready = pairing.image(stamp_of(message), (time_ns, message))
                for image, info in ready:
                    yield BagFrame(*image, info)
            for image, info in pairing.end():
                yield BagFrame(*image, info)
            self._add_faults(reader.faults)

    def _messages(self, reader: BagReader) -> Iterator[tuple[int, Any]]:
        for connection, time_ns, data in reader.messages(self._connections(reader)):
            try:
                message = deserialize_message(bytes(data), self._types[connection.topic, connection.msgtype])
            except Exception as error:  # what rclpy raises on damaged bytes is not limited
                if connection.topic not in self._damaged:  # once: a whole bag may be of such messages
                    self._damaged.add(connection.topic)
                    self._add_faults([f"{self.path}: messages of {connection.topic} cannot be read ({error})"])
                continue
            yield time_ns, message

    def _connections(self, reader: BagReader) -> list[Connection]:
        return [item for item in reader.connections if (item.topic, item.msgtype) in self._types]

    def _read_first_info(self, reader: BagReader) -> CameraInfo | None:
        """First camera_info, so that images recorded before it have one as well."""
        infos = [item for item in self._connections(reader) if item.msgtype == CAMERA_INFO]
        for _, _, data in reader.messages(infos) if infos else ():
            return deserialize_message(bytes(data), CameraInfo)
        return None

    def _add_faults(self, faults: Iterable[str]) -> None:
        self.faults += [fault for fault in faults if fault not in self.faults]
