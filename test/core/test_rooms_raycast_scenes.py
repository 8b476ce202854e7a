"""Synthetic rooms behind the interface of the data sets on disk."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from cinet_core.data.check import check_dataset
from cinet_core.data.registry import open_dataset
from cinet_core.data.scene_dataset import SPLITS, SceneDataset, Split
from cinet_core.label_sets import NYU13, NYU40
from cinet_core.rooms.raycast import PLAIN_SENSOR, CameraRange, SyntheticRooms
from cinet_core.rooms.raycast.scenes import SyntheticScenes

SMALL = {"width": 48, "height": 36, "shadows": False}
LENGTHS = {"length": 5, "validation_length": 3, "test_length": 2}


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Images are tiny: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def scenes(split: Split = "train", **options) -> SyntheticScenes:
    return SyntheticScenes("", split, **{**SMALL, **LENGTHS, **options})


def names(dataset: SceneDataset) -> list[str]:
    return [dataset.name(index) for index in range(len(dataset))]


def test_samples_are_those_of_the_rooms() -> None:
    rooms, dataset = SyntheticRooms(5, 0, 48, 36, shadows=False), scenes()
    assert len(dataset) == 5
    for index in (3, 0, 3):
        ours, theirs = dataset[index], rooms[index]
        assert ours.name == theirs.name == dataset.name(index)
        assert ours.intrinsics == theirs.intrinsics
        for part in ("image", "depth", "labels"):
            assert torch.equal(getattr(ours, part), getattr(theirs, part))
        assert ours.has_depth
        assert ours.has_labels
    assert (dataset.meta.name, dataset.meta.image_size, dataset.split) == ("synthetic_rooms", (48, 36), "train")
    assert dataset.label_set == NYU40
    with pytest.raises(IndexError):
        dataset[5]


def test_what_is_handed_out_is_the_callers_own() -> None:
    dataset = scenes()
    first = dataset[0]
    before = {part: getattr(first, part).clone() for part in ("image", "depth", "labels")}
    for part in before:
        getattr(first, part).zero_()
    again = dataset[0]  # of the view that is kept
    assert all(torch.equal(getattr(again, part), values) for part, values in before.items())


def test_splits_are_disjoint_rooms_and_put_together() -> None:
    parts = {split: names(scenes(split)) for split in SPLITS}
    assert [len(parts[split]) for split in SPLITS] == [5, 3, 8, 2, 10]
    assert parts["trainval"] == parts["train"] + parts["validation"]
    assert parts["all"] == parts["trainval"] + parts["test"]
    assert len(set(parts["all"])) == 10
    views = [scenes(split)._view(member) for split, member in (("train", 0), ("validation", 5), ("test", 8))]
    for first, second in itertools.combinations(views, 2):
        assert not torch.equal(first.depth, second.depth)


def test_no_two_seeds_or_splits_share_the_seed_of_their_rooms() -> None:
    every = [names(scenes(split, seed=seed)) for seed in range(5) for split in ("train", "validation", "test")]
    assert len(set(itertools.chain(*every))) == 5 * 10


def test_longer_sets_begin_with_the_same_rooms() -> None:
    assert names(scenes(length=9))[:5] == names(scenes())
    assert names(scenes("validation", length=9)) == names(scenes("validation"))
    assert torch.equal(scenes("validation", length=9)[1].depth, scenes("validation")[1].depth)


def test_labels_are_mapped() -> None:
    own, mapped = scenes()[1].labels, scenes(label_set=NYU13)[1].labels
    assert torch.equal(mapped.long(), torch.tensor(NYU40.groupings["nyu13"].lookup.tolist())[own.long()])


@pytest.mark.parametrize(
    ("root", "kind"), [("synthetic", "auto"), ("", "synthetic_rooms"), ("synthetic", "synthetic_rooms")]
)
def test_the_registry_knows_them(root: str, kind: str) -> None:
    dataset = open_dataset(root, "test", kind, **SMALL, **LENGTHS, label_set="nyu13")
    assert isinstance(dataset, SyntheticScenes)
    assert len(dataset) == 2
    assert dataset.label_set == NYU13


def test_settings_from_a_file_are_understood() -> None:
    dataset = scenes(cameras={"height": [0.3, 0.4], "horizontal_fov": [60, 60], "center": 0.0}, sensor={"noise": 0.0})
    same = scenes(cameras=CameraRange(height=(0.3, 0.4), horizontal_fov=(60.0, 60.0), center=0.0))
    camera = dataset[0].intrinsics
    assert camera is not None
    assert camera.fx == pytest.approx(24 / np.tan(np.radians(30)))
    assert camera == same[0].intrinsics
    assert not torch.equal(dataset[0].image, same[0].image)  # without the noise
    assert torch.equal(
        scenes(sensor=PLAIN_SENSOR)[0].image,
        scenes(sensor={"exposure": 0, "white_balance": 0, "blur": 0, "vignetting": 0, "noise": 0})[0].image,
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"split": "tset"}, "no split 'tset'"),
        ({"root": "/data/rooms"}, "not read from '/data/rooms'"),
        ({"seed": -1}, "seed .* is -1"),
        ({"length": 0}, "length 0"),
        ({"cameras": {"hight": 1.0}}, r"hight.*the fields are height, pitch"),
        ({"lenght": 4}, r"no option 'lenght': it has length, validation_length"),
        ({"label_set": "nyu14"}, "nyu14"),
        ({"label_set": 13}, "label_set of 'synthetic_rooms' is 13: it must be of type LabelSet"),
        ({"length": "many"}, "length of 'synthetic_rooms' is 'many': it must be of type int"),
        ({"cameras": 1.5}, "cameras of 'synthetic_rooms' is 1.5: it must be of type CameraRange"),
    ],
)
def test_bad_settings_are_refused(options: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        open_dataset(**{"root": "", "kind": "synthetic_rooms", **options})


def test_it_can_be_checked_and_sent_to_workers() -> None:
    dataset = scenes("validation")
    report = check_dataset(dataset)
    assert (report.frames, report.readable, report.with_camera, report.problems) == (3, 3, 3, [])
    assert dataset.problems(0) == []
    assert torch.equal(pickle.loads(pickle.dumps(dataset))[1].image, dataset[1].image)
