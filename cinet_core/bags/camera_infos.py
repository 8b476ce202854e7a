"""Finds the camera_info topic of an image topic in a bag."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from cinet_core.bags.errors import BagError
from cinet_core.bags.image_topics import RecordedImageTopic
from cinet_core.messages.topic_names import base_topic

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

__all__ = ["CAMERA_INFO", "CameraInfos"]

CAMERA_INFO = "sensor_msgs/msg/CameraInfo"


class CameraInfos:
    """The camera_info topics of a bag.

    Args:
        bag: its name, for errors.
        connections: its topics.
        images: its image topics.
        messages: the first messages of a topic.
    """

    def __init__(
        self,
        bag: str,
        connections: Sequence[Connection],
        images: Sequence[RecordedImageTopic],
        messages: Callable[[Connection], Iterable[Any]],
    ) -> None:
        self._bag = bag
        self._images = images
        self._messages = messages
        self._by_topic = {item.topic: item for item in connections if item.msgtype == CAMERA_INFO}
        self._recorded = sorted(topic for topic, item in self._by_topic.items() if item.msgcount)
        self._first: dict[str, Any | None] = {}

    def __contains__(self, topic: str) -> bool:
        """Whether it is one of them."""
        return topic in self._by_topic

    def of(self, image: RecordedImageTopic) -> str | None:
        """The one in the image topic's namespace; else the one that no other camera's images have in theirs.

        A calibration that lies beside other images is theirs, unless they share frame and aspect with these.

        Raises:
            BagError: there are several, none beside the images, and frame and size do not decide.
        """
        left = self._candidates(image)
        if len(left) > 1:
            left = [topic for topic in left if self._fits(topic, image)] or left
        if len(left) > 1:
            raise BagError(
                f"{self._bag} has several camera_info topics and none beside {image.topic}: {', '.join(left)}; "
                "set camera_info_topic"
            )
        return left[0] if left else None

    def message(self, image: RecordedImageTopic) -> Any | None:
        """The first calibration of the images where it is clear which that is; else None."""
        left = self._candidates(image)
        return self._message(left[0]) if len(left) == 1 else None

    def _candidates(self, image: RecordedImageTopic) -> list[str]:
        """The one beside the images alone; else those that are nobody's."""
        near, above = _beside(image.topic)
        for name in (*near, *(name for name in above if not self._belongs_to_another(name, image))):
            if name in self._recorded:
                return [name]
        return [topic for topic in self._recorded if not self._belongs_to_another(topic, image)]

    def _belongs_to_another(self, info: str, image: RecordedImageTopic) -> bool:
        owners = [other for other in self._images if info in _beside(other.topic)[0]]
        return bool(owners) and not any(_same_camera(owner, image) for owner in owners)

    def _fits(self, info: str, image: RecordedImageTopic) -> bool:
        message = self._message(info)
        if message is None:
            return False
        same_frame = str(message.header.frame_id).strip("/") == image.frame_id
        return same_frame and message.width * image.height == message.height * image.width

    def _message(self, topic: str) -> Any | None:
        if topic not in self._first:
            self._first[topic] = next(iter(self._messages(self._by_topic[topic])), None)
        return self._first[topic]


def _beside(topic: str) -> tuple[list[str], list[str]]:
    """Where drivers put the camera_info of an image topic: near it, and a level up."""
    parts = base_topic(topic).split("/")
    # cam/image_raw/camera_info, cam/camera_info, cam/info/camera_info (RealSense's files)
    near = [parts, parts[:-1], [*parts[:-1], "info"], [*parts[:-2], "info"]]
    above = [parts[:-2]]
    names = [["/".join([*place, "camera_info"]) for place in places if place] for places in (near, above)]
    return names[0], names[1]


def _same_camera(one: RecordedImageTopic, other: RecordedImageTopic) -> bool:
    frames = bool(one.frame_id) and one.frame_id == other.frame_id
    return frames and one.width * other.height == one.height * other.width
