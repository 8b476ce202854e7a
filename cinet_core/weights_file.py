"""Reads untrusted safetensors files: every size is bounded before anything is allocated or parsed.

Layout: 8 bytes header length (little endian), that many bytes of JSON ({name: {dtype, shape, data_offsets}} and
`__metadata__`, a table of strings), then the tensors' bytes.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

__all__ = [
    "MAX_HEADER_BYTES",
    "CheckpointError",
    "WeightsHeader",
    "check_readable",
    "read_bytes",
    "read_file",
    "read_header",
]

# A thousand tensors take 0.1 MB, label set and recipe some kB: far beyond that it is not one of ours. Parsed, JSON can
# take 25 times its size.
MAX_HEADER_BYTES = 2**20
_LENGTH_BYTES = 8
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


class CheckpointError(Exception):
    """A weights file cannot be used. The message names the file, the fault and the remedy."""


@dataclass(frozen=True)
class WeightsHeader:
    """The header of a weights file.

    Attributes:
        metadata: the table of strings that was stored beside the tensors.
        tensors: (dtype code such as "F32", shape) of each tensor, by name.
        file_bytes: size that the whole file must have.
    """

    metadata: dict[str, str]
    tensors: dict[str, tuple[str, tuple[int, ...]]]
    file_bytes: int


def check_readable(path: str | Path, content: bytes) -> None:
    """Raise ValueError if a file with this content would be refused for the size of its header."""
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    if length > MAX_HEADER_BYTES:
        raise ValueError(
            f"{path} is not written: its header would have {length} bytes, the limit is {MAX_HEADER_BYTES}; keep less "
            "in recipe and figures"
        )


def read_header(path: Path) -> WeightsHeader:
    """Read the header without the tensors. Raises CheckpointError."""
    with _open(path) as file:
        return _read_header(path, file)


def read_file(path: Path, max_bytes: int) -> tuple[WeightsHeader, bytes]:
    """Read the header and the content of a file that is opened once.

    Raises:
        CheckpointError: the file is missing, larger than `max_bytes`, truncated, or no safetensors file.
    """
    with _open(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise CheckpointError(_too_large(path, size, max_bytes, "weights"))
        header = _read_header(path, file)
        if size == header.file_bytes:
            file.seek(0)
            content = file.read(size)
            size = len(content)  # less where the file shrank meanwhile
    if size != header.file_bytes:
        raise CheckpointError(
            f"{path} is truncated or damaged: it has {size} bytes, its header announces {header.file_bytes}. "
            "Copy or download it again"
        )
    return header, content


def read_bytes(path: Path, max_bytes: int, kind: str) -> bytes:
    """Read a regular file of a bounded size at once.

    Args:
        path: of the file.
        max_bytes: that it may have.
        kind: what it should be, for messages.

    Raises:
        CheckpointError: the file is missing, no regular file, cannot be read, or is larger.
    """
    with _open(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise CheckpointError(_too_large(path, size, max_bytes, kind))
        return file.read(size)


def _too_large(path: Path, size: int, limit: int, kind: str) -> str:
    return f"{path} has {size} bytes, more than the {limit} allowed: it is no {kind} file of this project"


def _open(path: Path) -> BinaryIO:
    # A named pipe or a device would block or never end: only a regular file is opened at all.
    try:
        if not path.exists():
            raise CheckpointError(f"{path} does not exist: {_advice(path)}")
        if not path.is_file():
            raise CheckpointError(f"{path} is no regular file: give the path of a .safetensors file")
        return path.open("rb")
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error


def _advice(path: Path) -> str:
    if str(path) == "random":
        return "random weights are no file, and not taken here; in Python, call random_checkpoint()"
    return "give the path of a .safetensors file, or 'default' for the weights that ship"


def _read_header(path: Path, file: BinaryIO) -> WeightsHeader:
    start = file.read(_LENGTH_BYTES)
    length = int.from_bytes(start, "little")
    if len(start) < _LENGTH_BYTES or not 2 <= length <= MAX_HEADER_BYTES:
        # Only now: the length of a proper header may begin with these bytes too. A pickle's is over the limit.
        if start.startswith(_PICKLE_STARTS):
            raise CheckpointError(
                f"{path} is a pickle (torch.save), which can run any code when loaded, and is never loaded here: "
                "save the model with cinet_core.checkpoint.save_checkpoint"
            )
        raise CheckpointError(
            f"{path} is no safetensors file: its header would have {length} bytes, the limit is {MAX_HEADER_BYTES}"
        )
    text = file.read(length)
    if len(text) < length:
        raise CheckpointError(
            f"{path} is truncated: {len(text)} of {length} header bytes are there. Copy or download it again"
        )
    try:
        return _parse_header(text)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} is no safetensors file: its header is not valid ({error})") from error


def _parse_header(text: bytes) -> WeightsHeader:
    """Whether the offsets tile the file is left to safetensors; here it only matters where they end."""
    entries: dict[str, Any] = json.loads(text, object_pairs_hook=_without_duplicates)
    metadata = entries.pop("__metadata__", {})
    if not all(isinstance(value, str) for value in metadata.values()):
        raise TypeError("__metadata__ holds something else than strings")
    tensors = {name: (str(entry["dtype"]), tuple(entry["shape"])) for name, entry in entries.items()}
    ends = [entry["data_offsets"][1] for entry in entries.values()]
    if not all(isinstance(end, int) for end in ends):
        raise TypeError("data_offsets hold something else than integers")
    return WeightsHeader(metadata, tensors, _LENGTH_BYTES + len(text) + max(ends, default=0))


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose keys differ: of two equal ones this parser and that of safetensors might take another."""
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key occurs twice")
    return values
