"""``cinet eval`` from its arguments to its files."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from cinet_core.cli import main
from cinet_core.inference.availability import missing_requirement
from cinet_core.rooms.demo.room import SyntheticRoom


@pytest.fixture
def rooms(tmp_path: Path) -> Path:
    root = tmp_path / "rooms"
    root.mkdir()
    lines = []
    for index in range(3):
        room = SyntheticRoom(seed=index, width=64, height=48)
        frame, k, name = room.render(0), room.intrinsics, f"{index:05d}_00"
        Image.fromarray(frame.image).save(root / f"{name}.jpg")
        cv2.imwrite(str(root / f"{name}_depth.png"), (frame.depth * 1000).astype(np.uint16))
        cv2.imwrite(str(root / f"{name}_label.png"), frame.labels + np.uint8(1))
        lines.append(json.dumps({"frame": name, "fx": k.fx, "fy": k.fy, "cx": k.cx, "cy": k.cy}))
    (root / "frames.jsonl").write_text("\n".join(lines))
    return root


def run(*arguments: object) -> int:
    return main(["eval", "--device", "cpu", *map(str, arguments)])


def test_writes_and_prints(weights: Path, rooms: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = rooms / "new" / "figures.json"
    assert run(weights, "--data", rooms, "--split", "all", "--output", output, "--batch", 2) == 0
    values = json.loads(output.read_text())
    assert values["evaluation"]["counts"]["frames"] == 3
    assert values["evaluation"]["complete"] is True
    assert len(values["checkpoint"]["sha256"]) == 64
    assert values["warnings"] == []
    table = output.with_suffix(".md").read_text()
    assert "## Depth" in table
    assert "No published results exist for rooms, read as folder." in table
    printed = capsys.readouterr().out
    assert "full: own depth, any size" in printed
    assert str(output) in printed
    assert "RANDOM" not in printed


def test_options_reach_the_data_set(weights: Path, rooms: Path) -> None:
    output = rooms / "figures.json"
    assert run(weights, "--data", rooms, "--option", "test_fraction=0.5", "--output", output) == 0
    values = json.loads(output.read_text())
    assert values["evaluation"]["counts"]["available"] == 2
    assert values["data"] == {"root": str(rooms), "kind": "folder", "options": {"test_fraction": 0.5}}
    assert f"data: {rooms}, read as folder, test_fraction=0.5" in output.with_suffix(".md").read_text()
    assert run(weights, "--data", rooms, "--option", "room_pattern=(.*)", "--output", output, "--limit", 1) == 0


def test_broken_frames(weights: Path, rooms: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (rooms / "00001_00.jpg").write_bytes(b"no image")
    assert run(weights, "--data", rooms, "--split", "all", "--output", rooms / "figures.json") == 1
    assert "BROKEN 00001_00: " in capsys.readouterr().err
    assert "00001_00.jpg" in (rooms / "figures.md").read_text()


def test_random_weights_are_marked(rooms: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = rooms / "figures.json"
    assert run("random", "--data", rooms, "--split", "all", "--limit", 1, "--output", output) == 0
    assert "WARNING: RANDOM WEIGHTS" in capsys.readouterr().out
    assert json.loads(output.read_text())["checkpoint"]["random_weights"] is True
    assert "RANDOM WEIGHTS" in (rooms / "figures.md").read_text()


def test_what_a_precision_costs(rooms: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In bfloat16 by PyTorch, which every processor computes: nearly the same metrics, labels as deployed only."""
    one, other = rooms / "float32.json", rooms / "half.json"
    frame = ("--data", rooms, "--split", "all", "--limit", 1)  # bfloat16 takes seconds where it is no instruction
    assert run("default", *frame, "--output", one) == 0
    assert run("default", *frame, "--output", other, "--precision", "half") == 0
    assert "run by torch in half" in capsys.readouterr().out
    exact, half = (json.loads(path.read_text()) for path in (one, other))
    assert (exact["precision"], half["precision"]) == ("float32", "half")
    by_order = {score["order"]: score["metrics"] for score in exact["evaluation"]["labels"]}
    (labels,) = half["evaluation"]["labels"]
    assert labels["order"] == "argmax-resize"
    assert labels["metrics"]["pixel_accuracy"] == pytest.approx(by_order["argmax-resize"]["pixel_accuracy"], abs=0.1)
    assert half["evaluation"]["attention"] is None
    for score, reduced in zip(exact["evaluation"]["depth"], half["evaluation"]["depth"], strict=True):
        assert reduced["metrics"]["abs_rel"] == pytest.approx(score["metrics"]["abs_rel"], rel=0.1)
        assert reduced["metrics"] != score["metrics"]


