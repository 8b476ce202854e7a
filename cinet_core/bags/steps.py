"""A bag as steps: some messages to be copied, and the image that is ready after them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cinet_core.bags.frames import RecordedImages, stamp_or
from cinet_core.bags.pairing import CameraInfoPairing
from cinet_core.bags.reader import BagReader
from cinet_core.bags.topics import CAMERA_INFO
from cinet_core.messages.errors import ConversionError
from cinet_core.messages.preparation import PreparedImage

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

__all__ = ["Step", "read_steps"]

_STEP_MESSAGES = 256
_STEP_BYTES = 32 << 20

_Image = tuple[int, bytes]
_Ready = list[tuple[_Image, bytes | None]]


@dataclass
class Step:
    """Some messages of the input, in order, and the image that is ready after them, if any.

    Attributes:
        copies: topic, time and bytes, to be written as they are.
        read: messages of the input that were read up to here.
        more: another image is ready without a further message: the work must not be left off here.
        time_ns: when the image was recorded.
        image: it, prepared.
        refused: why there is no image although one is due.
        seconds: that its preparation took.
    """

    copies: list[tuple[Connection, int, bytes]] = field(default_factory=list)
    read: int = 0
    more: bool = False
    time_ns: int = 0
    image: PreparedImage | None = None
    refused: ConversionError | None = None
    seconds: float = 0.0

    @property
    def size(self) -> tuple[int, ...]:
        """Shape of the image, by which a batch is made."""
        return () if self.image is None else self.image.image.shape


def read_steps(
    reader: BagReader, image: Connection, info_topic: str | None, prepare: RecordedImages, skip: int
) -> Iterator[Step]:
    """Read a bag from its start.

    Args:
        reader: of the bag.
        image: topic of the images.
        info_topic: of their camera_info; None for none.
        prepare: decodes and rectifies.
        skip: so many messages were dealt with before: they are read over, to know which image waits.
    """
    first = _first_info(reader, info_topic)
    pairing = CameraInfoPairing[_Image, bytes](info_topic is not None, first)
    step, size = Step(read=skip), 0
    for read, (connection, time_ns, data) in enumerate(reader.messages(), start=1):
        ready: _Ready = []
        if connection.topic == image.topic and connection.msgtype == image.msgtype:
            ready = pairing.image(stamp_or(data, time_ns), (time_ns, data))
        elif connection.topic == info_topic and connection.msgtype == CAMERA_INFO:
            ready = pairing.info(stamp_or(data, time_ns), data)
        if read <= skip:
            continue
        step.copies.append((connection, time_ns, data))
        step.read = read
        size += len(data)
        for left, (item, info) in zip(reversed(range(len(ready))), ready, strict=True):
            step.more = left > 0
            yield _finished(step, item, info, prepare)
            step, size = Step(read=read), 0
        if len(step.copies) >= _STEP_MESSAGES or size > _STEP_BYTES:
            yield step
            step, size = Step(read=read), 0
    for item, info in pairing.end():
        _finished(step, item, info, prepare)
    yield step


def _finished(step: Step, item: _Image, info: bytes | None, prepare: RecordedImages) -> Step:
    """The step with its image."""
    started = time.perf_counter()
    step.time_ns = item[0]
    try:
        step.image = prepare(item[1], info)
    except ConversionError as error:
        step.refused = error
    step.seconds = time.perf_counter() - started
    return step


def _first_info(reader: BagReader, topic: str | None) -> tuple[int, bytes] | None:
    """So that images recorded before the first camera_info have one as well."""
    infos = [item for item in reader.connections if item.topic == topic and item.msgtype == CAMERA_INFO]
    for _, time_ns, data in reader.messages(infos) if infos else ():
        return stamp_or(data, time_ns), data
    return None
