from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cinet_core.data.folder import FolderDataset
from cinet_core.data.frame_files import SourceError
from cinet_core.data.label_image import read_labels
from cinet_core.data.registry import DATASETS, kind_at, open_dataset
from cinet_core.data.scene_dataset import SPLITS, held_out
from cinet_core.label_sets import NYU13, NYU40, LabelSet

WIDTH, HEIGHT = 16, 12


def write_image(path: Path, red: int = 200) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), (red, 20, 30), np.uint8)).save(path, quality=100)


def write_png(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), values)


def depth(millimetres: int = 1250) -> np.ndarray:
    values = np.full((HEIGHT, WIDTH), millimetres, np.uint16)
    values[0, :2] = (0, 65535)
    return values


def labels(value: int = 1) -> np.ndarray:
    stored = np.full((HEIGHT, WIDTH), value, np.uint8)
    stored[0, :3] = (0, 40, 255)
    return stored


def write_jsonl(root: Path, names: list[str]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    lines = []
    for place, name in enumerate(names):
        write_image(root / f"{name}.jpg")
        lines.append(
            json.dumps({"frame": name, "room": "office", "fx": 20.0 + place, "fy": 21.0, "cx": 8.0, "cy": 6.0})
        )
    (root / "frames.jsonl").write_text("\n".join(lines))


def names(dataset: FolderDataset) -> list[str]:
    return [dataset.name(index) for index in range(len(dataset))]


def test_a_camera_a_frame_and_parts_that_are_missing(tmp_path: Path) -> None:
    write_jsonl(tmp_path, ["a_0", "a_1", "b_0"])
    write_png(tmp_path / "a_0_depth.png", depth())
    write_png(tmp_path / "a_0_label.png", labels())
    write_png(tmp_path / "a_1_label.png", labels())
    first, second, third = (FolderDataset(tmp_path, "all")[index] for index in range(3))
    assert [s.has_depth for s in (first, second, third)] == [True, False, False]
    assert [s.has_labels for s in (first, second, third)] == [True, True, False]
    assert first.depth[0, :3].tolist() == [0, 0, 1.25]
    assert first.labels[0, :4].tolist() == [255, 39, 255, 0]
    assert first.image[:, 0, 0].tolist() == pytest.approx([200, 20, 30], abs=3)
    assert (second.depth == 0).all()
    assert (third.labels == 255).all()
    assert [s.intrinsics.fx for s in (first, second, third) if s.intrinsics] == [20.0, 21.0, 22.0]


def test_colour_depth_and_label_folders_with_one_camera(tmp_path: Path) -> None:
    for name in ("000", "001"):
        write_image(tmp_path / "color" / f"{name}.jpg")
    write_png(tmp_path / "depth" / "001.png", depth())
    write_png(tmp_path / "labels" / "000.png", labels())
    camera = {"width": WIDTH, "height": HEIGHT, "intrinsic_matrix": [15.0, 0, 0, 0, 15.5, 0, 8.0, 6.0, 1]}
    (tmp_path / "camera.json").write_text(json.dumps(camera))
    first, second = (FolderDataset(tmp_path, "all")[index] for index in range(2))
    assert [(s.has_depth, s.has_labels) for s in (first, second)] == [(False, True), (True, False)]
    assert second.intrinsics is not None
    assert (second.intrinsics.fy, second.intrinsics.cx) == (15.5, 8.0)


def test_matrix_in_a_text_file(tmp_path: Path) -> None:
    (tmp_path / "camera-intrinsics.txt").write_text("15 0 8\n0 15 6\n0 0 1\n")
    write_image(tmp_path / "frame-0.color.jpg")
    write_png(tmp_path / "frame-0.depth.png", depth())
    write_png(tmp_path / "frame-0.label.png", labels(3))
    (sample,) = [FolderDataset(tmp_path, "all")[0]]
    assert sample.name == "frame-0"
    assert sample.has_depth
    assert sample.labels[5, 5] == 2


def test_images_with_depth_and_labels_beside_them(tmp_path: Path) -> None:
    write_image(tmp_path / "x.png")
    write_png(tmp_path / "x_depth.png", depth())
    write_png(tmp_path / "x_label.png", labels())
    dataset = FolderDataset(tmp_path, "all")
    sample = dataset[0]
    assert names(dataset) == ["x"]
    assert sample.has_depth
    assert sample.has_labels
    assert sample.intrinsics is None


def test_own_classes_and_label_values(tmp_path: Path) -> None:
    write_image(tmp_path / "x.png")
    stored = np.zeros((HEIGHT, WIDTH), np.uint8)
    stored[0, :3] = (1, 2, 255)
    write_png(tmp_path / "x_label.png", stored)
    (tmp_path / "classes.txt").write_text("floor\nforklift\nwall\n")
    dataset = FolderDataset(tmp_path, "all")
    assert dataset.label_set.classes == ("floor", "forklift", "wall")
    assert dataset[0].labels[0, :4].tolist() == [0, 1, 255, 255]
    from_zero = FolderDataset(tmp_path, "all", first_class=0)
    assert from_zero[0].labels[0, :4].tolist() == [1, 2, 255, 0]
    # mapped by name; what NYU40 lacks has no label
    assert FolderDataset(tmp_path, "all", label_set=NYU40)[0].labels[0, :4].tolist() == [1, 255, 255, 255]
    with pytest.raises(ValueError, match="no class in common"):
        FolderDataset(tmp_path, "all", label_set=LabelSet("fruit", ("apple",)))


def test_mapping_by_grouping(tmp_path: Path) -> None:
    write_image(tmp_path / "x.png")
    write_png(tmp_path / "x_label.png", labels(8))
    assert FolderDataset(tmp_path, "all", label_set=NYU13)[0].labels[5, 5] == NYU13.ids(["wall"])[0]  # doors are wall


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("x_label.png", np.full((HEIGHT, WIDTH), 41, np.uint8), r"192 pixels have the value 41, 'nyu40' has 1 to 40"),
        ("x_label.png", np.full((HEIGHT, WIDTH, 3), (1, 2, 3), np.uint8), r"labels are colours: 192 .* \[3, 2, 1\]"),
        ("x_label.png", np.zeros((6, 8), np.uint8), r"the labels image is 8x6, the colour image 16x12"),
        ("x_depth.png", np.zeros((6, 8), np.uint16), r"the depth image is 8x6, the colour image 16x12; register"),
        ("x_depth.png", np.zeros((HEIGHT, WIDTH), np.uint8), r"depth has type uint8"),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, name: str, content: np.ndarray, complaint: str) -> None:
    write_image(tmp_path / "x.png")
    write_png(tmp_path / name, content)
    dataset = FolderDataset(tmp_path, "all")
    with pytest.raises(SourceError, match=complaint) as caught:
        dataset[0]
    assert caught.value.path == str(tmp_path / name)
    assert [problem.path for problem in dataset.problems(0)] == [str(tmp_path / name)]


