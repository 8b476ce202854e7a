"""Runs parts on the workers of a Dask scheduler: it hands them out, and gives those of a lost worker to another.

Needs the extra ``cinet[dask]`` here and on the workers, which see the same folders.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cinet_core.jobs.job import Job, JobError, Part
from cinet_core.jobs.local import JobResult, counted
from cinet_core.jobs.manifest import write_manifest
from cinet_core.jobs.run_part import PartRecord, run_part
from cinet_core.progress import SILENT, Progress

__all__ = ["run_on_dask"]

CONNECT_SECONDS = 30


def run_on_dask(
    job: Job, scheduler: str, parts: Sequence[Part] | None = None, *, progress: Progress = SILENT
) -> JobResult:
    """Run parts on Dask's workers. Parts that are done are skipped.

    Args:
        job: to be done; its folder, and its inputs, have the same paths on all machines.
        scheduler: address, such as "tcp://HOST:8786".
        parts: of it; None: all.
        progress: is told of the parts, and of each that failed.

    Raises:
        JobError: Dask is not installed, there is no scheduler, or the folder is of another job.
        OSError: the folder cannot be written.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise JobError(f"--scheduler needs Dask distributed ({error}): pip install 'cinet[dask]'") from error
    settings = job.begin()
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise JobError(f"no scheduler of Dask answers at {scheduler}: {error}; start one: dask scheduler") from error
    chosen = tuple(job.parts if parts is None else parts)
    with client:
        futures = client.map(_on_worker, chosen, job=job, settings=settings, pure=False)
        named = dict(zip(futures, chosen, strict=True))
        records = counted(job, _results(named), len(chosen), progress)
    return JobResult(records, write_manifest(job.folder))


def _on_worker(part: Part, job: Job, settings: dict[str, Any]) -> PartRecord:
    """A function of a module, which workers import: what they need beside it is in the arguments."""
    return run_part(job, part, settings)


def _results(named: dict[Any, Part]) -> Iterator[PartRecord]:
    from distributed import as_completed

    for future in as_completed(list(named)):
        part = named[future]
        error = future.exception()
        if error is None:
            yield future.result()
        else:  # every worker that had it was lost, or could not write
            yield PartRecord(part.name, "failed", f"{type(error).__name__}: {error}", (), "", "", part.arguments)
