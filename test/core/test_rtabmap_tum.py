"""What RTAB-Map is fed with, and how its trajectory is scored. The tool itself is on no registry: a stand-in writes
the trajectory."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from tum_files import START, write

from scripts.slam.rtabmap_tum import DEPTHS, library_parameters, main, score, summary, written

TOOL = """#!/bin/sh
while [ $# -gt 1 ]; do case "$1" in --output) out=$2; shift 2;; *) echo "$1"; shift;; esac; done
{trajectory}
"""


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    depth = np.full((480, 640), 10000, np.uint16)
    depth[:, :320] = 0  # unknown
    return write(tmp_path / "rgbd_dataset_freiburg1_desk", depth=depth)


def tool(folder: Path, trajectory: str) -> str:
    path = folder / "rtabmap-rgbd_dataset"
    path.write_text(TOOL.format(trajectory=trajectory))
    path.chmod(0o755)
    return os.fspath(path)


def test_a_trajectory_that_is_turned_moved_and_too_small_is_right_but_for_its_scale(tmp_path: Path) -> None:
    times = np.arange(0.0, 3.0, 0.01)
    true = np.column_stack([times, np.sin(times), times, times**2, np.zeros((len(times), 3)), np.ones(len(times))])
    np.savetxt(tmp_path / "true.txt", true)
    turned = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    seen = true[7::30].copy()
    seen[:, 1:4] = 0.8 * seen[:, 1:4] @ turned.T + 5.0
    np.savetxt(tmp_path / "seen.txt", seen[::-1])  # in no order
    errors = score(tmp_path / "seen.txt", tmp_path / "true.txt")
    assert errors["sim3"] < 1e-5
    assert errors["scale"] == pytest.approx(1.25)
    assert errors["se3"] > 0.1
    assert errors["poses"] == len(seen)
    assert summary([errors, errors | {"sim3": 0.04}]).startswith("Sim(3) 20 mm (0 .. 40), SE(3) ")


def test_what_is_undecided_of_a_sensor_stays_undecided_and_the_camera_is_told_by_the_folder(
    sequence: Path, tmp_path: Path
) -> None:
    folder = written(sequence, tmp_path / "out", "sensor", "default")
    assert folder.name == "rgbd_dataset_freiburg1"
    names = [f"{START + number / 30:.6f}.png" for number in range(3)]
    assert sorted(path.name for path in (folder / "depth_sync").iterdir()) == names
    assert sorted(path.name for path in (folder / "rgb_sync").iterdir()) == names
    depth = cv2.imread(str(folder / "depth_sync" / names[0]), cv2.IMREAD_UNCHANGED)
    assert (depth[240, 160], depth[240, 480], depth.dtype) == (0, 10000, np.uint16)
    (folder / "depth_sync" / names[0]).unlink()
    assert written(sequence, tmp_path / "out", "sensor", "default") == folder  # whole already: not written again
    assert not (folder / "depth_sync" / names[0]).exists()


def test_predicted_and_corrected_depth_are_metres(sequence: Path, tmp_path: Path) -> None:
    for name in ("predicted", "motion, field"):
        folder = written(sequence, tmp_path / "out", name, "random", limit=1, backend="torch")
        (path,) = (folder / "depth_sync").iterdir()
        depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) / 5000.0
        assert depth.shape == (480, 640)
        assert 0.1 < np.median(depth) < 12.0


def test_no_poses_correct_what_is_scored_by_poses() -> None:
    assert {settings.anchor for settings in DEPTHS.values() if settings is not None} == {"none", "motion"}


def test_each_run_is_scored_with_the_parameters_that_we_ship(
    sequence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = tool(tmp_path, f"cp {sequence}/groundtruth.txt $out/rtabmap_poses.txt")
    arguments = [str(sequence), str(tmp_path / "out"), "--tool", copied, "--depth", "sensor", "--runs", "2"]
    assert main([*arguments, "--set", "Vis/MaxDepth=3.0"]) == 0
    assert "sensor         Sim(3) 0 mm (0 .. 0), SE(3) 0 mm (0 .. 0), scale 1.000" in capsys.readouterr().out
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert len(results["sensor"]) == 2
    assert library_parameters().items() - {("Vis/MaxDepth", "5.0")} <= results["parameters"].items()
    assert results["parameters"]["Vis/MaxDepth"] == "3.0"
    log = (tmp_path / "out" / "sensor" / "run1" / "log.txt").read_text().split()
    assert log[log.index("--g2o/Baseline") + 1] == "0"


def test_a_tool_that_writes_no_trajectory_is_an_error_with_its_own_words(sequence: Path, tmp_path: Path) -> None:
    broken = tool(tmp_path, 'echo "no such camera" >&2')
    with pytest.raises(RuntimeError, match=r"wrote no .*rtabmap_poses.txt: no such camera"):
        main([str(sequence), str(tmp_path / "out"), "--tool", broken, "--depth", "sensor", "--runs", "1"])
