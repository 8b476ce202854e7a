"""What the images of a topic are: colour, grey, infrared, depth, labels, ...; by their encoding and their topic's name.

The first message tells what the numbers are. Of one-channel images, and of images drawn by a program, only the name
tells what they show: its last parts, word by word, since the parts before them name robots and cameras.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from cinet_core.bags.predicted import CAMERA_COPY
from cinet_core.messages.compressed import is_compressed_depth
from cinet_core.messages.containers import JPEG_MAGIC, PNG_MAGIC, inspect
from cinet_core.messages.errors import ConversionError
from cinet_core.messages.images import ENCODINGS
from cinet_core.messages.planes import DEPTH_TYPES, QUANTISATION_BYTES
from cinet_core.messages.topic_names import base_topic, topic_parts, words

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

__all__ = [
    "COMPRESSED_IMAGE",
    "IMAGE",
    "IMAGE_KINDS",
    "IMAGE_TYPES",
    "ImageKind",
    "RecordedImageTopic",
    "image_topic",
    "kind_of",
]

IMAGE, COMPRESSED_IMAGE = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
IMAGE_TYPES = (IMAGE, COMPRESSED_IMAGE)

_NAMING_PARTS = 3
"""Parts at the end of a name that say what is shown: ``/device_0/sensor_0/Depth_0/image/data`` of RealSense's files."""


class ImageKind(Enum):
    """What images show; the value is what messages to the user call it."""

    COLOR = "colour"
    WARPED = "colour warped into the depth camera's view"
    GREY = "grey"
    INFRARED = "infrared"
    THERMAL = "thermal"
    RENDERED = "drawn by a program"
    DEPTH = "depth"
    LABELS = "labels or a mask"
    MEASURE = "a measurement that is neither depth nor brightness"
    EMPTY = "without a message"
    UNREAD = "not readable here"


IMAGE_KINDS = (
    ImageKind.COLOR,
    ImageKind.WARPED,
    ImageKind.GREY,
    ImageKind.INFRARED,
    ImageKind.THERMAL,
    ImageKind.RENDERED,
)
"""Kinds that the network can be given, the better ones first."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DEPTH = _words("depth")
_COLOR = _words("color colour rgb bgr rgbd")
_BRIGHTNESS = _words("amplitude amplitudes intensity intensities")
"""Of the light that a depth camera sends: an image, where it has 8 bits."""

_INFRARED = _words("ir infra infrared nir nearir") | _BRIGHTNESS
_THERMAL = _words("thermal thermo lwir temperature lepton boson")
_LABELS = _words(
    "label labels labelled labeled semantic semantics segmentation segmented seg mask masks masked instance instances "
    "panoptic class classes"
)
_DISTANCES = _words("range distance")
"""Of a lidar's image in 16 bits a measurement; what some drivers of depth cameras call depth."""

_MEASURES = _words(
    "confidence conf uncertainty variance covariance disparity disp reflectivity reflec normal normals flow"
)
_WIDE_MEASURES = _MEASURES | _BRIGHTNESS | _words("signal error quality weight weights noise")
_RENDERED = _MEASURES | _words(
    "debug dbg overlay overlays viz visualization visualisation visualized visualised annotated annotation annotations "
    "detection detections detected result results tracked tracking tracks heatmap heat colormap colorized colourised "
    "colorised feature features keypoints matches matched drawn plot hud bev costmap occupancy map landmarks boxes "
    "bbox bboxes"
)
_DEVICES = _words("camera cam sensor module stream device")
_PREPOSITIONS = _words("to 2 in on into")


@dataclass(frozen=True)
class RecordedImageTopic:
    """An image topic of a bag and what its first message tells.

    Attributes:
        connection: the topic.
        kind: what its images show.
        encoding: of the images before they were compressed; "" where nothing tells.
        width, height: pixels; 0 where nothing tells.
        frame_id: of the first message, without a leading slash; "" where it has none.
        problem: why images of the kind UNREAD cannot be used, or depth cannot be read; "" where they can.
        predicted: whether this package wrote it.
    """

    connection: Connection
    kind: ImageKind
    encoding: str = ""
    width: int = 0
    height: int = 0
    frame_id: str = ""
    problem: str = ""
    predicted: bool = False

    @property
    def topic(self) -> str:
        """Its name."""
        return self.connection.topic

    @property
    def compressed(self) -> bool:
        """Whether it is a CompressedImage."""
        return self.connection.msgtype == COMPRESSED_IMAGE

    @property
    def count(self) -> int:
        """Number of messages."""
        return int(self.connection.msgcount)

    @property
    def is_decodable(self) -> bool:
        """Whether it can be decoded to colour or grey, whatever it shows; depth cannot."""
        if self.kind in (ImageKind.EMPTY, ImageKind.UNREAD, ImageKind.DEPTH):
            return False
        return self.encoding in ENCODINGS or (self.compressed and not self.encoding)

    @property
    def is_camera(self) -> bool:
        """Whether it is no output of this package, or the one that shows what the camera saw."""
        return not self.predicted or base_topic(self.topic).endswith(CAMERA_COPY)

    @property
    def is_depth(self) -> bool:
        """Whether it can be read as depth, whatever it measures."""
        return not self.problem and self.encoding in DEPTH_TYPES and self.kind is not ImageKind.EMPTY

    @property
    def described(self) -> str:
        """Name, kind, encoding and size, for the user."""
        size = f"{self.width}x{self.height}" if self.width else ""
        packed = "compressed" if self.compressed else ""
        what = "predicted by this package" if self.predicted else self.problem or self.kind.value
        facts = [what, " ".join(part for part in (self.encoding, size, packed) if part)]
        return f"{self.topic} ({', '.join(fact for fact in facts if fact)})"


