"""An MCAP file read record by record, without its index: what a recorder that was killed leaves behind.

Layout: https://mcap.dev/spec. A record is one byte of kind, eight of length, and its content; most messages lie in
chunks, which are compressed as a whole.

Not by ``StreamReader`` of the package mcap: it unpacks a chunk at once or not at all, so that of a cut recording the
last chunk is lost. Of 2.4 MB in chunks of one (`test_a_cut_mcap_is_read_up_to_the_cut` in test_bag_reader.py), cut at
30 %, it finds nothing, and cut at 60 % 322 of 750 messages, where 405 and more are there.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

__all__ = ["McapScan"]

_MAGIC = b"\x89MCAP0\r\n"
_HEADER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END, _FOOTER = 0x01, 0x03, 0x04, 0x05, 0x06, 0x0F, 0x02
_LAST_KIND = 0x0F  # of the specification; private records begin at 0x80
_PRIVATE_KINDS = 0x80
_MESSAGE_HEADER = struct.Struct("<HIQQ")
_CHUNK_HEADER = struct.Struct("<QQQI")
_PIECE = 1 << 16
_LARGEST_CHUNK = 1 << 30
"""Bytes of one chunk: recorders write a megabyte or so; a larger one would be a bomb."""


class McapScan:
    """All messages that are whole, in the order of the file.

    Making it reads the file once, so that topics, counts and the end are known.

    Args:
        path: the file.

    Attributes:
        connections: the topics, with the number of messages that can be read.
        faults: where the file ends too early, or what was skipped; empty for a sound file.
        sound: whether the file is whole, and was not refused for being damaged but for what it holds: another profile
            than that of ROS 2, or messages of something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connections: list[Connection] = []
        self.faults: list[str] = []
        self._profile = ""
        self._closed = self._foreign = False
        self._schemas: dict[int, tuple[str, str, str]] = {}
        self._channels: dict[int, Connection] = {}
        counts = Counter(channel for channel, _, _ in self._records(self.faults))
        self.connections = [item._replace(msgcount=counts[number]) for number, item in self._channels.items()]
        self.sound = self._closed and not self.faults and (self._foreign or self._profile != "ros2")

    def messages(self, connections: Collection[Connection] = ()) -> Iterator[tuple[Connection, int, bytes]]:
        """Topic, time in nanoseconds and content of each message, of all topics where none is given."""
        wanted = {item.id: item for item in connections or self.connections}
        for channel, time_ns, data in self._records([]):
            if channel in wanted:
                yield wanted[channel], time_ns, data

    def close(self) -> None:
        """Nothing is held open."""

    def _records(self, faults: list[str]) -> Iterator[tuple[int, int, bytes]]:
        """Channel, time and content of the messages; what is wrong goes to ``faults``."""
        size = self.path.stat().st_size
        with self.path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                faults.append(f"{self.path} does not begin as an MCAP file")
                return
            while True:
                start = file.tell()
                kind, body, missing = _record(file, size)
                if missing is None and (kind in (_DATA_END, _FOOTER)):
                    file.seek(-len(_MAGIC), SEEK_END)
                    self._closed = file.read() == _MAGIC
                    return
                if kind == _CHUNK:
                    yield from self._chunk(body, start, missing is None, faults)
                elif missing is None:
                    yield from self._one(kind, body)
                if missing is not None:
                    faults.append(f"{self.path} ends in the middle of a record, at byte {start} of {size}: {missing}")
                    return

    def _chunk(self, body: bytes, start: int, whole: bool, faults: list[str]) -> Iterator[tuple[int, int, bytes]]:
        """Messages of a chunk, of which the end may be missing."""
        found = _unpacked(body)
        if found is None:
            faults.append(f"{self.path}: the chunk at byte {start} cannot be unpacked and is skipped")
            return
        content, expected, checksum = found
        if whole and (len(content) != expected or (checksum and zlib.crc32(content) != checksum)):
            faults.append(f"{self.path}: the chunk at byte {start} is damaged (wrong checksum or length), and skipped")
            return
        file = BytesIO(content)
        while file.tell() < len(content):
            kind, record, missing = _record(file, len(content))
            if missing is not None:
                return  # of a chunk that is cut: the file's end is told by the caller
            yield from self._one(kind, record)

    def _one(self, kind: int, body: bytes) -> Iterator[tuple[int, int, bytes]]:
        if kind == _MESSAGE and len(body) >= _MESSAGE_HEADER.size:
            channel, _, time_ns, _ = _MESSAGE_HEADER.unpack_from(body)
            if channel in self._channels:
                yield channel, time_ns, body[_MESSAGE_HEADER.size :]
        elif kind in self._readers:
            # What a damaged record makes a parser raise is not limited: its topic is unknown then.
            with contextlib.suppress(Exception):
                self._readers[kind](BytesIO(body))

    @cached_property
    def _readers(self) -> dict[int, Callable[[BytesIO], None]]:
        return {_HEADER: self._read_header, _SCHEMA: self._add_schema, _CHANNEL: self._add_channel}

    def _read_header(self, fields: BytesIO) -> None:
        self._profile = _text(fields)

    def _add_schema(self, fields: BytesIO) -> None:
        number = _number(fields, 2)
        self._schemas[number] = (_text(fields), _text(fields), _text(fields))

    def _add_channel(self, fields: BytesIO) -> None:
        from rosbags.interfaces import Connection, ConnectionExtRosbag2, MessageDefinition, MessageDefinitionFormat
        from rosbags.rosbag2.metadata import parse_qos

        number = _number(fields, 2)
        if number in self._channels:  # repeated in each chunk
            return
        name, encoding, definition = self._schemas.get(_number(fields, 2), ("", "", ""))
        topic, serialization = _text(fields), _text(fields)
        pairs = BytesIO(fields.read(_number(fields, 4)))
        metadata = {}
        while pairs.tell() < len(pairs.getvalue()):
            key = _text(pairs)
            metadata[key] = _text(pairs)
        idl = MessageDefinitionFormat.IDL
        kinds = {"ros2msg": MessageDefinitionFormat.MSG, "ros2idl": idl, "omgidl": idl}
        # what the library reads, it has no reason to refuse
        self._foreign = self._foreign or serialization != "cdr" or encoding not in ("", *kinds)
        self._channels[number] = Connection(
            number,
            topic,
            name,
            MessageDefinition(kinds.get(encoding, MessageDefinitionFormat.NONE), definition),
            "",
            0,
            ConnectionExtRosbag2(serialization, parse_qos(metadata.get("offered_qos_profiles", ""))),
            self,
        )


