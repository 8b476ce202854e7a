"""``cinet fleet --scheduler``: real workers of Dask distributed, one of which is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import made_bags
import pytest
from processes import has_ended

pytest.importorskip("distributed", reason="needs the extra cinet[dask]")

from cinet_core.cli import main
from cinet_core.jobs import read_manifest
from cinet_core.jobs.run_part import RECORD

FRAMES = 80
OPTIONS = ("--", "--without-depth")


def dask(*words: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "dask", *words]
    return subprocess.Popen(line, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[tuple[str, list[subprocess.Popen[str]]]]:
    """A scheduler and workers of one thread, without nannies: who is killed stays so."""
    with ExitStack() as stack:

        def started(*words: str) -> subprocess.Popen[str]:
            process = dask(*words)
            stack.callback(process.wait, 20)
            stack.callback(process.kill)
            return process

        scheduler = started("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        assert scheduler.stderr is not None
        address = next(
            found.group(1) for line in scheduler.stderr if (found := re.search(r"Scheduler at:\s+(tcp://\S+)", line))
        )
        words = (
            "--nthreads",
            "1",
            "--no-nanny",
            "--no-dashboard",
            "--local-directory",
            str(folder),
            "--memory-limit",
            "0",
        )
        yield address, [started("worker", address, *words) for _ in range(workers)]


def files(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: content for name, content in found.items() if Path(name).name != RECORD}


def children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [int(word) for task in tasks for word in task.read_text().split()]


@pytest.mark.fault(
    area="load",
    injected="one of two Dask workers is killed while it extracts a bag",
    expected="its part ends with it and is done by the other; all outputs equal those of a single run, bit for bit",
)
def test_a_killed_worker_loses_nothing(tmp_path: Path, observed: Callable[[str], None]) -> None:
    bags = [made_bags.write(tmp_path / f"bag{n}", made_bags.camera(FRAMES), storage="mcap") for n in range(3)]
    (tmp_path / "broken.mcap").write_bytes(b"no bag")
    paths = [*map(str, bags), str(tmp_path / "broken.mcap")]
    single, out = tmp_path / "single", tmp_path / "out"
    assert main(["fleet", "extract", *paths, "--output", str(single), "--workers", "1", *OPTIONS]) == 1
    with cluster(tmp_path / "dask", 2) as (address, workers):
        line = ["fleet", "extract", *paths, "--output", str(out), "--scheduler", address, *OPTIONS]
        with subprocess.Popen([sys.executable, "-m", "cinet_core.cli", *line], stderr=subprocess.DEVNULL) as run:
            killed, child, there = wait_for_one_at_work(workers, out)
            os.kill(killed.pid, signal.SIGKILL)
            assert run.wait(300) == 1  # for the broken one
        assert has_ended(child), "it ends with its worker"
        assert killed.wait(20) == -signal.SIGKILL
    records = {record.part: record for record in read_manifest(out)}
    assert {name: record.outcome for name, record in records.items()} == {
        "bag0": "done", "bag1": "done", "bag2": "done", "broken": "failed",
    }  # fmt: skip
    assert files(out / "parts") == files(single / "parts")
    assert len(files(out / "parts")) == 3 * (FRAMES + 1)
    observed(f"killed after {there} of {FRAMES} frames; {3 * (FRAMES + 1)} files equal, bit for bit")


def wait_for_one_at_work(workers: list[subprocess.Popen[str]], out: Path) -> tuple[subprocess.Popen[str], int, int]:
    """A worker in the middle of a bag, the process of its part, and how many frames that has written."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        for worker in workers:
            for child in children(worker.pid):
                words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
                frames = next((Path(os.fsdecode(word)) for word in words if b"/.work/" in word), None)
                if frames is not None and (frames / "frames.jsonl").is_file():
                    there = (frames / "frames.jsonl").read_text().count("\n")
                    if 5 < there < FRAMES - 20:
                        return worker, child, there
        time.sleep(0.02)
    raise AssertionError("no worker was at work")


def test_without_a_scheduler_it_says_what_to_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cinet_core.jobs.dask_engine.CONNECT_SECONDS", 1)
    bag = made_bags.write(tmp_path / "bag", made_bags.camera(1))
    line = ["fleet", "extract", str(bag), "--output", str(tmp_path / "out"), "--scheduler", "tcp://127.0.0.1:9"]
    assert main(line) == 2
    assert "start one: dask scheduler" in capsys.readouterr().err
