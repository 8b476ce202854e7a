"""Whether a path looks like a ROS bag: by its names, and where they tell nothing by its first bytes."""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "MCAP_MAGIC",
    "METADATA",
    "PACKED",
    "ROS1_MAGIC",
    "ROS1_SUFFIXES",
    "SQLITE_MAGIC",
    "STORAGES",
    "bags_at",
    "is_bag",
    "is_packed_storage",
]

METADATA = "metadata.yaml"
STORAGES = {".db3": "sqlite3", ".mcap": "mcap"}
"""What a storage file is called and the storage that it is."""

PACKED = {".zstd": "zstd", ".zst": "zstd", ".lz4": "lz4", ".gz": "gzip", ".bz2": "bzip2", ".xz": "xz"}
"""Suffixes of files that are compressed as a whole, and with what."""

ROS1_SUFFIXES = (".bag", ".active")

MCAP_MAGIC, SQLITE_MAGIC, ROS1_MAGIC = b"\x89MCAP0\r\n", b"SQLite format 3\0", b"#ROSBAG V"


def is_bag(path: Path | str) -> bool:
    """Whether the path looks like a ROS bag, also one that must be renamed, unpacked or converted."""
    location = Path(path)
    if location.is_dir():
        return (location / METADATA).is_file() or any(_is_bag_file(entry) for entry in location.iterdir())
    return _is_bag_file(location) or _begins_as_bag(location)


def is_packed_storage(path: Path) -> bool:
    """Whether a file is called as a storage file that was compressed as a whole."""
    return path.suffix in PACKED and Path(path.stem).suffix in STORAGES


def bags_at(path: Path) -> list[str]:
    """What of a path is a bag: itself, or names of bags in a folder; empty where nothing is."""
    if is_bag(path):
        return [str(path)]
    return sorted(str(entry) for entry in path.iterdir() if entry.is_dir() and is_bag(entry)) if path.is_dir() else []


def _is_bag_file(path: Path) -> bool:
    return path.suffix.lower() in (*STORAGES, *ROS1_SUFFIXES) or is_packed_storage(path)


def _begins_as_bag(path: Path) -> bool:
    """Of a file whose name tells nothing; a SQLite file may be anything."""
    try:
        with path.open("rb") as file:
            return file.read(len(MCAP_MAGIC)).startswith((MCAP_MAGIC, ROS1_MAGIC))
    except OSError:  # it is not there, or cannot be opened: whoever reads it tells
        return False
