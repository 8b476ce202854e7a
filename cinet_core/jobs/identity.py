"""What tells whether an input is still the one that was worked on: its size, and a hash of its files' ends."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

__all__ = ["InputIdentity", "bytes_of", "identity_of"]

END = 1 << 16
"""Bytes of a file that are hashed at its beginning, and as many at its end: recordings are many gigabytes, and have
their index at the end."""


@dataclass(frozen=True)
class InputIdentity:
    """Tells one input from another.

    Attributes:
        path: as it was given.
        bytes: of all its files.
        sha256: of its files' names, sizes, and first and last 64 KiB. A change in the middle of a file that keeps its
            size is not seen; time and place are no part of it, so that a copy is the same.
    """

    path: str
    bytes: int
    sha256: str


def identity_of(path: str | Path) -> InputIdentity:
    """Identify a file, or a folder by all files in it but hidden ones.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    root = Path(path)
    files = _files(root)
    digest, total = hashlib.sha256(), 0
    for file in files:
        size = file.stat().st_size
        total += size
        name = file.relative_to(root).as_posix() if root.is_dir() else file.suffix
        digest.update(f"{name}\0{size}\0".encode())
        with file.open("rb") as content:
            digest.update(content.read(END))
            if size > END:
                content.seek(max(END, size - END))
                digest.update(content.read(END))
    return InputIdentity(str(path), total, digest.hexdigest())


def bytes_of(path: str | Path) -> int:
    """Bytes of a file, or of a folder's files but hidden ones.

    Raises:
        OSError: it is not there.
    """
    return sum(file.stat().st_size for file in _files(Path(path)))


def _files(root: Path) -> list[Path]:
    if not root.is_dir():
        return [root]
    return sorted(file for file in root.rglob("*") if file.is_file() and not file.name.startswith("."))
