"""Data sets as people leave them: files that nobody reads are named, and depth that cannot be right is warned of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from field_cases import field_cases
from PIL import Image
from turned_frames import HEIGHT, WIDTH, depth_mm, labels, save_image, save_plane

from cinet_core.cli import main
from cinet_core.data.augmentation import NO_AUGMENTATION
from cinet_core.data.check import check_dataset, first_look
from cinet_core.data.folder import FolderDataset
from cinet_core.data.frame_files import SourceError, list_frames
from cinet_core.data.frame_sources import open_source
from cinet_core.data.rgbd_sequence import RgbdSequence
from cinet_core.data.statistics import measure
from cinet_core.data.transforms import TrainingTransform

METRES = depth_mm().astype(np.float32) / 1000
PLAIN = {"depth": "NAME_depth.png", "labels": "NAME_label.png"}
Write = Callable[[Path], object]


def images(root: Path, names: tuple[str, ...] = ("x", "y")) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name in names:
        save_image(root / f"{name}.png", 1)
    return root


def remarks(root: Path) -> list[str]:
    """What a folder says of itself, and the check with it."""
    dataset = FolderDataset(root, "all")
    found = list(dataset.remarks)
    assert check_dataset(dataset).warnings[: len(found)] == found
    return found


def png16(path: Path) -> None:
    save_plane(path, depth_mm())


def png8(path: Path) -> None:
    save_plane(path, labels())


def palette(path: Path) -> None:
    image = Image.fromarray(labels(), "L").convert("P")
    image.putpalette([255 - value // 3 for value in range(768)])
    image.save(path)


def tiff(path: Path) -> None:
    Image.fromarray(METRES).save(path, format="TIFF")


def jpeg(path: Path) -> None:
    Image.fromarray(labels()).save(path, format="JPEG")


def numpy_file(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, METRES)


def some_bytes(path: Path) -> None:
    path.write_bytes(b"Pf\n48 32\n-1.0\n")


@pytest.mark.parametrize(
    ("name", "write", "part"),
    [
        ("x_depth.tiff", tiff, "depth"),
        ("x_depth.tif", tiff, "depth"),
        ("x_depth.TIF", tiff, "depth"),
        ("x_depth.npy", numpy_file, "depth"),
        ("x.npy", numpy_file, "depth"),
        ("x_depth.npz", some_bytes, "depth"),
        ("x_depth.exr", some_bytes, "depth"),
        ("x.exr", some_bytes, "depth"),
        ("x_depth.pfm", some_bytes, "depth"),
        ("x.pfm", some_bytes, "depth"),
        ("x_depth.pgm", png16, "depth"),
        ("x_depth.jpg", jpeg, "depth"),
        ("x_depth.bin", some_bytes, "depth"),
        ("x_depth.h5", some_bytes, "depth"),
        ("x-depth.png", png16, "depth"),
        ("x.depth.png", png16, "depth"),
        ("x_Depth16.png", png16, "depth"),
        ("x_depth_raw.png", png16, "depth"),
        ("x_disparity.png", png16, "depth"),
        ("x_d.png", png16, "depth"),  # by its pixels
        ("x_range.tif", tiff, "depth"),
        ("x_0.png", png16, "depth"),
        ("depth_x.png", png16, "depth"),
        ("depth/x.png", png16, "depth"),
        ("Depth/x.tiff", tiff, "depth"),
        ("depth_maps/x.npy", numpy_file, "depth"),
        ("x_label.jpg", jpeg, "labels"),
        ("x_labels.png", png8, "labels"),
        ("x-label.png", png8, "labels"),
        ("x_label.tiff", tiff, "labels"),
        ("x_label.npy", numpy_file, "labels"),
        ("x_label.bmp", png8, "labels"),
        ("x_seg.png", png8, "labels"),
        ("x_mask.png", png8, "labels"),
        ("x_gt.png", png8, "labels"),
        ("x_gtFine_labelIds.png", png8, "labels"),
        ("x_ids.png", png8, "labels"),  # by its pixels
        ("x_k.png", palette, "labels"),
        ("label_x.png", png8, "labels"),
        ("masks/x.png", png8, "labels"),
        ("segmentation_class/x.png", png8, "labels"),
        ("SegmentationClass/x.png", png8, "labels"),
        ("labels/other.png", png8, "labels"),
        ("x.json", some_bytes, "labels"),
        ("classes.txt", lambda path: path.write_text("wall\n"), None),
        ("notes_depth.txt", some_bytes, None),
        ("x.pose.txt", some_bytes, None),
        ("camera.json", some_bytes, None),
    ],
)
def test_what_looks_like_depth_or_labels_and_is_not_read_is_named(
    tmp_path: Path, name: str, write: Write, part: str | None
) -> None:
    (images(tmp_path) / name).parent.mkdir(exist_ok=True)
    write(tmp_path / name)
    dataset = FolderDataset(tmp_path, "all")
    assert [dataset.name(index) for index in range(len(dataset))] == ["x", "y"]  # it is no photograph either
    if part is None:
        assert dataset.remarks == ()
    else:
        (remark,) = dataset.remarks
        assert remark.startswith(f"1 file that looks like {part} is not read: {name}; {part} ")
        assert PLAIN[part] in remark
        assert remark.endswith("convert or rename it")


def test_many_files_are_counted_by_kind(tmp_path: Path) -> None:
    names = tuple(f"room_{number:02d}" for number in range(12))
    images(tmp_path, names)
    for name in names:
        tiff(tmp_path / f"{name}_depth.tiff")
        jpeg(tmp_path / f"{name}_label.jpg")
    png16(tmp_path / f"{names[0]}_depth.png")
    first, second = remarks(tmp_path)
    assert first.startswith("12 files that look like depth are not read: room_00_depth.tiff, room_01_depth.tiff, ")
    assert "and 9 more" in first
    assert second.startswith("12 files that look like labels are not read: room_00_label.jpg")


@pytest.mark.parametrize(
    "name", ["mask_01.jpg", "label_maker.jpg", "depth.of.field.jpg", "gt3_race.jpg", "semantic.jpg"]
)
def test_photographs_that_are_only_called_so_stay_photographs(tmp_path: Path, name: str) -> None:
    save_image(images(tmp_path) / name, 1)
    assert len(FolderDataset(tmp_path, "all")) == 3
    assert remarks(tmp_path) == []


def test_a_burst_and_a_grey_copy_stay_photographs(tmp_path: Path) -> None:
    images(tmp_path, ("x", "x_1"))
    grey = np.full((48, 32), 120, np.uint8)
    Image.fromarray(grey).save(tmp_path / "x_grey.png")
    Image.fromarray(grey // 4).save(tmp_path / "x_2.png")
    dataset = FolderDataset(tmp_path, "all")
    assert {dataset.name(index) for index in range(len(dataset))} == {"x", "x_1", "x_2", "x_grey"}
    assert dataset.remarks == ()


def test_colour_and_depth_that_differ_in_their_first_word(tmp_path: Path) -> None:
    for number in range(3):
        save_image(tmp_path / f"rgb_{number}.png", 1)
        png16(tmp_path / f"depth_{number}.png")
    assert [frame.name for frame in list_frames(tmp_path)] == ["rgb_0", "rgb_1", "rgb_2"]
    assert len(open_source(str(tmp_path))) == 3
    assert remarks(tmp_path)[0].startswith("3 files that look like depth are not read: depth_0.png")


@pytest.mark.parametrize(
    ("depth", "label"), [("x_depth.PNG", "x_label.PNG"), ("x_Depth.png", "X_LABEL.Png"), ("x_DEPTH.PNG", "x_Label.png")]
)
def test_upper_case_is_read(tmp_path: Path, depth: str, label: str) -> None:
    images(tmp_path, ("x",))
    png16(tmp_path / depth)
    png8(tmp_path / label)
    sample = FolderDataset(tmp_path, "all")[0]
    assert (sample.has_depth, sample.has_labels) == (True, True)
    assert np.allclose(sample.depth.numpy(), METRES)
    assert remarks(tmp_path) == []


def test_upper_case_in_the_other_layouts(tmp_path: Path) -> None:
    line = {"frame": "x", "fx": 40.0, "fy": 40.0, "cx": 20.0, "cy": 15.0}
    lines, pairs, seven = tmp_path / "lines", tmp_path / "pairs", tmp_path / "seven"
    images(lines, ())
    save_image(lines / "x.JPG", 1)
    (lines / "frames.jsonl").write_text(json.dumps(line))
    png16(lines / "x_depth.PNG")
    images(pairs / "color", ("x",))
    png16(pairs / "depth" / "X.PNG")
    images(seven, ("x.color",))
    np.savetxt(seven / "camera-intrinsics.txt", np.diag([40.0, 40.0, 1.0]))
    png16(seven / "x.depth.PNG")
    for root in (lines, pairs, seven):
        assert FolderDataset(root, "all")[0].has_depth
        assert remarks(root) == []
        assert next(iter(open_source(str(root)))).depth is not None
    assert RgbdSequence(seven)[0].has_depth


def test_colour_and_depth_that_differ_in_their_last_word(tmp_path: Path) -> None:
    images(tmp_path, ("0001_rgb", "0002_rgb"))
    png16(tmp_path / "0001_depth.png")
    png8(tmp_path / "0001_seg.png")
    assert [frame.name for frame in list_frames(tmp_path)] == ["0001_rgb", "0002_rgb"]
    assert [text[:52] for text in remarks(tmp_path)] == [
        "1 file that looks like depth is not read: 0001_depth",
        "1 file that looks like labels is not read: 0001_seg.",
    ]


def test_each_layout_says_what_it_reads(tmp_path: Path) -> None:
    pairs, seven = tmp_path / "pairs", tmp_path / "seven"
    images(pairs / "color", ("0001", "0002"))
    png16(pairs / "depth" / "2.png")  # the numbers of colour have four digits
    tiff(pairs / "depth" / "0001.tiff")
    found = remarks(pairs)
    assert sorted(text.split(";")[0].rsplit(" ", 1)[1] for text in found) == ["depth/0001.tiff", "depth/2.png"]
    assert all("depth/NAME.png" in text for text in found)
    images(seven, ("x.color",))
    np.savetxt(seven / "camera-intrinsics.txt", np.diag([40.0, 40.0, 1.0]))
    tiff(seven / "x.depth.tiff")
    png8(seven / "x.seg.png")
    depth, label = remarks(seven)
    assert "x.depth.tiff; depth is read from NAME.depth.png (x.depth.png for x.color.png), PNG" in depth
    assert "x.seg.png; labels are read from NAME.label.png (x.label.png for x.color.png), PNG" in label
    assert "a file of polygons" in RgbdSequence(seven).remarks[1]


def test_images_one_folder_down_are_named(tmp_path: Path) -> None:
    images(tmp_path / "rgb")
    png16(tmp_path / "depth" / "x.png")
    with pytest.raises(SourceError, match=r"there are some in depth, rgb: colour is read from color/"):
        list_frames(tmp_path)


def test_depth_in_place_of_a_photograph_is_refused(tmp_path: Path) -> None:
    tiff(tmp_path / "x.tiff")
    with pytest.raises(SourceError, match=r"32-bit numbers, like a depth image; give a photograph"):
        FolderDataset(tmp_path, "all")[0]


def test_what_macos_leaves_beside_each_file_is_nothing(tmp_path: Path) -> None:
    images(tmp_path)
    for name in ("._x.png", "._x_depth.png", ".DS_Store"):
        some_bytes(tmp_path / name)
    assert len(FolderDataset(tmp_path, "all")) == 2
    assert remarks(tmp_path) == []


def test_a_link_to_nowhere_is_named(tmp_path: Path) -> None:
    (images(tmp_path) / "x_depth.png").symlink_to(tmp_path / "unmounted" / "x_depth.png")
    assert remarks(tmp_path)[0].startswith("1 file that looks like depth is not read: x_depth.png")


@pytest.mark.parametrize("none", [0, 255])
def test_labels_without_a_class_are_warned_of(tmp_path: Path, none: int) -> None:
    images(tmp_path)
    save_plane(tmp_path / "x_label.png", np.full((HEIGHT, WIDTH), none, np.uint8))
    (warning,) = check_dataset(FolderDataset(tmp_path, "all")).warnings
    assert warning.startswith("no pixel has a class in all frames with labels (1)")


def folder_of(root: Path, *millimetres: np.ndarray | float) -> FolderDataset:
    """A folder of frames, each with this depth."""
    for number, values in enumerate(millimetres):
        images(root, (f"x_{number}",))
        save_plane(root / f"x_{number}_depth.png", np.broadcast_to(values, (HEIGHT, WIDTH)).astype(np.uint16))
    return FolderDataset(root, "all")


@pytest.mark.parametrize("unknown", [0, 65535])
def test_depth_without_a_measurement(tmp_path: Path, unknown: int) -> None:
    (warning,) = check_dataset(folder_of(tmp_path, unknown, 2000, unknown)).warnings
    assert warning.startswith("no valid depth in 2 of 3 frames with depth: x_0, x_2;")


def test_depth_with_next_to_no_measurement(tmp_path: Path) -> None:
    almost = np.zeros((HEIGHT, WIDTH))
    almost[0, 0] = 2000
    (warning,) = check_dataset(folder_of(tmp_path, almost, 2000, 2000)).warnings
    assert "no valid depth in 1 of 3" in warning


@pytest.mark.parametrize(
    ("millimetres", "says"),
    [
        (17_000, "the median depth is 17 m in 4 of 4 frames with depth, where rooms have 0.25 to 7 m"),
        (8_500, "the median depth is 8.5 m in 4 of 4"),
        (60_000, "10 times too far, TUM's 0.2 mm 5 times"),
        (17, "the median depth is 0.017 m in 4 of 4"),
        (2, "centimetres read 10 times too near, metres 1000 times"),
    ],
)
def test_units_that_cannot_be_right(tmp_path: Path, millimetres: float, says: str) -> None:
    dataset = folder_of(tmp_path, *[millimetres] * 4)
    (warning,) = check_dataset(dataset).warnings
    assert says in warning
    assert first_look(dataset) == [warning]


def test_two_recorders_with_two_units(tmp_path: Path) -> None:
    (warning,) = check_dataset(folder_of(tmp_path, 2000, 20_000, 2100, 21_000)).warnings
    assert "20.5 m in 2 of 4 frames with depth" in warning
    assert "x_1, x_3;" in warning


@pytest.mark.parametrize("millimetres", [300, 1000, 2500, 6900])
def test_rooms_are_not_warned_of(tmp_path: Path, millimetres: float) -> None:
    assert check_dataset(folder_of(tmp_path, *[millimetres] * 3)).warnings == []
    assert check_dataset(folder_of(tmp_path / "hall", *[millimetres] * 10, 9000)).warnings == []


def test_the_command_warns_and_still_succeeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder_of(tmp_path / "far", 17_000, 17_000)
    tiff(tmp_path / "far" / "x_0_depth.tiff")
    output = ["--output", str(tmp_path / "sheet.png")]
    assert main(["data", "check", str(tmp_path / "far"), *output, "--json"]) == 0
    printed = capsys.readouterr()
    warnings = json.loads(printed.out)["warnings"]
    assert len(warnings) == 2
    assert [line for line in printed.err.splitlines() if line.startswith("WARNING")] == [
        f"WARNING {w}" for w in warnings
    ]
    folder_of(tmp_path / "empty", 0, 0)
    assert main(["data", "check", str(tmp_path / "empty"), *output]) == 0
    assert "2 frames, not one of their pixels valid" in capsys.readouterr().out


def test_scoring_is_warned_before_it_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder_of(tmp_path / "far", 17_000, 17_000)
    tiff(tmp_path / "far" / "x_0_depth.tiff")
    data = ["--data", str(tmp_path / "far"), "--split", "all", "--output", str(tmp_path / "figures.json")]
    main(["eval", "random", *data])
    printed = capsys.readouterr().err
    assert "WARNING 1 file that looks like depth is not read" in printed
    assert "WARNING the median depth is 17 m" in printed


def test_training_is_warned_before_it_starts(tmp_path: Path) -> None:
    dataset = folder_of(tmp_path, 17_000, 17_000)
    statistics = measure(dataset, [0, 1], 40, TrainingTransform(48, 32, 50.0, NO_AUGMENTATION))
    assert "the median depth is 17 m in 2 of 2" in statistics.depth_warnings[0]


def test_the_shared_data_sets(tmp_path_factory: pytest.TempPathFactory) -> None:
    root = field_cases(tmp_path_factory) / "data_sets"
    palettes = FolderDataset(root / "label_palette", "all")
    rows, columns = np.mgrid[:120, :160]
    assert all((palettes[i].labels.numpy() == (columns // 40 + rows // 40) % 4).all() for i in range(8))
    assert palettes.remarks == ()
    (tiffs,) = FolderDataset(root / "depth_tiff", "all").remarks
    assert tiffs.startswith("8 files that look like depth are not read: room0_00_depth.tiff")
    (empty,) = check_dataset(FolderDataset(root / "depth_all_zero", "all")).warnings
    assert empty.startswith("no valid depth in 8 of 8 frames with depth")
