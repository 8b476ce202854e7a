"""EXIF: an image is turned upright, and depth, labels, camera and pose are turned with it, in every reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from field_cases import field_cases
from turned_frames import (
    HEIGHT,
    MIRRORED,
    ROTATIONS,
    STORED,
    SWAPPED,
    WIDTH,
    depth_mm,
    labels,
    rgb_image,
    save_image,
    save_plane,
    upright,
)

from cinet_core.cli import main
from cinet_core.data.check import check_dataset
from cinet_core.data.exif import ORIENTATIONS, UPRIGHT, orientation_of
from cinet_core.data.folder import FolderDataset
from cinet_core.data.frame_files import SourceError
from cinet_core.data.frame_sources import open_source
from cinet_core.data.rgbd_sequence import RgbdSequence
from cinet_core.data.sample import Sample
from cinet_core.geometry import Intrinsics, unproject

ALL = range(1, 9)
STORED_POINTS = unproject(depth_mm() / np.float32(1000), STORED)
POSE = np.array([[0.0, 0.0, 1.0, 0.5], [-1.0, 0.0, 0.0, 0.25], [0.0, -1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0]])


def write_folder(root: Path, orientation: int, suffix: str = ".png", calibrated: tuple[int, int] | None = None) -> Path:
    """One frame with depth and labels on the sensor's grid; calibrated for this size, where one is given."""
    root.mkdir(parents=True, exist_ok=True)
    save_image(root / f"x{suffix}", orientation)
    save_plane(root / "x_depth.png", depth_mm())
    save_plane(root / "x_label.png", labels())
    if calibrated is not None:
        width, height = calibrated
        k = STORED if width > height else ORIENTATIONS[orientation].turned_camera(STORED)
        (root / "camera_info.yaml").write_text(
            f"image_width: {width}\nimage_height: {height}\ncamera_matrix: {{data: {k.matrix().ravel().tolist()}}}\n"
        )
    return root


def assert_upright(sample: Sample, orientation: int) -> None:
    """The sample is the stored frame, every part of it turned alike."""
    assert (sample.image.permute(1, 2, 0).numpy() == upright(rgb_image(), orientation)).all()
    assert np.allclose(sample.depth.numpy() * 1000, upright(depth_mm(), orientation))
    assert (sample.labels.numpy() + 1 == upright(labels(), orientation)).all()


def assert_same_rays(k: Intrinsics | None, orientation: int) -> None:
    """Each pixel looks where it looked before, but that left, right, up and down have changed their places."""
    assert k is not None
    turned = upright(STORED_POINTS, orientation)
    assert (k.height, k.width) == turned.shape[:2]
    found = unproject(turned[..., 2], k)
    before, now = (np.sort(np.abs(points[..., :2]), axis=-1) for points in (turned, found))
    assert np.allclose(before, now, atol=1e-5)


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".TIF"])
@pytest.mark.parametrize("orientation", ALL)
def test_a_folder_is_turned_as_a_whole(tmp_path: Path, orientation: int, suffix: str) -> None:
    dataset = FolderDataset(write_folder(tmp_path, orientation, suffix, (WIDTH, HEIGHT)), "all")
    sample = dataset[0]
    assert_upright(sample, orientation)
    assert_same_rays(sample.intrinsics, orientation)
    assert dataset.problems(0) == []
    assert dataset.orientation(0).number == orientation


@pytest.mark.parametrize("orientation", ALL)
def test_a_camera_without_a_size_is_the_sensor_s(tmp_path: Path, orientation: int) -> None:
    save_image(tmp_path / "x.jpg", orientation)
    line = {"frame": "x", "fx": STORED.fx, "fy": STORED.fy, "cx": STORED.cx, "cy": STORED.cy}
    (tmp_path / "frames.jsonl").write_text(json.dumps(line))
    assert_same_rays(FolderDataset(tmp_path, "all")[0].intrinsics, orientation)
    (frame,) = open_source(str(tmp_path))
    assert_same_rays(frame.intrinsics, orientation)


