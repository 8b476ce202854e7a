"""Reads RGB-D frames from a bag: colour and depth, paired by their stamps or else by their time of recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.bags.clocks import TopicTimes, common_clock
from cinet_core.bags.errors import BagError
from cinet_core.bags.frames import RecordedImages, first_message, first_messages, read_message, stamp_or
from cinet_core.bags.pairing import nearest_pairs
from cinet_core.bags.reader import BagReader
from cinet_core.bags.registration import sizes_agree
from cinet_core.bags.topics import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, CameraTopics
from cinet_core.label_sets import UNLABELLED
from cinet_core.messages.errors import ConversionError
from cinet_core.messages.planes import read_compressed_depth, read_compressed_labels, read_depth, read_labels
from cinet_core.messages.preparation import PreparedImage
from cinet_core.messages.settings import OutputSettings
from cinet_core.messages.topic_names import is_rectified

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

__all__ = ["TOLERANCE", "RgbdBag", "RgbdFrame"]

TOLERANCE = 0.02
"""Seconds: less than the time between two frames at 30 Hz, more than the two cameras of one sensor are apart."""

LABELS_TOPIC = "semantic/image_raw"


@dataclass(frozen=True)
class RgbdFrame:
    """One colour image with its depth and labels.

    Attributes:
        index: number of the image in the bag, from 0.
        stamp: of the image, nanoseconds; where that is of no use, when it was recorded.
        prepared: the image, rectified, with its intrinsics.
        data: CDR of the image message.
        depth: (H, W) float32 metres, NaN where unknown; None where the frame has none.
        labels: (H, W) uint8 class ids, 255 where there is none; None where the frame has none.
    """

    index: int
    stamp: int
    prepared: PreparedImage
    data: bytes
    depth: npt.NDArray[np.float32] | None
    labels: npt.NDArray[np.uint8] | None


class RgbdBag:
    """The RGB-D frames of a bag. The constructor reads the bag once for the stamps.

    Args:
        reader: of the bag.
        image_topic, depth_topic, labels_topic, camera_info_topic: empty: chosen as `CameraTopics` does. Without a
            topic of labels frames have none; without one of depth neither, unless it was asked for.
        need_depth: whether a bag without depth is an error, and images without depth are passed over.
        allow_unregistered: take depth of another camera than the images'.
        tolerance: seconds that the stamps of a pair may differ by.
        every: take every so many images.
        rectified: "auto" (by the topic's name), "true" or "false": whether the images arrive rectified.

    Attributes:
        image, depth, labels: the topics; None where there is none.
        indices: of the images that are frames.
        unpaired: how many of the chosen images have no depth within the tolerance.
        refused: frames that could not be read, by reason; grows while iterating.
        examples: of each reason the first error's text.
        notes: what the user should know of the choice of topics, and of the pairing.

    Raises:
        BagError: a topic is not there, depth is not registered to the images, or no image has depth.
    """

    def __init__(
        self,
        reader: BagReader,
        *,
        image_topic: str = "",
        depth_topic: str = "",
        labels_topic: str = "",
        camera_info_topic: str = "",
        need_depth: bool = True,
        allow_unregistered: bool = False,
        tolerance: float = TOLERANCE,
        every: int = 1,
        rectified: str = "auto",
    ) -> None:
        self._reader = reader
        self.topics = CameraTopics(str(reader.path), reader.connections, lambda item: first_messages(reader, item))
        self.image, self.depth = self.topics.rgbd(
            image_topic, depth_topic, need_depth=need_depth, allow_unregistered=allow_unregistered
        )
        self.notes = self.topics.notes
        self.labels = self._labels_topic(labels_topic)
        self._info = self.topics.camera_info(self.image.topic, camera_info_topic)
        self.refused: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self._prepare = RecordedImages(self.image, self._info, OutputSettings(input_rectified=rectified))
        self._infos: list[tuple[int, bytes]] = []
        self._pair(every, round(tolerance * 1e9), need_depth)

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.indices)

    def __iter__(self) -> Iterator[RgbdFrame]:
        """Frames in the order in which their last message was recorded."""
        return self.frames(set())

    def frames(self, skip: set[int]) -> Iterator[RgbdFrame]:
        """Iterate over the frames whose index is not skipped. Unreadable frames are counted and left out."""
        wanted = [index for index in self.indices if index not in skip]
        images = {index: index for index in wanted}
        depths = {self._depth_of[index]: index for index in wanted if index in self._depth_of}
        labels = {self._labels_of[index]: index for index in wanted if index in self._labels_of}
        parts = {self.image.topic: images}
        if self.depth is not None:
            parts[self.depth.topic] = depths
        if self.labels is not None:
            parts[self.labels.topic] = labels
        needed = {index: 1 + (index in self._depth_of) + (index in self._labels_of) for index in wanted}
        waiting: dict[int, dict[str, bytes]] = {}
        counts: Counter[str] = Counter()
        for connection, _, data in self._reader.messages(self._connections()):
            number = counts[connection.topic]
            counts[connection.topic] += 1
            index = parts[connection.topic].get(number)
            if index is None:
                continue
            found = waiting.setdefault(index, {})
            found[connection.topic] = data
            if len(found) == needed[index]:
                frame = self._frame(index, waiting.pop(index))
                if frame is not None:
                    yield frame

    @property
    def reader(self) -> BagReader:
        """Of the bag."""
        return self._reader

    def stamp(self, index: int) -> int:
        """Of an image, nanoseconds."""
        return self._stamps[index]

    def first_message(self, topic: str) -> Any | None:
        """The first message of a topic, if it is there."""
        connection = self.topics.named(topic)
        return None if connection is None else first_message(self._reader, connection)

    def _frame(self, index: int, found: dict[str, bytes]) -> RgbdFrame | None:
        data, stamp = found[self.image.topic], self._stamps[index]
        try:
            prepared = self._prepare(data, self._info_at(stamp))
            depth = labels = None
            if self.depth is not None and self.depth.topic in found:
                compressed = self.depth.msgtype == COMPRESSED_IMAGE
                message = read_message(found[self.depth.topic], self.depth.msgtype)
                plane = read_compressed_depth(message) if compressed else read_depth(message)
                depth = self._fitted(plane, prepared, "depth", np.nan, self.depth.topic)
            if self.labels is not None and self.labels.topic in found:
                compressed = self.labels.msgtype == COMPRESSED_IMAGE
                message = read_message(found[self.labels.topic], self.labels.msgtype)
                ids = read_compressed_labels(message) if compressed else read_labels(message)
                labels = self._fitted(ids, prepared, "labels", UNLABELLED, self.labels.topic)
        except ConversionError as error:
            self.refused[error.reason] += 1
            self.examples.setdefault(error.reason, str(error))
            return None
        return RgbdFrame(index, stamp, prepared, data, depth, labels)

    def _fitted(
        self, plane: npt.NDArray[Any], prepared: PreparedImage, what: str, outside: float, topic: str
    ) -> npt.NDArray[Any]:
        """Depth or labels at the image's size and in its rectified view; a sensor's own view is refused."""
        height, width = prepared.image.shape[:2]
        if not sizes_agree((plane.shape[1], plane.shape[0]), (width, height)):
            raise ConversionError(
                "aspect",
                f"the {what} of {topic} are {plane.shape[1]}x{plane.shape[0]}, the images {width}x{height}, another "
                "aspect: they are of another camera; record the topic that is registered to the colour image "
                "(aligned_depth_to_color, depth_registered)",
            )
        if plane.shape != (height, width):
            plane = cv2.resize(plane, (width, height), interpolation=cv2.INTER_NEAREST)
        if prepared.camera is not None and not is_rectified(topic):
            plane = prepared.camera.rectify_plane(plane, outside)
        return plane

    def _pair(self, every: int, tolerance: int, need_depth: bool) -> None:
        """Find out which messages are a frame."""
        times = {item.topic: TopicTimes() for item in (self.image, self.depth, self.labels) if item is not None}
        infos: list[tuple[int, int, bytes]] = []
        for connection, time_ns, data in self._reader.messages(self._connections(infos=True)):
            stamp = stamp_or(data, time_ns)
            if connection.msgtype == CAMERA_INFO:
                if not infos or infos[-1][2][12:] != data[12:]:  # a new calibration
                    infos.append((stamp, time_ns, data))
            else:
                times[connection.topic].add(stamp, time_ns)
        problem = common_clock(times, tolerance)
        if problem:
            self.notes.append(f"WARNING: {problem}: messages are paired by their time of recording")
        self._infos = [(recorded if problem else stamp, data) for stamp, recorded, data in infos]
        stamps = {topic: found.recorded if problem else self._mended(topic, found) for topic, found in times.items()}
        self._stamps = stamps[self.image.topic]
        chosen = list(range(0, len(self._stamps), every))
        self._depth_of = self._partners(chosen, stamps, self.depth, tolerance)
        self._labels_of = self._partners(chosen, stamps, self.labels, tolerance)
        self.unpaired = len(chosen) - len(self._depth_of)
        self.indices = [index for index in chosen if index in self._depth_of] if need_depth else chosen
        if not self.indices:
            by = f" by the time of recording ({problem})" if problem else ""
            raise BagError(
                f"{self._reader.path}: not one of {len(chosen)} images of {self.image.topic} has depth within "
                f"{tolerance * 1e-9:g} s{by} on {self.depth.topic if self.depth else 'any topic'}: raise the "
                "tolerance, or name another topic of depth"
            )

    def _mended(self, topic: str, times: TopicTimes) -> Sequence[int]:
        stamps, mended = times.mended()
        if mended:
            self.notes.append(
                f"WARNING: {mended} of {len(stamps)} header stamps of {topic} are 0 or occur twice: their time of "
                "recording stands for them"
            )
        return stamps

    def _partners(
        self, chosen: list[int], stamps: Mapping[str, Sequence[int]], other: Connection | None, tolerance: int
    ) -> dict[int, int]:
        if other is None:
            return {}
        pairs = nearest_pairs([self._stamps[index] for index in chosen], stamps[other.topic], tolerance)
        return {chosen[place]: partner for place, partner in pairs.items()}

    def _connections(self, infos: bool = False) -> list[Connection]:
        # a topic may have been recorded with two qualities of service
        chosen = {(item.topic, item.msgtype) for item in (self.image, self.depth, self.labels) if item is not None}
        if infos and self._info is not None:
            chosen.add((self._info, CAMERA_INFO))
        return [item for item in self._reader.connections if (item.topic, item.msgtype) in chosen]

    def _info_at(self, stamp: int) -> bytes | None:
        """The calibration that held at a stamp: the latest one before, else the first."""
        if not self._infos:
            return None
        before = [data for time, data in self._infos if time <= stamp]
        return before[-1] if before else self._infos[0][1]

    def _labels_topic(self, topic: str) -> Connection | None:
        if topic:
            found = self.topics.named(topic)
            if found is None:
                raise BagError(f"{self._reader.path} has no labels on {topic}; it has: {self.topics.listing()}")
            return found
        kinds = {IMAGE: f"/{LABELS_TOPIC}", COMPRESSED_IMAGE: f"/{LABELS_TOPIC}/compressed"}
        return next((item for kind, name in kinds.items() for item in self._ours(kind, name)), None)

    def _ours(self, kind: str, name: str) -> Iterator[Connection]:
        for item in self._reader.connections:
            if item.msgtype == kind and item.topic.endswith(name) and item.msgcount:
                yield item
