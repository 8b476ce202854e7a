"""config/diagnostic_aggregator.yaml and config/foxglove_layout.json are about what our nodes really publish."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from light_network import HAS_TORCH, RANDOM
from rclpy.context import Context
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from cinet_ros.mapping.node import MappingNode
from cinet_ros.msg import PerceptionStats, StageTime
from cinet_ros.perception import PerceptionNode

CONFIG = Path(__file__).resolve().parents[2] / "config"
Make = Callable[..., Any]


@pytest.fixture
def make(context: Context) -> Iterator[Make]:
    """A node of ours, configured, with parameters."""
    nodes: list[Any] = []

    def build(kind: Any, namespace: str = "", **parameters: Any) -> Any:
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        nodes.append(kind(context=context, parameter_overrides=overrides, namespace=namespace))
        nodes[-1].trigger_configure()
        return nodes[-1]

    yield build
    for node in nodes:
        node.close()
        node.destroy_node()


@pytest.fixture
def perception(make: Make) -> Make:
    def build(**parameters: Any) -> PerceptionNode:
        return make(
            PerceptionNode,
            **{
                **{"weights": RANDOM, "device": "cpu", "backend": "torch" if HAS_TORCH else "auto", "autostart": False},
                **{"network_width": 64, "network_height": 64},
                **parameters,
            },
        )

    return build


@pytest.fixture
def mapper(make: Make) -> Make:
    def build(**parameters: Any) -> MappingNode:
        pose = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
        return make(MappingNode, **{"autostart": False, "camera_in_base": pose, **parameters})

    return build


def rows(node: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of a node's rows in /diagnostics."""
    published: list[DiagnosticArray] = []
    monkeypatch.setattr(node._diagnostics, "publish", published.append)
    node.publish_diagnostics()
    return [status.name for message in published for status in message.status]


# --- diagnostic_aggregator ---


def analyzers() -> dict[str, dict[str, Any]]:
    """Parameters of each analyzer."""
    content = yaml.safe_load((CONFIG / "diagnostic_aggregator.yaml").read_text(encoding="utf-8"))
    parameters = content["analyzers"]["ros__parameters"]  # the node is called analyzers
    return {name: value for name, value in parameters.items() if name != "path"}


def matching(row: str) -> list[str]:
    """Analyzers that take a row: GenericAnalyzer::match asks std::regex_match, of the whole name."""
    return [name for name, given in analyzers().items() if any(re.fullmatch(regex, row) for regex in given["regex"])]


def test_analyzers_have_the_parameters_that_generic_analyzer_reads() -> None:
    # diagnostic_aggregator, generic_analyzer.cpp: any other is ignored without a word
    known = {"type", "path", "regex", "timeout", "num_items"}
    for given in analyzers().values():
        assert set(given) <= known
        assert given["type"] == "diagnostic_aggregator/GenericAnalyzer"
        assert isinstance(given["timeout"], float), "as_double throws of an integer"
        assert isinstance(given["regex"], list), "as_string_array throws of a string"


@pytest.mark.parametrize("namespace", ["", "/robot", "/fleet/robot"])
@pytest.mark.parametrize("cameras", [[""], ["front", "rear"]])
def test_each_row_of_the_perception_node_has_its_analyzer(
    perception: Make, monkeypatch: pytest.MonkeyPatch, namespace: str, cameras: list[str]
) -> None:
    names = rows(perception(namespace=namespace, cameras=cameras), monkeypatch)
    assert len(names) == 1 + len(cameras)
    assert [matching(name) for name in names] == [["perception"]] * len(names)


@pytest.mark.parametrize("namespace", ["", "/robot"])
def test_each_row_of_the_mapper_has_its_analyzer(mapper: Make, monkeypatch: pytest.MonkeyPatch, namespace: str) -> None:
    names = rows(mapper(namespace=namespace), monkeypatch)
    assert len(names) == 3
    assert [matching(name) for name in names] == [["mapping"]] * 3


@pytest.mark.parametrize("row", ["my_perception: model", "perception: model extra", "slam_mapping: map", "mapping"])
def test_rows_of_other_nodes_are_left_alone(row: str) -> None:
    assert matching(row) == []


# --- Foxglove ---


@pytest.fixture(scope="module")
def layout() -> dict[str, Any]:
    return json.loads((CONFIG / "foxglove_layout.json").read_text(encoding="utf-8"))


def topics_of(panel: dict[str, Any]) -> set[str]:
    """Topics that a panel names."""
    image = panel.get("imageMode", {})
    named = {
        image.get("imageTopic"),
        image.get("calibrationTopic"),
        panel.get("topicToRender"),
        *panel.get("topics", {}),
    }
    named |= {path["value"].split(".")[0] for path in panel.get("paths", [])}
    return {str(topic) for topic in named if topic}


def leaves(node: Any) -> list[str]:
    """Panels of a mosaic, each split in two."""
    if isinstance(node, str):
        return [node]
    assert node["direction"] in ("row", "column")
    assert 0 < node["splitPercentage"] < 100
    return leaves(node["first"]) + leaves(node["second"])


def test_layout_has_what_foxglove_reads(layout: dict[str, Any]) -> None:
    assert set(layout) == {"configById", "globalVariables", "userNodes", "playbackConfig", "layout"}
    assert sorted(leaves(layout["layout"])) == sorted(layout["configById"])
    kinds = [name.split("!")[0] for name in layout["configById"]]
    assert set(kinds) == {"Image", "3D", "DiagnosticSummary", "Plot"}


def test_layout_shows_topics_of_our_nodes_with_types_that_its_panels_take(
    layout: dict[str, Any], perception: Make, mapper: Make
) -> None:
    # a node's own list: what the graph tells comes a moment later
    published = {item.topic_name: item.msg_type for node in (perception(), mapper()) for item in node.publishers}
    for name, panel in layout["configById"].items():
        assert topics_of(panel) <= set(published), name
        if name.startswith("Image!"):
            assert published[panel["imageMode"]["imageTopic"]] is Image
            assert published[panel["imageMode"]["calibrationTopic"]] is CameraInfo
    assert published["/points"] is PointCloud2


def test_plots_are_of_fields_that_exist(layout: dict[str, Any]) -> None:
    fields = PerceptionStats.get_fields_and_field_types()
    pattern = re.compile(r'/stats\.(\w+)(?:\[:\]\{stage=="(\w+)"\}\.(\w+))?')
    stages = set()
    for panel in layout["configById"].values():
        for path in panel.get("paths", []):
            field, stage, of_stage = pattern.fullmatch(path["value"]).groups()  # type: ignore[union-attr]
            assert field in fields
            if stage:
                stages.add(stage)
                assert of_stage in StageTime.get_fields_and_field_types()
    text = (CONFIG.parent / "msg" / "StageTime.msg").read_text(encoding="utf-8")
    assert stages == set(re.findall(r"stage +# (.*)", text)[0].split(", "))
