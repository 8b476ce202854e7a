"""Sequences of the TUM RGB-D benchmark: small ones in its layout, and a real one where it is there."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from tum_files import START, write

from cinet_core.cli import main
from cinet_core.data.frame_files import SourceError
from cinet_core.data.registry import kind_at, open_dataset
from cinet_core.data.tum_rgbd import CAMERAS, TumRgbd, associate
from cinet_core.evaluation.scoring import evaluate
from cinet_core.mapping.posed_frames import open_posed_frames
from cinet_core.odometry.compare import compare_odometry

MATRIX = np.array([[517.3, 0.0, 318.6], [0.0, 516.5, 255.3], [0.0, 0.0, 1.0]])
POLYNOMIAL = np.array([0.2624, -0.9531, -0.0054, 0.0026, 1.1633])


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    return write(tmp_path / "rgbd_dataset_freiburg1_desk")


def test_frames_depth_camera_and_pose(sequence: Path) -> None:
    dataset = open_dataset(sequence, "test")
    assert isinstance(dataset, TumRgbd)
    assert (kind_at(sequence), len(dataset), dataset.remarks) == ("tum_rgbd", 3, ())
    sample = dataset[1]
    assert sample.name == f"{START + 1 / 30:.6f}"
    assert (sample.has_depth, sample.has_labels) == (True, False)
    known = sample.depth[sample.depth > 0]
    assert known.unique().tolist() == [2.0]  # 5000 units a metre, and no factor 1.035
    assert sample.intrinsics is not None
    assert (sample.intrinsics.fx, sample.intrinsics.cy) == (517.3, 255.3)
    pose = dataset.pose(1)
    assert pose is not None
    np.testing.assert_allclose(pose[:3, 3], [1 / 30, 0.5, 1.0], atol=1e-5)  # between two poses
    np.testing.assert_allclose(pose[:3, :3], np.eye(3))


def test_a_pixel_is_the_ray_that_k_says(tmp_path: Path) -> None:
    """A point of the scene, drawn where the lens shows it, is found where a pinhole with the same K sees it."""
    wanted = np.array([[150.0, 120.0], [320.0, 240.0], [520.0, 400.0]])
    rays = np.column_stack([(wanted - MATRIX[:2, 2]) / MATRIX[[0, 1], [0, 1]], np.ones(3)])
    shown, _ = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), MATRIX, POLYNOMIAL)
    shown = shown[:, 0]
    assert np.abs(shown - wanted).max() > 3.0
    image, depth = np.zeros((480, 640, 3), np.uint8), np.full((480, 640), 5000, np.uint16)
    for (u, v), meters in zip(shown, (2, 3, 4), strict=True):
        cv2.circle(image, (round(u), round(v)), 4, (255, 255, 255), -1)
        cv2.circle(depth, (round(u), round(v)), 4, meters * 5000, -1)
    root = write(tmp_path / "rgbd_dataset_freiburg1_desk", image, depth, count=1)
    rectified, recorded = TumRgbd(root)[0], TumRgbd(root, rectify=False)[0]
    assert rectified.intrinsics == recorded.intrinsics
    for (u, v), meters in zip(wanted, (2, 3, 4), strict=True):
        patch = rectified.depth.numpy() == meters
        rows, columns = np.nonzero(patch)
        assert abs(columns.mean() - u) < 0.7
        assert abs(rows.mean() - v) < 0.7
        assert (rectified.image[:, patch] > 60).float().mean() > 0.9  # the image moves with it
    assert set(np.unique(rectified.depth.numpy())) <= {0.0, 1.0, 2.0, 3.0, 4.0}  # no depth is mixed
    assert (recorded.depth.numpy() == depth / 5000).all()


def test_depth_too_late_is_no_partner(sequence: Path) -> None:
    dataset = TumRgbd(sequence, tolerance=0.005)
    assert not any(sample.has_depth for sample in (dataset[0], dataset[1], dataset[2]))
    assert dataset.remarks == ("3 of 3 colour images have no depth image within 0.005 s",)


def test_pairs_are_the_nearest_and_each_is_used_once() -> None:
    assert associate([0.00, 0.03, 0.06], [0.012, 0.029], 0.02) == {0: 0, 1: 1}
    assert associate([0.0, 0.01], [0.009], 0.02) == {1: 0}
    assert associate([], [1.0], 0.02) == {}


def test_no_pose_outside_the_motion_capture(sequence: Path) -> None:
    (sequence / "groundtruth.txt").write_text(f"{START - 9:.4f} 0 0 0 0 0 0 1\n{START - 8:.4f} 0 0 0 0 0 0 1\n")
    assert TumRgbd(sequence).pose(0) is None
    (sequence / "groundtruth.txt").unlink()
    assert TumRgbd(sequence).pose(0) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rgbd_dataset_freiburg2_desk", "freiburg2"),
        ("fr3_office", "freiburg3"),
        ("tum_fr1_xyz", "freiburg1"),
    ],
)
def test_the_name_tells_the_camera(tmp_path: Path, name: str, expected: str) -> None:
    sample = TumRgbd(write(tmp_path / name, count=1))[0]
    assert sample.intrinsics is not None
    assert sample.intrinsics.fx == CAMERAS[expected].fx


def test_the_recording_tells_the_camera_of_a_renamed_folder(tmp_path: Path) -> None:
    root = write(tmp_path / "desk", count=1)
    with pytest.raises(SourceError, match=r"does not tell which camera.*option camera: one of freiburg1"):
        TumRgbd(root)
    poses = (root / "groundtruth.txt").read_text()
    (root / "groundtruth.txt").write_text(poses.replace("\n", "\n# file: 'rgbd_dataset_freiburg3_x.bag'\n", 1))
    intrinsics = TumRgbd(root)[0].intrinsics
    assert intrinsics is not None
    assert intrinsics.fx == 535.4
    assert TumRgbd(root, camera="ros_default")[0].intrinsics.fx == 525.0  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("rgb.txt", "now rgb/1.png\n", r"line 1 is 'now rgb/1.png', not 'timestamp filename'"),
        ("rgb.txt", "1.0\n", r"line 1 is '1.0', not"),
        ("rgb.txt", "1.0 ../../secret.png\n", r"which is not below the folder"),
        ("rgb.txt", "# nothing\n", r"it names no image"),
        ("depth.txt", None, r"depth.txt: there is no such file"),
        ("groundtruth.txt", "1.0 2.0\n", r"line 1 is '1.0 2.0', not 'timestamp tx"),
        ("groundtruth.txt", "1.0 0 0 0 0 0 0 9\n", r"line 1: not a pose"),
        ("groundtruth.txt", "5.0 0 0 0 0 0 0 1\n4.5 0 0 0 0 0 0 1\n", r"line 2: the stamp is just before"),
    ],
)
def test_files_that_are_no_such_sequence(sequence: Path, file: str, content: str | None, message: str) -> None:
    if content is None:
        (sequence / file).unlink()
    else:
        (sequence / file).write_text(content)
    with pytest.raises(SourceError, match=message):
        TumRgbd(sequence)


def test_options_out_of_range(sequence: Path) -> None:
    with pytest.raises(ValueError, match="no split 'train': choose one of test, all"):
        TumRgbd(sequence, "train")
    with pytest.raises(ValueError, match="camera is 'kinect': choose one of auto, freiburg1"):
        open_dataset(sequence, "test", camera="kinect")
    with pytest.raises(ValueError, match=r"tolerance is -1\.0"):
        TumRgbd(sequence, tolerance=-1.0)


def test_a_depth_image_of_another_kind_is_one_broken_frame(sequence: Path) -> None:
    dataset = TumRgbd(sequence)
    path = next((sequence / "depth").iterdir())
    assert cv2.imwrite(str(path), np.zeros((480, 640), np.uint8))
    faults = [dataset.problems(index) for index in range(3)]
    assert sorted(map(len, faults)) == [0, 0, 1]
    assert "16-bit grey PNG" in str(next(fault for fault in faults if fault)[0])


def test_both_ways_of_seeing_are_scored_by_one_command(
    sequence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "evaluation.json"
    command = ["eval", "random", "--data", sequence, "--kind", "tum_rgbd", "--device", "cpu", "--output", output]
    assert main([*map(str, command), "--limit", "1"]) == 0
    lines = output.with_suffix(".md").read_text().splitlines()
    rows = {line.split("|")[1].strip(): line for line in lines if line.startswith("| RANDOM WEIGHTS")}
    for name in ("full", "full, aligned"):
        assert rows[f"RANDOM WEIGHTS, {name}, rectified"] != rows[f"RANDOM WEIGHTS, {name}, as recorded"]
    assert any(line.startswith("| full, as recorded | 1 |") for line in lines), "its scale"
    assert "as recorded" in capsys.readouterr().out
    report = json.loads(output.read_text())
    alone = evaluate(sequence, "random", options={"rectify": False}, device="cpu", limit=1)
    assert alone.as_recorded is None
    assert report["as_recorded"]["depth"] == alone.evaluation.to_dict()["depth"]
    assert report["evaluation"]["depth"] != report["as_recorded"]["depth"]


def test_without_distortion_there_is_one_way(tmp_path: Path) -> None:
    assert TumRgbd(write(tmp_path / "fr3_office", count=1)).as_recorded() is None


def test_it_is_mapped_and_tracked(sequence: Path) -> None:
    frames = open_posed_frames(str(sequence), {"rectify": True})
    seen = frames[1]
    assert (len(frames), frames.name) == (3, "rgbd_dataset_freiburg1_desk")
    assert seen is not None
    np.testing.assert_allclose(seen.pose[:3, 3], [1 / 30, 0.5, 1.0], atol=1e-5)
    pytest.importorskip("open3d", reason="the odometry is Open3D's", exc_type=ImportError)
    compared = compare_odometry(sequence, depths=["sensor"], method="point_to_plane")
    assert len(compared.names) == 3
    np.testing.assert_allclose(np.ptp(compared.truth[:, 0, 3]), 2 / 30, atol=1e-5)


def test_colour_without_depth_is_passed_over_where_it_is_tracked_on(sequence: Path) -> None:
    lines = (sequence / "depth.txt").read_text().splitlines(keepends=True)
    (sequence / "depth.txt").write_text("".join(lines[:-1]))
    with pytest.raises(ValueError, match=r"2 of 2 frames of .* at least 3 are needed to compare with; 1 could not be"):
        compare_odometry(sequence, depths=["sensor"], method="point_to_plane")


def test_the_real_sequence(shared_data: Path) -> None:
    dataset = open_dataset(shared_data / "tum_fr1_xyz", "test", "tum_rgbd")
    assert (len(dataset), dataset.remarks) == (300, ())
    sample = dataset[0]
    assert 0.5 < float((sample.depth > 0).float().mean()) < 0.9
    assert isinstance(dataset, TumRgbd)
    first, last = dataset.pose(0), dataset.pose(299)
    assert first is not None
    assert last is not None
    assert 0.01 < np.linalg.norm(first[:3, 3] - last[:3, 3]) < 1.0
