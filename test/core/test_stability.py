"""Flicker of predicted depth along known motions: none where the prediction is right, and its exact value where not."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from cinet_core.checkpoint import TrainingCamera, random_checkpoint
from cinet_core.data.folder import FolderDataset
from cinet_core.data.posed_dataset import PosedDataset
from cinet_core.data.rgbd_sequence import RgbdSequence
from cinet_core.evaluation.evaluate import evaluate_model
from cinet_core.evaluation.evaluation import Evaluation, StabilityScore
from cinet_core.evaluation.report import DataOrigin, EvaluationReport
from cinet_core.evaluation.stability import (
    PosedPrediction,
    StabilityMetrics,
    unexplained_change,
)
from cinet_core.geometry import Intrinsics

CAMERA = Intrinsics(80.0, 76.0, 40.0, 28.0, 80, 60)
HERE = np.eye(4)
SLOPE = 0.5  # of the wall z = 2 + SLOPE * x


def pose(x: float = 0.0, z: float = 0.0, degrees: float = 0.0) -> np.ndarray:
    """A camera that stands at (x, 0, z) and is turned to the right."""
    angle = math.radians(degrees)
    turned = np.eye(4)
    turned[:3, :3] = [
        [math.cos(angle), 0.0, math.sin(angle)],
        [0.0, 1.0, 0.0],
        [-math.sin(angle), 0.0, math.cos(angle)],
    ]
    turned[:3, 3] = x, 0.0, z
    return turned


def wall(camera_pose: np.ndarray, camera: Intrinsics = CAMERA) -> torch.Tensor:
    """(H, W) float64 depth of the wall, seen from there."""
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)], axis=-1)
    directions = rays @ camera_pose[:3, :3].T
    x, _, z = camera_pose[:3, 3]
    return torch.from_numpy((2.0 + SLOPE * x - z) / (directions[..., 2] - SLOPE * directions[..., 0]))


def frame(
    number: int,
    where: np.ndarray = HERE,
    *,
    factor: float | torch.Tensor = 1.0,
    truth: torch.Tensor | None = None,
    camera: Intrinsics = CAMERA,
) -> PosedPrediction:
    """A frame of the wall, predicted rightly but for a factor."""
    depth = wall(where, camera)
    return PosedPrediction(number, depth * factor, (depth if truth is None else truth).float(), camera, where)


def score(*frames: PosedPrediction) -> StabilityScore:
    metrics = StabilityMetrics()
    for entry in frames:
        metrics.update(entry)
    found = metrics.compute()
    assert found is not None
    return found


MOTIONS = {"aside": pose(x=0.2), "on": pose(z=0.4), "turned": pose(degrees=6.0), "all": pose(-0.1, 0.3, -5.0)}


@pytest.mark.parametrize("motion", MOTIONS)
def test_right_depth_does_not_flicker(motion: str) -> None:
    found = score(frame(0), frame(1, MOTIONS[motion]))
    assert found.pairs == 1
    assert found.points > 2000
    assert max(found.metrics.values()) < 5e-5  # reading a slanted wall's depth bilinearly is exact to second order
    # The true motion is what explains the change: with another one the same predictions flicker.
    wrong = score(frame(0), frame(1, MOTIONS[motion])._replace(pose=pose(x=0.02, z=0.03)))
    assert wrong.points == 0 or wrong.metrics["depth_change"] > 1e-3


def test_lenses_may_differ() -> None:
    zoomed = replace(CAMERA, fx=120.0, fy=114.0, cx=37.0)
    found = score(frame(0), frame(1, MOTIONS["all"], camera=zoomed))
    assert found.points > 1000
    assert found.metrics["depth_change"] < 5e-5


def test_the_same_error_in_every_frame_is_no_flicker() -> None:
    assert score(frame(0, factor=1.3), frame(1, MOTIONS["on"], factor=1.3)).metrics["depth_change"] < 5e-5


@pytest.mark.parametrize("factor", [1.05, 0.9])
def test_a_flicker_of_scale_is_its_exact_value(factor: float) -> None:
    metrics = score(frame(0), frame(1, factor=factor)).metrics
    value = abs(math.log(factor))
    expected = {"depth_change": value, "scale_change": value, "shape_change": 0.0}
    assert metrics == pytest.approx(expected, abs=1e-6)
    assert score(frame(0), frame(1, MOTIONS["all"], factor=factor)).metrics == pytest.approx(expected, abs=5e-5)


def test_a_flicker_of_shape_is_told_from_one_of_scale() -> None:
    bent = torch.full((60, 80), 1.1, dtype=torch.float64)
    bent[:, :40] = 1 / 1.1
    value = math.log(1.1)
    metrics = score(frame(0), frame(1, factor=bent)).metrics
    assert metrics == pytest.approx({"depth_change": value, "scale_change": 0.0, "shape_change": value}, abs=1e-6)
    bent[:, :60] = 1.2  # three quarters
    bent[:, 60:] = 1.5
    metrics = score(frame(0), frame(1, factor=bent)).metrics
    value = math.log(1.2)
    assert metrics == pytest.approx({"depth_change": value, "scale_change": value, "shape_change": 0.0}, abs=1e-6)


def test_only_points_that_both_frames_see_count() -> None:
    before, after = wall(HERE), wall(HERE)
    before[:10] = 0.0  # unknown
    after[20:30] = 1.0  # something came between
    after[30:40] = 0.0
    after[:, 70:] *= 1.02  # the sensor's noise
    wild = torch.ones(60, 80, dtype=torch.float64)
    wild[:10] = wild[20:40] = 7.0
    found = score(frame(0, truth=before), frame(1, factor=wild, truth=after))
    assert found.points == 80 * (60 - 30)
    assert found.metrics["depth_change"] == pytest.approx(0.0, abs=1e-6)


def test_points_leave_the_image_and_pass_behind_the_camera() -> None:
    half = replace(CAMERA, cx=CAMERA.cx - 40)
    assert unexplained_change(frame(0), frame(1, camera=half)).shape == (40 * 60,)
    assert unexplained_change(frame(0), frame(1, pose(degrees=180.0), truth=wall(HERE))).shape == (0,)
    assert unexplained_change(frame(0), frame(1, pose(z=5.0), truth=wall(HERE))).shape == (0,)


def test_predictions_are_read_as_if_resized() -> None:
    random = torch.Generator().manual_seed(3)
    maps = [torch.rand(15, 20, generator=random, dtype=torch.float64) + 1 for _ in range(2)]
    frames = [frame(number)._replace(prediction=small.float()) for number, small in enumerate(maps)]
    large = [
        F.interpolate(entry.prediction.double()[None, None], (60, 80), mode="bilinear", align_corners=False)[0, 0]
        for entry in frames
    ]
    expected = (large[1] / large[0]).log().numpy().ravel()
    assert unexplained_change(*frames) == pytest.approx(expected, abs=1e-5)


def test_pairs_are_frames_that_follow_one_another() -> None:
    factors = (1.0, 1.02, 1.02 * 1.1, 1.02 * 1.1 * 1.03)
    frames = [frame(number, factor=factor) for number, factor in enumerate(factors)]
    found = score(*frames)
    assert (found.pairs, found.points) == (3, 3 * 4800)
    assert found.metrics["depth_change"] == pytest.approx(math.log(1.03), abs=1e-6)  # the median of 2, 10 and 3 %
    assert score(frames[0], frames[1], frames[3]).pairs == 1
    apart = score(frames[0], frames[2])
    assert (apart.pairs, apart.points) == (0, 0)
    assert all(math.isnan(value) for value in apart.metrics.values())
    assert StabilityMetrics().compute() is None


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five frames before the wall; the fourth has no pose."""
    root = tmp_path_factory.mktemp("walk")
    np.savetxt(root / "camera-intrinsics.txt", CAMERA.matrix())
    random = np.random.default_rng(0)
    for number in range(5):
        where, name = pose(x=0.01 * number), f"frame-{number:06d}"
        Image.fromarray(random.integers(0, 256, (60, 80, 3), np.uint8)).save(root / f"{name}.color.jpg")
        cv2.imwrite(str(root / f"{name}.depth.png"), np.rint(wall(where).numpy() * 1000).astype(np.uint16))
        if number != 3:
            np.savetxt(root / f"{name}.pose.txt", where)
    return root


