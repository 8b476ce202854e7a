"""What a fleet costs, of the manifests of jobs: frames per core-hour, bytes a frame, and what 10,000 bags come to.

    python -m scripts.fleet.costs extracted labelled --frames 600

Processor time is counted, not the time of a clock: it holds on a busy machine, too. A part's start, some seconds of
imports, is in it: bags of `--frames` frames have more or less of it than those that were measured.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from cinet_core.jobs import PartRecord, read_manifest

BAGS = 10_000


@dataclass(frozen=True)
class Cost:
    """Of a step: seconds of processor at the `start` of a part and for `each` frame; bytes read and written a frame."""

    parts: int
    frames: int
    start: float
    each: float
    read: float
    written: float


def cost_of(folder: Path) -> Cost:
    """The cost of a job, of the parts that are done: least squares over parts of different lengths.

    Raises:
        ValueError: no part is done.
    """
    records = [record for record in read_manifest(folder) if record.outcome == "done"]
    counts = [_frames(folder, record) for record in records]
    total = sum(counts)
    if not total:
        raise ValueError(f"{folder}: no part with frames is done")
    mean = total / len(records)
    seconds = sum(record.processor_seconds for record in records) / len(records)
    spread = sum((count - mean) ** 2 for count in counts)
    each = seconds / mean
    if spread:
        pairs = zip(counts, records, strict=True)
        each = sum((count - mean) * (record.processor_seconds - seconds) for count, record in pairs) / spread
    read, written = (sum(getattr(record, name) for record in records) for name in ("input_bytes", "output_bytes"))
    return Cost(len(records), total, seconds - each * mean, each, read / total, written / total)


def _frames(folder: Path, record: PartRecord) -> int:
    path = folder / "parts" / record.part / "frames.jsonl"
    return path.read_text(encoding="utf-8").count("\n") if path.is_file() else 0


def main(arguments: list[str]) -> int:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser("costs", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("jobs", type=Path, nargs="+")
    parser.add_argument("--frames", type=int, default=600, help="of a bag of the fleet (%(default)s)")
    options = parser.parse_args(arguments)
    print(
        "| step | start of a part, s | a frame, ms | frames per core-hour | read, kB a frame | written, kB a frame | ",
        end="",
    )
    print(f"{BAGS:,} bags: core-hours | written, GB |\n| --- |{' ---: |' * 7}")
    for folder in options.jobs:
        cost = cost_of(folder)
        bag = max(cost.start, 0) + cost.each * options.frames
        row = [
            f"{cost.start:.1f}",
            f"{1000 * cost.each:.0f}",
            f"{3600 * options.frames / bag:,.0f}",
            f"{cost.read / 1000:.0f}",
            f"{cost.written / 1000:.0f}",
            f"{BAGS * bag / 3600:,.0f}",
            f"{BAGS * options.frames * cost.written / 1e9:,.0f}",
        ]
        print(f"| {folder.name} | {' | '.join(row)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