def _record(file: BinaryIO, size: int) -> tuple[int, bytes, str | None]:
    """Kind and content of the next record, and what of it is missing, or None."""
    head = file.read(9)
    if len(head) < 9:
        return 0, b"", f"{len(head)} of the 9 bytes that a record begins with are there"
    kind, length = head[0], int.from_bytes(head[1:], "little")
    if not kind or _LAST_KIND < kind < _PRIVATE_KINDS:
        return 0, b"", f"no record has the kind {kind}"
    body = file.read(min(length, size - file.tell()))
    missing = None if len(body) == length else f"{len(body)} of its {length} bytes are there"
    return kind, body, missing


def _unpacked(body: bytes) -> tuple[bytes, int, int] | None:
    """Content of a chunk as far as it is there, its length when whole, its checksum; None where it has no header."""
    if len(body) < _CHUNK_HEADER.size + 4:
        return None
    _, _, expected, checksum = _CHUNK_HEADER.unpack_from(body)
    fields = BytesIO(body[_CHUNK_HEADER.size :])
    try:
        compression = _text(fields)
        _number(fields, 8)
    except (ValueError, UnicodeDecodeError):
        return None
    decompress = _decompressor(compression)
    if decompress is None or expected > _LARGEST_CHUNK:
        return None
    content = bytearray()
    while len(content) < expected and (piece := fields.read(_PIECE)):
        try:
            content += decompress(piece)
        except Exception:  # of a damaged stream: what came before it is good
            break
    return bytes(content), expected, checksum


def _decompressor(compression: str) -> Callable[[bytes], bytes] | None:
    """What unpacks the pieces of a stream one after the other; None where nothing here can."""
    if compression == "":
        return bytes
    unpacker: Any
    if compression == "lz4":
        from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]

        unpacker = LZ4FrameDecompressor()
    elif compression == "zstd":
        try:
            from compression import zstd  # type: ignore[import-not-found, unused-ignore]  # of Python 3.14
        except ImportError:
            from backports import zstd
        unpacker = zstd.ZstdDecompressor()
    else:
        return None
    return unpacker.decompress


def _number(file: BytesIO, length: int) -> int:
    data = file.read(length)
    if len(data) != length:
        raise ValueError(f"{len(data)} bytes are left, {length} are needed")
    return int.from_bytes(data, "little")


def _text(file: BytesIO) -> str:
    length = _number(file, 4)
    data = file.read(length)
    if len(data) != length:
        raise ValueError(f"{len(data)} bytes are left, {length} are needed")
    return data.decode()
