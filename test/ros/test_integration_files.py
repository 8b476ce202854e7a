"""The files that name our classes and topics to other nodes: up to date, and as those nodes read them."""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml
from consumer_demands import CONSUMERS

from cinet_core.label_sets import NYU13, NYU40, UNLABELLED, WHITE, LabelSet
from cinet_ros.integrations import class_files, wiring
from cinet_ros.integrations.nav2_parameters import with_semantic_layer

CONFIG = Path(__file__).resolve().parents[2] / "config" / "integrations"


@pytest.fixture(scope="module")
def shipped() -> LabelSet:
    """The classes of the weights that ship."""
    from cinet_core.model_metadata import read_metadata

    return read_metadata("default").label_set


@pytest.mark.parametrize("name", class_files.FILES)
def test_class_files_are_up_to_date(name: str, shipped: LabelSet) -> None:
    written = (CONFIG / name).read_text(encoding="utf-8")
    assert written == class_files.FILES[name](shipped), "python -m cinet_ros.integrations.class_files"


def test_class_files_of_another_checkpoint_are_written_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert class_files.main(["--output", str(tmp_path / "new")]) == 0
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(class_files.FILES)
    with pytest.raises(SystemExit):
        class_files.main(["--weights", str(tmp_path / "absent.safetensors"), "--output", str(tmp_path / "none")])
    assert not (tmp_path / "none").exists()


def test_a_label_set_without_the_groups_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'nyu13' has no grouping 'kimera20'.*structure"):
        class_files.write_all(tmp_path / "new", NYU13)
    assert not (tmp_path / "new").exists()


def test_hydra_label_space() -> None:
    classes = NYU40.classes
    space = yaml.safe_load(class_files.hydra_label_space(NYU40))
    assert set(space) <= set(CONSUMERS["hydra"].parameters)
    assert space["total_semantic_labels"] == len(classes)
    assert [(item["label"], item["name"]) for item in space["label_names"]] == list(enumerate(classes))
    roles = ("dynamic_labels", "ground_labels", "surface_places_labels", "object_labels")
    named = {role: {classes[number] for number in space[role]} for role in roles}
    assert named["dynamic_labels"] == {"person"}
    assert named["ground_labels"] == named["surface_places_labels"] == {"floor", "floor mat"}
    assert {"chair", "table", "door", "lamp"} <= named["object_labels"]
    assert not named["object_labels"] & {"wall", "ceiling", "floor", "person"}
    assert space["invalid_labels"] == [UNLABELLED]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_hydra_colors_are_the_palette() -> None:
    written = rows(class_files.hydra_colors(NYU40))
    # hydra src/common/semantic_color_map.cpp:131
    assert {"red", "green", "blue", "id"} <= set(written[0])
    assert [int(row["id"]) for row in written] == list(range(40))
    assert [[int(row[name]) for name in ("red", "green", "blue")] for row in written] == NYU40.colors.tolist()


def test_kimera_reads_the_class_of_every_colour() -> None:
    text = class_files.kimera_semantics(NYU40)
    # kimera kimera_semantics/src/color.cpp:51: six columns in each row, the heading too
    assert {len(line.split(",")) for line in text.splitlines()} == {6}
    written = rows(text)
    id_of = {tuple(int(row[name]) for name in ("red", "green", "blue")): int(row["id"]) for row in written}
    assert len(id_of) == len(written) == 41  # no colour twice
    assert WHITE not in id_of  # kimera kimera_semantics/src/color.cpp:66
    grouping = NYU40.groupings["kimera20"]
    for number, color in enumerate(NYU40.colors.tolist()):
        assert id_of[tuple(color)] == grouping.members[number]
    assert id_of[(0, 0, 0)] == 0  # unlabelled is unknown
    # kimera kimera_semantics/include/kimera_semantics/common.h:26
    assert set(id_of.values()) == set(range(21))
    assert {row["alpha"] for row in written} == {"255"}
    drawn = {int(row["id"]): row["name"] for row in written}
    assert (drawn[1], drawn[2], drawn[19]) == ("wall", "floor", "person")


def test_kimera_launch_file_names_parameters_that_exist_and_people_are_dynamic() -> None:
    node = ElementTree.parse(CONFIG / "kimera_semantics_ros1.launch").getroot().find("node")
    assert node is not None
    names = {item.get("name") or item.get("param") for item in node if item.tag in ("param", "rosparam")}
    assert names <= set(CONSUMERS["kimera"].parameters)
    dynamic = next(item.text for item in node if item.tag == "rosparam")
    assert yaml.safe_load(str(dynamic)) == [NYU40.groupings["kimera20"].names.index("person")]
    assert [item.get("from") for item in node if item.tag == "remap"] == list(wiring.KIMERA)


def test_kimera_bridge_carries_the_cloud_and_transforms() -> None:
    bridged = yaml.safe_load((CONFIG / "kimera_bridge.yaml").read_text(encoding="utf-8"))["topics"]
    kinds = {item["topic"]: item["type"] for item in bridged}
    assert kinds["/points"] == "sensor_msgs/msg/PointCloud2"
    assert {"/tf", "/tf_static"} < set(kinds)


def test_every_class_has_one_cost_in_nav2_but_for_ceilings() -> None:
    source = yaml.safe_load(class_files.nav2_semantic_layer(NYU40))["semantic_layer"]["cinet"]
    listed = [name for kind in source["class_types"] for name in source[kind]["classes"]]
    assert sorted(listed) == sorted(set(NYU40.classes) - {"ceiling"})
    assert source["traversable"]["max_cost"] == 0
    assert source["obstacle"]["max_cost"] == source["person"]["base_cost"] == 254
    for kind in source["class_types"]:
        # semantic_segmentation_layer include/.../segmentation_buffer.hpp:67: uint8
        assert all(0 <= source[kind][cost] <= 255 for cost in ("base_cost", "max_cost", "mark_confidence"))


# --- Nav2's parameters ---

NAV2_PARAMETERS = {
    "local_costmap": {"local_costmap": {"ros__parameters": {"plugins": ["voxel_layer", "inflation_layer"]}}},
    "controller_server": {"ros__parameters": {"controller_frequency": 20.0}},
}
SECTION = {"semantic_layer": {"plugin": "one", "cinet": {"segmentation_topic": "/semantic/image_raw", "x": 1}}}


def test_the_layer_goes_before_the_inflation_and_the_rest_stays() -> None:
    topics = {"segmentation_topic": "/robot/semantic/image_raw"}
    merged = with_semantic_layer(NAV2_PARAMETERS, SECTION, topics, "local_costmap")
    values = merged["local_costmap"]["local_costmap"]["ros__parameters"]
    assert values["plugins"] == ["voxel_layer", "semantic_layer", "inflation_layer"]
    assert values["semantic_layer"]["cinet"] == {"segmentation_topic": "/robot/semantic/image_raw", "x": 1}
    assert merged["controller_server"] == NAV2_PARAMETERS["controller_server"]
    assert SECTION["semantic_layer"]["cinet"]["segmentation_topic"] == "/semantic/image_raw"  # type: ignore[index]
    with pytest.raises(ValueError, match="already"):
        with_semantic_layer(merged, SECTION, topics, "local_costmap")
    with pytest.raises(ValueError, match="no global_costmap"):
        with_semantic_layer(NAV2_PARAMETERS, SECTION, topics, "global_costmap")
    with pytest.raises(ValueError, match="no local_costmap"):
        with_semantic_layer(None, SECTION, topics, "local_costmap")  # type: ignore[arg-type]  # an empty file
