"""Folders with a camera_info.yaml: images, depth and labels are rectified by it, as in the node."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from field_cases import field_cases
from turned_frames import save_image, save_plane, upright

from cinet_core.data.exif import ORIENTATIONS
from cinet_core.data.folder import FolderDataset
from cinet_core.data.frame_files import SourceError, list_frames
from cinet_core.data.frame_sources import open_source
from cinet_core.geometry import Intrinsics

WIDTH, HEIGHT = 160, 120
K = [140.0, 0.0, 79.5, 0.0, 140.0, 59.5, 0.0, 0.0, 1.0]
P = [120.0, 0.0, 80.5, 0.0, 0.0, 121.0, 58.5, 0.0, 0.0, 0.0, 1.0, 0.0]
FIVE = [-0.3, 0.1, 0.001, 0.001, 0.0]
KANNALA = [0.1, 0.05, -0.02, 0.01]


def waves() -> np.ndarray:
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    return (128 + 100 * np.sin(np.dstack([x, y, x + y]) * (2 * np.pi / 20))).astype(np.uint8)


def blocks() -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return (1 + (x // 16 + 10 * (y // 16)) % 39).astype(np.uint8)


def calibration(model: str | None = "plumb_bob", d: list[float] | None = None, **replaced: Any) -> dict[str, Any]:
    """As camera_calibration writes it."""
    fields: dict[str, Any] = {
        "image_width": WIDTH,
        "image_height": HEIGHT,
        "camera_name": "left",
        "camera_matrix": {"rows": 3, "cols": 3, "data": K},
        "distortion_model": model,
        "distortion_coefficients": {"rows": 1, "cols": 5, "data": FIVE if d is None else d},
        "rectification_matrix": {"rows": 3, "cols": 3, "data": [1, 0, 0, 0, 1, 0, 0, 0, 1]},
        "projection_matrix": {"rows": 3, "cols": 4, "data": P},
    }
    return {name: value for name, value in {**fields, **replaced}.items() if value is not None}


def write(root: Path, fields: dict[str, Any] | str, orientation: int = 1) -> Path:
    root.mkdir(exist_ok=True)
    save_image(root / "x.png", orientation, waves())
    save_plane(root / "x_depth.png", 1000 * blocks().astype(np.uint16))
    save_plane(root / "x_label.png", blocks())
    (root / "camera_info.yaml").write_text(fields if isinstance(fields, str) else yaml.safe_dump(fields))
    return root


def maps(d: list[float], fisheye: bool) -> tuple[np.ndarray, np.ndarray]:
    """Of OpenCV alone."""
    module = cv2.fisheye if fisheye else cv2
    rectified = np.reshape(P, (3, 4))[:, :3]
    k = np.reshape(K, (3, 3))
    return module.initUndistortRectifyMap(k, np.array(d), np.eye(3), rectified, (WIDTH, HEIGHT), cv2.CV_32FC1)


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize(("model", "d", "fisheye"), [("Plumb Bob", FIVE, False), ("kannala_brandt", KANNALA, True)])
def test_all_parts_are_rectified_and_turned(
    tmp_path: Path, model: str, d: list[float], fisheye: bool, orientation: int
) -> None:
    root = write(tmp_path, calibration(model, d), orientation)
    sample, (frame,) = FolderDataset(root, "all")[0], open_source(str(root))
    u, v = maps(d, fisheye)
    inner = np.s_[8:-8, 8:-8]
    image = upright(cv2.remap(waves(), u, v, cv2.INTER_LINEAR), orientation)[inner].astype(int)
    assert np.abs(image - upright(waves(), orientation)[inner]).max() > 50  # the lens matters
    for found in (sample.image.permute(1, 2, 0).numpy(), frame.image):
        assert np.abs(found[inner].astype(int) - image).max() <= 6
    numbers = upright(cv2.remap(blocks(), u, v, cv2.INTER_NEAREST), orientation)[inner]
    assert (sample.labels.numpy()[inner] + 1 == numbers).mean() > 0.99  # at edges a 32nd of a pixel decides
    assert (np.rint(sample.depth.numpy()[inner]) == numbers).mean() > 0.99
    expected = ORIENTATIONS[orientation].turned_camera(Intrinsics(120.0, 121.0, 80.5, 58.5, WIDTH, HEIGHT))
    assert sample.intrinsics == frame.intrinsics == expected


def test_where_there_is_no_source_nothing_is_known(tmp_path: Path) -> None:
    root = write(tmp_path, calibration(d=[0.4, 0.0, 0.0, 0.0, 0.0]))
    sample, (frame,) = FolderDataset(root, "all")[0], open_source(str(root))
    assert frame.valid is not None
    assert 0.3 < frame.valid.mean() < 1.0
    assert (sample.depth.numpy()[~frame.valid] == 0).all()
    assert (sample.labels.numpy()[~frame.valid] == 255).all()
    assert (sample.labels.numpy()[frame.valid] != 255).all()


def test_a_data_set_with_a_lens_reaches_workers(tmp_path: Path) -> None:
    dataset = FolderDataset(write(tmp_path, calibration()), "all")
    again = pickle.loads(pickle.dumps(dataset))
    assert (again[0].image == dataset[0].image).all()


@pytest.mark.parametrize(
    ("model", "d"),
    [("plumb_bob", [0.0] * 5), ("none", []), ("pinhole", [0.0] * 4), ("unheard_of", [0.0] * 5), (None, []), ("", [])],
)
def test_images_without_distortion_stay_as_they_are(tmp_path: Path, model: str | None, d: list[float]) -> None:
    (frame,) = open_source(str(write(tmp_path, calibration(model, d))))
    assert (frame.image == waves()).all()
    assert frame.intrinsics == Intrinsics(140.0, 140.0, 79.5, 59.5, WIDTH, HEIGHT)
    assert frame.valid is None


@pytest.mark.parametrize("size", [{"image_width": 0, "image_height": 0}, {"image_width": None, "image_height": None}])
@pytest.mark.parametrize("d", [FIVE, []], ids=["lens", "pinhole"])
def test_a_size_that_was_left_unset_is_the_image_s(tmp_path: Path, size: dict[str, Any], d: list[float]) -> None:
    known, unset = (write(tmp_path / str(n), calibration(d=d, **fields)) for n, fields in enumerate(({}, size)))
    (first,), (second,) = open_source(str(known)), open_source(str(unset))
    assert first.intrinsics == second.intrinsics
    assert (first.image == second.image).all()


def test_what_an_echo_prints(tmp_path: Path) -> None:
    echo = {"header": {"frame_id": "c"}, "height": HEIGHT, "width": WIDTH, "distortion_model": "plumb_bob"}
    text = yaml.safe_dump({**echo, "d": FIVE, "k": K, "r": list(np.eye(3).ravel().tolist()), "p": P}) + "---\n"
    (frame,) = open_source(str(write(tmp_path / "echo", text)))
    (like,) = open_source(str(write(tmp_path / "file", calibration())))
    assert frame.intrinsics == like.intrinsics
    assert (frame.image == like.image).all()


WINDOW = {"x_offset": 40, "y_offset": 20, "width": 2 * WIDTH, "height": 2 * HEIGHT, "do_rectify": False}


@pytest.mark.parametrize("d", [[0.0] * 5, FIVE])
def test_a_part_of_the_calibrated_images_and_binning(tmp_path: Path, d: list[float]) -> None:
    """As in the node: the offset is taken off K, then binning divides it."""
    fields = calibration(d=d, image_width=400, image_height=300, binning_x=2, binning_y=2, roi=WINDOW)
    calibrated = [2 * K[0], 0, 2 * K[2] + 40, 0, 2 * K[4], 2 * K[5] + 20, 0, 0, 1]
    fields |= {"camera_matrix": {"data": calibrated}, "projection_matrix": None}
    root = write(tmp_path / "a", {name: value for name, value in fields.items() if value is not None})
    (frame,) = open_source(str(root))
    assert frame.intrinsics == Intrinsics(K[0], K[4], K[2], K[5], WIDTH, HEIGHT)
    assert FolderDataset(root, "all")[0].intrinsics == frame.intrinsics


def test_what_opencv_and_others_write(tmp_path: Path) -> None:
    matrix = "!!opencv-matrix\n   rows: {}\n   cols: {}\n   dt: d\n   data: {}"
    opencv = f"%YAML:1.0\n---\nimage_width: {WIDTH}\nimage_height: {HEIGHT}\n"
    opencv += f"camera_matrix: {matrix.format(3, 3, K)}\ndistortion_coefficients: {matrix.format(5, 1, FIVE)}\n"
    rows = calibration(projection_matrix=None, image_width=float(WIDTH), camera_matrix={"data": [K[:3], K[3:6], K[6:]]})
    wanted = calibration(projection_matrix=None)
    images = [next(iter(open_source(str(write(tmp_path / name, fields))))) for name, fields in
              (("a", opencv), ("b", rows), ("c", wanted))]  # fmt: skip
    for frame in images[:2]:
        assert frame.intrinsics == images[2].intrinsics
        assert np.array_equal(frame.image, images[2].image)


def test_images_of_another_size_and_of_another_aspect(tmp_path: Path) -> None:
    root = write(tmp_path, calibration(image_width=2 * WIDTH, image_height=2 * HEIGHT))
    assert next(iter(open_source(str(root)))).intrinsics == Intrinsics(60.0, 60.5, 40.25, 29.25, WIDTH, HEIGHT)
    write(tmp_path, calibration(image_width=HEIGHT))
    (problem,) = FolderDataset(tmp_path, "all").problems(0)
    assert "another aspect" in problem.reason + problem.remedy


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (calibration("unheard_of"), "'unheard_of'.*plumb_bob.*equidistant.*distortion_coefficients to zeros"),
        (calibration(d=[float("nan")] * 5), "nan"),
        (calibration(d=[0.1] * 6), "6 coefficients"),
        (calibration(camera_matrix=None), "camera_matrix/data"),
        (calibration(camera_matrix={"data": K[:8]}), "holds 8 numbers"),
        (calibration(camera_matrix={"data": ["a"] * 9}), "no list of numbers"),
        (calibration(image_height=0), "160x0"),
        (calibration(image_height="tall"), "'tall'"),
        ("- a list\n", "it holds no fields"),
        ("K: !!python/name:os.system\n", "no sound YAML"),
        ("", "it holds no fields"),
    ],
)
def test_calibrations_that_cannot_be_used_are_named(tmp_path: Path, fields: dict[str, Any] | str, says: str) -> None:
    with pytest.raises(SourceError, match=f"camera_info.yaml: .*{says}") as caught:
        list_frames(write(tmp_path, fields))
    assert caught.value.reason
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("replaced", "says"),
    [({"roi": 3}, "its roi is 3"), ({"roi": {"x_offset": -1}}, "negative"), ({"binning_x": "two"}, "binning_x")],
)
def test_a_window_that_cannot_be_is_named(tmp_path: Path, replaced: dict[str, Any], says: str) -> None:
    with pytest.raises(SourceError, match=says):
        list_frames(write(tmp_path / "a", calibration(**replaced)))


def test_every_row_of_the_shared_calibrations(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    rows = json.loads((field_cases(tmp_path_factory) / "calibrations" / "camera_info.json").read_text())
    for number, row in enumerate(rows):
        root = write(tmp_path / str(number), calibration(row["distortion_model"], row["d"]))
        if row["right"].startswith("refused"):
            with pytest.raises(SourceError, match="unheard_of"):
                list_frames(root)
        else:
            (frame,) = open_source(str(root))
            assert (frame.image == waves()).all() == (row["right"] == "no distortion")
