"""Atomic writes of files: a file exists completely or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

__all__ = ["atomic_write", "atomic_write_bytes", "remove_all_unfinished", "remove_unfinished"]

_TEMPORARY = ".{name}.unfinished-"


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[IO[bytes]]:
    """Write a temporary file and rename it at the end: a reader sees the old file or the complete new one.

    A process that is killed meanwhile leaves the old file, and an unfinished one beside it (`remove_unfinished`).

    Args:
        path: where; an existing file is replaced. Its folder must exist.

    Raises:
        OSError: the folder cannot be written, or the disk is full; it names the file.
    """
    path = Path(path)
    prefix = _TEMPORARY.format(name=path.name)
    temporary: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=prefix, delete=False) as file:
            temporary = Path(file.name)
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # "No space left on device" says little without it
        raise


def atomic_write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file with `atomic_write`.

    Raises:
        OSError: as `atomic_write`.
    """
    with atomic_write(path) as file:
        file.write(content)


def remove_unfinished(path: str | Path) -> None:
    """Remove temporary files that killed processes left. No process may be writing the file."""
    path = Path(path)
    for unfinished in path.parent.glob(f"{_TEMPORARY.format(name=path.name)}*"):
        unfinished.unlink(missing_ok=True)


def remove_all_unfinished(folder: str | Path) -> None:
    """Remove temporary files of any name, and in any folder below, that killed processes left; none may be at work."""
    for unfinished in Path(folder).rglob(_TEMPORARY.format(name="*") + "*"):
        unfinished.unlink(missing_ok=True)
