"""A job: a command, its options, and the parts that it is done in."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cinet_core.atomic_file import atomic_write_bytes
from cinet_core.jobs.identity import bytes_of, contents_named

__all__ = ["JOB_FILE", "PLACE", "Job", "JobError", "Part", "parts_of_inputs", "parts_of_rooms", "shard_of"]

JOB_FILE = "job.json"
PLACE = "{output}"
"""Stands among the arguments of a part for the folder that is written."""


class JobError(Exception):
    """A job cannot be started. The message names the reason and the remedy."""


@dataclass(frozen=True)
class Part:
    """What one worker does at a time.

    Attributes:
        name: of its folder; no two parts have the same.
        arguments: of the command, with `PLACE` where its output goes.
        inputs: files and folders that it reads, by which it is known whether it has to be done again.
    """

    name: str
    arguments: tuple[str, ...]
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """A command that is run once for each part.

    Attributes:
        output: folder of the job: ``parts/NAME`` is what a part wrote.
        command: words after ``cinet``, such as ("bag", "extract").
        parts: all of them, whoever does them.
        options: of the command, after the arguments of each part. Files and shipped weights that they name, or that the
            command takes without being told, count by their content.
        threads: of the numerical libraries, for each part.
        minutes: after which a part is given up; 0: never.
        retries: of a part whose process was killed.
    """

    output: str
    command: tuple[str, ...]
    parts: tuple[Part, ...]
    options: tuple[str, ...] = ()
    threads: int = 1
    minutes: float = 0.0
    retries: int = 1

    def __post_init__(self) -> None:
        """Raise JobError, naming the value, unless it can be run."""
        if not self.parts:
            raise JobError("there is nothing to do: give at least one input")
        twice = [name for name, count in Counter(part.name for part in self.parts).items() if count > 1]
        if twice:
            raise JobError(f"{twice[0]!r} is the name of several parts: each needs its own")
        for name, value, least in (
            ("threads", self.threads, 1),
            ("minutes", self.minutes, 0),
            ("retries", self.retries, 0),
        ):
            if value < least:
                raise JobError(f"{name} is {value}: it must be at least {least}")

    @property
    def folder(self) -> Path:
        """Of the job."""
        return Path(self.output)

    def settings(self) -> dict[str, Any]:
        """What decides the outputs beside the inputs, as JSON types: another folder is needed for others.

        Raises:
            JobError: a file that the options name cannot be read.
        """
        from cinet_core import __version__

        try:
            files = contents_named(self.command, self.options)
        except OSError as error:
            raise JobError(f"a file that the options name cannot be read: {error}") from error
        return {"software": __version__, "command": list(self.command), "options": list(self.options), "files": files}

    def begin(self) -> dict[str, Any]:
        """Make the folder, or see that it is one of this job; returns `settings`. Shards may do so at the same time.

        Raises:
            JobError: the folder holds something else, or a job with other settings.
            OSError: it cannot be written.
        """
        settings = self.settings()
        path = self.folder / JOB_FILE
        if self.folder.exists() and not self.folder.is_dir():
            raise JobError(f"{self.folder} is a file: give a folder")
        if not path.is_file():
            if self.folder.is_dir() and any(not entry.name.startswith(".") for entry in self.folder.iterdir()):
                raise JobError(f"{self.folder} holds something else than a job: give a new folder")
            self.folder.mkdir(parents=True, exist_ok=True)
            atomic_write_bytes(path, (json.dumps(settings, indent=1) + "\n").encode())
        try:
            there = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise JobError(f"{path} is damaged ({error}): remove {self.folder}, or give another folder") from error
        for name, value in settings.items():
            if there.get(name) != value:
                raise JobError(
                    f"{self.folder} was begun with {name} {there.get(name)!r}, not {value!r}: give another folder, or "
                    "the same settings"
                )
        return settings


def parts_of_inputs(inputs: Sequence[str | Path], named: bool = True) -> tuple[Part, ...]:
    """One part for each recording, called like it; six digits of a hash of its path tell those of one name apart.

    Args:
        inputs: files and folders; one that is given twice is one part.
        named: give the command the name as ``--name``.
    """
    paths = [str(path) for path in dict.fromkeys(Path(path) for path in inputs)]
    stems = {path: re.sub(r"[^\w.-]", "_", Path(path).resolve().stem) or "part" for path in paths}
    counts = Counter(stems.values())
    parts = []
    for path in paths:
        name = stems[path]
        if counts[name] > 1:
            name += f"-{hashlib.sha256(str(Path(path).resolve()).encode()).hexdigest()[:6]}"
        parts.append(Part(name, (path, PLACE, *(("--name", name) if named else ())), (path,)))
    return tuple(parts)


def parts_of_rooms(rooms: int, first: int = 0, each: int = 20) -> tuple[Part, ...]:
    """Ranges of rooms to be rendered.

    Args:
        rooms: number of them.
        first: number of the first.
        each: rooms of a part; the last may have fewer.
    """
    parts = []
    for start in range(first, first + rooms, each):
        count = min(each, first + rooms - start)
        name = f"rooms-{start:06d}-{start + count - 1:06d}"
        parts.append(Part(name, (PLACE, "--first", str(start), "--rooms", str(count))))
    return tuple(parts)


def shard_of(job: Job, shard: int, shards: int) -> tuple[Part, ...]:
    """Every `shards`-th part, the largest inputs dealt out first, so that all shards take about as long.

    Args:
        job: the whole.
        shard: from 1 to `shards`.
        shards: of them all.

    Raises:
        JobError: there is no such shard.
    """
    if not 1 <= shard <= shards:
        raise JobError(f"shard is {shard}/{shards}: it must be from 1/{shards} to {shards}/{shards}")
    ordered = sorted(job.parts, key=lambda part: (-sum(map(_size, part.inputs)), part.name))
    return tuple(ordered[shard - 1 :: shards])


def _size(path: str) -> int:
    """Bytes as far as they can be told: a part that cannot be read is somebody's, too."""
    try:
        return bytes_of(path)
    except OSError:
        return 0
