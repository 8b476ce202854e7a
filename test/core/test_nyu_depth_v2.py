from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from cinet_core.data.frame_files import SourceError
from cinet_core.data.nyu_depth_v2 import FILE_NAME, INTRINSICS, NyuDepthV2, class_of_label, official_test_images
from cinet_core.label_sets import NYU13, NYU40, SUN37

pytest.importorskip("h5py", reason="the .mat file is HDF5: needs the extra `train`")

import h5py
from nyu_file import ROOMS, write_nyu


@pytest.fixture(scope="module")
def nyu_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_nyu(tmp_path_factory.mktemp("nyu") / FILE_NAME)
    with h5py.File(path, "r+") as file:
        # Image 1, a test image, and image 3, the first for training; [channel,] column, row
        file["images"][0, 1, 600, 20] = 77
        file["labels"][0, 600, 20] = 894
        file["images"][2, :, 639, 0] = (10, 20, 30)
        file["labels"][2, 0, :4] = (0, 1, 2, 3)
        file["labels"][2, 639, 0] = 21
        file["depths"][2, :, :] = 2.5
        file["depths"][2, 639, 0] = 7.25
        file["depths"][2, 5, 6] = np.nan
        file["rawDepths"][2, 639, 0] = 7.125
    return path


def index_of(dataset: NyuDepthV2, name: str) -> int:
    return [dataset.name(index) for index in range(len(dataset))].index(name)


def test_axes_are_turned(nyu_file: Path) -> None:
    dataset = NyuDepthV2(nyu_file, "trainval")
    sample = dataset[0]
    assert sample.name == "nyu_0003"  # image 3 is the first training image of splits.mat
    assert (sample.image.shape, sample.image.dtype) == ((3, 480, 640), torch.uint8)
    assert sample.image[:, 0, 639].tolist() == [10, 20, 30]
    assert sample.image.sum() == 60
    assert sample.depth[0, 639] == 7.25
    assert sample.depth[100, 100] == 2.5
    assert sample.intrinsics == INTRINSICS
    assert sample.has_depth
    assert sample.has_labels


def test_labels_become_the_forty_classes(nyu_file: Path) -> None:
    sample = NyuDepthV2(nyu_file, "trainval")[0]
    # none; book and bottle are "otherprop" (class 40), and the file's 3 is cabinet (class 3)
    assert sample.labels[:4, 0].tolist() == [255, 39, 39, 2]
    assert sample.labels[0, 639] == NYU40.ids(["wall"])[0]  # 21 of 894 is "wall"
    assert NyuDepthV2(nyu_file, "trainval", label_set=NYU13)[0].labels[:4, 0].tolist() == [255, 6, 6, 5]
    assert NyuDepthV2(nyu_file, "trainval", label_set=SUN37)[0].labels[:4, 0].tolist() == [255, 255, 255, 2]


def test_unknown_depth_is_zero(nyu_file: Path) -> None:
    assert NyuDepthV2(nyu_file, "trainval")[0].depth[6, 5] == 0  # NaN in the file
    raw = NyuDepthV2(nyu_file, "trainval", depth="raw")[0].depth
    assert raw[0, 639] == 7.125
    assert (raw > 0).sum() == 1


def test_the_split_is_the_published_one(nyu_file: Path) -> None:
    names = {split: set(_names(NyuDepthV2(nyu_file, split))) for split in ("trainval", "test", "all")}  # type: ignore[arg-type]
    assert {split: len(found) for split, found in names.items()} == {"trainval": 795, "test": 654, "all": 1449}
    assert {"nyu_0001", "nyu_0002", "nyu_0009"} <= names["test"]  # splits.mat begins so, counting from 1
    assert {"nyu_0003", "nyu_0004", "nyu_0005"} <= names["trainval"]
    assert not names["trainval"] & names["test"]
    first = NyuDepthV2(nyu_file, "test")[0]
    assert first.image[1, 20, 600] == 77


