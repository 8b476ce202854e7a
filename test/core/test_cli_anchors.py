"""``cinet anchors`` from its arguments to its files, on a short walk through the synthetic room."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import cinet_core
from cinet_core.cli import main
from cinet_core.depth_image import depth_millimetres
from cinet_core.evaluation.anchored import OdometryErrors
from cinet_core.evaluation.sparse_points import SparsePoints
from cinet_core.rooms.demo.room import SyntheticRoom

FRAMES = 8
SIZE = 0.25
"""Of the room: about what a network without training takes it for."""


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames of a doll's house, with depth and poses."""
    root = tmp_path_factory.mktemp("walk")
    room = SyntheticRoom(seed=2, width=192, height=144)
    np.savetxt(root / "camera-intrinsics.txt", room.intrinsics.matrix())
    for number in range(FRAMES):
        frame, name = room.render(number, 250), f"frame-{number:06d}"
        Image.fromarray(frame.image).save(root / f"{name}.color.jpg", quality=95)
        cv2.imwrite(str(root / f"{name}.depth.png"), depth_millimetres(SIZE * frame.depth))
        frame.camera_to_world[:3, 3] *= SIZE
        np.savetxt(root / f"{name}.pose.txt", frame.camera_to_world)
    return root


def test_writes_and_prints(weights: Path, walk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "anchors.json"
    given = ["--data", walk, "--kind", "rgbd_sequence", "--skip", 0, "--floor-height", 0, "--output", output]
    assert main(["anchors", str(weights), "--device", "cpu", *map(str, given)]) == 0
    found = {score["anchor"]: score for score in json.loads(output.read_text())["scores"]}
    assert list(found) == ["none", "odometry", "motion", "scan", "depth", "floor"]
    assert {score["frames"] for score in found.values()} == {FRAMES}
    # Whatever a network without training predicts: points of a sensor put it right.
    assert found["depth"]["abs_rel"] < 0.15 < found["none"]["abs_rel"]
    assert found["depth"]["measured"] == 1.0
    assert found["depth"]["scale_deviation"] < 0.02
    assert found["scan"]["abs_rel"] < found["none"]["abs_rel"]
    assert "## Metric depth by anchor" in output.with_suffix(".md").read_text()
    assert str(output) in capsys.readouterr().out


def test_other_points_and_what_is_kept_over_time(weights: Path, walk: Path) -> None:
    given = {"anchors": ("none", "depth"), "kind": "rgbd_sequence", "device": "cpu", "skip_seconds": 0.0}
    few, half = (
        cinet_core.evaluate_anchors(walk, weights, temporal="fused", points=points, **given)  # type: ignore[arg-type]
        for points in ("random:100", "left:8x6")
    )
    assert few.scores[1].abs_rel < half.scores[1].abs_rel < half.scores[0].abs_rel
    assert few.temporal == "fused"
    assert "left:8x6" in half.markdown()
    with pytest.raises(ValueError, match="give a lattice such as 32x24"):
        cinet_core.evaluate_anchors(walk, weights, points="0x6", **given)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="temporal is 'off'"):
        cinet_core.evaluate_anchors(walk, weights, temporal="off", **given)  # type: ignore[arg-type]


def test_patterns_of_points() -> None:
    random = np.random.default_rng(0)
    for text, count in (("32x24", 768), ("left:8x6", 24), ("random:100", 100)):
        u, v = SparsePoints.parse(text).places(640, 480, random)
        assert len(u) == len(v) == count
        assert u.min() >= 0
        assert u.max() < (320 if text.startswith("left") else 640)
        assert v.max() < 480
    for text in ("", "8", "8x", "random:0", "right:8x6", "random:1e9"):
        with pytest.raises(ValueError, match="random:100"):
            SparsePoints.parse(text)


def test_what_cannot_be_asked_for(weights: Path, walk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sequence = [str(weights), "--device", "cpu", "--data", str(walk), "--kind", "rgbd_sequence"]
    assert main(["anchors", *sequence, "--anchor", "floor"]) == 2
    assert "floor_height" in capsys.readouterr().err
    assert main(["anchors", *sequence, "--delay", "-1"]) == 2
    assert "delay is -1.0" in capsys.readouterr().err
    assert main(["anchors", str(weights), "--device", "cpu", "--data", str(walk), "--kind", "folder"]) == 2
    with pytest.raises(ValueError, match="sonar"):
        cinet_core.evaluate_anchors(walk, weights, anchors=("sonar",), device="cpu")


def test_errors_of_odometry_are_what_they_say() -> None:
    seconds = np.arange(90) / 30
    poses = np.tile(np.eye(4), (90, 1, 1))
    poses[:, 0, 3] = 0.3 * seconds
    poses[40] = np.nan
    same = OdometryErrors().applied(poses[:40], seconds[:40])
    np.testing.assert_allclose(same, poses[:40], atol=1e-12)
    longer = OdometryErrors(scale=1.05).applied(poses[:40], seconds[:40])
    assert longer[-1, 0, 3] == pytest.approx(1.05 * poses[39, 0, 3])
    late = OdometryErrors(delay=0.05).applied(poses, seconds)
    assert np.isnan(late[1]).all()
    assert late[30, 0, 3] == pytest.approx(poses[30, 0, 3] - 0.3 * 0.05 + late[2, 0, 3] - poses[2, 0, 3] + 0.015)
    poses[40] = poses[39]
    slipped = OdometryErrors(slip=True).applied(poses, seconds)
    assert slipped[-1, 2, 3] == pytest.approx(0.3, abs=0.02)
    noisy = OdometryErrors(noise=0.02).applied(poses[:40], seconds[:40])
    steps = np.linalg.norm(np.diff(noisy[:, :3, 3], axis=0) - np.diff(poses[:40, :3, 3], axis=0), axis=1)
    assert 0.0 < np.median(steps) < 0.01 * 0.1