@pytest.mark.skipif(missing_requirement("openvino", torch.device("cpu")) is not None, reason="no OpenVINO")
@pytest.mark.usefixtures("exported_here")
def test_a_backend_gets_the_figures_of_pytorch(rooms: Path) -> None:
    """Frames of two sizes, one backend each."""
    Image.fromarray(np.full((40, 56, 3), 99, np.uint8)).save(rooms / "00003_00.jpg")
    cv2.imwrite(str(rooms / "00003_00_depth.png"), np.full((40, 56), 2000, np.uint16))
    files = {name: rooms / f"{name}.json" for name in ("torch", "openvino")}
    for name, path in files.items():
        assert run("default", "--data", rooms, "--split", "all", "--backend", name, "--output", path) == 0
    ours, theirs = (json.loads(path.read_text())["evaluation"] for path in files.values())
    assert ours["network_sizes"] == theirs["network_sizes"]
    assert (ours["backends"], theirs["backends"]) == (["torch"], ["openvino"])
    for score, same in zip(ours["depth"], theirs["depth"], strict=True):
        assert same["metrics"] == pytest.approx(score["metrics"], rel=1e-3)
    deployed = next(score for score in ours["labels"] if score["order"] == "argmax-resize")
    assert theirs["labels"][0]["metrics"] == pytest.approx(deployed["metrics"], abs=2e-3)


def test_a_backend_that_cannot_be_had_is_told(rooms: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("default", "--data", rooms, "--precision", "int8", "--output", rooms / "f.json") == 2
    assert "backend torch has no int8" in capsys.readouterr().err


def test_the_embedded_rooms(weights: Path, tmp_path: Path) -> None:
    output = tmp_path / "figures.json"
    options = ("--option", "test_length=2", "--option", "width=48", "--option", "height=36")
    assert run(weights, "--data", "synthetic", *options, "--output", output) == 0
    counts = json.loads(output.read_text())["evaluation"]["counts"]
    assert (counts["with_depth"], counts["with_labels"], counts["available"]) == (2, 2, 2)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (("--kind", "nyu"), "there is no data set 'nyu'"),
        (("--split", "val"), "there is no split 'val'"),
        (("--option", "seeds=1"), "has no option 'seeds'"),
        (("--option", "label_set=nyu13"), "the checkpoint decides it, 'nyu40'"),
        (("--option", "test_fraction=abc"), "test_fraction of 'folder' is 'abc': it must be of type float"),
        (("--config", "lite"), "a file knows its own"),
        (("--device", "tpu"), "device 'tpu' does not exist"),
    ],
)
def test_what_cannot_start(
    weights: Path, rooms: Path, changes: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(weights, "--data", rooms, *changes, "--output", rooms / "figures.json") == 2
    assert complaint in capsys.readouterr().err
    assert not (rooms / "figures.json").exists()


@pytest.mark.parametrize(("batch", "remedy"), [(8, "lower --batch (now 8)"), (1, "use another --device")])
def test_a_full_gpu_is_explained(
    batch: int,
    remedy: str,
    weights: Path,
    rooms: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")  # no CPU raises it

    monkeypatch.setattr("cinet_core.evaluation.scoring.evaluate", full)
    assert run(weights, "--data", rooms, "--batch", batch, "--output", rooms / "figures.json") == 2
    message = capsys.readouterr().err
    assert "Tried to allocate 2 GiB" in message
    assert remedy in message


def test_a_checkpoint_that_is_none(rooms: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(rooms / "frames.jsonl", "--data", rooms, "--output", rooms / "figures.json") == 2
    assert "frames.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--option", "seed"), "'seed' is not of the form KEY=VALUE"),
        (("--option", "split=all"), "split is no option: the command has an argument of its own for it"),
        (("--limit", "0"), "0 is below 1"),
        (("--batch", "two"), "'two' is no whole number"),
        (("--output", "table.md"), "does not end in .json"),
    ],
)
def test_arguments(arguments: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("random", "--data", "rooms", *arguments)
    assert complaint in capsys.readouterr().err
