"""Labels drawn by hand: what becomes of a polygon, what is refused, and the shipped drawings of a kitchen."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cinet_core.data.frame_files import SourceError
from cinet_core.data.polygons import Polygon, PolygonLabels, rasterise, read_polygons
from cinet_core.data.rgbd_sequence import RgbdSequence
from cinet_core.geometry import unproject
from cinet_core.label_sets import NYU40, UNLABELLED

KITCHEN = Path(__file__).resolve().parents[1] / "data" / "kitchen_polygons.json"
WALL, FLOOR, TABLE, COUNTER = NYU40.ids(["wall", "floor", "table", "counter"])
SQUARE = [[1, 1], [4, 1], [4, 3], [1, 3]]
MIN_COVERAGE = 0.85
MAX_BYTES = 200_000


def content(polygon: Any = SQUARE, label: str = "wall", **changes: Any) -> dict[str, Any]:
    frames = {"a": [{"label": label, "polygon": polygon}]}
    return {"label_set": "nyu40", "image_size": [8, 6], "source": "a test", "frames": frames} | changes


def written(folder: Path, text: object) -> Path:
    path = folder / "polygons.json"
    path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return path


def test_a_polygon_has_its_outline_and_its_inside(tmp_path: Path) -> None:
    drawn = read_polygons(written(tmp_path, content()))
    labels = drawn.labels("a")
    expected = np.full((6, 8), UNLABELLED, np.uint8)
    expected[1:4, 1:5] = WALL
    assert drawn.label_set is NYU40
    assert drawn.frames == ("a",)
    assert labels is not None
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, expected)


def test_a_later_polygon_covers_an_earlier_one() -> None:
    square = np.array(SQUARE, dtype=np.float64)
    wall, floor = Polygon(WALL, square), Polygon(FLOOR, square + np.array([2.0, 0.0]))
    assert rasterise([wall, floor], (8, 6))[2].tolist() == [255, 0, 0, 1, 1, 1, 1, 255]
    assert rasterise([floor, wall], (8, 6))[2].tolist() == [255, 0, 0, 0, 0, 1, 1, 255]


def test_points_may_lie_between_pixels_and_on_the_edge_of_the_image() -> None:
    everything = np.array([[0, 0], [8, 0], [8, 6], [0, 6]], dtype=np.float64)
    assert (rasterise([Polygon(TABLE, everything)], (8, 6)) == TABLE).all()
    band = np.array([[0.0, 1.75], [7.0, 1.75], [7.0, 4.25], [0.0, 4.25]])
    drawn = np.flatnonzero((rasterise([Polygon(TABLE, band)], (8, 6)) == TABLE)[:, 3])
    assert drawn.tolist() == [2, 3, 4], "to the nearest pixel, neither outwards nor down"


def test_a_frame_without_polygons_has_no_labels(tmp_path: Path) -> None:
    assert read_polygons(written(tmp_path, content())).labels("b") is None


def test_names_are_compared_without_case_and_with_underscores(tmp_path: Path) -> None:
    drawn = read_polygons(written(tmp_path, content(label="Floor_Mat")))
    assert drawn.polygons["a"][0].label == NYU40.ids(["floor mat"])[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(content(label="refrigerator"), "did you mean 'refridgerator'", id="unknown class"),
        pytest.param(content(polygon=SQUARE[:2]), "frame 'a', polygon 1 (wall) has 2 points", id="two points"),
        pytest.param(content(polygon=[]), "has 0 points; give at least 3", id="no points"),
        pytest.param(content(polygon=[*SQUARE, [9, 2]]), "the point (9, 2) outside the image; x must be", id="right"),
        pytest.param(content(polygon=[*SQUARE, [1, -0.5]]), "the point (1, -0.5) outside", id="above"),
        pytest.param(content(polygon=[*SQUARE, [float("nan"), 1]]), "the point (nan, 1) outside", id="NaN"),
        pytest.param(content(polygon=[[1, 2, 3]] * 4), "frame 'a', polygon 1: ValueError", id="three coordinates"),
        pytest.param(content(polygon=[["a", 2]] * 4), "a frame is a list of", id="letters"),
        pytest.param(content(polygon=None), "a frame is a list of", id="null"),
        pytest.param(content(frames={"a": [{"polygon": SQUARE}]}), "KeyError('label')", id="no label"),
        pytest.param(content(frames={"a": []}), "frame 'a' has no polygons", id="empty frame"),
        pytest.param(content(frames={"a": SQUARE[0]}), "frame 'a', polygon 1", id="frame of numbers"),
        pytest.param(content(frames=3), "give an object with label_set", id="frames is a number"),
        pytest.param(content(label_set="nyu41"), "no label set is called 'nyu41'", id="unknown label set"),
        pytest.param(content(image_size=[8]), "give an object with label_set", id="one size"),
        pytest.param(content(image_size=[8, 0]), "image_size is [8, 0]", id="empty image"),
        pytest.param(content(image_size=[float("inf"), 6]), "give an object with label_set", id="endless image"),
        pytest.param(content(polygon=[[10**400, 2]] * 3), "frame 'a', polygon 1: OverflowError", id="endless number"),
        pytest.param(content(image_size=[8.5, 6]), "image_size is [8.5, 6]", id="half a pixel"),
        pytest.param({"label_set": "nyu40"}, "it has no 'image_size'", id="missing"),
        pytest.param([content()], "it holds a list", id="a list"),
        pytest.param(json.dumps(content())[:-5], "it is no sound JSON", id="cut off"),
        pytest.param('{"frames": {"a": [], "a": []}}', "the name 'a' appears twice", id="repeated name"),
        pytest.param("[" * 100_000, "it is no sound JSON", id="nested too deeply"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, text: object, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SourceError, match=re.escape(message)) as caught:
        read_polygons(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        read_polygons(tmp_path / "none.json")


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    path = tmp_path / "polygons.json"
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(SourceError, match="it is no sound JSON"):
        read_polygons(path)


@pytest.fixture(scope="module")
def kitchen() -> PolygonLabels:
    return read_polygons(KITCHEN)


def test_the_kitchen_is_labelled_nearly_everywhere(kitchen: PolygonLabels) -> None:
    assert KITCHEN.stat().st_size < MAX_BYTES
    assert kitchen.image_size == (640, 480)
    assert len(kitchen.frames) == 10
    for name in kitchen.frames:
        labels = kitchen.labels(name)
        assert labels is not None
        assert (labels != UNLABELLED).mean() >= MIN_COVERAGE, name


def test_the_kitchen_has_the_classes_of_a_kitchen(kitchen: PolygonLabels) -> None:
    pixels = np.bincount(np.concatenate([kitchen.labels(name).ravel() for name in kitchen.frames]), minlength=256)
    wanted = ["wall", "floor", "cabinet", "chair", "table", "counter", "books", "paper", "sink", "otherprop"]
    assert {NYU40.classes[index] for index in np.flatnonzero(pixels[:UNLABELLED])} == set(wanted)
    assert (pixels[NYU40.ids(wanted)] > 0.005 * pixels.sum()).all(), "a class that is hardly there measures nothing"


def heights_above(plane: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Metres of (H, W, 3) points above the best plane through (N, 3) points; y of the camera points down."""
    centre = plane.mean(axis=0)
    normal = np.linalg.svd(plane - centre, full_matrices=False)[2][2]
    return (points - centre) @ (normal * -np.sign(normal[1]))


def test_the_kitchen_is_labelled_where_its_depth_says(kitchen: PolygonLabels, shared_data: Path) -> None:
    """The sensor agrees: the floor is a plane, a table stands 0.72 m above it, and a counter 0.89 m."""
    root = shared_data / "kitchen_sequence"
    sequence = RgbdSequence(root, color_focal=525.0, baseline=0.025, polygons=str(KITCHEN))
    sample = sequence[54]
    assert sample.name in kitchen.frames
    depth, labels = np.asarray(sample.depth), np.asarray(sample.labels)
    points = unproject(depth, sample.intrinsics).astype(np.float64)
    known = np.isfinite(depth) & (depth > 0)
    floor = known & (labels == FLOOR)
    heights = heights_above(points[floor], points)
    heights = heights_above(points[floor & (np.abs(heights) < 0.1)], points)  # without rays past a chair's slats
    assert (np.abs(heights[floor]) < 0.03).mean() > 0.9
    assert np.median(heights[known & (labels == TABLE)]) == pytest.approx(0.72, abs=0.04)
    assert np.median(heights[known & (labels == COUNTER)]) == pytest.approx(0.89, abs=0.04)
