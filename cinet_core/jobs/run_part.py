"""One part of a job, from its inputs to a folder that is there whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, Literal

from cinet_core.atomic_file import atomic_write_bytes, remove_all_unfinished, remove_unfinished
from cinet_core.jobs.identity import InputIdentity, bytes_of, identity_of
from cinet_core.jobs.job import PLACE, Job, Part

__all__ = ["FAILURES", "PARTS", "RECORD", "WORK", "Outcome", "PartRecord", "read_record", "run_part"]

PARTS, FAILURES, WORK = "parts", "failures", ".work"
RECORD = ".part.json"
BUSY_SECONDS = 10.0
"""How long a part that another process holds is waited for: one whose parent was killed ends at once."""

_TAIL = 4000
_DONE, _FAULTS = 0, 1

Outcome = Literal["done", "faults", "failed", "busy"]


@dataclass(frozen=True)
class PartRecord:
    """What became of a part: a line of the manifest.

    Attributes:
        part: its name.
        outcome: "done"; "faults": done as far as the input could be read; "failed"; "busy": another process is at it.
        error: what the command said of faults and failures.
        inputs: what was read.
        fingerprint: of inputs, arguments and settings: a part is done again where it differs.
        software: version of this package.
        arguments: of the command, with `PLACE` for the output.
        said: the end of what the command printed.
        seconds: it took.
        processor_seconds: of all its threads and processes.
        input_bytes, output_bytes: of inputs and outputs.
        attempts: processes that were started for it, the last of which ended by itself or was given up.
        machine: that did it.
        skipped: it was done before.
    """

    part: str
    outcome: Outcome
    error: str
    inputs: tuple[InputIdentity, ...]
    fingerprint: str
    software: str
    arguments: tuple[str, ...]
    said: str = ""
    seconds: float = 0.0
    processor_seconds: float = 0.0
    input_bytes: int = 0
    output_bytes: int = 0
    attempts: int = 0
    machine: str = ""
    skipped: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As JSON types, without `skipped`, which is of a run and not of the part."""
        values = asdict(self)
        del values["skipped"]
        return values

    @classmethod
    def of(cls, values: dict[str, Any], skipped: bool = False) -> PartRecord:
        """Create it from `to_dict`.

        Raises:
            KeyError, TypeError: these are no record.
        """
        inputs = tuple(InputIdentity(**item) for item in values["inputs"])
        return cls(**{**values, "inputs": inputs, "arguments": tuple(values["arguments"]), "skipped": skipped})


def run_part(job: Job, part: Part, settings: dict[str, Any]) -> PartRecord:
    """Do a part, unless it is done. Whatever goes wrong with it is in the record, and in ``failures/``.

    The command writes to ``.work/NAME/NAME``, where it also finds what a killed worker left; the folder is renamed to
    ``parts/NAME`` when the command has ended well. A lock keeps two processes from one part.

    Args:
        job: that it belongs to.
        part: one of it.
        settings: of the job, see `Job.begin`.

    Raises:
        OSError: the folder of the job cannot be written.
    """
    try:
        inputs = tuple(identity_of(path) for path in part.inputs)
    except OSError as error:
        record = _record(job, part, settings, (), "failed", f"cannot be read: {error}")
        return _kept(job, record)
    known = _record(job, part, settings, inputs, "failed", "")
    there = read_record(job.folder / PARTS / part.name)
    if there is not None and there.fingerprint == known.fingerprint:
        return replace(there, skipped=True)
    desk = job.folder / WORK / part.name
    for folder in (job.folder / PARTS, desk):
        folder.mkdir(parents=True, exist_ok=True)
    with _lock(desk / "lock") as lock:
        if lock is None:
            return replace(known, outcome="busy", error=f"another process is at it: it holds {desk / 'lock'}")
        there = read_record(job.folder / PARTS / part.name)
        if there is not None and there.fingerprint == known.fingerprint:
            return replace(there, skipped=True)  # done while the lock was waited for
        _prepare(desk, known)
        done = _command(job, part, known, desk, lock)
        return _published(job, desk, done) if done.outcome in ("done", "faults") else _kept(job, done)


