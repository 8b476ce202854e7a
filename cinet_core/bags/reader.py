"""Reads all messages of a ROS 2 bag (folder, .db3 or .mcap), even if damaged, with the library `rosbags`.

Where the library refuses a file, it is scanned without its index; what is wrong is told in `BagReader.faults`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from cinet_core.bags.db3_scan import Db3Scan, write_ahead_log
from cinet_core.bags.errors import BagError
from cinet_core.bags.foreign import (
    foreign_topic,
    packed_remedy,
    refuse_foreign_file,
    refuse_foreign_folder,
    refuse_foreign_topics,
)
from cinet_core.bags.mcap_scan import McapScan
from cinet_core.data.bag_paths import METADATA, PACKED, STORAGES, is_packed_storage

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

__all__ = ["BagReader"]

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_Message = tuple["Connection", int, bytes]


class _Storage(Protocol):
    connections: list[Connection]

    def messages(self, connections: Collection[Connection] = ()) -> Iterator[_Message]: ...

    def close(self) -> None: ...


class BagReader:
    """Reads a bag. Use it as a context manager, or close it.

    Args:
        path: bag folder or storage file.

    Attributes:
        storage: "sqlite3" or "mcap".
        connections: one a topic and type (and quality of service), with the number of messages; over all files.
        faults: what is wrong with the bag. It may grow while messages are read.
        notes: notes on a bag without faults: topics and files that are skipped.

    Raises:
        BagError: no message at all can be read, and why.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.faults: list[str] = []
        self.notes: list[str] = []
        self.storage = "mcap"
        self._files: list[tuple[Path, _Storage]] = []
        try:
            import rosbags.rosbag2  # noqa: F401
        except ImportError as error:
            raise BagError(f"{path}: bags need the package rosbags, pip install rosbags ({error})") from error
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        found = _merged(item for _, file in self._files for item in file.connections)
        self.connections = [item for item in found if not foreign_topic(item)]
        if self.connections:
            self.notes += [text for item in found if (text := foreign_topic(item))]
        elif found:
            self.close()
            refuse_foreign_topics(self.path, found)
        self._by_key = {_key(item): item for item in self.connections}
        if not self.connections:
            faults = "; ".join(self.faults) or "it is empty"
            raise BagError(f"{path} holds no topic that can be read: {faults}. Record it again, or give another bag")

    def __len__(self) -> int:
        """Number of messages of all topics."""
        return sum(item.msgcount for item in self.connections)

    def __enter__(self) -> BagReader:
        """The reader itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close all files."""
        while self._files:
            self._files.pop()[1].close()

    def messages(self, connections: Collection[Connection] = ()) -> Iterator[_Message]:
        """Iterate over connection, time of recording in nanoseconds, and CDR of each message, file by file.

        Of a sound file of ROS 2 in the order of time; the order is the same each time.

        Args:
            connections: of this reader, whose messages are wanted; none: all.
        """
        wanted = {_key(item) for item in connections or self.connections}
        for path, file in self._files:
            own = [item for item in file.connections if _key(item) in wanted]
            if not own:
                continue
            for connection, time_ns, data in self._of_file(path, file, own):
                if data.startswith(_ZSTD_MAGIC):  # each message by itself; CDR begins with 0
                    data = _decompressed(data)
                yield self._by_key[_key(connection)], time_ns, data

    def listing(self) -> str:
        """Return the topics as text for messages to the user."""
        return ", ".join(f"{item.topic} ({item.msgtype})" for item in sorted(self.connections, key=_topic))

    def _open(self) -> None:
        if not self.path.exists():
            raise BagError(f"{self.path}: there is no such bag; give a folder, a .db3 or a .mcap")
        paths = [self.path] if self.path.is_file() else self._paths()
        for path in paths:
            try:
                refuse_foreign_file(path)
            except BagError as error:
                if len(paths) == 1:
                    raise
                self.faults.append(str(error))
                continue
            self.storage = STORAGES[path.suffix]
            self._files.append((path, self._file(path)))

    def _metadata(self) -> dict[str, Any]:
        """What metadata.yaml says; {} where it is missing or of no use."""
        import yaml

        try:
            found = yaml.safe_load((self.path / METADATA).read_text(encoding="utf-8"))["rosbag2_bagfile_information"]
            if not isinstance(found["relative_file_paths"], list):
                raise TypeError("relative_file_paths is no list")
            return found
        except FileNotFoundError:
            self.faults.append(f"{self.path} has no {METADATA}: its files are read in the order of their names")
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
            reason = f"{type(error).__name__}: {error}"
            self.faults.append(f"{self.path / METADATA} is of no use ({reason}): the files are read by their names")
        return {}

    def _paths(self) -> list[Path]:
        """The storage files of the folder that are to be read one by one, in order."""
        there = sorted((path for path in self.path.iterdir() if path.suffix in STORAGES), key=_natural)
        named = [self.path / Path(str(name)).name for name in self._metadata().get("relative_file_paths", ())]
        if any(path.suffix in PACKED for path in named) and all(path.is_file() for path in named):
            self._files.append((self.path, self._unpacked()))
            return []
        paths = [found for path in named if (found := self._stored(path)) is not None]
        if paths:
            if others := [path.name for path in there if path not in paths]:
                self.notes.append(f"{self.path}: {METADATA} does not name {', '.join(others)}: not read")
            return paths
        if not there:
            refuse_foreign_folder(self.path)
        if len({path.suffix for path in there}) > 1:
            names = ", ".join(path.name for path in there)
            raise BagError(
                f"{self.path} has no {METADATA} that can be used, and files of two kinds ({names}), which may hold the "
                "same messages: give one of the files"
            )
        packed = [path for path in self.path.iterdir() if is_packed_storage(path)]
        self.faults += [packed_remedy(path) for path in packed if not path.with_suffix("").is_file()]
        return there

    def _stored(self, path: Path) -> Path | None:
        """A file that metadata.yaml names, or what it was unpacked to by hand; None where neither is there."""
        if path.suffix not in PACKED and path.is_file():
            return path
        unpacked = path.with_suffix("") if path.suffix in PACKED else path
        if unpacked.is_file():
            self.notes.append(f"{self.path}: {METADATA} names {path.name}; {unpacked.name}, unpacked from it, is read")
            return unpacked
        gone = f"{path} is missing, with all that was recorded in it"
        self.faults.append(packed_remedy(path) if path.is_file() else gone)
        return None

    def _unpacked(self) -> _Storage:
        """The whole folder, whose files are compressed: the library unpacks them."""
        from rosbags.rosbag2 import Reader

        packed = next(path for path in sorted(self.path.iterdir(), key=_natural) if is_packed_storage(path))
        self.storage = STORAGES[Path(packed.stem).suffix]
        try:
            reader = Reader(self.path)
            reader.open()
        except Exception as error:
            raise BagError(
                f"{self.path}: its compressed files cannot be read ({type(error).__name__}: {error}); "
                f"unpack them with `zstd -d {packed}`, remove {METADATA}, and try again"
            ) from error
        return reader

    def _file(self, path: Path) -> _Storage:
        """A file, by its index where that can be read."""
        from rosbags.rosbag2 import Reader

        if path.suffix == ".db3" and write_ahead_log(path):
            return self._scan(path)  # the library would not look into the log
        reader = Reader(path)
        try:
            reader.open()
        except Exception as error:  # what a parser raises on a damaged file is not limited to its own errors
            return self._scan(path, error)
        return reader

    def _scan(self, path: Path, error: Exception | None = None) -> _Storage:
        scan = McapScan(path) if path.suffix == ".mcap" else Db3Scan(path)
        if error is not None and not scan.faults and not scan.sound:
            self.faults.append(f"{path} was not closed ({error}): it was read without its index, to its end")
        count = sum(item.msgcount for item in scan.connections)
        self.faults += [f"{fault}; {count} messages of it can be read" for fault in scan.faults]
        return scan

    def _of_file(self, path: Path, file: _Storage, connections: list[Connection]) -> Iterator[_Message]:
        """Messages of a file; where the library gives up, the rest without the index."""
        last, tied = -1, Counter[Any]()
        try:
            for message in file.messages(connections):
                if message[1] != last:
                    last = message[1]
                    tied.clear()
                tied[_key(message[0])] += 1
                yield message
            return
        except Exception as error:  # as above
            self.faults.append(f"{path}: {type(error).__name__}: {error}; the rest is read without the index")
            if path.is_dir():
                return
        keys = {_key(item) for item in connections}
        scan = self._scan(path)
        rest = [item for item in scan.connections if _key(item) in keys]
        for message in scan.messages(rest) if rest else ():
            key = _key(message[0])
            if message[1] > last:
                yield message
            elif message[1] == last:  # the first of these were given out before
                tied[key] -= 1
                if tied[key] < 0:
                    yield message


def _key(connection: Connection) -> tuple[Any, ...]:
    """By which a topic is the same in two files, or recorded twice in one."""
    extension: Any = connection.ext
    return connection.topic, connection.msgtype, extension.serialization_format, str(extension.offered_qos_profiles)


def _merged(connections: Iterator[Connection]) -> list[Connection]:
    found: dict[tuple[Any, ...], Connection] = {}
    for item in connections:
        key = _key(item)
        before = found.get(key)
        if before is None:
            found[key] = item._replace(id=len(found) + 1)
        else:
            text = before.msgdef if before.msgdef.data else item.msgdef
            found[key] = before._replace(msgcount=before.msgcount + item.msgcount, msgdef=text)
    return list(found.values())


def _topic(connection: Connection) -> str:
    return connection.topic


def _natural(path: Path) -> list[tuple[int, str]]:
    """Part 9 before part 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]


def _decompressed(data: bytes) -> bytes:
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]  # of Python 3.14
    except ImportError:
        from backports import zstd
    return zstd.decompress(data)
