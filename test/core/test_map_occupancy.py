"""A made-up room as points: what is free, what is in the way, where the floor is and what stands on it."""

from __future__ import annotations

import numpy as np
import pytest

from cinet_core.label_sets import NYU13, NYU40, LabelSet
from cinet_core.mapping.map_points import MapPoints
from cinet_core.mapping.objects import find_objects
from cinet_core.mapping.occupancy import FREE, OCCUPIED, UNKNOWN, OccupancyGrid2D, fit_floor, occupancy

STEP = 0.02
WALL, FLOOR, TABLE, CHAIR, CEILING, LAMP = NYU40.ids(["wall", "floor", "table", "chair", "ceiling", "lamp"])


def sheet(low: tuple[float, float, float], high: tuple[float, float, float]) -> np.ndarray:
    """Points every `STEP` in a box; flat where low and high are equal."""
    axes = [np.arange(a, b + STEP / 2, STEP) for a, b in zip(low, high, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


PARTS = [
    (FLOOR, sheet((0, 0, 0), (3, 2, 0))),
    (WALL, sheet((3, 0, 0.02), (3, 2, 2.4))),
    (TABLE, sheet((1, 1, 0.7), (1.6, 1.6, 0.7))),
    (CHAIR, sheet((0.3, 0.3, 0.4), (0.7, 0.7, 0.44))),
    (CHAIR, sheet((2.2, 0.3, 0.4), (2.6, 0.7, 0.44))),
    (CEILING, sheet((0, 0, 0.9), (3, 2, 0.9))),  # absurdly low: it is the class that counts
    (LAMP, sheet((0.5, 1.5, 1.6), (0.7, 1.7, 1.8))),  # over the robot
]


def room(rotation: np.ndarray | None = None, shift: tuple[float, float, float] = (0, 0, 0)) -> MapPoints:
    xyz = np.concatenate([points for _, points in PARTS])
    labels = np.concatenate([np.full(len(points), label, np.uint8) for label, points in PARTS])
    moved = xyz @ (np.eye(3) if rotation is None else rotation).T + shift
    sure = np.full(len(xyz), 255, np.uint8)
    return MapPoints(moved.astype(np.float32), np.zeros((len(xyz), 3), np.uint8), labels, sure)


def at(grid: OccupancyGrid2D, x: float, y: float, z: float = 0.0) -> int:
    """The cell below a place in the map."""
    local = (np.array([x, y, z]) - grid.origin) @ grid.rotation
    column, row = np.floor(local[:2] / grid.resolution).astype(int)
    return int(grid.cells[row, column])


def test_floor_is_free_and_what_stands_in_the_way_occupied() -> None:
    grid = occupancy(room(), NYU40)
    assert grid.cells.dtype == np.int8
    assert at(grid, 0.11, 1.21) == FREE  # under the ceiling, and nothing else
    assert at(grid, 1.31, 1.31) == OCCUPIED  # table
    assert at(grid, 0.51, 0.51) == OCCUPIED  # chair
    assert at(grid, 3.0, 1.01) == OCCUPIED  # wall
    assert at(grid, 0.61, 1.61) == FREE  # below the lamp
    np.testing.assert_allclose(grid.rotation, np.eye(3))
    assert grid.origin[2] == pytest.approx(0.0)
    assert (grid.cells == OCCUPIED).sum() * grid.resolution**2 == pytest.approx(0.36 + 2 * 0.16 + 0.1, rel=0.25)


def test_a_low_robot_passes_under_the_table() -> None:
    grid = occupancy(room(), NYU40, robot_height=0.35)
    assert at(grid, 1.31, 1.31) == FREE
    assert at(grid, 3.0, 1.01) == OCCUPIED


def test_what_nobody_saw_is_unknown_and_what_nobody_named_is_in_the_way() -> None:
    points = room()
    x, y = points.xyz[:, 0], points.xyz[:, 1]
    kept = points[~((x > 1.95) & (x < 2.15) & (y > 1.5))]
    assert at(occupancy(kept, NYU40), 2.05, 1.81) == UNKNOWN
    nameless = MapPoints(
        points.xyz, points.rgb, np.where(points.labels == CHAIR, 255, points.labels).astype(np.uint8), points.confidence
    )
    assert at(occupancy(nameless, NYU40), 0.51, 0.51) == OCCUPIED


def test_single_points_are_noise() -> None:
    points = room()
    both = MapPoints(
        np.concatenate([points.xyz, np.array([[0.11, 1.21, 0.5]], np.float32)]),
        np.concatenate([points.rgb, np.zeros((1, 3), np.uint8)]),
        np.append(points.labels, np.uint8(CHAIR)),
        np.append(points.confidence, np.uint8(255)),
    )
    assert at(occupancy(both, NYU40), 0.11, 1.21) == FREE
    assert at(occupancy(both, NYU40, min_points=1), 0.11, 1.21) == OCCUPIED


def tilted() -> np.ndarray:
    """A camera's frame: y points down, and it is held 25 degrees askew."""
    turn = np.radians(25)
    roll = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    return roll @ np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])


