"""Files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_TEMPORARY = ".{name}.unfinished-"


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[IO[bytes]]:
    """Write a file beside its place and move it there at the end: a reader sees the old file or the whole new one.

    A process that is killed meanwhile leaves the old file, and an unfinished one beside it (`remove_unfinished`).

    Args:
        path: where; an existing file is replaced. Its folder must exist.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    path = Path(path)
    prefix = _TEMPORARY.format(name=path.name)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=prefix, delete=False) as file:
        temporary = Path(file.name)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def remove_unfinished(path: str | Path) -> None:
    """Remove what killed processes left beside a file; only while none is writing it."""
    path = Path(path)
    for unfinished in path.parent.glob(f"{_TEMPORARY.format(name=path.name)}*"):
        unfinished.unlink(missing_ok=True)
