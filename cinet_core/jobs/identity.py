"""What tells whether an input is still the one that was worked on: its size, and a hash of its files' ends."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cinet_core.model_metadata import DEFAULT_WEIGHTS, INSTALLED_WEIGHTS, weights_path

__all__ = ["InputIdentity", "bytes_of", "contents_named", "identity_of"]

END = 1 << 16
"""Bytes of a file that are hashed at its beginning, and as many at its end: recordings are many gigabytes, and have
their index at the end."""

_NETWORKS: Mapping[tuple[str, ...], str] = {
    ("data", "label"): "--teacher",
    ("data", "select"): "--weights",
    ("bag", "run"): "--weights",
}
"""Option of a command that names its networks, which are "default" without it."""


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


def contents_named(command: Sequence[str], options: Sequence[str]) -> dict[str, str]:
    """SHA-256, as `identity_of` has it, of what the options of a command name, by the name.

    These are files, the weights that ship ("default", "preview"), also where a command takes them without being told,
    and the network that a teacher's description names.

    Args:
        command: words after ``cinet``.
        options: of it; an option's value may be its own word or follow a "=".

    Raises:
        OSError: one cannot be read.
    """
    found = {}
    networks = _NETWORKS.get(tuple(command))
    told = networks is None or any(option.partition("=")[0] == networks for option in options)
    for name in [piece for option in options for piece in option.split("=")] + ([] if told else [DEFAULT_WEIGHTS]):
        for part in _named(name):
            found[part] = identity_of(weights_path(part)).sha256
    return found


def _named(name: str) -> Iterator[str]:
    """What a word names: itself, and the network beside a description; nothing where it names no file."""
    if name in INSTALLED_WEIGHTS:
        yield name
        return
    try:
        if not name or not Path(name).is_file():
            return
    except (OSError, ValueError):  # too long for a name, or with a zero byte
        return
    yield name
    if Path(name).suffix in (".yaml", ".yml"):
        model = _model_of(Path(name))
        if model is not None and model.is_file():
            yield str(model)


def _model_of(description: Path) -> Path | None:
    """The file that a teacher's description names, which lies beside it; None of any other YAML."""
    try:
        values: Any = yaml.safe_load(description.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return None
    model = values.get("model") if isinstance(values, dict) else None
    return description.parent / model if isinstance(model, str) and model else None


def _files(root: Path) -> list[Path]:
    if not root.is_dir():
        return [root]
    return sorted(file for file in root.rglob("*") if file.is_file() and not file.name.startswith("."))
