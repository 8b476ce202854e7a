from __future__ import annotations

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cinet_core.data.frame_sources import Frame, SourceError, open_source
from cinet_core.geometry import Intrinsics

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
RED = (230, 20, 30)


def photo(path: Path, color: tuple[int, int, int] = RED, size: tuple[int, int] = (32, 24)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)
    return path


def depth_png(path: Path, values: list[list[int]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.array(values, dtype=np.uint16))
    return path


def frames_of(path: Path | str, intrinsics: Intrinsics | None = None) -> list[Frame]:
    return list(open_source(str(path), intrinsics))


def test_one_image_is_rgb(tmp_path: Path) -> None:
    source = open_source(str(photo(tmp_path / "kitchen.png")))
    (frame,) = source
    assert (source.name, len(source), source.rate) == ("kitchen", 1, None)
    assert (frame.name, frame.image.shape, frame.image.dtype) == ("kitchen", (24, 32, 3), np.uint8)
    assert tuple(frame.image[0, 0]) == RED
    assert frame.stamp is None
    assert frame.intrinsics is None
    assert frame.depth is None


def test_a_folder_is_read_in_natural_order_without_depth_and_labels(tmp_path: Path) -> None:
    for name in ("f10.jpg", "f9.jpg", "F1.png", "f9_depth.png", "f9.depth.png", "f9_label.png", "f9-labels.png"):
        photo(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    assert [frame.name for frame in frames_of(tmp_path)] == ["F1", "f9", "f10"]


def test_names_are_unique(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "a.png")
    assert [frame.name for frame in frames_of(tmp_path)] == ["a_jpg", "a_png"]


def test_unreadable_images_are_named_and_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    good = photo(tmp_path / "c.jpg", size=(320, 240)).read_bytes()
    (tmp_path / "a.jpg").write_bytes(b"not an image")
    (tmp_path / "b.jpg").write_bytes(good[: len(good) // 2])
    (tmp_path / "d.jpg").write_bytes(b"")
    source = open_source(str(tmp_path))
    with caplog.at_level(logging.WARNING):
        assert [frame.name for frame in source] == ["c"]
    assert [Path(error.path).name for error in source.failures] == ["a.jpg", "b.jpg", "d.jpg"]
    assert "truncated" in str(source.failures[1])
    assert all(name in caplog.text for name in ("a.jpg", "b.jpg", "d.jpg"))
    list(source)
    assert len(source.failures) == 3, "each iteration counts afresh"


def test_the_callers_intrinsics_follow_the_image_size(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg", size=(320, 240))
    photo(tmp_path / "b.jpg", size=(320, 200))
    source = open_source(str(tmp_path), Intrinsics(500.0, 510.0, 320.0, 240.0, 640, 480))
    (frame,) = source
    assert frame.intrinsics == Intrinsics(250.0, 255.0, 160.0, 120.0, 320, 240)
    assert "640x480" in str(source.failures[0])
    assert "aspect" in source.failures[0].remedy


def test_color_depth_pairs_with_camera_intrinsics(tmp_path: Path) -> None:
    (tmp_path / "camera-intrinsics.txt").write_text("585 0 1.0\n0 585 0.5\n0 0 1\n")
    photo(tmp_path / "frame-000000.color.jpg", size=(4, 2))
    photo(tmp_path / "frame-000001.color.jpg", size=(4, 2))
    depth_png(tmp_path / "frame-000000.depth.png", [[0, 1500, 65535, 250], [1, 2, 3, 4]])
    first, second = frames_of(tmp_path)
    assert first.name == "frame-000000"
    assert first.depth_intrinsics == Intrinsics(585.0, 585.0, 1.0, 0.5, 4, 2)
    assert first.depth is not None
    np.testing.assert_allclose(first.depth[0], [np.nan, 1.5, np.nan, 0.25], rtol=1e-6)
    assert second.depth is None
    colour = Intrinsics(525.0, 525.0, 2.0, 1.0, 4, 2)
    overridden = frames_of(tmp_path, colour)[0]
    assert overridden.intrinsics == colour
    assert overridden.depth_intrinsics == first.depth_intrinsics, "the sensor keeps its own"


def test_depth_that_nobody_wants_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "camera-intrinsics.txt").write_text("585 0 1.0\n0 585 0.5\n0 0 1\n")
    photo(tmp_path / "a.color.jpg", size=(4, 2))
    (tmp_path / "a.depth.png").write_bytes(b"not an image")
    assert frames_of(tmp_path) == []
    source = open_source(str(tmp_path), depth=False)
    (frame,) = source
    assert (frame.depth, frame.depth_intrinsics, source.failures) == (None, None, [])
    assert frame.intrinsics == Intrinsics(585.0, 585.0, 1.0, 0.5, 4, 2)
    view = next(iter(open_source("synthetic", Intrinsics(60.0, 60.0, 40.0, 30.0, 80, 60), depth=False)))
    assert (view.depth, view.depth_intrinsics) == (None, None)


def test_frames_jsonl(tmp_path: Path) -> None:
    lines = [
        {"frame": "05_00", "fx": 290.0, "fy": 291.0, "cx": 2.0, "cy": 1.0, "room": "office"},
        {"frame": "05_01", "fx": 200.0, "fy": 201.0, "cx": 2.0, "cy": 1.0},
    ]
    (tmp_path / "frames.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    photo(tmp_path / "05_00.jpg", size=(4, 2))
    depth_png(tmp_path / "05_00_depth.png", [[0, 1000, 2000, 3000]] * 2)
    source = open_source(str(tmp_path))
    (frame,) = source
    assert len(source) == 2
    assert frame.intrinsics == Intrinsics(290.0, 291.0, 2.0, 1.0, 4, 2)
    assert frame.depth is not None
    np.testing.assert_allclose(frame.depth[0], [np.nan, 1, 2, 3])
    assert "05_01.jpg" in str(source.failures[0])


def test_open3d_layout(tmp_path: Path) -> None:
    photo(tmp_path / "color" / "00000.jpg", size=(4, 2))
    depth_png(tmp_path / "depth" / "00000.png", [[1000] * 4] * 2)
    camera = {"width": 8, "height": 4, "intrinsic_matrix": [525, 0, 0, 0, 526, 0, 3.5, 1.5, 1]}
    (tmp_path / "camera_primesense.json").write_text(json.dumps(camera))
    (frame,) = frames_of(tmp_path)
    assert frame.intrinsics == Intrinsics(262.5, 263.0, 1.75, 0.75, 4, 2)
    assert frame.depth is not None
    assert (frame.depth == 1.0).all()
    (tmp_path / "camera_other.json").write_text(json.dumps(camera))
    with pytest.raises(SourceError, match=r"camera_other.json, camera_primesense.json"):
        open_source(str(tmp_path))


def test_ros_calibration(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    photo(tmp_path / "left.png", size=(320, 240))
    (tmp_path / "camera_info.yaml").write_text(
        "image_width: 640\nimage_height: 480\n"
        "camera_matrix: {rows: 3, cols: 3, data: [500, 0, 320, 0, 500, 240, 0, 0, 1]}\n"
        "distortion_coefficients: {rows: 1, cols: 5, data: [0.1, 0, 0, 0, 0]}\n"
    )
    assert frames_of(tmp_path)[0].intrinsics == Intrinsics(250.0, 250.0, 160.0, 120.0, 320, 240)
    assert "are rectified by it" in caplog.text


def test_a_calibration_of_no_camera_is_named(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    (tmp_path / "camera-intrinsics.txt").write_text("0 0 0 0 0 0 0 0 1")
    source = open_source(str(tmp_path))
    assert list(source) == []
    assert "fx is 0.0" in str(source.failures[0])


def test_depth_of_the_wrong_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "camera-intrinsics.txt").write_text("585 0 1 0 585 1 0 0 1")
    photo(tmp_path / "a.color.jpg")
    photo(tmp_path / "a.depth.png")
    source = open_source(str(tmp_path))
    assert list(source) == []
    assert "16-bit" in source.failures[0].remedy


def write_video(path: Path, images: list[np.ndarray]) -> Path:
    height, width = images[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 12.0, (width, height))
    for image in images:
        writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def test_a_video_is_rgb_with_stamps_and_can_be_replayed(tmp_path: Path) -> None:
    images = [np.full((48, 64, 3), (40 * number, 0, 0), dtype=np.uint8) for number in range(5)]
    source = open_source(str(write_video(tmp_path / "clip.avi", images)))
    first, again = list(source), list(source)
    assert (source.name, len(source), source.rate) == ("clip", 5, pytest.approx(12.0))
    assert [frame.name for frame in first] == [f"clip_{i:06d}" for i in range(5)]
    assert [frame.stamp for frame in first] == pytest.approx([i / 12.0 for i in range(5)])
    red, green, blue = first[4].image.reshape(-1, 3).mean(axis=0)
    assert abs(red - 160) < 6
    assert max(green, blue) < 6
    np.testing.assert_array_equal(first[2].image, again[2].image)


def test_the_callers_intrinsics_of_a_video_are_checked_when_it_is_opened(tmp_path: Path) -> None:
    path = str(write_video(tmp_path / "clip.avi", [np.zeros((48, 64, 3), dtype=np.uint8)]))
    (frame,) = open_source(path, Intrinsics(500.0, 510.0, 320.0, 240.0, 640, 480))
    assert frame.intrinsics == Intrinsics(50.0, 51.0, 32.0, 24.0, 64, 48)
    with pytest.raises(SourceError, match="640x360, the image is 64x48"):
        open_source(path, Intrinsics(500.0, 510.0, 320.0, 180.0, 640, 360))


def test_a_damaged_video_says_where_it_broke_off(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (20, 120, 160, 3), dtype=np.uint8)
    path = write_video(tmp_path / "clip.avi", list(noise))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    source = open_source(str(path))
    frames = list(source)
    assert 5 < len(frames) < 15
    assert f"broke off after {len(frames)} of 20" in str(source.failures[0])


def test_the_synthetic_room_is_a_source() -> None:
    source = open_source("synthetic", Intrinsics(60.0, 60.0, 40.0, 30.0, 80, 60))
    frames = [frame for frame, _ in zip(source, range(3), strict=False)]
    assert (len(source), source.rate) == (240, 15.0)
    assert [frame.stamp for frame in frames] == pytest.approx([0.0, 1 / 15, 2 / 15])
    assert frames[0].image.shape == (60, 80, 3)
    assert frames[0].depth is not None
    assert frames[0].depth.shape == (60, 80)
    assert frames[0].intrinsics == frames[0].depth_intrinsics


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path / "missing", "no such file"),
        (lambda path: path / "none", "no images"),
        (lambda path: path / "talk.mcap", "ROS bag"),
        (lambda path: path / "empty.mp4", "empty"),
        (lambda path: path / "notes.txt", "OpenCV"),
    ],
)
def test_what_is_no_source_is_named_with_a_remedy(tmp_path: Path, make, message: str) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "talk.mcap").write_bytes(b"x")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("hello")
    path = make(tmp_path)
    with pytest.raises(SourceError, match=message) as caught:
        open_source(str(path))
    assert str(path) in str(caught.value)
    assert caught.value.remedy


def test_a_bag_folder_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "metadata.yaml").write_text("rosbag2_bagfile_information: {}\n")
    with pytest.raises(SourceError, match="player node"):
        open_source(str(tmp_path))


@pytest.mark.parametrize(
    ("folder", "count", "focal", "nearest"),
    [
        ("kitchen_sequence", 200, 585.0, 0.3),
        ("livingroom_frames", 5, 525.0, 0.3),
        ("rendered_rooms", 884, 294.664, 0.3),
    ],
)
def test_real_folders(folder: str, count: int, focal: float, nearest: float) -> None:
    path = SHARED / folder
    if not path.is_dir():
        pytest.skip(f"{path} is not on this machine")
    source = open_source(str(path))
    frame = next(iter(source))
    assert len(source) == count
    assert frame.intrinsics is not None
    assert frame.intrinsics.fx == focal
    assert frame.depth is not None
    assert frame.depth.shape == frame.image.shape[:2]
    assert nearest < np.nanmin(frame.depth) < np.nanmedian(frame.depth) < 5.0
