"""``cinet fleet`` on real bags: good ones, and what else lies about; shards, SLURM's arrays, wrong usage."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import made_bags
import pytest

from cinet_core.cli import main
from cinet_core.jobs import read_manifest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "slurm" / "fleet.sh"
OPTIONS = ("--", "--without-depth", "--every", "2")


def cut(path: Path, part: float) -> Path:
    """A bag that ends in the middle."""
    file = made_bags.storage_file(made_bags.write(path, made_bags.camera(10), storage="mcap"))
    file.write_bytes(file.read_bytes()[: int(part * file.stat().st_size)])
    return path


def huge(path: Path) -> Path:
    """A bag of 200 GB, nearly all of them a hole in the file."""
    os.truncate(made_bags.storage_file(made_bags.write(path, made_bags.camera(10), storage="mcap")), 200 << 30)
    return path


def bomb(path: Path) -> Path:
    """A bag whose third image says that it is 60000 x 60000."""
    messages = made_bags.camera(10)
    image = messages[6][2]
    image.height = image.width = 60000
    image.step = 180000
    return made_bags.write(path, messages)


def text(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def mixed_bags(folder: Path, good: int) -> tuple[list[Path], dict[str, str]]:
    """Bags, broken ones in the middle; and the outcome that each should have."""
    folder.mkdir()
    made = [made_bags.write(folder / f"good{number}", made_bags.camera(4)) for number in range(good)]
    broken = {
        cut(folder / "cut", 0.6): "faults",
        huge(folder / "huge"): "faults",
        bomb(folder / "bomb"): "faults",
        made_bags.write(folder / "empty", []): "failed",
        text(folder / "zero.mcap", ""): "failed",
        text(folder / "page.db3", "<html>sign in</html>"): "failed",
        folder / "gone.mcap": "failed",
    }
    middle = good // 2
    expected = {path.stem: outcome for path, outcome in broken.items()} | {path.stem: "done" for path in made}
    return [*made[:middle], *broken, *made[middle:]], expected


@pytest.mark.fault(
    area="input",
    injected="a fleet's bags, in their middle a cut, a foreign, an empty, an absent one, one of 200 GB of nothing, one "
    "with an image of 60000 x 60000",
    expected="each is reported with its reason; the others, and what the damaged ones hold, are done",
)
def test_broken_bags_are_reported_and_the_others_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], observed: Callable[[str], None]
) -> None:
    bags, expected = mixed_bags(tmp_path / "bags", 4)
    output = tmp_path / "out"
    assert main(["fleet", "extract", *map(str, bags), "--output", str(output), "--workers", "2", *OPTIONS]) == 1
    records = read_manifest(output)
    assert {record.part: record.outcome for record in records} == expected
    assert all(record.error for record in records if record.outcome != "done")
    said = capsys.readouterr().out
    for word in ("ends in the middle of a record", "is a web page", "No such file"):
        assert word in said
    for name, outcome in expected.items():
        frames = output / "parts" / name / "frames.jsonl"
        assert frames.is_file() == (outcome != "failed")
    assert (output / "parts" / "good0" / "frames.jsonl").read_text().count("\n") == 2
    observed(", ".join(f"{count} {outcome}" for outcome, count in Counter(expected.values()).items()))


def test_predictions_are_added_to_each_bag(tmp_path: Path, weights: Path) -> None:
    bag = made_bags.write(tmp_path / "walk", made_bags.camera(3), storage="mcap")
    options = ("--weights", str(weights), "--device", "cpu", "--outputs", "semantic/image_raw")
    assert main(["fleet", "run", str(bag), "--output", str(tmp_path / "out"), "--", *options]) == 0
    topics = Counter(topic for topic, *_ in made_bags.contents(tmp_path / "out" / "parts" / "walk"))
    assert topics["/semantic/image_raw"] == topics["/cam/image_raw"] == 3
    (record,) = read_manifest(tmp_path / "out")
    assert record.output_bytes > record.input_bytes
    assert record.processor_seconds > 0


@pytest.mark.soak
@pytest.mark.fault(
    area="load",
    injected="107 bags, seven of them broken, on two processes; then the same again",
    expected="a hundred done, seven reported; the second run reads none of what is done",
)
def test_a_hundred_bags(tmp_path: Path, observed: Callable[[str], None]) -> None:
    bags, expected = mixed_bags(tmp_path / "bags", 100)
    line = ["fleet", "extract", *map(str, bags), "--output", str(tmp_path / "out"), "--workers", "2", *OPTIONS]
    assert main(line) == 1
    first = read_manifest(tmp_path / "out")
    assert {record.part: record.outcome for record in first} == expected
    assert main(line) == 1
    again = {record.part: record for record in read_manifest(tmp_path / "out")}
    assert all(again[record.part] == record for record in first if record.outcome == "done")
    observed(
        f"{Counter(record.outcome for record in first)}, in {sum(r.processor_seconds for r in first):.0f} s of CPU"
    )


@pytest.mark.parametrize(("first", "step"), [(1, 1), (0, 2)], ids=["1-3", "0-4:2"])
def test_the_tasks_of_an_array_do_it_all(first: int, step: int, tmp_path: Path) -> None:
    """The script, with the environment that SLURM gives to each of three tasks of an array."""
    bags = [made_bags.write(tmp_path / f"bag{number}", made_bags.camera(2)) for number in range(4)]
    listed = text(tmp_path / "bags.txt", "".join(f"{bag}\n" for bag in bags))
    done = []
    for task in range(3):
        environment = {
            **os.environ,
            "CINET": f"{sys.executable} -m cinet_core.cli",
            "SLURM_ARRAY_TASK_ID": str(first + task * step),
            "SLURM_ARRAY_TASK_MIN": str(first),
            "SLURM_ARRAY_TASK_STEP": str(step),
            "SLURM_ARRAY_TASK_COUNT": "3",
            "SLURM_CPUS_PER_TASK": "2",
        }
        line = ["bash", str(SCRIPT), "extract", str(listed), str(tmp_path / "out"), *OPTIONS]
        ended = subprocess.run(line, env=environment, capture_output=True, text=True, cwd=ROOT, check=False)
        assert ended.returncode == 0, ended.stderr
        done.append(len(read_manifest(tmp_path / "out")))
    assert done == [2, 3, 4]
    assert {record.outcome for record in read_manifest(tmp_path / "out")} == {"done"}


def test_the_script_says_what_is_missing(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
    few = subprocess.run(["bash", str(SCRIPT)], env=environment, capture_output=True, text=True, check=False)
    assert (few.returncode, "usage: sbatch" in few.stderr) == (2, True)
    line = ["bash", str(SCRIPT), "extract", "list", str(tmp_path)]
    alone = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert alone.returncode != 0
    assert "submit this with sbatch --array" in alone.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["fly", "a"], "invalid choice"),
        (["extract", "a", "--shard", "4/3"], "I/N"),
        (["extract", "a", "--rooms", "3"], "--rooms is for the step render"),
        (["render", "a", "--rooms", "3"], "no inputs"),
        (["render"], "takes --rooms N"),
        (["extract", "a", "--workers", "2", "--scheduler", "tcp://x:1"], "give one"),
        (["extract", "a", "--", "--every", "none"], "is no whole number"),
        (["extract", "a", "--", "--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_done(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = words.index("--") if "--" in words else len(words)
    with pytest.raises(SystemExit) as ended:
        main(["fleet", *words[:place], "--output", str(tmp_path / "out"), *words[place:]])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_nothing_to_do_and_a_foreign_folder_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "extract", "--output", str(tmp_path / "out")]) == 2
    assert "nothing to do" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main(["fleet", "extract", "a", "--output", str(tmp_path / "file")]) == 2
    assert "is a file" in capsys.readouterr().err


def test_rooms_that_cannot_be_rendered_are_reported_by_range(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No Blender is there: each range says so, and nothing is left that looks like a data set."""
    options = ("--", "--cache", str(tmp_path / "cache"))
    line = ["fleet", "render", "--rooms", "5", "--each", "3", "--output", str(tmp_path / "out"), *options]
    assert main(line) == 1
    assert [(record.part, record.outcome) for record in read_manifest(tmp_path / "out")] == [
        ("rooms-000000-000002", "failed"),
        ("rooms-000003-000004", "failed"),
    ]
    assert "cinet data render --setup" in capsys.readouterr().out
