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


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file with `replacing`.

    Raises:
        OSError: as `replacing`.
    """
    with replacing(path) as file:
        file.write(content)


def remove_unfinished(path: str | Path) -> None:
    """Remove what killed processes left beside a file; only while none is writing it."""
    path = Path(path)
    for unfinished in path.parent.glob(f"{_TEMPORARY.format(name=path.name)}*"):
        unfinished.unlink(missing_ok=True)