def test_validation_is_carved_from_training_by_room(nyu_file: Path) -> None:
    parts = {split: _names(NyuDepthV2(nyu_file, split)) for split in ("train", "validation", "trainval")}  # type: ignore[arg-type]
    assert sorted(parts["train"] + parts["validation"]) == parts["trainval"]
    assert 80 <= len(parts["validation"]) <= 95  # a tenth of 795, in whole rooms

    def rooms(split: str) -> set[int]:
        return {(int(name[4:]) - 1) * ROOMS // 1449 for name in parts[split]}

    assert not rooms("train") & rooms("validation")
    assert parts["validation"] == _names(NyuDepthV2(nyu_file, "validation"))
    assert parts["validation"] != _names(NyuDepthV2(nyu_file, "validation", seed=1))


def _names(dataset: NyuDepthV2) -> list[str]:
    return [dataset.name(index) for index in range(len(dataset))]


def test_workers_read_after_the_parent_has(nyu_file: Path) -> None:
    dataset = NyuDepthV2(nyu_file, "trainval")
    alone = dataset[0]
    loader = DataLoader(
        torch.utils.data.Subset(dataset, [0, 1, 2, 3]), batch_size=None, num_workers=2, multiprocessing_context="fork"
    )
    read = list(loader)
    assert [sample.name for sample in read] == [dataset.name(index) for index in range(4)]
    assert torch.equal(read[0].depth, alone.depth)


def test_goes_to_another_process(nyu_file: Path) -> None:
    """What "spawn" does; and the pickle carries no images along."""
    dataset = NyuDepthV2(nyu_file.parent, "trainval")
    dataset[0]
    pickled = pickle.dumps(dataset)
    assert len(pickled) < 20_000
    assert torch.equal(pickle.loads(pickled)[0].labels, dataset[0].labels)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=rf"{FILE_NAME}: there is no such file; download"):
        NyuDepthV2(tmp_path / FILE_NAME)


def test_truncated_file(nyu_file: Path, tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(nyu_file.read_bytes()[:-5000])
    with pytest.raises(SourceError, match=rf"{path}: it is damaged or incomplete .*truncated.*; download"):
        NyuDepthV2(path)


def test_another_file(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_text("<html>404 Not Found</html>")
    with pytest.raises(SourceError, match=r"not a MATLAB 7\.3"):
        NyuDepthV2(path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda shapes: shapes.update(images=((1449, 480, 640, 3), "u1")), r"'images' has shape \(1449, 480, 640, 3\)"),
        (lambda shapes: shapes.update(labels=((1448, 640, 480), "u2")), r"'labels' has shape \(1448, 640, 480\)"),
        (lambda shapes: shapes.pop("depths"), "'depths' is missing"),
    ],
)
def test_wrong_layout(tmp_path: Path, change: Callable[[dict[str, Any]], None], complaint: str) -> None:
    path = write_nyu(tmp_path / FILE_NAME, change)
    with pytest.raises(SourceError, match=complaint) as caught:
        NyuDepthV2(path)
    assert str(path) in str(caught.value)
    assert "download" in str(caught.value)


def test_damage_within_is_named_by_image(nyu_file: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(nyu_file, tmp_path / FILE_NAME))
    with h5py.File(path, "r+") as file:
        file["labels"][3, 0, 0] = 895
        place = file["depths"].id.get_chunk_info(0)
    with path.open("r+b") as file:
        file.seek(place.byte_offset + 512)  # HDF5 counts from the end of MATLAB's block
        file.write(b"\x5a" * place.size)
    dataset = NyuDepthV2(path, "trainval")
    with pytest.raises(SourceError, match=rf"{path}: it is damaged"):
        dataset[0]
    bad_label = index_of(dataset, "nyu_0004")
    with pytest.raises(SourceError, match=r"labels\(4\): it holds the label 895, of 0 to 894"):
        dataset[bad_label]
    assert [problem.path for problem in dataset.problems(bad_label)] == [f"{path}, labels(4)"]


def test_options_that_do_not_exist(nyu_file: Path) -> None:
    with pytest.raises(ValueError, match="no split 'val': choose one of train, validation"):
        NyuDepthV2(nyu_file, "val")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no 'inpainted' depth"):
        NyuDepthV2(nyu_file, depth="inpainted")  # type: ignore[arg-type]


def test_tables_are_the_published_ones(shared_data: Path) -> None:
    loadmat = pytest.importorskip("scipy.io", reason="needs the extra `train`").loadmat
    split = loadmat(shared_data / "nyu_meta" / "splits.mat")
    assert sorted(official_test_images()) == sorted((split["testNdxs"].ravel().astype(int) - 1).tolist())
    assert set(range(1449)) - official_test_images() == set((split["trainNdxs"].ravel().astype(int) - 1).tolist())
    mapping = loadmat(shared_data / "nyu_meta" / "classMapping40.mat")
    assert class_of_label()[1:].tolist() == (mapping["mapClass"].ravel().astype(int) - 1).tolist()
    assert [str(name[0]) for name in mapping["className"].ravel()] == list(NYU40.classes)