def read_record(folder: Path) -> PartRecord | None:
    """The record in the folder of a part; None where there is none that can be read."""
    try:
        return PartRecord.of(json.loads((folder / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _record(
    job: Job, part: Part, settings: dict[str, Any], inputs: tuple[InputIdentity, ...], outcome: Outcome, error: str
) -> PartRecord:
    facts = [[item.bytes, item.sha256] for item in inputs]
    # Paths of inputs are no part of it: what is moved is the same.
    own = [argument for argument in part.arguments if argument not in part.inputs]
    text = json.dumps([settings, own, facts], sort_keys=True)
    return PartRecord(
        part=part.name,
        outcome=outcome,
        error=error,
        inputs=inputs,
        fingerprint=hashlib.sha256(text.encode()).hexdigest(),
        software=str(settings["software"]),
        arguments=(*part.arguments, *job.options),
        input_bytes=sum(item.bytes for item in inputs),
        machine=socket.gethostname(),
    )


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[IO[bytes] | None]:
    """Hold a part, as long as this process or one that it started lives; None where another does."""
    with path.open("ab") as file:
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    yield None
                    return
                time.sleep(0.1)
        yield file


def _prepare(desk: Path, record: PartRecord) -> None:
    """Leave what an earlier attempt at the same thing wrote; what is of another input or setting goes."""
    mark = desk / "begun"
    begun = mark.read_text(encoding="utf-8") if mark.is_file() else ""
    if begun != record.fingerprint:
        shutil.rmtree(desk / record.part, ignore_errors=True)
        remove_unfinished(mark)
        atomic_write_bytes(mark, record.fingerprint.encode())


def _command(job: Job, part: Part, record: PartRecord, desk: Path, lock: IO[bytes]) -> PartRecord:
    """Run the command, again where its process was killed."""
    work = desk / part.name
    words = [str(work) if word == PLACE else word for word in (*part.arguments, *job.options)]
    line = [sys.executable, "-m", "cinet_core.jobs.child", str(os.getpid()), *job.command, *words]
    environment = {**os.environ, "OMP_NUM_THREADS": str(job.threads)}
    attempts, seconds, processor = 0, 0.0, 0.0
    while True:
        attempts += 1
        ended = _run(line, environment, job.minutes * 60, desk, lock)
        seconds, processor = seconds + ended.seconds, processor + ended.processor_seconds
        if ended.status >= 0 or ended.overdue or attempts > job.retries:
            break
    outcome: Outcome = "failed"
    error = ended.problem
    if ended.overdue:
        error = f"took more than {job.minutes:g} minutes and was ended: give it more, or divide the input"
    elif ended.status < 0:
        name = signal.Signals(-ended.status).name
        error = f"ended by {name}, {attempts} times" + (": too little memory?" if name == "SIGKILL" else "")
    elif ended.status == _DONE:
        outcome, error = "done", ""
    elif ended.status == _FAULTS and work.is_dir():
        outcome = "faults"
    return replace(
        record,
        outcome=outcome,
        error=error,
        said=ended.said,
        seconds=round(seconds, 3),
        processor_seconds=round(processor, 3),
        attempts=attempts,
    )


@dataclass(frozen=True)
class _Ended:
    """How a process ended: its status, negative for a signal, what it said, and what it took."""

    status: int
    said: str
    problem: str
    seconds: float
    processor_seconds: float
    overdue: bool


def _run(line: list[str], environment: dict[str, str], limit: float, desk: Path, lock: IO[bytes]) -> _Ended:
    """Run the process, with the lock in its hands as well: it may outlive this one by a moment."""
    begun = time.monotonic()
    overdue = threading.Event()
    with (desk / "out").open("wb") as out, (desk / "err").open("wb") as err:
        process = subprocess.Popen(
            line, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err, pass_fds=[lock.fileno()]
        )

        def end() -> None:
            overdue.set()
            process.kill()

        timer = threading.Timer(limit, end) if limit else None
        if timer is not None:
            timer.start()
        _, code, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(code)  # it is waited for already
        if timer is not None:
            timer.cancel()
    said, problem = _tail(desk / "out"), _tail(desk / "err")
    processor = usage.ru_utime + usage.ru_stime
    seconds = time.monotonic() - begun
    return _Ended(process.returncode, said, problem or said, seconds, processor, overdue.is_set())


def _tail(path: Path) -> str:
    """The end of a log, without bars of progress."""
    text = path.read_bytes()[-_TAIL:].decode("utf-8", errors="replace")
    lines = [line.rpartition("\r")[2].rstrip() for line in text.splitlines()]
    return "\n".join(line for line in lines if line and "━" not in line)


def _published(job: Job, desk: Path, record: PartRecord) -> PartRecord:
    """Rename what was written to where it is whole."""
    work, final = desk / record.part, job.folder / PARTS / record.part
    work.mkdir(exist_ok=True)
    remove_all_unfinished(work)
    record = replace(record, output_bytes=bytes_of(work))
    atomic_write_bytes(work / RECORD, json.dumps(record.to_dict()).encode())
    if final.exists():  # of another input
        shutil.rmtree(desk / "old", ignore_errors=True)
        final.rename(desk / "old")
    work.rename(final)
    (job.folder / FAILURES / f"{record.part}.json").unlink(missing_ok=True)
    for name in ("old", "begun", "out", "err"):
        path = desk / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return record


def _kept(job: Job, record: PartRecord) -> PartRecord:
    """Note a failure."""
    (job.folder / FAILURES).mkdir(parents=True, exist_ok=True)
    atomic_write_bytes(job.folder / FAILURES / f"{record.part}.json", json.dumps(record.to_dict()).encode())
    return record
