"""The manifest of a job: a line for each part that was done or failed, gathered from where workers left it."""

from __future__ import annotations

import json
from pathlib import Path

from cinet_core.atomic_file import atomic_write_bytes
from cinet_core.jobs.run_part import FAILURES, PARTS, PartRecord, read_record

__all__ = ["MANIFEST", "collect", "read_manifest", "write_manifest"]

MANIFEST = "manifest.jsonl"


def collect(folder: Path) -> list[PartRecord]:
    """The records of all parts that are there, by name; a part that was done once and failed since is done."""
    found: dict[str, PartRecord] = {}
    for path in sorted((folder / FAILURES).glob("*.json")):
        try:
            record = PartRecord.of(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # another shard removed it, or it is none
        found[record.part] = record
    for path in sorted((folder / PARTS).glob("*")):
        done = read_record(path)
        if done is not None:
            found[done.part] = done
    return [found[name] for name in sorted(found)]


def write_manifest(folder: Path) -> Path:
    """Write ``manifest.jsonl`` anew from what is there. Shards may do so at the same time: the last has them all.

    Raises:
        OSError: it cannot be written.
    """
    path = folder / MANIFEST
    text = "".join(json.dumps(record.to_dict()) + "\n" for record in collect(folder))
    atomic_write_bytes(path, text.encode())
    return path


def read_manifest(folder: str | Path) -> list[PartRecord]:
    """Read the manifest of a job.

    Raises:
        OSError: there is none.
        ValueError: a line is no record; it is named.
    """
    path = Path(folder) / MANIFEST
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            records.append(PartRecord.of(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}, line {number}: {error!r}; remove it: the next run writes it anew") from error
    return records
