"""Messages of a bag of their CDR: images made ready for the network, first messages, and stamps."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cinet_core.bags.definitions import message_store
from cinet_core.bags.reader import BagReader
from cinet_core.bags.topics import CAMERA_INFO, COMPRESSED_IMAGE
from cinet_core.messages.compressed import decode_compressed
from cinet_core.messages.errors import ConversionError
from cinet_core.messages.images import decode_image
from cinet_core.messages.preparation import ImagePreparation, PreparedImage
from cinet_core.messages.settings import OutputSettings

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

__all__ = ["RecordedImages", "first_message", "first_messages", "header_stamp", "read_message", "stamp_or"]


class RecordedImages:
    """Prepares the images of a topic of a bag, as a node does that receives them.

    Args:
        image: topic of the images.
        info_topic: of their camera_info; None where there is none.
        settings: of the frames.
    """

    def __init__(self, image: Connection, info_topic: str | None, settings: OutputSettings) -> None:
        decode = decode_compressed if image.msgtype == COMPRESSED_IMAGE else decode_image
        self._prepare = ImagePreparation(decode, image.topic, info_topic)
        self._msgtype = image.msgtype
        self._settings = settings

    def __call__(self, data: bytes, info: bytes | None) -> PreparedImage:
        """Read an image and its camera_info, both as CDR.

        Raises:
            ConversionError: it is to be left out, for the reason that the error names; "data" where the bytes are no
                message of this type.
        """
        message = read_message(data, self._msgtype)
        return self._prepare(message, lambda: None if info is None else read_message(info, CAMERA_INFO), self._settings)


def read_message(data: bytes, msgtype: str) -> Any:
    """A message of its CDR.

    Raises:
        ConversionError: "data".
    """
    try:
        return message_store().deserialize_cdr(data, msgtype)
    except Exception as error:  # of cut bytes, which may also look like a huge sequence
        raise ConversionError(
            "data", f"{len(data)} bytes are no {msgtype} ({type(error).__name__}: {error}): the bag is damaged here"
        ) from error


def first_messages(reader: BagReader, connection: Connection, limit: int = 5) -> Iterator[Any]:
    """The first messages of a topic, at most so many, without those that cannot be read."""
    for _, _, data in itertools.islice(reader.messages([connection]), limit):
        with contextlib.suppress(ConversionError):
            yield read_message(data, connection.msgtype)


def first_message(reader: BagReader, connection: Connection) -> Any | None:
    """The first message of a topic that can be read; None where there is none among the first few."""
    return next(first_messages(reader, connection), None)


def stamp_or(data: bytes, time_ns: int) -> int:
    """`header_stamp`; the time of recording where the message is too short."""
    stamp = header_stamp(data)
    return time_ns if stamp is None else stamp


def header_stamp(data: bytes) -> int | None:
    """Stamp in nanoseconds of the CDR of a message that begins with a header; None where it is too short."""
    if len(data) < 12:
        return None
    order = "little" if data[1] & 1 else "big"
    seconds = int.from_bytes(data[4:8], order, signed=True)  # type: ignore[arg-type]  # it is one of the two
    return seconds * 1_000_000_000 + int.from_bytes(data[8:12], order)  # type: ignore[arg-type]
