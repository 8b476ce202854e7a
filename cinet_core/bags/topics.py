"""Which topics of a bag are a camera's: given by name, or found by their types and first messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from cinet_core.bags.errors import BagError
from cinet_core.messages.images import ENCODINGS
from cinet_core.messages.planes import DEPTH_TYPES
from cinet_core.messages.topics import TOPICS

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

IMAGE, COMPRESSED_IMAGE = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
_IMAGES = (IMAGE, COMPRESSED_IMAGE)

_REGISTERED = ("aligned", "registered")
"""Parts of the names that drivers give to depth in the colour camera's frame."""

_NO_DEPTH = ("semantic", "label", "infra", "ir/", "confidence")
"""Parts of the names of other 16-bit images."""


class CameraTopics:
    """Chooses topics of a bag.

    Args:
        bag: its name, for errors.
        connections: its topics.
        first: the first message of a topic, or None where there is none.
    """

    def __init__(self, bag: str, connections: Sequence[Connection], first: Callable[[Connection], Any | None]) -> None:
        self._bag = bag
        self._connections = list(connections)
        self._first = first

    def image(self, topic: str = "") -> Connection:
        """The topic of Image or CompressedImage; empty: the first with colour or grey images, raw ones first.

        Raises:
            BagError: there is none, or it holds no message.
        """
        return self._choose(topic, "images", "colour or grey images", "image_topic", self._shows_colour, _predicted)

    def depth(self, topic: str = "") -> Connection:
        """The topic of depth images, raw or compressed; empty: one in the colour camera's frame before others.

        Raises:
            BagError: there is none, or it holds no message.
        """
        return self._choose(topic, "depth images", "depth images", "depth_topic", self._shows_depth, _unregistered)

    def camera_info(self, image_topic: str, topic: str = "") -> str | None:
        """The topic of CameraInfo; empty: the one in the image topic's namespace, else the only one, else None.

        Raises:
            BagError: the topic is not there, or there are several and none beside the images.
        """
        infos = sorted({item.topic for item in self._connections if item.msgtype == CAMERA_INFO})
        if topic:
            if topic not in infos:
                raise BagError(f"{self._bag} has no camera_info on {topic}; it has: {self.listing()}")
            return topic
        parts = image_topic.split("/")
        # camera/image_raw, camera/image_raw/compressed
        beside = ["/".join([*parts[:-levels], "camera_info"]) for levels in (1, 2) if len(parts) > levels]
        for name in beside:
            if name in infos:
                return name
        if len(infos) > 1:
            raise BagError(
                f"{self._bag} has several camera_info topics and none beside {image_topic}: {', '.join(infos)}; "
                "set camera_info_topic"
            )
        return infos[0] if infos else None

    def named(self, topic: str) -> Connection | None:
        """The topic of this name, if it is there and holds a message."""
        return next((item for item in self._connections if item.topic == topic and item.msgcount), None)

    def listing(self) -> str:
        """All topics, for errors."""
        names = sorted({(item.topic, item.msgtype) for item in self._connections})
        return ", ".join(f"{name} ({kind})" for name, kind in names) or "no topics at all"

    def _choose(
        self,
        topic: str,
        kind: str,
        content: str,
        remedy: str,
        shows: Callable[[Connection], bool],
        order: Callable[[Connection], int],
    ) -> Connection:
        candidates = [item for item in self._connections if item.msgtype in _IMAGES]
        candidates.sort(key=lambda item: (order(item), _IMAGES.index(item.msgtype)))
        if topic:
            candidates = [item for item in candidates if item.topic == topic]
        else:
            candidates = [item for item in candidates if shows(item)]
        if not candidates:
            what = f"no {kind} on {topic}" if topic else f"no topic with {content}"
            raise BagError(f"{self._bag} has {what}; it has: {self.listing()}; set {remedy} or give another bag")
        if candidates[0].msgcount == 0:
            raise BagError(f"{self._bag} has not one message on {candidates[0].topic}; it has: {self.listing()}")
        return candidates[0]

    def _shows_colour(self, connection: Connection) -> bool:
        """Whether the topic's first message is a picture rather than depth; an empty topic counts as one."""
        message = self._first(connection)
        if message is None:
            return True
        if connection.msgtype == COMPRESSED_IMAGE:
            return "compresseddepth" not in message.format.lower()
        return message.encoding in ENCODINGS

    def _shows_depth(self, connection: Connection) -> bool:
        if any(part in connection.topic for part in _NO_DEPTH):
            return False
        message = self._first(connection)
        if message is None:
            return False
        if connection.msgtype == COMPRESSED_IMAGE:
            return "compresseddepth" in message.format.lower()
        return message.encoding in DEPTH_TYPES and (message.encoding != "mono16" or "depth" in connection.topic)


def _predicted(connection: Connection) -> int:
    """Outputs of this package, which are pictures as well, come last."""
    return int(any(connection.topic.endswith(f"/{topic}") for topic in TOPICS))


def _unregistered(connection: Connection) -> int:
    """A sensor's depth in the colour camera's frame comes first, depth that was predicted last."""
    registered = any(part in connection.topic for part in _REGISTERED)
    return 2 if _predicted(connection) else int(not registered)
