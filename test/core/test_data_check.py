from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cinet_core.cli import main
from cinet_core.data.check import Statistics, check_dataset, spread
from cinet_core.data.contact_sheet import CELL, ContactSheet
from cinet_core.data.folder import FolderDataset
from cinet_core.label_sets import NYU13, NYU40
from cinet_core.rooms.demo.room import SyntheticRoom
from cinet_core.visualize.depth import INVALID_COLOR

WIDTH, HEIGHT = 64, 48


@pytest.fixture
def rooms(tmp_path: Path) -> Path:
    """Four views with depth and labels, of which one lacks labels and one lacks both; K for each."""
    room = SyntheticRoom(seed=1, width=WIDTH, height=HEIGHT)
    root = tmp_path / "rooms"
    root.mkdir()
    k = room.intrinsics
    lines = []
    for index in range(4):
        name = f"{index // 2:05d}_{index % 2:02d}"
        frame = room.render(index * 10)
        Image.fromarray(frame.image).save(root / f"{name}.jpg")
        lines.append(json.dumps({"frame": name, "fx": k.fx, "fy": k.fy, "cx": k.cx, "cy": k.cy}))
        if index < 3:
            cv2.imwrite(str(root / f"{name}_depth.png"), (frame.depth * 1000).astype(np.uint16))
        if index < 2:
            cv2.imwrite(str(root / f"{name}_label.png"), frame.labels + np.uint8(1))
    (root / "frames.jsonl").write_text("\n".join(lines))
    return root


def test_statistics_against_counting_by_hand() -> None:
    counts = Statistics(classes=3)
    counts.add_labels(np.array([[0, 0, 255], [2, 7, 0]], np.uint8))
    counts.add_labels(np.array([[0, 255]], np.uint8))
    assert counts.class_pixels.tolist() == [4, 0, 1]
    assert counts.class_frames.tolist() == [2, 0, 1]
    assert counts.labelled == 5 / 8

    random = np.random.default_rng(0)
    depths = random.uniform(0.5, 9.0, size=(4, 50, 50)).astype(np.float32)
    depths[random.uniform(size=depths.shape) < 0.25] = 0
    for depth in depths:
        counts.add_depth(depth)
    known = depths[depths > 0]
    assert counts.valid_depth == known.size / depths.size
    for percent in (1, 50, 99):
        assert counts.depth_percentile(percent) == pytest.approx(np.percentile(known, percent), abs=0.02)
    assert counts.depth_outside(1.0, 8.0) == pytest.approx(np.mean((known < 1.0) | (known > 8.0)), abs=0.005)
    assert counts.depth_outside(0.1, 10.0) == 0


def test_shares_of_near_and_far_depth() -> None:
    counts = Statistics(classes=1)
    counts.add_depth(np.array([[0.0, 0.5, 0.74, 0.75], [2.0, 4.99, 5.0, 500.0]]))
    assert counts.depth_share(0.0, 0.75) == pytest.approx(2 / 7)
    assert counts.depth_share(5.0, np.inf) == pytest.approx(2 / 7)
    assert counts.depth_share(0.75, 5.0) == pytest.approx(3 / 7)
    assert Statistics(classes=1).depth_share(0.0, np.inf) == 0.0


def test_medians_of_frames_are_binned(rooms: Path) -> None:
    report = check_dataset(FolderDataset(rooms, "all"))
    assert len(report.median_depths) == 3
    shares = report.median_shares()
    assert sum(shares.values()) == pytest.approx(1.0)
    (low, high), _ = max(shares.items(), key=lambda item: item[1])
    assert any(low <= median < high for median in report.median_depths)
    report.median_depths = [0.01, 99.0]
    assert [share for share in report.median_shares().values() if share] == [0.5, 0.5]


def test_statistics_of_nothing() -> None:
    counts = Statistics(classes=3)
    assert np.isnan(counts.depth_percentile(50))
    assert (counts.valid_depth, counts.labelled, counts.depth_outside(0.1, 10.0)) == (0, 0, 0)


def test_depths_beyond_the_histogram_are_counted() -> None:
    counts = Statistics(classes=1)
    counts.add_depth(np.array([[1.0, 500.0]]))
    assert counts.depth_outside(0.1, 10.0) == 0.5


