"""Runs parts on this machine, several at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from cinet_core.jobs.job import Job, JobError, Part
from cinet_core.jobs.manifest import write_manifest
from cinet_core.jobs.run_part import PartRecord, run_part
from cinet_core.progress import SILENT, Progress
from cinet_core.threads import cores

__all__ = ["JobResult", "counted", "run_local"]


@dataclass(frozen=True)
class JobResult:
    """What a run did.

    Attributes:
        records: of the parts of this run, in the order of their names.
        manifest: of all parts that are there, those of other runs and shards too.
    """

    records: tuple[PartRecord, ...]
    manifest: Path

    def with_outcome(self, *outcomes: str) -> tuple[PartRecord, ...]:
        """Records with one of these outcomes."""
        return tuple(record for record in self.records if record.outcome in outcomes)

    @property
    def complete(self) -> bool:
        """Whether every part is there, and none has faults."""
        return not self.with_outcome("faults", "failed", "busy")


def run_local(
    job: Job, parts: Sequence[Part] | None = None, *, workers: int = 0, progress: Progress = SILENT
) -> JobResult:
    """Run parts in processes of this machine. Parts that are done are skipped.

    Args:
        job: to be done.
        parts: of it, see `shard_of`; None: all.
        workers: parts at a time; 0: one for each core that the threads of a part leave.
        progress: is told of the parts, and of each that failed.

    Raises:
        JobError: the folder is of another job.
        OSError: the folder cannot be written.
    """
    if workers < 0:
        raise JobError(f"workers is {workers}: it must be 0 (one for each core) or more")
    settings = job.begin()
    count = workers or max(1, cores() // job.threads)
    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(run_part, job, part, settings) for part in (job.parts if parts is None else parts)]
        with _cancelling(futures):
            records = counted(job, (future.result() for future in as_completed(futures)), len(futures), progress)
    return JobResult(records, write_manifest(job.folder))


def counted(job: Job, records: Iterable[PartRecord], total: int, progress: Progress) -> tuple[PartRecord, ...]:
    """Tell of records as they come; returns all of them by name."""
    progress.begin(" ".join(job.command), total)
    found = []
    for record in records:
        found.append(record)
        if record.outcome != "done" and not record.skipped:
            lines = record.error.splitlines() or [""]
            progress.broken(f"{record.part}: {record.outcome}: {lines[-1]}")
        progress.advance(len(found))
    return tuple(sorted(found, key=lambda record: record.part))


@contextlib.contextmanager
def _cancelling(futures: Sequence[Future[PartRecord]]) -> Iterator[None]:
    """Begin nothing more after an error, or Ctrl-C."""
    try:
        yield
    except BaseException:
        for future in futures:
            future.cancel()
        raise
