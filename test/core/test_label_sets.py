from __future__ import annotations

import json
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from cinet_core.label_sets import (
    LABEL_SETS,
    NYU13,
    NYU40,
    SUN37,
    UNLABELLED,
    Grouping,
    LabelSet,
    get_label_set,
    voc_palette,
)

NYU_META = Path(__file__).resolve().parents[3] / "shared" / "data" / "nyu_meta"


def test_sizes_and_ends_of_the_label_sets() -> None:
    assert (len(NYU40.classes), len(NYU13.classes), len(SUN37.classes)) == (40, 13, 37)
    assert (NYU40.classes[0], NYU40.classes[23], NYU40.classes[39]) == ("wall", "refridgerator", "otherprop")
    assert SUN37.classes == NYU40.classes[:37]
    assert {"nyu40", "nyu13", "sun37"} <= LABEL_SETS.keys()
    assert [get_label_set(name).name for name in LABEL_SETS] == list(LABEL_SETS)
    with pytest.raises(ValueError, match=rf"'coco'.*{', '.join(LABEL_SETS)}"):
        get_label_set("coco")


def test_palette_is_pascal_voc_with_void_first() -> None:
    devkit = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128)]
    assert voc_palette(7).tolist() == [list(color) for color in devkit]
    assert voc_palette()[255].tolist() == [224, 224, 192]
    assert NYU40.colors[0].tolist() == [128, 0, 0]
    assert NYU40.palette.shape == (256, 3)
    np.testing.assert_array_equal(NYU40.palette[:40], NYU40.colors)
    assert not NYU40.palette[40:].any(), "255 and unknown ids are void, which is black"


@pytest.mark.parametrize("label_set", LABEL_SETS.values(), ids=LABEL_SETS)
def test_colours_tell_classes_apart(label_set: LabelSet) -> None:
    for colors in (label_set.colors, *(group.colors for group in label_set.groupings.values())):
        assert len(np.unique(colors, axis=0)) == len(colors)
        assert (colors.sum(axis=1) > 0).all(), "black means void"


def test_shared_tables_cannot_be_changed_by_accident() -> None:
    with pytest.raises(ValueError, match="read-only"):
        NYU40.palette[0] = 1


@pytest.mark.parametrize("label_set", LABEL_SETS.values(), ids=LABEL_SETS)
def test_plain_data_round_trip(label_set: LabelSet) -> None:
    again = LabelSet.from_dict(json.loads(json.dumps(label_set.to_dict())))
    assert again == label_set
    assert hash(again) == hash(label_set)
    assert pickle.loads(pickle.dumps(label_set)) == label_set


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"name": "x"},
        {"name": "x", "classes": 5},
        {"name": "x", "classes": ["a", "a"]},
        {"name": "x", "classes": []},
        {"name": "x", "classes": ["a"] * 256},
        {"name": "x", "classes": ["a"], "groupings": []},
        {"name": "x", "classes": ["a"], "groupings": {"g": {"names": ["b"], "members": [1]}}},
        {"name": "x", "classes": ["a"], "groupings": {"g": {"names": ["b"], "members": []}}},
        {"name": "x", "classes": ["a"], "groupings": {"g": {"names": ["b"], "members": [float("inf")]}}},
        {"name": "x", "classes": ["a"], "groupings": {"g": {"names": ["b"] * 256, "members": [0]}}},
        {"name": "x", "classes": ["a"], "groupings": {"g": {"names": ["b"], "members": [0], "unknown": 1}}},
    ],
)
def test_foreign_data_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"not a label set|label set 'x'|grouping 'g'"):
        LabelSet.from_dict(values)


def test_ids_by_name() -> None:
    assert NYU40.ids(["wall", "Floor_Mat", "otherprop"]) == [0, 19, 39]
    assert NYU40.ids([]) == []
    assert LabelSet("x", ("traffic_light", "Sky")).ids(["traffic_light", "traffic light", "sky"]) == [0, 0, 1]
    with pytest.raises(ValueError, match=r"no class 'fridge': did you mean 'refridgerator'\? It has wall, floor"):
        NYU40.ids(["wall", "fridge"])
    with pytest.raises(ValueError, match=r"no class 'zzz': it has bed, books"):
        NYU13.ids(["zzz"])


def test_grouping_lookup_paints_whole_images() -> None:
    kimera, structure = NYU40.groupings["kimera20"], NYU40.groupings["structure"]
    labels = np.array([[0, 1, 30, UNLABELLED]], dtype=np.uint8)
    assert [kimera.names[i] for i in kimera.lookup[labels][0]] == ["wall", "floor", "person", "unknown"]
    assert structure.lookup[labels][0, -1] == UNLABELLED
    assert [structure.names[i] for i in structure.lookup[labels][0, :3]] == ["wall", "floor", "person"]


def test_kimera_gets_labels_1_to_20_and_white_for_unknown_alone() -> None:
    kimera = NYU40.groupings["kimera20"]
    assert len(kimera.names) == 21
    assert set(kimera.members) == set(range(1, 21)), "every group is used, and no class is unknown"
    white = (kimera.colors == 255).all(axis=1)
    assert white.tolist() == [True] + [False] * 20


def test_structure_covers_what_navigation_asks_for() -> None:
    structure = NYU40.groupings["structure"]
    by_name = {label: structure.names[structure.members[i]] for i, label in enumerate(NYU40.classes)}
    assert by_name["floor mat"] == "floor"
    assert by_name["door"] == "opening"
    assert by_name["sofa"] == "furniture"
    assert set(by_name.values()) == {"floor", "wall", "ceiling", "opening", "furniture", "object", "person"}


def test_thirteen_classes_share_their_names() -> None:
    assert NYU40.groupings["nyu13"].names == NYU13.classes
    assert SUN37.groupings["nyu13"].members == NYU40.groupings["nyu13"].members[:37]


def test_mapping_to_thirteen_classes_is_the_published_one() -> None:
    path = NYU_META / "class13Mapping.mat"
    if not path.is_file():
        pytest.skip(f"{path} is not on this machine")
    raw = path.read_bytes()
    kind, size = struct.unpack("<II", raw[128:136])  # a MAT 5 file: its header, then one compressed element
    assert kind == 15
    content = zlib.decompress(raw[136 : 136 + size])
    table = content.split(struct.pack("<II", 2, 40))[1][:40]  # 40 bytes of type uint8: labels13, from 1
    assert [value - 1 for value in table] == list(NYU40.groupings["nyu13"].members)


def test_a_grouping_without_such_a_group_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[2\].*only 2 groups"):
        Grouping("g", ("a", "b"), (0, 2))