def image_topic(connection: Connection, messages: Iterable[Any]) -> RecordedImageTopic:
    """What a topic of `IMAGE_TYPES` shows.

    Args:
        connection: the topic.
        messages: its first ones: the first that can be read tells.
    """
    found = None
    for message in messages:
        topic = _by_message(connection, message)
        found = found or topic
        if topic.kind is not ImageKind.UNREAD:
            return topic
    if found is None and connection.msgcount:
        return RecordedImageTopic(connection, ImageKind.UNREAD, problem="its first messages cannot be read")
    return found or RecordedImageTopic(connection, ImageKind.EMPTY)


def _by_message(connection: Connection, message: Any) -> RecordedImageTopic:
    frame_id = str(message.header.frame_id).strip().strip("/")
    if connection.msgtype == IMAGE:
        encoding, width, height = message.encoding, message.width, message.height
        kind, problem = kind_of(connection.topic, encoding), ""
    else:
        encoding, width, height, kind, problem = _packed(connection.topic, message)
    if kind is ImageKind.UNREAD and not problem:
        problem = f"of the encoding {encoding[:40]!r}, which is not read"
    return RecordedImageTopic(connection, kind, encoding, width, height, frame_id, problem)


def kind_of(topic: str, encoding: str) -> ImageKind:
    """What raw images of this encoding show under this name.

    Args:
        topic: its name; a transport behind it does not count.
        encoding: as sensor_msgs/Image has it.
    """
    parts = [words(part) for part in topic_parts(topic)[-_NAMING_PARTS:]]
    shown = [_without_devices(part) for part in parts]
    near = {word for part in shown[-2:] for word in part}  # what is drawn is named by the last two parts
    named = {word for part in shown for word in part}
    if encoding in DEPTH_TYPES:
        return _wide(encoding, near, named, any(_DEPTH & set(part) for part in parts))
    if encoding not in ENCODINGS:
        return ImageKind.UNREAD
    grey = encoding in ("mono8", "8UC1")
    if grey and near & _LABELS:
        return ImageKind.LABELS
    if grey and near & _MEASURES:
        return ImageKind.MEASURE
    if not grey and any(_warped(part) for part in parts):
        return ImageKind.WARPED
    if near & (_RENDERED | _LABELS | _DEPTH):
        return ImageKind.RENDERED
    if named & _THERMAL:
        return ImageKind.THERMAL
    if named & _INFRARED:
        return ImageKind.INFRARED
    return ImageKind.GREY if grey else ImageKind.COLOR


def _wide(encoding: str, near: set[str], named: set[str], depth_device: bool) -> ImageKind:
    """Of 16 or 32 bits a pixel, which may be depth or anything else that is measured."""
    image = encoding in ENCODINGS  # mono16
    if near & _LABELS and encoding != "32FC1":
        return ImageKind.LABELS
    if near & _WIDE_MEASURES:
        return ImageKind.MEASURE
    if named & _DEPTH:
        return ImageKind.DEPTH
    if named & _THERMAL:
        return ImageKind.THERMAL
    if named & _INFRARED:
        return ImageKind.INFRARED
    if not image or depth_device:
        return ImageKind.DEPTH
    return ImageKind.MEASURE if near & _DISTANCES else ImageKind.GREY


def _packed(topic: str, message: Any) -> tuple[str, int, int, ImageKind, str]:
    """Encoding, size, kind and problem of a CompressedImage, by its bytes and by what its format says of them."""
    original, named = message.format.partition(";")[0].strip(), repr(message.format[:40])
    quantised = "compresseddepth" in message.format.lower()
    data = bytes(message.data)[QUANTISATION_BYTES if quantised else 0 :]
    container = None
    with contextlib.suppress(ConversionError):  # of a damaged file; the next may not be
        container = inspect(data)
    width, height = (container.width, container.height) if container else (0, 0)
    if quantised or original in ENCODINGS or is_compressed_depth(message.format):
        encoding = original
    elif container:
        colors = {1: "mono", 2: "mono", 4: "bgra"}.get(container.channels, "bgr")
        encoding = f"{colors}{max(8, container.bits)}"
    else:
        encoding = ""
    kind = kind_of(topic, encoding or "bgr8")
    problem = ""
    if kind is ImageKind.DEPTH and container and (container.channels, container.bits) != (1, 16):
        problem = f"depth in {container.bits} bits, which cannot be read: {named}"
    elif quantised and original not in DEPTH_TYPES:
        kind, problem = ImageKind.UNREAD, f"compressed as {named}, but no depth"
    elif not any(data.startswith(magic) or magic.startswith(data) for magic in (JPEG_MAGIC, PNG_MAGIC)):
        kind = kind if kind is ImageKind.DEPTH else ImageKind.UNREAD
        problem = f"compressed as {named}, which is neither JPEG nor PNG" if not quantised else (
            f"depth compressed as {named}: only PNG is read"
        )  # fmt: skip
    return encoding, width, height, kind, problem


def _without_devices(named: list[str]) -> list[str]:
    """Words of a part without those that name the device: a ``depth_camera`` also has colour images."""
    device = _DEPTH | _RENDERED | _LABELS | _DISTANCES
    following = [*named[1:], ""]
    return [word for word, then in zip(named, following, strict=True) if word not in device or then not in _DEVICES]


def _warped(part: list[str]) -> bool:
    """Whether colour was brought into the depth camera's view: rgb_to_depth, color_aligned_to_depth."""
    if not _DEPTH & set(part):
        return False
    before = set(part[: part.index("depth")])
    return bool(_COLOR & before) and bool(_PREPOSITIONS & before)
