"""Jobs in parts: what identifies inputs, how parts are divided, and that each is done once, whoever is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import made_bags
import pytest
from processes import has_ended

from cinet_core.jobs import Job, JobError, identity_of, parts_of_inputs, parts_of_rooms, read_manifest, run_local
from cinet_core.jobs.job import shard_of
from cinet_core.jobs.run_part import RECORD

EXTRACT = ("bag", "extract")
WITHOUT_DEPTH = ("--without-depth",)


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long enough to be interrupted."""
    return made_bags.write(tmp_path_factory.mktemp("bags") / "long", made_bags.camera(400), storage="mcap")


def job_of(output: Path, *bags: Path, **settings: object) -> Job:
    return Job(str(output), EXTRACT, parts_of_inputs(bags), WITHOUT_DEPTH, **settings)


def files(folder: Path) -> dict[str, bytes]:
    """What a part wrote, without the record of when."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: content for name, content in found.items() if name != RECORD}


def wait_for(condition: Callable[[], bool], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


def lines(output: Path, name: str = "long") -> int:
    path = output / ".work" / name / name / "frames.jsonl"
    return path.read_text().count("\n") if path.is_file() else 0


class TestIdentity:
    def test_a_copy_is_the_same_and_changed_ends_are_not(self, tmp_path: Path) -> None:
        one, other = tmp_path / "one.mcap", tmp_path / "deep" / "other.mcap"
        one.write_bytes(bytes(200_000))
        other.parent.mkdir()
        shutil.copyfile(one, other)
        os.utime(other, (0, 0))
        assert identity_of(one).sha256 == identity_of(other).sha256
        for place in (0, 199_999):
            content = bytearray(200_000)
            content[place] = 1
            other.write_bytes(content)
            assert identity_of(one).sha256 != identity_of(other).sha256
        other.write_bytes(bytes(200_001))
        assert identity_of(one).sha256 != identity_of(other).sha256

    def test_a_folder_is_its_files_but_hidden_ones(self, tmp_path: Path) -> None:
        (tmp_path / "a.mcap").write_bytes(b"12345")
        before = identity_of(tmp_path)
        assert before.bytes == 5
        (tmp_path / ".part.json").write_text("{}")
        assert identity_of(tmp_path) == before
        (tmp_path / "metadata.yaml").write_text("a: 1")
        assert identity_of(tmp_path).sha256 != before.sha256

    def test_what_is_not_there_is_an_error_of_the_system(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            identity_of(tmp_path / "none")


class TestParts:
    def test_names_are_those_of_the_recordings_and_none_occurs_twice(self) -> None:
        parts = parts_of_inputs(["a/walk.mcap", "b/walk.mcap", "c/other one.db3", "a/walk.mcap"])
        names = [part.name for part in parts]
        assert len(set(names)) == len(names) == 3
        assert names[2] == "other_one"
        assert all(name.startswith("walk-") for name in names[:2])
        assert parts_of_inputs(["b/walk.mcap", "a/walk.mcap"])[1] == parts[0], "whatever the order"

    def test_ranges_of_rooms_have_every_room_once(self) -> None:
        parts = parts_of_rooms(45, first=10, each=20)
        assert [part.name for part in parts] == [
            "rooms-000010-000029", "rooms-000030-000049", "rooms-000050-000054",
        ]  # fmt: skip
        assert parts[2].arguments[1:] == ("--first", "50", "--rooms", "5")

    @pytest.mark.parametrize("shards", [1, 3, 7, 20])
    def test_shards_divide_the_parts_and_the_bytes(self, shards: int, tmp_path: Path) -> None:
        paths = [tmp_path / f"{number}.mcap" for number in range(14)]
        for number, path in enumerate(paths):
            path.write_bytes(bytes(1000 * number))
        job = job_of(tmp_path / "out", *paths)
        dealt = [shard_of(job, shard, shards) for shard in range(1, shards + 1)]
        assert sorted(part.name for parts in dealt for part in parts) == sorted(part.name for part in job.parts)
        sums = [sum(Path(part.inputs[0]).stat().st_size for part in parts) for parts in dealt]
        assert max(sums) - min(sums) <= 13_000, "no shard has more than the largest recording above another"

    def test_a_shard_that_is_none_is_refused(self, tmp_path: Path) -> None:
        job = job_of(tmp_path / "out", tmp_path)
        for shard, shards in ((0, 3), (4, 3)):
            with pytest.raises(JobError, match=f"{shard}/{shards}"):
                shard_of(job, shard, shards)


class TestRefused:
    def test_a_job_without_parts_and_limits_below_their_least(self, tmp_path: Path) -> None:
        with pytest.raises(JobError, match="nothing to do"):
            job_of(tmp_path)
        for name, value in (("threads", 0), ("minutes", -1.0), ("retries", -1)):
            with pytest.raises(JobError, match=f"{name} is {value}"):
                job_of(tmp_path, tmp_path, **{name: value})

    @pytest.mark.fault(
        area="machine",
        injected="a job goes on in the folder of another: options, or a file that they name, have changed",
        expected="refused with what differs; nothing is written",
    )
    def test_a_folder_of_other_settings(self, tmp_path: Path, bag: Path, observed: Callable[[str], None]) -> None:
        weights = tmp_path / "params.yaml"
        weights.write_text("a: 1")
        job = Job(str(tmp_path / "out"), ("bag", "run"), parts_of_inputs([bag], False), ("--params", str(weights)))
        job.begin()
        assert job.begin() == job.settings()
        with pytest.raises(JobError, match="was begun with options"):
            Job(job.output, job.command, job.parts, ("--batch", "2")).begin()
        weights.write_text("a: 2")
        with pytest.raises(JobError, match="was begun with files"):
            job.begin()
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "thesis.tex").touch()
        with pytest.raises(JobError, match="holds something else"):
            job_of(tmp_path / "other", bag).begin()
        observed("refused: options, files, a folder of something else")

    @pytest.mark.parametrize(
        ("command", "options", "networks"),
        [
            ("data label", (), {"default"}),
            ("data label", ("--flip", "--teacher", "default"), {"default"}),
            ("data label", ("--teacher=preview",), {"preview"}),
            ("data label", ("--teacher", "{own}"), {"{own}"}),
            ("data label", ("--teacher", "{described}"), {"{described}", "{own}"}),
            ("data label", ("--teacher", "{described}={own}"), {"{described}", "{own}"}),
            ("data select", (), {"default"}),
            ("bag run", ("--weights", "{own}"), {"{own}"}),
            ("bag run", ("--batch", "2"), {"default"}),
            ("bag extract", WITHOUT_DEPTH, set()),
        ],
    )
    def test_a_folder_of_other_networks(
        self, command: str, options: tuple[str, ...], networks: set[str], tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """Of another release, whose default weights are others; or of a teacher whose file is another."""
        places = {"{own}": tmp_path / "own.onnx", "{described}": tmp_path / "described.yaml"}
        installed = {name: tmp_path / f"{name}.safetensors" for name in ("default", "preview")}
        monkeypatch.setattr("cinet_core.jobs.identity.weights_path", lambda name: installed.get(name, Path(name)))
        for path in (*places.values(), *installed.values()):
            path.write_text("model: own.onnx" if path.suffix == ".yaml" else "before")
        for mark, path in places.items():
            options = tuple(option.replace(mark, str(path)) for option in options)
        (tmp_path / "frames").mkdir()
        job = Job(str(tmp_path / "out"), tuple(command.split()), parts_of_inputs([tmp_path / "frames"]), options)
        job.begin()
        for name, path in {**installed, **places}.items():
            content = path.read_text()
            path.write_text(f"{content}\nother: 1")
            if name in networks:
                with pytest.raises(JobError, match="was begun with files"):
                    job.begin()
            else:
                job.begin()
            path.write_text(content)
            job.begin()


@pytest.mark.fault(
    area="machine",
    injected="the process of a part is killed in the middle of a recording, the first time",
    expected="it is started again, goes on where it was, and the output equals that of a quiet run, bit for bit",
)
def test_a_killed_process_is_started_again(tmp_path: Path, bag: Path, observed: Callable[[str], None]) -> None:
    run_local(job_of(tmp_path / "quiet", bag))
    output = tmp_path / "killed"
    code = (
        "from cinet_core.jobs import *; import sys\n"
        f"print(run_local(Job({str(output)!r}, {EXTRACT}, parts_of_inputs([{str(bag)!r}]), {WITHOUT_DEPTH}))"
        ".records[0].attempts)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        wait_for(lambda: lines(output) > 20)
        os.kill(children(process.pid)[0], signal.SIGKILL)
        there = lines(output)
        said, _ = process.communicate(timeout=240)
    assert said.strip() == "2"
    assert 20 < there < 400
    (record,) = read_manifest(output)
    assert (record.outcome, record.attempts, record.error) == ("done", 2, "")
    assert files(output / "parts" / "long") == files(tmp_path / "quiet" / "parts" / "long")
    observed(f"killed after {there} of 400 frames; equal, bit for bit")


@pytest.mark.fault(
    area="machine",
    injected="whoever runs the job is killed while a part is at work, and the job is started again at once",
    expected="the part's process ends with it; the next run goes on where it was, equal bit for bit; then all is there",
)
def test_a_killed_run_is_gone_on_with(tmp_path: Path, bag: Path, observed: Callable[[str], None]) -> None:
    run_local(job_of(tmp_path / "quiet", bag))
    output = tmp_path / "killed"
    line = ["-m", "cinet_core.cli", "fleet", "extract", str(bag), "--output", str(output), "--", *WITHOUT_DEPTH]
    with subprocess.Popen([sys.executable, *line], stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: lines(output) > 20)
        (child,) = children(process.pid)
        process.kill()
    there = lines(output)
    result = run_local(job_of(output, bag))
    assert has_ended(child)
    (record,) = result.records
    assert (record.outcome, record.skipped) == ("done", False)
    assert files(output / "parts" / "long") == files(tmp_path / "quiet" / "parts" / "long")
    (again,) = run_local(job_of(output, bag)).records
    assert again.skipped
    assert again.seconds == record.seconds
    observed(f"killed after {there} of 400 frames; equal, bit for bit; then skipped")


def children(process: int) -> list[int]:
    """Processes that a process started."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [int(word) for task in tasks for word in task.read_text().split()]


