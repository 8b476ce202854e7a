"""A SQLite bag read row by row, without its index: what is left of a file that was cut, or not closed."""

from __future__ import annotations

import sqlite3
import urllib.parse
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

__all__ = ["Db3Scan", "write_ahead_log"]


class Db3Scan:
    """All messages up to the first that cannot be read, in the order in which they were recorded.

    Making it reads the file once, so that topics, counts and the end are known.

    Args:
        path: the file.

    Attributes:
        connections: the topics, with the number of messages that can be read.
        faults: places where the file is damaged; empty for an undamaged file.
        sound: False: a sound file of ROS 2 is read by its index.
    """

    sound = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connections: list[Connection] = []
        self.faults: list[str] = []
        self._topics: dict[int, Connection] = {}
        counts = Counter(topic for topic, _, _ in self._rows(self.faults))
        self.connections = [item._replace(msgcount=counts[number]) for number, item in self._topics.items()]

    def messages(self, connections: Collection[Connection] = ()) -> Iterator[tuple[Connection, int, bytes]]:
        """Topic, time in nanoseconds and content of each message, of all topics where none is given."""
        wanted = {item.id: item for item in connections or self.connections}
        for topic, time_ns, data in self._rows([]):
            if topic in wanted:
                yield wanted[topic], time_ns, data

    def close(self) -> None:
        """Nothing is held open."""

    def _rows(self, faults: list[str]) -> Iterator[tuple[int, int, bytes]]:
        read, last = 0, 0
        try:
            with closing(self._connect()) as database:
                self._topics = self._topics or _topics(database, self)
                rows = database.execute("SELECT id, topic_id, timestamp, data FROM messages NOT INDEXED ORDER BY id")
                for last, topic, time_ns, data in rows:  # noqa: B007  (told below)
                    if topic in self._topics and isinstance(data, bytes):
                        yield topic, time_ns, data
                        read += 1
        except sqlite3.Error as error:
            where = f"after {read} messages, at row {last + 1}" if read else "before the first message"
            faults.append(f"{self.path} cannot be read any further {where}: {error}")

    def _connect(self) -> sqlite3.Connection:
        name = urllib.parse.quote(str(self.path.resolve()))
        # Without its log a database is read as it stands, which needs no right to write beside it.
        immutable = "" if write_ahead_log(self.path) else "&immutable=1"
        database = sqlite3.connect(f"file:{name}?mode=ro{immutable}", uri=True)
        # Else SQLite opens no file that is shorter than its header says. Nothing is written: the mode is read-only.
        database.execute("PRAGMA writable_schema = ON")
        return database


def write_ahead_log(path: Path) -> bool:
    """Whether messages wait in a log beside the file: its recorder was killed, or records still."""
    log = path.with_name(path.name + "-wal")
    return log.is_file() and log.stat().st_size > 0


def _topics(database: sqlite3.Connection, owner: object) -> dict[int, Connection]:
    from rosbags.interfaces import Connection, ConnectionExtRosbag2, MessageDefinition, MessageDefinitionFormat
    from rosbags.rosbag2.metadata import parse_qos

    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    definitions: dict[str, tuple[str, str]] = {}
    if "message_definitions" in tables:  # since Iron
        columns = "topic_type, encoding, encoded_message_definition"
        for name, encoding, text in database.execute(f"SELECT {columns} FROM message_definitions"):
            definitions[name] = (encoding, text)
    known = {row[1] for row in database.execute("PRAGMA table_info(topics)")}
    columns = ", ".join(
        name if name in known else "''"
        for name in ("id", "name", "type", "serialization_format", "offered_qos_profiles", "type_description_hash")
    )
    kinds = {"ros2msg": MessageDefinitionFormat.MSG, "ros2idl": MessageDefinitionFormat.IDL}
    found = {}
    for number, topic, kind, serialization, qos, digest in database.execute(f"SELECT {columns} FROM topics"):
        encoding, text = definitions.get(kind, ("", ""))
        definition = MessageDefinition(kinds.get(encoding, MessageDefinitionFormat.NONE), text)
        extension = ConnectionExtRosbag2(serialization, parse_qos(qos))
        found[number] = Connection(number, topic, kind, definition, digest, 0, extension, owner)
    return found
