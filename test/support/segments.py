"""Segments of shared memory that a process holds for Fast DDS."""

from __future__ import annotations

from pathlib import Path

from cinet_ros.shared_memory import SEGMENT_LOCK


def segments_of(process: int) -> list[Path]:
    """Of a living process, by the lock files that it has open."""
    opened = [link.readlink() for link in Path(f"/proc/{process}/fd").iterdir()]
    return [path.with_name(path.name.removesuffix("_el")) for path in opened if SEGMENT_LOCK.fullmatch(path.name)]
