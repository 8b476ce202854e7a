"""What a path is that is given as a bag and is none that can be read: what it is called, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cinet_core.bags.errors import BagError
from cinet_core.data.bag_paths import (
    MCAP_MAGIC,
    METADATA,
    PACKED,
    ROS1_MAGIC,
    ROS1_SUFFIXES,
    SQLITE_MAGIC,
    STORAGES,
    is_packed_storage,
)

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

__all__ = [
    "content_of",
    "foreign_topic",
    "packed_remedy",
    "refuse_foreign_file",
    "refuse_foreign_folder",
    "refuse_foreign_topics",
    "ros1_remedy",
]

_UNPACK = {"zstd": "zstd -d", "lz4": "lz4 -d", "gzip": "gunzip", "bzip2": "bunzip2", "xz": "unxz"}

_MAGICS = {
    MCAP_MAGIC: "an MCAP file",
    SQLITE_MAGIC: "a SQLite file",
    ROS1_MAGIC: "a ROS 1 bag",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"\x04\x22\x4d\x18": "compressed with lz4",
    b"\x1f\x8b": "compressed with gzip",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ\0": "compressed with xz",
    b"PK\x03\x04": "a ZIP archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"version https://git-lfs": "a pointer of Git LFS",
    b"<!DOCTYPE": "a web page",
    b"<!doctype": "a web page",
    b"<html": "a web page",
}
_RECORD = "record the topic in ROS 2 (ros2 bag record)"
_ROS1_REMEDY = (
    "convert the ROS 1 bag that it was made of (rosbags-convert --src <file>.bag --dst <new directory>), or play it "
    "through ros1_bridge and record it in ROS 2"
)
_OWN = {".db3": "a SQLite file", ".mcap": "an MCAP file"}
_TAR = 257, b"ustar"


def content_of(path: Path) -> str:
    """What a file is by its first bytes, as a noun phrase; "" where they tell nothing.

    Raises:
        BagError: it cannot be opened.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(_TAR[0] + len(_TAR[1]))
    except OSError as error:
        raise BagError(f"{path} cannot be opened: {error.strerror}") from error
    if begin[_TAR[0] :] == _TAR[1]:
        return "a tar archive"
    return next((what for magic, what in _MAGICS.items() if begin.startswith(magic)), "")


def refuse_foreign_file(path: Path) -> None:
    """Refuse a file that is no storage file of a ROS 2 bag, and say what it is.

    Raises:
        BagError: it is none.
    """
    content = content_of(path)
    if path.suffix in STORAGES and content in ("", _OWN[path.suffix]):
        return
    if content == "a ROS 1 bag" or (path.suffix in ROS1_SUFFIXES and not content):
        raise BagError(f"{path} is a ROS 1 bag; {ros1_remedy(path)}")
    if path.suffix in PACKED or content.startswith("compressed with"):
        raise BagError(packed_remedy(path, content, within=False))
    if path.name == METADATA or path.name.endswith((".db3-wal", ".db3-shm")):
        raise BagError(f"{path} belongs to a bag and is none: give the folder {path.parent}")
    for suffix, own in _OWN.items():
        if content == own:
            raise BagError(f"{path} is {own} by its content, but its name does not end in {suffix}: rename it")
    if content == "a pointer of Git LFS":
        raise BagError(f"{path} is a pointer of Git LFS and not the file itself: git lfs pull fetches it")
    kinds = " or ".join(STORAGES)
    if content:
        raise BagError(f"{path} is {content} and no bag: unpack it, or fetch it again; a bag's file ends in {kinds}")
    raise BagError(f"{path} is no bag: its name must end in {kinds}")


def refuse_foreign_folder(path: Path) -> None:
    """Refuse a folder without a storage file, and say what it holds.

    Raises:
        BagError: always.
    """
    entries = sorted(path.iterdir())
    if packed := [entry for entry in entries if is_packed_storage(entry)]:
        raise BagError(f"{path} has no {METADATA} that can be used, and no file to read: {packed_remedy(packed[0])}")
    if old := [entry for entry in entries if entry.suffix in ROS1_SUFFIXES]:
        raise BagError(f"{path} holds a ROS 1 bag, {old[0].name}; {ros1_remedy(old[0])}")
    inside = [entry.name for entry in entries if entry.is_dir() and any(_is_storage(file) for file in entry.iterdir())]
    if inside:
        raise BagError(f"{path} is no bag but holds some, give one of them: {', '.join(inside[:10])}")
    kinds = " or ".join(STORAGES)
    raise BagError(f"{path} is no bag: it holds no file that ends in {kinds}; give a bag's folder")


def foreign_topic(connection: Connection) -> str:
    """What the messages of a topic are that are none of ROS 2; "" where they are."""
    encoding = _encoding(connection)
    if encoding == "cdr":
        return ""
    remedy = _ROS1_REMEDY if encoding == "ros1" else _RECORD
    return f"passed over: {_described(connection)}, which is no message of ROS 2; to have it, {remedy}"


def refuse_foreign_topics(path: Path, connections: Iterable[Connection]) -> None:
    """Refuse a bag without any message of ROS 2, and say what it holds.

    Raises:
        BagError: always.
    """
    found = sorted(_described(item) for item in connections)
    listed = ", ".join(found[:10]) + (f" and {len(found) - 10} more" if len(found) > 10 else "")
    remedy = _ROS1_REMEDY if any("(ROS 1" in text for text in found) else _RECORD
    raise BagError(f"{path} is sound but holds no message of ROS 2: {listed}; {remedy}")


def ros1_remedy(path: Path) -> str:
    """What turns a ROS 1 bag into one of ROS 2."""
    if path.suffix == ".active":
        return f"its recorder was killed: `rosbag reindex {path}` in ROS 1, then rosbags-convert"
    return f"convert it: rosbags-convert --src {path} --dst <new directory>"


def packed_remedy(path: Path, content: str = "", within: bool = True) -> str:
    """What a file compressed as a whole is, and what to do with it.

    Args:
        path: the file.
        content: what `content_of` says of it; "": its name tells.
        within: whether its folder was given, rather than the file.
    """
    codec = content.rpartition(" ")[2] if content.startswith("compressed with") else PACKED[path.suffix]
    what = f"{path} is compressed with {codec} as a whole"
    if not within and path.suffix == ".zstd" and (path.parent / METADATA).is_file():
        return f"{what}: give its folder {path.parent}, whose {METADATA} tells how to read it"
    again = "try again" if within else "give the file that comes out"
    if PACKED.get(path.suffix) == codec:
        return f"{what}: unpack it with `{_UNPACK[codec]} {path}`, and {again}"
    name = path.stem if path.suffix in PACKED else path.name
    # By its name no tool would take it: gunzip and the others want a suffix of theirs.
    return f"{what}: unpack it with `{_UNPACK[codec]} < {path} > {path.with_name(f'unpacked_{name}')}`, and {again}"


def _encoding(connection: Connection) -> str:
    extension: Any = connection.ext
    return str(extension.serialization_format) or "cdr"


def _described(connection: Connection) -> str:
    encoding = _encoding(connection)
    name = {"ros1": "ROS 1", "json": "JSON"}.get(encoding, encoding)
    kind = "" if connection.msgtype in ("", "__schemaless__") else f" {connection.msgtype}"
    return f"{connection.topic} ({name}{kind})"


def _is_storage(path: Path) -> bool:
    return path.suffix in STORAGES or is_packed_storage(path)
