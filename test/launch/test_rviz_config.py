"""config/perception.rviz and navigation.rviz show topics that exist, as they are published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cinet_ros.navigation.topics import message_types
from cinet_ros.parameters import Settings

REPOSITORY = Path(__file__).resolve().parents[2]

# topics of the contract -> display that shows their type
SHOWN = {
    "/image": "rviz_default_plugins/Image",
    "/depth_registered/image_rect": "rviz_default_plugins/Image",
    "/semantic_color/image_raw": "rviz_default_plugins/Image",
    "/semantic_overlay/image_raw": "rviz_default_plugins/Image",
    "/points": "rviz_default_plugins/PointCloud2",
}


@pytest.fixture(scope="module")
def manager() -> dict[str, Any]:
    text = (REPOSITORY / "config" / "perception.rviz").read_text(encoding="utf-8")
    return yaml.safe_load(text)["Visualization Manager"]


@pytest.fixture(scope="module")
def displays(manager: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["Topic"]["Value"]: item for item in manager["Displays"] if "Topic" in item}


def test_topics_and_their_types(displays: dict[str, dict[str, Any]]) -> None:
    assert {topic: display["Class"] for topic, display in displays.items()} == SHOWN
    assert all(display["Enabled"] for display in displays.values())


def test_qos_matches_publishers(displays: dict[str, dict[str, Any]]) -> None:
    for topic, display in displays.items():
        # outputs are reliable; a camera driver may be either, and only best effort matches both
        expected = "Best Effort" if topic == "/image" else "Reliable"
        assert display["Topic"]["Reliability Policy"] == expected, topic
        assert display["Topic"]["Durability Policy"] == "Volatile", topic
        assert display["Topic"]["Depth"] <= 5, topic


def test_depth_is_shown_in_metres(displays: dict[str, dict[str, Any]]) -> None:
    depth = displays["/depth_registered/image_rect"]
    assert depth["Normalize Range"] is False
    assert 0 == depth["Min Value"] < depth["Max Value"] <= 10


def test_cloud_is_coloured_and_in_the_cameras_frame(
    manager: dict[str, Any], displays: dict[str, dict[str, Any]]
) -> None:
    assert displays["/points"]["Color Transformer"] == "RGB8"
    assert manager["Global Options"]["Fixed Frame"] == "camera_optical_frame"


def test_view_looks_along_the_optical_axis(manager: dict[str, Any]) -> None:
    view = manager["Views"]["Current"]
    assert view["Class"] == "rviz_default_plugins/Orbit"
    # the eye is behind the camera (z < 0): focal point minus distance along a view that points at +z
    assert -1.57 < view["Pitch"] < -1.0
    assert view["Focal Point"]["Z"] < view["Distance"]
    # yaw -90 degrees: image right is screen right
    assert view["Yaw"] == pytest.approx(4.712, abs=0.01)


# --- config/navigation.rviz ---

NAVIGATION = {
    "/ground": "rviz_default_plugins/PointCloud2",
    "/free": "rviz_default_plugins/PointCloud2",
    "/obstacles/static": "rviz_default_plugins/PointCloud2",
    "/obstacles/dynamic": "rviz_default_plugins/PointCloud2",
    "/cliffs": "rviz_default_plugins/PointCloud2",
    "/scan": "rviz_default_plugins/LaserScan",
    "/objects/markers": "rviz_default_plugins/MarkerArray",
    "/semantic_overlay/image_raw": "rviz_default_plugins/Image",
}


def test_what_is_for_navigation_is_shown_as_it_is_published() -> None:
    text = (REPOSITORY / "config" / "navigation.rviz").read_text(encoding="utf-8")
    manager = yaml.safe_load(text)["Visualization Manager"]
    displays = {item["Topic"]["Value"]: item for item in manager["Displays"] if "Topic" in item}
    assert {topic: display["Class"] for topic, display in displays.items()} == NAVIGATION
    kinds = {f"/{topic}": kind.__name__ for topic, kind in message_types().items()}
    for topic, display in displays.items():
        assert display["Class"].endswith(kinds.get(topic, "Image"))
        assert display["Topic"]["Reliability Policy"] == "Reliable"
        assert display["Topic"]["Durability Policy"] == "Volatile"
    # a lidar's scan is another matter, and free rays are many: who wants them switches them on
    assert {topic for topic, display in displays.items() if not display["Enabled"]} == {"/free", "/scan"}
    assert manager["Global Options"]["Fixed Frame"] == Settings.base_frame