def test_truncated_files_are_all_named(tmp_path: Path) -> None:
    write_image(tmp_path / "x.jpg")
    write_png(tmp_path / "x_depth.png", depth())
    write_png(tmp_path / "x_label.png", labels())
    for name in ("x.jpg", "x_depth.png", "x_label.png"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:40])
    problems = FolderDataset(tmp_path, "all").problems(0)
    assert [Path(problem.path).name for problem in problems] == ["x.jpg", "x_depth.png", "x_label.png"]
    assert all(problem.remedy for problem in problems)


def test_no_folder_no_frames(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no such folder"):
        FolderDataset(tmp_path / "nowhere")
    with pytest.raises(SourceError, match="holds no images"):
        FolderDataset(tmp_path)


def test_missing_label_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.png: the label image is missing"):
        read_labels(tmp_path / "gone.png", NYU40)


def test_rooms_are_never_divided(tmp_path: Path) -> None:
    write_jsonl(tmp_path, [f"{room:03d}_{view:02d}" for room in range(20) for view in range(3)])
    parts = {split: names(FolderDataset(tmp_path, split)) for split in SPLITS}
    assert sorted(parts["train"] + parts["validation"] + parts["test"]) == parts["all"]
    assert sorted(parts["train"] + parts["validation"]) == parts["trainval"]
    rooms = {split: {name.split("_")[0] for name in found} for split, found in parts.items()}
    assert not rooms["train"] & rooms["validation"]
    assert not rooms["trainval"] & rooms["test"]
    assert len(rooms["test"]) == len(rooms["validation"]) == 2
    # The seed moves the validation split and never the test set.
    assert names(FolderDataset(tmp_path, "test", seed=1)) == parts["test"]
    others = [names(FolderDataset(tmp_path, "validation", seed=seed)) for seed in range(1, 5)]
    assert any(other != parts["validation"] for other in others)


def test_one_room_cannot_be_divided(tmp_path: Path) -> None:
    write_jsonl(tmp_path, [f"frame_{view}" for view in range(10)])
    with pytest.raises(ValueError, match="all 10 frames belong to one room, 'frame'"):
        FolderDataset(tmp_path)
    assert len(FolderDataset(tmp_path, "train", validation_fraction=0, test_fraction=0)) == 10
    assert len(FolderDataset(tmp_path, "train", room_pattern="(.*)")) == 8
    with pytest.raises(ValueError, match="needs one group"):
        FolderDataset(tmp_path, room_pattern=".*")
    with pytest.raises(ValueError, match="'test' is empty"):
        FolderDataset(tmp_path, "test", test_fraction=0)


def test_held_out_share_and_stability() -> None:
    groups = [f"room{number}" for number in range(200) for _ in range(5)]
    chosen = held_out(groups, 0.1, "validation:0")
    assert len(chosen) == 20
    assert chosen == held_out(reversed(groups), 0.1, "validation:0")
    # A grown set keeps most of its choice: the order of rooms does not change when some are added.
    grown = held_out([*groups, *(["new"] * 5)], 0.1, "validation:0")
    assert len(chosen & grown) >= 19
    assert held_out(groups, 0.0, "x") == set()
    with pytest.raises(ValueError, match="must be from 0 to below 1"):
        held_out(groups, 1.0, "x")


def test_what_lies_at_a_path(tmp_path: Path) -> None:
    write_image(tmp_path / "frames" / "x.png")
    (tmp_path / "sun" / "SUNRGBDtoolbox").mkdir(parents=True)
    (tmp_path / "nyu").mkdir()
    (tmp_path / "nyu" / "nyu_depth_v2_labeled.mat").touch()
    (tmp_path / "notes.txt").touch()
    assert kind_at(tmp_path / "frames") == "folder"
    assert kind_at(tmp_path / "sun") == "sun_rgbd"
    assert kind_at(tmp_path / "nyu") == kind_at(tmp_path / "nyu" / "nyu_depth_v2_labeled.mat") == "nyu_depth_v2"
    own = {"folder", "recording", "rgbd_sequence", "synthetic_rooms"}
    published = {"nyu_depth_v2", "sun_rgbd", "tum_rgbd"}
    assert set(DATASETS) == own | published | {"scannet", "hypersim", "arkit_scenes"}
    with pytest.raises(SourceError, match="this file is no data set"):
        kind_at(tmp_path / "notes.txt")
    with pytest.raises(SourceError, match="no such file or folder"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no data set 'coco'"):
        open_dataset(tmp_path, kind="coco")
    assert isinstance(open_dataset(tmp_path / "frames", "all"), FolderDataset)


def test_rendered_rooms(shared_data: Path) -> None:
    root = shared_data / "rendered_rooms"
    parts = {split: FolderDataset(root, split) for split in ("train", "validation", "test")}  # type: ignore[arg-type]
    sizes = {split: len(part) for split, part in parts.items()}
    assert sum(sizes.values()) == 884
    assert 85 <= sizes["test"] <= 97
    rooms = [{name.split("_")[0] for name in names(part)} for part in parts.values()]
    assert sum(map(len, rooms)) == len(set.union(*rooms)) == 256
    sample = parts["test"][0]
    assert sample.size == (320, 240)
    assert sample.intrinsics is not None
    assert 0.3 < sample.depth[sample.depth > 0].min() < sample.depth.max() < 15
    stored = cv2.imread(str(root / f"{sample.name}_label.png"), cv2.IMREAD_UNCHANGED)
    assert ((sample.labels.numpy().astype(int) + 1) % 256 == stored).all()


def test_livingroom(shared_data: Path) -> None:
    dataset = FolderDataset(shared_data / "livingroom_frames", "all")
    sample = dataset[0]
    assert len(dataset) == 5
    assert (sample.has_depth, sample.has_labels) == (True, False)
    assert sample.intrinsics is not None
    assert sample.intrinsics.fx == 525
