"""Selects the topics of a camera in a bag, by name or by content; docs/bags.md explains the rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cinet_core.bags.camera_infos import CAMERA_INFO, CameraInfos
from cinet_core.bags.errors import BagError
from cinet_core.bags.image_topics import (
    COMPRESSED_IMAGE,
    IMAGE,
    IMAGE_KINDS,
    IMAGE_TYPES,
    ImageKind,
    RecordedImageTopic,
    image_topic,
)
from cinet_core.bags.predicted import is_predicted
from cinet_core.bags.registration import Registered, Registration, registration, same_aspect
from cinet_core.messages.topic_names import base_topic, is_rectified, topic_parts, words

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

__all__ = ["CAMERA_INFO", "COMPRESSED_IMAGE", "IMAGE", "CameraTopics"]

_MAIN = frozenset({"color", "colour", "rgb"})
_SMALL = frozenset({"preview", "thumbnail", "thumb", "small", "lowres", "low", "sub"})
_ASIDE = frozenset({"right", "rear", "back", "side", "down", "bottom"})
"""Where a robot does not look first; of a stereo pair, depth is mostly the left camera's."""

_SPARSE = 20
"""A topic with this many times fewer messages than another is no camera's stream: a map, a snapshot."""

_REMEDY = (
    "record depth that is (RealSense: align_depth.enable:=true, then aligned_depth_to_color; Azure Kinect: "
    "depth_to_rgb; Orbbec and OpenNI: depth_registration:=true)"
)