def test_an_input_that_changed_is_done_again(tmp_path: Path) -> None:
    path, output = tmp_path / "walk", tmp_path / "out"
    made_bags.write(path, made_bags.camera(3))
    (first,) = run_local(job_of(output, path)).records
    shutil.rmtree(path)
    made_bags.write(path, made_bags.camera(5))
    (second,) = run_local(job_of(output, path)).records
    assert not second.skipped
    assert first.fingerprint != second.fingerprint
    assert (output / "parts" / "walk" / "frames.jsonl").read_text().count("\n") == 5
    assert [record.fingerprint for record in read_manifest(output)] == [second.fingerprint]


def test_a_part_that_takes_too_long_is_given_up(tmp_path: Path, bag: Path) -> None:
    (record,) = run_local(job_of(tmp_path / "out", bag, minutes=1e-3)).records
    assert record.outcome == "failed"
    assert "took more than 0.001 minutes" in record.error
    assert not (tmp_path / "out" / "parts" / "long").exists()
    (again,) = run_local(job_of(tmp_path / "out", bag)).records
    assert again.outcome == "done", "more time is no other setting"
    assert [record.outcome for record in read_manifest(tmp_path / "out")] == ["done"]


def test_a_part_that_another_holds_is_left_to_it(tmp_path: Path, bag: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    monkeypatch.setattr(sys.modules["cinet_core.jobs.run_part"], "BUSY_SECONDS", 0.2)
    desk = tmp_path / "out" / ".work" / "long"
    job = job_of(tmp_path / "out", bag)
    job.begin()
    desk.mkdir(parents=True)
    with (desk / "lock").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = run_local(job)
    assert [record.outcome for record in result.records] == ["busy"]
    assert not result.complete
    assert read_manifest(tmp_path / "out") == []


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text('{"part": 1}\n')
    with pytest.raises(ValueError, match=r"manifest\.jsonl, line 1"):
        read_manifest(tmp_path)
