from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from tiny_network import CAMERA, tiny_checkpoint

from cinet_core import __version__
from cinet_core.checkpoint import read_metadata, save_checkpoint
from cinet_core.cli import main
from cinet_core.depth_image import depth_millimetres
from cinet_core.rooms.demo.room import SyntheticRoom


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    room = SyntheticRoom(width=64, height=48)
    path = tmp_path / "room"
    path.mkdir()
    for index in range(4):
        Image.fromarray(room.render(index).image).save(path / f"view_{index}.png")
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with a network that takes milliseconds; its weights are random and say so."""
    checkpoint = tiny_checkpoint(seed=3)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_checkpoint(path, checkpoint.model, dataclasses.replace(checkpoint.metadata, camera=CAMERA))
    return str(path)


def files_in(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir())


def test_predict_writes_everything_for_each_frame(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    o3d = pytest.importorskip("open3d", exc_type=ImportError)
    out = tmp_path / "new" / "out"
    arguments = ["predict", str(folder), "--weights", "random", "--fov", "62", "--device", "cpu"]
    assert main([*arguments, "--output", str(out), "--every", "2", "--limit", "2"]) == 0
    kinds = ("cloud.ply", "depth.png", "labels.png", "panel.png")
    assert files_in(out) == [f"view_{index}_{kind}" for index in (0, 2) for kind in kinds]

    depth = cv2.imread(str(out / "view_0_depth.png"), cv2.IMREAD_UNCHANGED)
    labels = cv2.imread(str(out / "view_0_labels.png"), cv2.IMREAD_UNCHANGED)
    assert (depth.shape, depth.dtype) == ((48, 64), np.uint16)
    assert (labels.shape, labels.dtype) == ((48, 64), np.uint8)
    assert ((labels < 40) | (labels == 255)).all()
    cloud = o3d.t.io.read_point_cloud(str(out / "view_0_cloud.ply"))
    assert len(cloud.point.positions) == np.count_nonzero(depth)
    np.testing.assert_allclose(cloud.point.positions.numpy()[:, 2] * 1000.0, depth[depth > 0], atol=0.51)
    np.testing.assert_array_equal(cloud.point.label.numpy()[:, 0], labels[depth > 0])
    with Image.open(out / "view_0_panel.png") as panel:
        red, green, blue = panel.getpixel((2, 2))
    assert red > 2 * max(green, blue), "the caption of random weights stands on red"

    said = capsys.readouterr()
    assert "2 frames written" in said.out
    assert "RANDOM WEIGHTS" in said.err


def test_unknown_intrinsics_are_said_once_and_give_no_cloud(
    folder: Path, weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["predict", str(folder), "--weights", weights, "--output", str(out), "--limit", "2"]
    assert main([*arguments, "--write", "cloud", "depth"]) == 0
    assert files_in(out) == [f"view_{index}_depth.png" for index in range(2)]
    assert capsys.readouterr().err.count("--fov or --intrinsics") == 1


def test_a_frame_without_valid_depth_is_said_and_is_no_failure(
    folder: Path, weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("open3d", exc_type=ImportError)
    out = tmp_path / "out"
    arguments = ["predict", str(folder), "--weights", weights, "--output", str(out), "--limit", "1"]
    # So long a lens puts everything beyond the depth range.
    assert main([*arguments, "--intrinsics", "1e5", "1e5", "32", "24", "--write", "cloud", "depth"]) == 0
    assert files_in(out) == ["view_0_depth.png"]
    assert "no pixel of view_0 has a valid depth" in capsys.readouterr().err


def test_bad_frames_are_named_and_the_run_goes_on(
    folder: Path, weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "view_1.png").write_bytes(b"broken")
    Image.new("RGB", (8, 8)).save(folder / "view_2.png")  # below the network's least size
    out = tmp_path / "out"
    arguments = ["predict", str(folder), "--weights", weights, "--output", str(out), "--write", "labels"]
    assert main([*arguments, "--intrinsics", "50", "50", "32", "24"]) == 1
    assert files_in(out) == ["view_0_labels.png", "view_3_labels.png"]
    said = capsys.readouterr()
    assert str(folder / "view_1.png") in said.err
    assert "view_2" in said.err
    assert "2 FAILED" in said.out


def test_a_video_and_a_checkpoint_file(weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "clip.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10.0, (64, 48))
    for value in (10, 90, 200):
        writer.write(np.full((48, 64, 3), value, dtype=np.uint8))
    writer.release()
    out = tmp_path / "out"
    arguments = ["predict", str(tmp_path / "clip.avi"), "--weights", weights, "--output", str(out)]
    assert main([*arguments, "--write", "depth"]) == 0
    assert files_in(out) == [f"clip_{index:06d}_depth.png" for index in range(3)]

    capsys.readouterr()
    assert main(["info", weights]) == 0
    told = capsys.readouterr().out
    assert "lite" in told
    assert "nyu40, 40 classes" in told
    assert "RANDOM" in told
    assert main(["info", weights, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(read_metadata(weights).to_dict()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "lite"], "a checkpoint knows its own"),
        (["--weights", "x.safetensors", "--config", "lite"], "a checkpoint knows its own"),
        (["--weights", "random", "--fov", "180"], "between 0 and 180"),
        (["--weights", "random", "--intrinsics", "0", "1", "1", "1"], "must be above 0"),
        (["--weights", "random", "--intrinsics", "1", "nan", "1", "1"], "must be finite"),
        (["--weights", "random", "--every", "0"], "0 is below 1"),
        (["--weights", "random", "--every", "two"], "'two' is no whole number"),
        (["--weights", "random", "--fov", "60", "--intrinsics", "1", "1", "1", "1"], "not allowed with"),
        (["--weights", "random", "--write", "mesh"], "invalid choice"),
        (["--weights", "random", "--output", __file__], "is a file"),
    ],
)
def test_wrong_arguments_end_with_2(
    folder: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["predict", str(folder), *arguments])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.mp4", "--weights", "random"], "no such file"),
        (["synthetic", "--weights", "missing.safetensors"], "missing.safetensors"),
        (["synthetic", "--weights", "random", "--config", "huge"], "huge"),
        (["synthetic", "--weights", "random", "--device", "tpu"], "tpu"),
    ],
)
def test_what_cannot_start_ends_with_2_and_says_why(
    tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", *arguments, "--output", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_info_on_something_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a checkpoint")
    assert main(["info", str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def test_depth_in_millimetres() -> None:
    depth = np.array([[np.nan, 0.0, -1.0, np.inf, 0.0004, 0.0016, 2.3456, 65.534, 65.535, 100.0]], dtype=np.float32)
    assert depth_millimetres(depth)[0].tolist() == [0, 0, 0, 0, 0, 2, 2346, 65534, 0, 0]


def test_version_and_help_need_no_torch() -> None:
    program = (
        "import sys; from cinet_core.cli import main\n"
        "try: main(['--version'])\n"
        "finally: assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == f"cinet {__version__}"