def test_the_floor_is_found_where_up_is_not_known() -> None:
    rotation, shift = tilted(), (0.5, -1.0, 2.0)
    points = room(rotation, shift)
    plane = fit_floor(points, NYU40)
    np.testing.assert_allclose(plane.up, rotation[:, 2], atol=1e-3)
    assert plane.height == pytest.approx(float(rotation[:, 2] @ shift), abs=2e-3)
    assert plane.support > 0.99
    grid = occupancy(points, NYU40, plane.up, plane.height)
    for place, state in (((1.31, 1.31, 0), OCCUPIED), ((0.11, 1.21, 0), FREE)):
        assert at(grid, *(rotation @ place + shift)) == state
    np.testing.assert_allclose(grid.rotation.T @ grid.rotation, np.eye(3), atol=1e-9)
    assert np.linalg.det(grid.rotation) == pytest.approx(1.0)


def test_the_floor_is_found_among_points_that_are_none() -> None:
    points, rng = room(), np.random.default_rng(1)
    labels = points.labels.copy()
    wrong = rng.random(len(labels)) < 0.3
    labels[wrong & (points.labels != CEILING)] = FLOOR
    plane = fit_floor(MapPoints(points.xyz, points.rgb, labels, points.confidence), NYU40)
    np.testing.assert_allclose(plane.up, (0, 0, 1), atol=5e-3)
    assert plane.height == pytest.approx(0.0, abs=5e-3)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"resolution": 0.0}, "resolution"),
        ({"robot_height": 0.05}, "clearance"),
        ({"min_points": 0}, "min_points"),
        ({"up": (0, 0, 0)}, "direction"),
        ({"height": 50.0}, "is up right"),
    ],
)
def test_settings_are_checked(settings: dict[str, float], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        occupancy(room(), NYU40, **settings)  # type: ignore[arg-type]


def test_without_a_floor_it_says_so_and_far_points_make_no_giant_grid() -> None:
    points = room()
    no_floor = points[points.labels != FLOOR]
    for call in (occupancy, fit_floor):
        with pytest.raises(ValueError, match="0 points of the map are floor"):
            call(no_floor, NYU40)  # type: ignore[operator]
    assert at(occupancy(no_floor, NYU40, height=0.0), 0.51, 0.51) == OCCUPIED
    far = points.xyz.copy()
    far[points.labels == CHAIR] += (900, 900, 0)
    with pytest.raises(ValueError, match="raise resolution"):
        occupancy(MapPoints(far, points.rgb, points.labels, points.confidence), NYU40)
    with pytest.raises(ValueError, match='no grouping "structure"'):
        occupancy(points, LabelSet("mine", NYU40.classes))


def test_other_label_sets_have_floors_too() -> None:
    points = room()
    lookup = NYU40.groupings["nyu13"].lookup
    coarse = MapPoints(points.xyz, points.rgb, lookup[points.labels], points.confidence)
    np.testing.assert_array_equal(occupancy(coarse, NYU13).cells, occupancy(points, NYU40).cells)


def test_objects_are_clusters_of_one_class() -> None:
    things = find_objects(room(), NYU40)
    assert [thing.name for thing in things] == ["chair", "chair", "table"]  # largest first
    chairs = sorted(things[:2], key=lambda thing: thing.centroid[0])
    np.testing.assert_allclose(chairs[0].centroid, (0.5, 0.5, 0.42), atol=0.02)
    np.testing.assert_allclose(chairs[1].low, (2.2, 0.3, 0.4), atol=0.02)
    np.testing.assert_allclose(chairs[1].high, (2.6, 0.7, 0.44), atol=0.02)
    assert things[2].points == int((room().labels == TABLE).sum())
    assert len(find_objects(room(), NYU40, max_objects=1)) == 1
    assert find_objects(room(), NYU40, min_points=10_000) == []
    # A gap that is wider than the cells divides, a narrower one does not.
    assert len(find_objects(room(), NYU40, cell=2.0)) == 2
    with pytest.raises(ValueError, match="no group 'cars'"):
        find_objects(room(), NYU40, groups=("cars",))
    with pytest.raises(ValueError, match="cell"):
        find_objects(room(), NYU40, cell=0.0)


def test_points_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="labels is"):
        MapPoints(
            np.zeros((2, 3), np.float32), np.zeros((2, 3), np.uint8), np.zeros(3, np.uint8), np.zeros(2, np.uint8)
        )