@pytest.mark.parametrize("orientation", SWAPPED)
def test_parts_that_are_upright_already_stay(tmp_path: Path, orientation: int) -> None:
    write_folder(tmp_path, orientation, calibrated=(HEIGHT, WIDTH))
    save_plane(tmp_path / "x_label.png", upright(labels(), orientation))  # drawn in a program that obeys EXIF
    sample = FolderDataset(tmp_path, "all")[0]
    assert_upright(sample, orientation)
    assert_same_rays(sample.intrinsics, orientation)
    save_plane(tmp_path / "x_depth.png", upright(depth_mm(), orientation))
    assert_upright(FolderDataset(tmp_path, "all")[0], orientation)


@pytest.mark.parametrize("orientation", ROTATIONS)
def test_a_sequence_s_pixels_keep_their_places_in_the_world(tmp_path: Path, orientation: int) -> None:
    sample, pose = read_sequence(tmp_path, orientation)
    assert pose is not None
    assert sample.intrinsics is not None
    found = unproject(sample.depth.numpy(), sample.intrinsics) @ pose[:3, :3].T + pose[:3, 3]
    world = STORED_POINTS @ POSE[:3, :3].T + POSE[:3, 3]
    assert np.allclose(found, upright(world, orientation), atol=1e-4)
    assert (sample.image.permute(1, 2, 0).numpy() == upright(rgb_image(), orientation)).all()


@pytest.mark.parametrize("orientation", MIRRORED)
def test_a_mirrored_sequence_has_no_pose(tmp_path: Path, orientation: int) -> None:
    with pytest.raises(SourceError, match=f"EXIF orientation {orientation} mirrors.*without their EXIF"):
        read_sequence(tmp_path, orientation)


def read_sequence(root: Path, orientation: int) -> tuple[Sample, Any]:
    np.savetxt(root / "camera-intrinsics.txt", STORED.matrix())
    save_image(root / "f.color.png", orientation)
    save_plane(root / "f.depth.png", depth_mm())
    np.savetxt(root / "f.pose.txt", POSE)
    dataset = RgbdSequence(root)
    return dataset[0], dataset.pose(0)


@pytest.mark.parametrize("size", [(WIDTH, HEIGHT), (HEIGHT, WIDTH)])
def test_polygons_of_a_turned_image(tmp_path: Path, size: tuple[int, int]) -> None:
    np.savetxt(tmp_path / "camera-intrinsics.txt", STORED.matrix())
    save_image(tmp_path / "f.color.png", 6)
    corner = [[0, 0], [5, 0], [5, 3], [0, 3]]
    frames = {"f": [{"label": "wall", "polygon": corner}]}
    content = {"label_set": "nyu40", "image_size": size, "source": "a test", "frames": frames}
    (tmp_path / "polygons.json").write_text(json.dumps(content))
    drawn = RgbdSequence(tmp_path, polygons=str(tmp_path / "polygons.json"))[0].labels.numpy() != 255
    at_left = size == (HEIGHT, WIDTH)  # the sensor's top left corner is the upright image's top right one
    assert drawn[0, 0] == at_left
    assert drawn[0, -1] == (not at_left)