@pytest.mark.parametrize(("count", "limit", "expected"), [(3, None, [0, 1, 2]), (3, 9, [0, 1, 2]), (10, 2, [2, 7])])
def test_spread(count: int, limit: int | None, expected: list[int]) -> None:
    assert spread(count, limit) == expected


def test_report_of_a_sound_set(rooms: Path) -> None:
    seen: list[int] = []
    dataset = FolderDataset(rooms, "all")
    report = check_dataset(dataset, seen=lambda number, _: seen.append(number))
    assert seen == [0, 1, 2, 3]
    assert (report.frames, report.readable) == (4, 4)
    assert (report.with_depth, report.with_labels, report.with_camera) == (3, 2, 4)
    assert report.image_sizes == {(WIDTH, HEIGHT): 4}
    assert report.fields_of_view == pytest.approx((62.0, 62.0))
    assert report.problems == []
    labels = np.concatenate([dataset[index].labels.numpy().ravel() for index in range(2)])
    assert report.statistics.class_pixels.tolist() == np.bincount(labels, minlength=40)[:40].tolist()
    json.dumps(report.to_dict())


def test_every_broken_file_is_named(rooms: Path) -> None:
    broken = ["00000_00.jpg", "00000_00_depth.png", "00001_00_depth.png", "00000_01_label.png"]
    for name in broken:
        path = rooms / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    report = check_dataset(FolderDataset(rooms, "all"))
    assert report.readable == 1
    assert sorted(Path(problem.path).name for problem in report.problems) == sorted(broken)


def test_limit(rooms: Path) -> None:
    assert check_dataset(FolderDataset(rooms, "all"), limit=2).frames == 2


def test_sheet_shows_what_is_there(rooms: Path) -> None:
    dataset = FolderDataset(rooms, "all")
    sheet = ContactSheet("rooms", NYU40, columns=1)
    with pytest.raises(ValueError, match="at least one frame"):
        sheet.draw()
    for index in range(4):
        sheet.add(dataset[index])
    image = sheet.draw()
    colors = {tuple(color) for color in image.reshape(-1, 3)[::7].tolist()}
    present = np.unique(dataset[0].labels.numpy())
    assert {tuple(NYU40.colors[label].tolist()) for label in present[:3]} <= colors
    assert INVALID_COLOR not in colors  # depth is complete, and where there is none nothing is drawn
    assert image.shape[1] > 3 * CELL


def test_command_on_a_sound_set(rooms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = tmp_path / "out" / "sheet.png"
    assert main(["data", "check", str(rooms), "--output", str(sheet)]) == 0
    printed = capsys.readouterr().out
    for expected in (
        "4, 0 of them broken",
        "64x48 (4)",
        "62.0 to 62.0 degrees",
        "wall",
        "3 frames, 100.0% of their",
        "beyond 5 m; median",
    ):
        assert expected in printed
    with Image.open(sheet) as image:
        assert image.size[0] > 3 * CELL


def test_options_reach_the_data_set(rooms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [f"--option={text}" for text in ("label_set=nyu13", "test_fraction=0.5")]
    arguments = ["data", "check", str(rooms), "--output", str(tmp_path / "sheet.png"), "--json"]
    assert main([*arguments, "--split", "test", *options]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["frames"] == 2
    assert tuple(report["class_pixels"]) == NYU13.classes
    assert main([*arguments, "--option", "first_class=2"]) == 2
    assert "first_class is 2" in capsys.readouterr().err


def test_command_on_a_broken_set(rooms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (rooms / "00000_01_depth.png").write_bytes(b"\x89PNG")
    assert main(["data", "check", str(rooms), "--output", str(tmp_path / "sheet.png"), "--json"]) == 1
    printed = capsys.readouterr()
    assert f"BROKEN {rooms / '00000_01_depth.png'}: the depth image" in printed.err
    report = json.loads(printed.out)
    assert (report["frames"], report["readable"]) == (4, 3)
    assert report["problems"][0]["file"] == str(rooms / "00000_01_depth.png")


def test_command_without_a_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(tmp_path / "nowhere")]) == 2
    assert "no such file or folder; give the data set's folder" in capsys.readouterr().err
    assert main(["data", "check", str(tmp_path)]) == 2
    assert "holds no images" in capsys.readouterr().err


def test_command_when_nothing_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"not an image")
    sheet = tmp_path / "sheet.png"
    assert main(["data", "check", str(tmp_path), "--output", str(sheet)]) == 1
    assert not sheet.exists()
