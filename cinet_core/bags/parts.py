"""A bag that is written in parts, each of which is there whole or not at all, so that writing can go on after a kill.

A part is a storage file of its own, as `ros2 bag record` splits bags. It is written in a hidden folder, moved to its
place when it is finished, and then listed in a journal. The file metadata.yaml comes last: a bag that has one is whole.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from cinet_core.atomic_file import atomic_write_bytes, remove_unfinished
from cinet_core.bags.errors import BagError
from cinet_core.data.bag_paths import METADATA, STORAGES

if TYPE_CHECKING:
    from rosbags.interfaces import Connection
    from rosbags.rosbag2 import Writer

__all__ = ["Journal", "PartedWriter", "TopicToWrite"]

JOURNAL = ".cinet_bag.json"
_WORK = ".unfinished_part"
_IDENTITY = "cinet_bag"


@dataclass(frozen=True)
class TopicToWrite:
    """A topic of the bag that is written."""

    topic: str
    msgtype: str
    definition: str
    digest: str
    serialization: str = "cdr"
    qos: tuple[Any, ...] = ()


@dataclass
class Journal:
    """What has been written for good.

    Attributes:
        identity: of input and settings; a bag is only gone on with by the same.
        state: the writer's own, as it was at the end of the last part.
        parts: of each part what metadata.yaml says of it.
    """

    identity: str
    state: dict[str, Any] = field(default_factory=dict)
    parts: list[dict[str, Any]] = field(default_factory=list)


class PartedWriter:
    """Writes a bag, or goes on with one.

    Args:
        folder: of the bag.
        storage: "sqlite3" or "mcap".
        identity: of what goes into the bag: input and settings.

    Attributes:
        complete: whether the bag was finished before.

    Raises:
        BagError: the folder holds something else, or a bag of another identity.
    """

    def __init__(self, folder: Path, storage: str, identity: str) -> None:
        self.folder = folder
        self.complete = False
        self._storage = storage
        self._topics: list[TopicToWrite] = []
        self._writer: Writer | None = None
        self._connections: dict[TopicToWrite, Connection] = {}
        self._written = 0
        self._journal = self._found(identity)

    @property
    def state(self) -> dict[str, Any]:
        """What the last part was finished with; {} before the first."""
        return dict(self._journal.state)

    @property
    def pending(self) -> int:
        """Bytes of the messages of the part that is being written."""
        return self._written

    def begin(self, topics: list[TopicToWrite]) -> None:
        """Name the topics, all of which each part has."""
        self._topics = topics
        self.folder.mkdir(parents=True, exist_ok=True)
        self._remove_work()
        for path in self.folder.iterdir():  # finished, but not listed
            if path.suffix in STORAGES and path.name not in self._names():
                path.unlink()
        if not self._journal.parts:
            self._write_journal()

    def write(self, topic: TopicToWrite, time_ns: int, data: bytes | memoryview) -> None:
        """Add a message to the part."""
        if self._writer is None:
            self._open_part()
        assert self._writer is not None
        self._writer.write(self._connections[topic], time_ns, data)
        self._written += len(data)

    def finish_part(self, state: Mapping[str, Any]) -> None:
        """Make what was written since the last call permanent, together with the state; nothing new: only the state."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.close()
            metadata = yaml.safe_load((writer.path / METADATA).read_text(encoding="utf-8"))
            part = metadata["rosbag2_bagfile_information"]
            (name,) = part["relative_file_paths"]
            with (writer.path / name).open("rb") as file:
                os.fsync(file.fileno())  # before the journal says that it is there
            (writer.path / name).replace(self.folder / name)
            self._journal.parts.append(part)
            self._remove_work()
            self._written = 0
        self._journal.state = dict(state)
        self._write_journal()

    def finish(self) -> None:
        """Write metadata.yaml: the bag is whole then."""
        parts = self._journal.parts
        total = _merged(parts)
        total["custom_data"] = {_IDENTITY: json.dumps({"identity": self._journal.identity, "state": self.state})}
        text = yaml.safe_dump({"rosbag2_bagfile_information": total}, sort_keys=False)
        atomic_write_bytes(self.folder / METADATA, text.encode())
        (self.folder / JOURNAL).unlink()
        self.complete = True

    def close(self) -> None:
        """Leave off; the part that is not finished is lost."""
        if self._writer is not None:
            self._writer.abort()
            self._writer = None
            self._remove_work()

    def _found(self, identity: str) -> Journal:
        if not self.folder.exists():
            return Journal(identity)
        if not self.folder.is_dir():
            raise BagError(f"{self.folder} is a file: a bag is written as a folder; give another name")
        journal, complete = self._read()
        if journal is None:
            if any(entry.name != _WORK and not entry.name.startswith(".") for entry in self.folder.iterdir()):
                raise BagError(f"{self.folder} exists and was written by something else: give a new name, or remove it")
            return Journal(identity)
        if journal.identity != identity:
            raise BagError(
                f"{self.folder} was begun with another input or with other settings: give a new name, or remove it"
            )
        missing = [name for name in self._names(journal) if not (self.folder / name).is_file()]
        if missing and not complete:
            raise BagError(f"{self.folder} has lost its finished parts {', '.join(missing)}: remove it and begin anew")
        self.complete = complete
        return journal

    def _read(self) -> tuple[Journal | None, bool]:
        """The journal, and whether the bag is complete."""
        try:
            if (self.folder / METADATA).is_file():
                metadata = yaml.safe_load((self.folder / METADATA).read_text(encoding="utf-8"))
                content = json.loads(metadata["rosbag2_bagfile_information"]["custom_data"][_IDENTITY])
                (self.folder / JOURNAL).unlink(missing_ok=True)  # killed between the two
                return Journal(content["identity"], content["state"]), True
            if (self.folder / JOURNAL).is_file():
                content = json.loads((self.folder / JOURNAL).read_text(encoding="utf-8"))
                return Journal(content["identity"], content["state"], content["parts"]), False
        except (ValueError, KeyError, TypeError, yaml.YAMLError):
            return None, False  # a bag of somebody else
        return None, False

    def _names(self, journal: Journal | None = None) -> list[str]:
        parts = (journal or self._journal).parts
        return [name for part in parts for name in part["relative_file_paths"]]

    def _open_part(self) -> None:
        from rosbags.rosbag2 import StoragePlugin, Writer

        name = f"{self.folder.name}_{len(self._journal.parts)}"
        # the library names the file after its folder
        self._writer = Writer(
            self.folder / _WORK / name, version=9, storage_plugin=StoragePlugin[self._storage.upper()]
        )
        self._writer.open()
        self._connections = {
            topic: self._writer.add_connection(
                topic.topic,
                topic.msgtype,
                msgdef=topic.definition,
                rihs01=topic.digest,
                serialization_format=topic.serialization,
                offered_qos_profiles=topic.qos,
            )
            for topic in self._topics
        }

    def _write_journal(self) -> None:
        remove_unfinished(self.folder / JOURNAL)
        content = {"identity": self._journal.identity, "state": self._journal.state, "parts": self._journal.parts}
        atomic_write_bytes(self.folder / JOURNAL, json.dumps(content).encode())

    def _remove_work(self) -> None:
        shutil.rmtree(self.folder / _WORK, ignore_errors=True)


def _merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """metadata.yaml of a bag of these parts, which have the same topics."""
    if not parts:
        raise BagError("there is nothing to write: the input holds no message that can be read")
    total = {**parts[0], "relative_file_paths": [name for part in parts for name in part["relative_file_paths"]]}
    total["files"] = [file for part in parts for file in part["files"]]
    start = min(part["starting_time"]["nanoseconds_since_epoch"] for part in parts)
    end = max(part["starting_time"]["nanoseconds_since_epoch"] + part["duration"]["nanoseconds"] for part in parts)
    total["starting_time"] = {"nanoseconds_since_epoch": start}
    total["duration"] = {"nanoseconds": end - start}
    total["message_count"] = sum(part["message_count"] for part in parts)
    total["topics_with_message_count"] = [
        {**item, "message_count": sum(part["topics_with_message_count"][place]["message_count"] for part in parts)}
        for place, item in enumerate(parts[0]["topics_with_message_count"])
    ]
    return total
