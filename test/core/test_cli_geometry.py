"""``cinet geometry`` from its arguments to its files, and the study behind it on predictions whose error is known."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import cinet_core
from cinet_core.cli import main
from cinet_core.data.sample import Sample
from cinet_core.evaluation.geometry_study import GeometryStudy, ScaleOfFrames
from cinet_core.evaluation.predicted_frames import PredictedFrame
from cinet_core.rooms.demo.room import SyntheticRoom


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three labelled frames and one without depth."""
    root = tmp_path_factory.mktemp("rooms")
    lines = []
    for index in range(4):
        room = SyntheticRoom(seed=index, width=64, height=48)
        frame, k, name = room.render(0), room.intrinsics, f"{index:05d}_00"
        Image.fromarray(frame.image).save(root / f"{name}.jpg")
        cv2.imwrite(str(root / f"{name}_label.png"), frame.labels + np.uint8(1))
        if index < 3:
            cv2.imwrite(str(root / f"{name}_depth.png"), (frame.depth * 1000).astype(np.uint16))
        lines.append(json.dumps({"frame": name, "fx": k.fx, "fy": k.fy, "cx": k.cx, "cy": k.cy}))
    (root / "frames.jsonl").write_text("\n".join(lines))
    return root


def run(*arguments: object) -> int:
    return main(["geometry", "--device", "cpu", *map(str, arguments)])


def sample(depth: torch.Tensor, labels: torch.Tensor | None = None) -> Sample:
    height, width = depth.shape
    camera = cinet_core.Intrinsics(60.0, 60.0, (width - 1) / 2, (height - 1) / 2, width, height)
    none = torch.full((height, width), 255, dtype=torch.uint8)
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    return Sample("one", image, depth.float(), none if labels is None else labels, camera)


def test_writes_and_prints(weights: Path, rooms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "geometry.json"
    assert run(weights, "--data", rooms, "--split", "all", "--widths", 64, 96, "--output", output) == 0
    values = json.loads(output.read_text())
    assert values["counts"] == {"frames": 3, "available": 4, "without_depth": 1, "broken": []}
    assert [found["width"] for found in values["scales"]][1:] == [64, 96]
    assert 0 < values["scales"][0]["scale"] < math.inf
    assert len(values["range"]["by_true"]) == 10
    assert "## Median of predicted / true" in output.with_suffix(".md").read_text()
    printed = capsys.readouterr().out
    assert "only 3 of the split's 4 frames" in printed
    assert str(output) in printed


def test_broken_frames_are_named_and_left_out(
    weights: Path, rooms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in rooms.iterdir():
        (tmp_path / path.name).write_bytes(b"no image" if path.name == "00001_00.jpg" else path.read_bytes())
    assert run(weights, "--data", tmp_path, "--split", "all", "--output", tmp_path / "g.json") == 1
    assert "00001_00.jpg" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--widths", 8), "width 8 of the network's input is too small: it must be at least 16"),
        (("--min-depth", 3, "--max-depth", 2), "max_depth 2 must be above min_depth 3"),
        (("--min-depth", 30, "--max-depth", 40), "has depth between 30 and 40 m"),
        (("--split", "none"), "there is no split 'none'"),
    ],
)
def test_what_cannot_be_asked_for(
    arguments: tuple[object, ...], says: str, weights: Path, rooms: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split = () if "--split" in arguments else ("--split", "all")
    assert run(weights, "--data", rooms, *split, *arguments, "--output", rooms / "g.json") == 2
    assert says in capsys.readouterr().err


def test_scale_and_spread_are_those_put_in() -> None:
    truth = torch.linspace(1.0, 4.0, 48 * 64).reshape(48, 64)
    found = ScaleOfFrames()
    for factor in (1.1, 1.1 * 1.21):
        found.add(factor * truth, truth)
    found.add(truth, torch.zeros_like(truth))  # nothing to compare with
    score = found.score(320, 240)
    assert found.frames == 2
    assert score.scale == pytest.approx(1.1 * 1.1, rel=1e-5)
    assert score.spread == pytest.approx(math.log(1.1), rel=1e-5)
    assert score.abs_rel == pytest.approx((0.1 + 0.331) / 2, rel=1e-5)


def test_truth_outside_the_range_does_not_count() -> None:
    truth = torch.full((48, 64), 2.0)
    truth[:24] = 9.0
    study, frame = GeometryStudy((), 0.1, 5.0), sample(truth)
    assert frame.intrinsics is not None
    study.add(PredictedFrame(0, frame, np.full((48, 64), 2.0, np.float32), frame.intrinsics))
    assert study.scale.score(1, 1).abs_rel == 0.0
    shares = {found.low: found.share for found in study.range_score().by_true}
    assert shares[2.0] == 1.0