@pytest.mark.parametrize("orientation", ALL)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff"])
def test_a_lone_photograph_is_upright_and_its_camera_with_it(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"photo{suffix}"
    save_image(path, orientation)
    (frame,) = open_source(str(path), STORED)
    assert frame.image.shape == upright(rgb_image(), orientation).shape
    assert np.abs(frame.image.astype(int) - upright(rgb_image(), orientation)).mean() < 20  # JPEG and WebP lose some
    assert_same_rays(frame.intrinsics, orientation)
    turned = ORIENTATIONS[orientation].turned_camera(STORED)
    if orientation in SWAPPED:  # given for the image as one sees it
        (frame,) = open_source(str(path), turned)
        assert frame.intrinsics == turned


def test_a_sequence_s_sensor_depth_is_turned_in_a_source_too(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "camera-intrinsics.txt", STORED.matrix())
    save_image(tmp_path / "f.color.png", 6)
    save_plane(tmp_path / "f.depth.png", depth_mm()[::2, ::2])  # of half the image's size
    (frame,) = open_source(str(tmp_path))
    assert frame.depth is not None
    assert np.allclose(frame.depth * 1000, upright(depth_mm()[::2, ::2], 6))
    assert frame.depth_intrinsics is not None
    assert (frame.depth_intrinsics.width, frame.depth_intrinsics.height) == (HEIGHT // 2, WIDTH // 2)


def test_errors_about_sizes_name_exif(tmp_path: Path) -> None:
    write_folder(tmp_path, 6, calibrated=(WIDTH, HEIGHT))
    save_plane(tmp_path / "x_depth.png", depth_mm()[:-1])
    save_plane(tmp_path / "x_label.png", labels()[:, :-1])
    (tmp_path / "camera_info.yaml").write_text(
        "image_width: 100\nimage_height: 10\ncamera_matrix: {data: [1, 0, 1, 0, 1, 1, 0, 0, 1]}\n"
    )
    problems = FolderDataset(tmp_path, "all").problems(0)
    assert [Path(problem.path).name for problem in problems] == ["camera_info.yaml", "x_depth.png", "x_label.png"]
    for problem in problems:
        assert "stored as 48x32 and turned upright by EXIF orientation 6" in problem.reason
        assert "without its EXIF orientation" in problem.remedy
    assert "48x31" in problems[1].reason


def test_an_orientation_that_was_lost_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, 1)
    save_plane(tmp_path / "x_label.png", upright(labels(), 6))
    with pytest.raises(SourceError, match=r"labels image is 32x48, the colour image 48x32.*EXIF orientation was"):
        FolderDataset(tmp_path, "all")[0]


@pytest.mark.parametrize("number", [0, 9, 65535])
def test_numbers_that_exif_does_not_have_turn_nothing(tmp_path: Path, number: int) -> None:
    save_image(tmp_path / "x.png", number)
    assert orientation_of(tmp_path / "x.png") is UPRIGHT
    (frame,) = open_source(str(tmp_path / "x.png"))
    assert (frame.image == rgb_image()).all()


def test_a_file_that_is_none_is_upright(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"\xff\xd8\xff\xe1\x00\x10Exif\x00\x00")
    assert orientation_of(tmp_path / "x.jpg") is UPRIGHT
    assert orientation_of(tmp_path / "gone.jpg") is UPRIGHT


def test_the_check_counts_what_was_turned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_folder(tmp_path, 3)
    save_image(tmp_path / "y.png", 1)
    assert check_dataset(FolderDataset(tmp_path, "all")).turned == {3: 1}
    assert main(["data", "check", str(tmp_path), "--output", str(tmp_path / "sheet.png")]) == 0
    assert "1 frame by EXIF orientation 3" in capsys.readouterr().out


def test_the_shared_case(tmp_path_factory: pytest.TempPathFactory) -> None:
    dataset = FolderDataset(field_cases(tmp_path_factory) / "data_sets" / "exif_upside_down", "all")
    sample = dataset[0]
    rows = np.arange(sample.depth.shape[0])[::-1]  # of the sensor, which all looked at the floor from above
    assert np.allclose(sample.depth[:, 0], ((1000 + 2000 * rows / len(rows)).astype(int)) / 1000)
    colours = sample.image.permute(1, 2, 0).numpy().astype(int)
    assert (np.abs(colours[64:96, -46:-24] - [220, 20, 20]) < 60).all()  # the red square, first of the sensor's row
    assert sample.labels[-1, -1] == 0
    assert check_dataset(dataset).turned == {3: 8}
