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
from cinet_core.data.registry import open_dataset
from cinet_core.depth_image import depth_millimetres
from cinet_core.evaluation.anchor_views import AnchorViews
from cinet_core.evaluation.anchored import OdometryErrors
from cinet_core.evaluation.sparse_points import SparsePoints, interpolated, one_factor
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
    with pytest.raises(ValueError, match="temporal is 'never'"):
        cinet_core.evaluate_anchors(walk, weights, temporal="never", **given)  # type: ignore[arg-type]


def test_points_without_a_field_stand_beside_it(weights: Path, walk: Path) -> None:
    found = cinet_core.evaluate_anchors(
        walk, weights, anchors=("none", "depth", "interpolation", "factor"), kind="rgbd_sequence", temporal="off",
        every=3, points="8x6", skip_seconds=0.0, device="cpu",
    )  # fmt: skip
    assert {score.frames for score in found.scores} == {3}
    none, depth, interpolation, factor = found.scores
    assert interpolation.abs_rel < factor.abs_rel < none.abs_rel
    assert interpolation.edge_abs_rel > interpolation.abs_rel
    # A factor leaves the shape as it is.
    assert factor.smooth_error == pytest.approx(none.smooth_error, abs=1e-6)
    assert 0 < depth.within_sigmas[0] < depth.within_sigmas[1] <= 1
    assert np.isnan(interpolation.within_sigmas).all()
    assert "one frame of 3" in found.markdown()
    with pytest.raises(ValueError, match="every is 0"):
        cinet_core.evaluate_anchors(walk, weights, kind="rgbd_sequence", every=0, device="cpu")


def test_interpolation_of_points() -> None:
    v, u = (axis.ravel() for axis in np.mgrid[10:100:20, 10:150:20])
    pixels = np.stack([u, v], axis=1).astype(float)
    found = interpolated(pixels, 1.0 + 0.01 * u + 0.02 * v, (110, 160))
    rows, columns = np.mgrid[0:110, 0:160]
    inside = (rows >= 10) & (rows <= 90) & (columns >= 10) & (columns <= 130)
    np.testing.assert_allclose(found[inside], (1.0 + 0.01 * columns + 0.02 * rows)[inside], rtol=1e-5)
    assert found[0, 0] == pytest.approx(1.3)  # of the nearest point
    assert interpolated(pixels, np.ones(len(u)), (110, 160), step=4).shape == (27, 40)
    row = interpolated(np.array([[5.0, 5.0], [9.0, 5.0], [20.0, 5.0]]), np.array([1.0, 2.0, 3.0]), (10, 30))
    assert set(row.ravel().tolist()) == {1.0, 2.0, 3.0}  # on one line there is nothing between
    assert np.isnan(interpolated(np.zeros((0, 2)), np.zeros(0), (10, 30))).all()


def test_one_factor_is_a_median() -> None:
    predicted = np.full((10, 20), 2.0, np.float32)
    predicted[:, 10:] = np.nan
    pixels = np.array([[1.0, 1.0], [2.0, 5.0], [3.0, 7.0], [15.0, 5.0]])
    found = one_factor(predicted, pixels, np.array([3.0, 3.0, 30.0, 5.0]))
    np.testing.assert_allclose(found[:, :10], 3.0)
    np.testing.assert_array_equal(one_factor(predicted, pixels[3:], np.array([5.0])), predicted)


def test_rendered_frames_stand_each_for_itself(weights: Path, tmp_path: Path) -> None:
    """They have a pose, in the axes of their renderer, and one is no motion from the other."""
    room = SyntheticRoom(seed=2, width=96, height=72)
    camera, lines = room.intrinsics, []
    for number, height in enumerate((0.0, 5.0, 0.0)):
        frame, name = room.render(number, 250), f"0000{number}_00"
        Image.fromarray(frame.image).save(tmp_path / f"{name}.jpg", quality=95)
        cv2.imwrite(str(tmp_path / f"{name}_depth.png"), depth_millimetres(frame.depth))
        frame.camera_to_world[2, 3] += height
        opengl = frame.camera_to_world @ np.diag([1.0, -1.0, -1.0, 1.0])
        lines.append(json.dumps({
            "frame": name, "fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy,
            "camera_to_world": opengl.tolist(),
        }))  # fmt: skip
    (tmp_path / "frames.jsonl").write_text("\n".join(lines))
    views = AnchorViews(open_dataset(tmp_path, "all"))
    np.testing.assert_allclose(views.poses[0], room.render(0, 250).camera_to_world, atol=1e-12)
    assert len(set(views.worlds)) == 3
    assert views.before(100.0) == 0
    assert views.below(5.0) == [0, 2]
    found = cinet_core.evaluate_anchors(
        tmp_path, weights, anchors=("odometry", "depth"), split="all", floor_height=0.0, max_height=5.0, device="cpu"
    )
    assert [score.frames for score in found.scores] == [2, 2]
    assert found.scores[0].measured == 0.0
    assert found.scores[1].measured == 1.0
    assert "cameras below 5 m" in found.markdown()
    with pytest.raises(ValueError, match="max_height needs floor_height"):
        cinet_core.evaluate_anchors(tmp_path, weights, split="all", max_height=5.0, device="cpu")


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
