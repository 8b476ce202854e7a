"""MCAP files written record by record, with channels that no writer of ROS 2 makes: JSON, ROS 1, protobuf.

Layout: https://mcap.dev/spec.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_MAGIC = b"\x89MCAP0\r\n"
_HEADER, _FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _DATA_END, _STATISTICS = 0x01, 0x02, 0x03, 0x04, 0x05, 0x0F, 0x0B


class Channel(NamedTuple):
    """A topic: ``schema`` and ``encoding`` as MCAP calls them ("ros2msg" and "cdr", "jsonschema" and "json", ...)."""

    topic: str
    kind: str
    schema: str
    encoding: str
    definition: str = ""


def write(
    path: Path, channels: Sequence[Channel], messages: Sequence[tuple[int, int, bytes]], profile: str = "ros2"
) -> Path:
    """A sound file with a summary and without chunks.

    Args:
        path: of the file.
        channels: its topics.
        messages: place of the channel, time in nanoseconds, content; in the order of time.
        profile: of the header.
    """
    schemas = b"".join(
        _record(_SCHEMA, struct.pack("<H", number) + _text(item.kind) + _text(item.schema) + _text(item.definition))
        for number, item in enumerate(channels, start=1)
    )
    topics = b"".join(
        _record(
            _CHANNEL,
            struct.pack("<HH", number, number) + _text(item.topic) + _text(item.encoding) + struct.pack("<I", 0),
        )
        for number, item in enumerate(channels, start=1)
    )
    data = _MAGIC + _record(_HEADER, _text(profile) + _text("test")) + schemas + topics
    for number, (channel, time, content) in enumerate(messages):
        data += _record(_MESSAGE, struct.pack("<HIQQ", channel + 1, number, time, time) + content)
    data += _record(_DATA_END, struct.pack("<I", 0))
    summary = len(data)
    counts = b"".join(
        struct.pack("<HQ", place + 1, sum(channel == place for channel, _, _ in messages))
        for place in range(len(channels))
    )
    times = [time for _, time, _ in messages] or [0]
    fixed = struct.pack("<QHIIIIQQ", len(messages), len(channels), len(channels), 0, 0, 0, min(times), max(times))
    data += schemas + topics + _record(_STATISTICS, fixed + struct.pack("<I", len(counts)) + counts)
    data += _record(_FOOTER, struct.pack("<QQI", summary, 0, 0)) + _MAGIC
    path.write_bytes(data)
    return path


def _record(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + struct.pack("<Q", len(content)) + content


def _text(text: str) -> bytes:
    return struct.pack("<I", len(text.encode())) + text.encode()