def evaluated(root: Path, kind: type = RgbdSequence, limit: int | None = None) -> tuple[Evaluation, str]:
    checkpoint = random_checkpoint("lite")
    camera = TrainingCamera(width=80, height=64, canonical_focal=80.0)
    evaluation = evaluate_model(checkpoint.model, camera, kind(root, "all"), batch=2, limit=limit)
    origin = DataOrigin(str(root), "any", {})
    return evaluation, EvaluationReport(evaluation, origin, checkpoint.metadata, "0").markdown()


def test_it_is_part_of_an_evaluation(walk: Path) -> None:
    evaluation, text = evaluated(walk)
    assert evaluation.stability is not None
    assert evaluation.stability.pairs == 2  # 0 and 1, 1 and 2; the frame without a pose parts the others
    change = evaluation.stability.metrics["depth_change"]
    assert 0 < change < 1
    assert evaluation.metrics()["stability/depth_change"] == change
    stored = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))["stability"]
    assert stored["metrics"]["depth_change"] == change
    assert "## Stability between consecutive frames" in text
    assert "- Stability: 2 pairs of frames, " in text


def test_frames_that_are_not_consecutive_are_not_measured(walk: Path) -> None:
    evaluation, text = evaluated(walk, limit=2)
    assert evaluation.stability is not None
    assert evaluation.stability.pairs == 0
    assert not any(name.startswith("stability") for name in evaluation.metrics())
    assert json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))["stability"]["metrics"] == {
        "depth_change": None, "scale_change": None, "shape_change": None
    }  # fmt: skip
    assert "## Stability" not in text
    assert "Stability is NOT MEASURED: no two of the scored frames are consecutive" in text


def test_without_poses_there_is_none(walk: Path) -> None:
    assert not isinstance(FolderDataset(walk, "all"), PosedDataset)
    evaluation, text = evaluated(walk, FolderDataset)
    assert evaluation.stability is None
    assert "Stability" not in text


def test_the_depth_of_a_real_sensor_is_steady(shared_data: Path) -> None:
    kitchen = shared_data / "kitchen_sequence"
    if not kitchen.is_dir():
        pytest.skip(f"no real frames: {kitchen} is absent")
    dataset = RgbdSequence(kitchen, color_focal=525.0, baseline=0.025)
    frames = []
    for number, index in enumerate((60, 75)):  # far apart, so that the motion matters
        sample, where = dataset[index], dataset.pose(index)
        assert where is not None
        assert sample.intrinsics is not None
        filled = torch.where(sample.depth > 0, sample.depth, sample.depth.median())
        frames.append(PosedPrediction(number, filled, sample.depth, sample.intrinsics, where))
    right = unexplained_change(*frames)
    still = unexplained_change(frames[0], frames[1]._replace(pose=frames[0].pose))
    assert right.size > 2 * still.size
    assert np.median(np.abs(right)) < 0.006
