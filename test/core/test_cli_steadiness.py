"""``cinet steadiness`` from its arguments to its files, on a short sequence."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import cinet_core
from cinet_core.cli import main
from cinet_core.metrics.flicker import ImageChange

HEIGHT, WIDTH = 72, 96


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four frames with poses before a wall that comes nearer by 2 % a frame."""
    root = tmp_path_factory.mktemp("walk")
    np.savetxt(root / "camera-intrinsics.txt", np.array([[90.0, 0, 48], [0, 90, 36], [0, 0, 1]]))
    random = np.random.default_rng(0)
    for number in range(4):
        name = f"frame-{number:06d}"
        Image.fromarray(random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)).save(root / f"{name}.color.jpg")
        depth = np.full((HEIGHT, WIDTH), round(2000 * 0.98**number), np.uint16)
        cv2.imwrite(str(root / f"{name}.depth.png"), depth)
        np.savetxt(root / f"{name}.pose.txt", np.eye(4))
    return root


def run(*arguments: object) -> int:
    return main(["steadiness", "--device", "cpu", *map(str, arguments)])


def test_writes_and_prints(weights: Path, walk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "steadiness.json"
    sequence = ("--data", walk, "--kind", "rgbd_sequence")
    assert run(weights, *sequence, "--frames", 2, "--output", output) == 0
    values = json.loads(output.read_text())
    assert [found["name"] for found in values["changes"]] == [
        "shift of 1 px", "shift of 4 px", "shift of 16 px", "roll of 1 degree", "blur of 9 px"
    ]  # fmt: skip
    assert {found["frames"] for found in values["changes"]} == {2}
    assert all(0 < found["metrics"]["scale_deviation"] < 1 for found in values["changes"])
    assert values["steps"] == 3
    assert values["sequence"]["true_step"] == pytest.approx(-np.log(0.98), rel=0.03)
    assert 0 < values["errors"]["smooth_error"] < 1
    assert "## Change of ln depth, warped back" in output.with_suffix(".md").read_text()
    assert str(output) in capsys.readouterr().out


def test_frames_in_no_order_have_no_steps(weights: Path, walk: Path) -> None:
    report = cinet_core.evaluate_steadiness(walk, weights, kind="folder", split="all", changes=(), device="cpu")
    assert report.steps == 0
    assert len(report.tables()) == 1


def test_no_change_changes_nothing(weights: Path, walk: Path) -> None:
    report = cinet_core.evaluate_steadiness(
        walk, weights, kind="rgbd_sequence", changes=(ImageChange(),), limit=1, device="cpu"
    )
    (found,) = report.changes
    assert max(map(abs, found.metrics.values())) < 1e-6
    assert report.counts.frames == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--deviation", 0), "deviation is 0.0: it must be above 0 pixels"),
        (("--split", "none"), "has no split 'none'"),
    ],
)
def test_what_cannot_be_asked_for(
    arguments: tuple[object, ...], says: str, weights: Path, walk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(weights, "--data", walk, "--kind", "rgbd_sequence", *arguments, "--output", walk / "s.json") == 2
    assert says in capsys.readouterr().err
