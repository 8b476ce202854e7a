"""Every message of a ROS 2 bag, sound or damaged: a folder, a .db3 or a .mcap, through the library `rosbags`.

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
from cinet_core.bags.mcap_scan import McapScan

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

METADATA = "metadata.yaml"
STORAGES = {".db3": "sqlite3", ".mcap": "mcap"}
"""What a storage file is called and the storage that it is."""

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_Message = tuple["Connection", int, bytes]


class _Storage(Protocol):
    connections: list[Connection]

    def messages(self, connections: Collection[Connection] = ()) -> Iterator[_Message]: ...

    def close(self) -> None: ...


def is_bag(path: Path | str) -> bool:
    """Whether the path looks like a ROS bag: a storage file, or a folder with metadata or storage files."""
    location = Path(path)
    if location.is_dir():
        return (location / METADATA).is_file() or any(entry.suffix in STORAGES for entry in location.iterdir())
    return location.suffix in (*STORAGES, ".bag")


class BagReader:
    """An open bag. Use it as a context manager, or close it.

    Args:
        path: bag folder or storage file.

    Attributes:
        storage: "sqlite3" or "mcap".
        connections: one a topic and type (and quality of service), with the number of messages; over all files.
        faults: what is wrong with the bag. It may grow while messages are read.

    Raises:
        BagError: no message at all can be read, and why.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.faults: list[str] = []
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
        self.connections = _merged(item for _, file in self._files for item in file.connections)
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
        """Topic, time of recording in nanoseconds, and CDR of each message, file by file.

        Of a sound file in the order of time; the order is the same each time.

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
        """The topics, for messages to the user."""
        return ", ".join(f"{item.topic} ({item.msgtype})" for item in sorted(self.connections, key=_topic))

    def _open(self) -> None:
        if not self.path.exists():
            raise BagError(f"{self.path}: there is no such bag; give a folder, a .db3 or a .mcap")
        if self.path.suffix == ".bag" and self.path.is_file():
            raise BagError(
                f"{self.path} is a ROS 1 bag; convert it: rosbags-convert --src {self.path} --dst <new directory>"
            )
        if self.path.is_file():
            paths = [self.path]
        elif (compressed := self._open_compressed()) is not None:
            self._files.append((self.path, compressed))
            return
        else:
            paths = self._paths()
        for path in paths:
            if path.suffix not in STORAGES:
                raise BagError(f"{path} is no bag: its name must end in {' or '.join(STORAGES)}")
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
        """The storage files of the folder, in order."""
        there = sorted((path for path in self.path.iterdir() if path.suffix in STORAGES), key=_natural)
        named = [self.path / Path(str(name)).name for name in self._metadata().get("relative_file_paths", ())]
        for path in named:
            if not path.is_file():
                self.faults.append(f"{path} is missing, with all that was recorded in it")
        paths = [path for path in named if path.is_file()] or there
        if not paths:
            kinds = " or ".join(STORAGES)
            raise BagError(f"{self.path} is no bag: it holds no file that ends in {kinds}; give a bag's folder")
        return paths

    def _open_compressed(self) -> _Storage | None:
        """The whole folder where its files are compressed, which the library unpacks; else None."""
        from rosbags.rosbag2 import Reader

        packed = sorted(self.path.glob("*.zstd"))
        if not packed:
            return None
        self.storage = STORAGES.get(Path(packed[0].stem).suffix, "mcap")
        reader = Reader(self.path)
        try:
            reader.open()
        except Exception as error:
            raise BagError(
                f"{self.path}: its compressed files cannot be read ({type(error).__name__}: {error}); "
                f"unpack them with `zstd -d {packed[0]}`, remove {METADATA}, and try again"
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
        if error is not None and not scan.faults:
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