class CameraTopics:
    """Chooses topics of a bag.

    Args:
        bag: its name, for errors.
        connections: its topics.
        messages: the first messages of a topic, a few; the first that can be read tells what it is.

    Attributes:
        notes: what the user should know of the choice: grows with each.
    """

    def __init__(
        self, bag: str, connections: Sequence[Connection], messages: Callable[[Connection], Iterable[Any]]
    ) -> None:
        self._bag = bag
        self._connections = list(connections)
        names = {item.topic for item in connections}
        found: dict[tuple[str, str], RecordedImageTopic] = {}
        for item in connections:
            key = item.topic, item.msgtype
            if item.msgtype not in IMAGE_TYPES:
                continue
            if key in found and found[key].kind is not ImageKind.EMPTY:  # recorded with two qualities of service
                count = found[key].connection.msgcount + item.msgcount
                found[key] = replace(found[key], connection=found[key].connection._replace(msgcount=count))
                continue
            topic = image_topic(item, messages(item) if item.msgcount else ())
            found[key] = replace(topic, predicted=is_predicted(item.topic, names))
        self._images = sorted(found.values(), key=lambda item: (item.topic, item.connection.msgtype))
        self._infos = CameraInfos(bag, connections, self._images, messages)
        self._most = max((item.count for item in self._images), default=0)
        self.notes: list[str] = []

    def image(self, topic: str = "") -> Connection:
        """The topic of Image or CompressedImage; empty: the best camera.

        Colour comes before grey, grey before infrared; a camera with camera_info before one without; then the largest
        images, raw ones before compressed ones.

        Raises:
            BagError: there is none, it has no colour or grey images, or it holds no message.
        """
        image = self._image_topics(topic)[0]
        self._note_choice([image], image, named=bool(topic))
        return image.connection

    def rgbd(
        self, topic: str = "", depth_topic: str = "", *, need_depth: bool = True, allow_unregistered: bool = False
    ) -> tuple[Connection, Connection | None]:
        """The topics of images and of depth that is registered to them.

        Args:
            topic, depth_topic: empty: the best camera that has registered depth. Depth that was predicted must be
                named.
            need_depth: whether a bag without such depth is an error; else depth is None then.
            allow_unregistered: take depth of another camera as it is.

        Raises:
            BagError: as `image`; or there is no depth, or none that is registered.
        """
        images = self._image_topics(topic)
        images = [item for item in images if item.kind is images[0].kind and item.predicted == images[0].predicted]
        depths = self._depths(depth_topic, needed=need_depth or bool(depth_topic))
        if not depths:
            self._note_choice([images[0]], images[0], named=bool(topic))
            return images[0].connection, None
        image, depth, found = min(
            (self._paired(image, depths) for image in images), key=lambda pair: _doubt(pair[2], pair[0], pair[1])
        )
        if found.state is Registered.NOT and not allow_unregistered:
            refused = self._unregistered(image, depth, found)
            if need_depth or depth_topic:
                raise BagError(refused)
            self.notes.append(f"frames have no depth: {refused}")
            self._note_choice([image], image, named=bool(topic))
            return image.connection, None
        if found.state is Registered.UNKNOWN or found.reason:
            state = "is not registered" if found.state is Registered.NOT else "may not be registered"
            self.notes.append(f"WARNING: depth of {depth.topic} {state} to {image.topic}: {found.reason}")
        self._note_choice([image, depth], image, named=bool(topic))
        return image.connection, depth.connection

    def camera_info(self, image_topic: str, topic: str = "") -> str | None:
        """The topic of CameraInfo; empty: the one in the image topic's namespace, else one that is no other camera's.

        Raises:
            BagError: the topic is not there, or there are several and none beside the images.
        """
        if topic:
            if topic not in self._infos:
                raise BagError(f"{self._bag} has no camera_info on {topic}; it has: {self.listing()}")
            return topic
        image = next(item for item in self._images if item.topic == image_topic)
        return self._infos.of(image)

    def named(self, topic: str) -> Connection | None:
        """The topic of this name, if it is there and holds a message."""
        return next((item for item in self._connections if item.topic == topic and item.msgcount), None)

    def listing(self) -> str:
        """All topics and what they are, for errors."""
        described = {item.described for item in self._images}
        others = {f"{item.topic} ({item.msgtype})" for item in self._connections if item.msgtype not in IMAGE_TYPES}
        return ", ".join(sorted(described | others)) or "no topics at all"

    def _image_topics(self, topic: str) -> list[RecordedImageTopic]:
        """The topic of this name, or all candidates for a camera, the best first; at least one."""
        if topic:
            image = self._explicit(topic, "images", "image_topic")
            if not image.is_decodable:
                raise BagError(
                    f"{self._bag}: {image.described} is no camera image; it has: {self.listing()}; "
                    "set image_topic to a colour image"
                )
            return [image]
        found = [item for item in self._images if item.is_decodable and item.kind in IMAGE_KINDS and item.is_camera]
        return sorted(found, key=self._rank) or self._none("colour or grey images", "image_topic")

    def _depths(self, topic: str, needed: bool) -> list[RecordedImageTopic]:
        if topic:
            depth = self._explicit(topic, "depth images", "depth_topic")
            if not depth.is_depth:
                raise BagError(
                    f"{self._bag}: {depth.described} is no depth that can be read; it has: {self.listing()}; set "
                    "depth_topic to 16UC1 or 32FC1, raw or as PNG"
                )
            return [depth]
        found = [item for item in self._images if item.is_depth and item.kind is ImageKind.DEPTH and not item.predicted]
        if found or not needed:
            return found
        return self._none("depth images", "depth_topic")

    def _explicit(self, topic: str, kind: str, remedy: str) -> RecordedImageTopic:
        found = sorted((item for item in self._images if item.topic == topic), key=lambda item: -item.count)
        if not found:
            raise BagError(
                f"{self._bag} has no {kind} on {topic}; it has: {self.listing()}; set {remedy} or give another bag"
            )
        if found[0].count == 0:
            raise BagError(f"{self._bag} has not one message on {topic}; it has: {self.listing()}")
        return found[0]

    def _none(self, content: str, remedy: str) -> list[RecordedImageTopic]:
        """No candidate: say why."""
        empty = [item.topic for item in self._images if item.kind is ImageKind.EMPTY]
        if empty and not any(item.count for item in self._images):
            raise BagError(f"{self._bag} has not one message on {', '.join(empty)}; it has: {self.listing()}")
        raise BagError(
            f"{self._bag} has no topic with {content}; it has: {self.listing()}; set {remedy} or give another bag"
        )

    def _rank(self, image: RecordedImageTopic) -> tuple[Any, ...]:
        """Key of the order of cameras, the best first."""
        *spaces, last = [set(words(part)) for part in topic_parts(image.topic)]
        space = set().union(*spaces)
        return (
            image.predicted,
            IMAGE_KINDS.index(image.kind) if image.kind in IMAGE_KINDS else len(IMAGE_KINDS),
            self._sparse(image),
            bool((space | last) & _SMALL),
            self._infos.message(image) is None,
            -len(space & _MAIN),
            bool((space | last) & _ASIDE),
            -image.width * image.height,
            not is_rectified(image.topic),
            image.compressed,
            -image.count,
            image.topic,
        )

    def _paired(
        self, image: RecordedImageTopic, depths: list[RecordedImageTopic]
    ) -> tuple[RecordedImageTopic, RecordedImageTopic, Registration]:
        """An image with the depth that suits it best."""
        info = self._infos.message(image)
        pairs = [(depth, registration(image, depth, info, self._infos.message(depth))) for depth in depths]
        depth, found = min(pairs, key=lambda pair: self._suits(image, *pair))
        return image, depth, found

    def _suits(self, image: RecordedImageTopic, depth: RecordedImageTopic, found: Registration) -> tuple[Any, ...]:
        """Key of the order of depths for an image, the best first."""
        return (
            _doubt(found, image, depth),
            self._sparse(depth),
            -_shared_parts(image.topic, depth.topic),
            (image.width, image.height) != (depth.width, depth.height),
            is_rectified(image.topic) != is_rectified(depth.topic),
            depth.compressed,
            -depth.count,
            depth.topic,
        )

    def _sparse(self, image: RecordedImageTopic) -> bool:
        return image.count * _SPARSE < self._most

    def _unregistered(self, image: RecordedImageTopic, depth: RecordedImageTopic, found: Registration) -> str:
        """Why depth is refused, and what to do."""
        pairs = [
            f"--image-topic {other.topic} --depth-topic {own.topic}"
            for other in sorted(self._images, key=self._rank)
            if other.is_decodable
            and other.kind in IMAGE_KINDS[:-1]
            and not other.predicted
            and other.topic != image.topic
            for own in self._images
            if own.is_depth and own.kind is ImageKind.DEPTH and not own.predicted and same_aspect(other, own)
            if registration(other, own, self._infos.message(other), self._infos.message(own)).state < Registered.UNKNOWN
        ]
        anyway = "; or take it all the same with --allow-unregistered" if same_aspect(image, depth) else ""
        choice = f"; take another pair ({' or '.join(pairs[:2])})" if pairs else ""
        return (
            f"{self._bag}: depth of {depth.topic} is not registered to the images of {image.topic}: {found.reason}; "
            f"each value would lie beside its pixel. To go on, {_REMEDY}{choice}{anyway}"
        )

    def _note_choice(self, taken: list[RecordedImageTopic], image: RecordedImageTopic, named: bool) -> None:
        """Note what is odd about the choice, and what was not taken."""
        if image.kind is not ImageKind.COLOR and not named:
            self.notes.append(f"WARNING: no topic has plain colour images: {image.described} is taken")
        bases = {base_topic(item.topic) for item in taken}
        left = [item for item in self._images if base_topic(item.topic) not in bases]
        if left:
            listed = ", ".join(sorted(item.described for item in left))
            self.notes.append(f"not taken: {listed}")
        others = {item.frame_id for item in left if item.kind is image.kind and not item.predicted} - {image.frame_id}
        if others and not named:
            self.notes.append(f"several cameras: the images of {image.topic} are taken; image_topic names others")


def _doubt(found: Registration, image: RecordedImageTopic, depth: RecordedImageTopic) -> float:
    """How doubtful it is that depth is registered: a name that a frame contradicts is worse than nothing known."""
    if not same_aspect(image, depth):
        return Registered.NOT + 1.0
    contradicted = found.state is Registered.BY_NAME and bool(found.reason)
    return Registered.UNKNOWN + 0.5 if contradicted else float(found.state)


def _shared_parts(one: str, other: str) -> int:
    """How many parts at the beginning two names share."""
    count = 0
    for a, b in zip(topic_parts(one)[:-1], topic_parts(other)[:-1], strict=False):
        if a != b:
            break
        count += 1
    return count
