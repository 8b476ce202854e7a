"""Obstacles of exact scenes: what stands in the way is there, in the right cells, and nothing else is."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU13, NYU40
from cinet_core.obstacles.class_groups import named_classes
from cinet_core.obstacles.cliffs import find_cliffs
from cinet_core.obstacles.clouds import ObstaclePoints, ground_points, obstacle_points
from cinet_core.obstacles.depth_frame import DepthFrame
from cinet_core.obstacles.pixel_grid import pixel_grid
from cinet_core.obstacles.segmented import FLYING, STANDING, segment
from cinet_core.obstacles.settings import ObstacleSettings
from scripts.robot.box_scene import SceneBox, camera_pose, floor, ramp, render

LOW = camera_pose(0.3)
BACK_WALL = SceneBox((5.0, -6.0, 0.0), (5.2, 6.0, 3.0), "wall")
CHAIR = [
    *(SceneBox((x, y, 0.0), (x + 0.025, y + 0.025, 0.45), "chair") for x in (1.8, 2.2) for y in (-0.2, 0.2)),
    SceneBox((1.8, -0.2, 0.45), (2.225, 0.225, 0.48), "chair"),
]


def obstacles_of(boxes: list[SceneBox], pose: npt.NDArray[np.float64] = LOW, **settings: float) -> ObstaclePoints:
    return obstacle_points(segment(render(boxes, pose), NYU40, ObstacleSettings(**settings)))


def cells_of(points: npt.NDArray[np.floating], cell: float = 0.05) -> set[tuple[int, int]]:
    return {(int(x), int(y)) for x, y in np.floor(points[:, :2] / cell + 1e-4)}


def within(points: npt.NDArray[np.floating], box: SceneBox, margin: float = 0.02) -> npt.NDArray[np.bool_]:
    low, high = np.array(box.low) - margin, np.array(box.high) + margin
    return ((points >= low) & (points <= high)).all(axis=1)


def test_an_empty_room_has_no_obstacle_and_much_floor() -> None:
    segmented = segment(render([floor(), BACK_WALL], LOW), NYU40)
    assert len(obstacle_points(segmented)) == 0  # the wall is out of range
    ground = ground_points(segmented)
    assert len(ground) > 1500
    assert np.abs(ground[:, 2]).max() < 0.02
    assert np.hypot(ground[:, 0], ground[:, 1]).max() <= 4.0


def test_a_wall_stands_in_the_cells_of_its_face() -> None:
    wall = SceneBox((3.0, -6.0, 0.0), (3.2, 6.0, 3.0), "wall")
    points = obstacles_of([floor(), wall]).xyz
    assert np.abs(points[:, 0] - 3.0).max() < 0.01
    seen = 3.0 * np.tan(np.radians(30.0))
    columns = {y for _, y in cells_of(points)}
    assert set(range(int(-seen / 0.05) + 1, int(seen / 0.05) - 1)) <= columns, "no gap in the wall"


def test_a_doorway_stays_open() -> None:
    jambs = [SceneBox((2.5, -6.0, 0.0), (2.7, -0.45, 3.0), "wall"), SceneBox((2.5, 0.45, 0.0), (2.7, 6.0, 3.0), "wall")]
    lintel = SceneBox((2.5, -0.45, 2.0), (2.7, 0.45, 3.0), "wall")
    pose = camera_pose(1.0)
    points = obstacles_of([floor(), *jambs, lintel, BACK_WALL], pose).xyz
    assert not (np.abs(points[:, 1]) < 0.44).any(), "nothing in the opening"
    assert min(within(points, jamb).sum() for jamb in jambs) > 100
    tall = obstacles_of([floor(), *jambs, lintel, BACK_WALL], pose, max_height=3.0).xyz
    assert within(tall, lintel).sum() > 100, "to a taller robot the lintel is an obstacle"


def test_a_ramp_is_floor_and_what_stands_on_it_is_not() -> None:
    crate = SceneBox((3.0, -0.2, 0.1), (3.2, 0.2, 0.6), "box")
    segmented = segment(render([floor((-1.0, 1.5)), ramp(1.5, 8.0, 6.0), crate], LOW), NYU40)
    points = obstacle_points(segmented).xyz
    assert len(points) > 30
    assert within(points, crate).all()
    first, second = segmented.ground.patches
    assert first.tilt < 2.5, "level, but for where the ramp begins"
    assert second.tilt == pytest.approx(8.0, abs=0.5)
    ground = ground_points(segmented)
    assert ground[:, 0].max() > 3.5, "the ramp is free"
    # The crate's foot hides behind nothing: at 3 m the ramp is 21 cm up.
    assert points[:, 2].min() < 0.21 + 0.1


def test_a_ramp_down_is_no_cliff() -> None:
    segmented = segment(render([floor((-1.0, 1.5)), ramp(1.5, -8.0, 9.0)], camera_pose(0.6, 10.0)), NYU40)
    assert len(obstacle_points(segmented)) == 0
    assert len(find_cliffs(segmented)) == 0
    assert ground_points(segmented)[:, 0].max() > 3.5


@pytest.mark.parametrize(("down", "roll"), [(-5.0, 0.0), (5.0, 0.0), (0.0, -5.0), (0.0, 5.0)])
def test_a_tilt_that_nobody_knows_is_followed(down: float, roll: float) -> None:
    box = SceneBox((2.0, -0.1, 0.0), (2.2, 0.1, 0.06), "box")
    true, believed = camera_pose(0.3, 10.0 + down, roll), camera_pose(0.3, 10.0)
    segmented = segment(render([floor(), BACK_WALL, box], true, believed=believed), NYU40)
    obstacles = obstacle_points(segmented)
    assert segmented.ground.patches[0].tilt == pytest.approx(5.0, abs=0.2)
    assert len(obstacles) > 5
    assert set(obstacles.labels.tolist()) == set(NYU40.ids(["box"])), "the low box, and no floor"


@pytest.mark.parametrize("label", ["box", "floor"])
def test_a_box_of_six_centimetres_is_found_whatever_its_label(label: str) -> None:
    box = SceneBox((1.5, -0.1, 0.0), (1.7, 0.1, 0.06), label)
    points = obstacles_of([floor(), BACK_WALL, box]).xyz
    assert within(points, box).all()
    assert {(30, y) for y in range(-2, 2)} <= cells_of(points), "the four cells of its front edge"


@pytest.mark.parametrize("label", ["clothes", "floor mat", "otherprop"])
def test_a_dark_carpet_is_floor_whatever_its_label(label: str) -> None:
    carpet = SceneBox((1.0, -1.0, 0.0), (3.0, 1.0, 0.008), label)
    segmented = segment(render([floor(), BACK_WALL, carpet], LOW), NYU40)
    assert len(obstacle_points(segmented)) == 0
    assert within(ground_points(segmented), carpet, 0.03).sum() > 500, "it is free, not unknown"


def test_a_carpet_without_depth_leaves_no_obstacle() -> None:
    frame = render([floor(), BACK_WALL], camera_pose(0.3, 10.0))
    frame.depth[300:400, 200:440] = np.nan
    segmented = segment(frame, NYU40)
    assert len(obstacle_points(segmented)) == 0
    assert (segmented.kinds[150:200, 100:220] == 0).mean() > 0.9


@pytest.mark.parametrize("half", [True, False])
def test_the_legs_of_a_chair_stand_in_their_cells(half: bool) -> None:
    points = obstacles_of([floor(), BACK_WALL, *CHAIR], half_resolution=half).xyz
    for leg in CHAIR[:4]:
        heights = points[within(points, leg), 2]
        assert np.ptp(heights) > 0.2, f"the leg at {leg.low} from the floor to the seat"


def test_legs_of_one_pixel_survive_the_filter() -> None:
    leg = SceneBox((3.0, -0.006, 0.0), (3.012, 0.006, 0.7), "chair")  # 12 mm at 3 m: 2 pixels, 1 of the grid
    points = obstacles_of([floor(), BACK_WALL, leg]).xyz
    assert within(points, leg).all()
    assert len({int(z / 0.05) for z in points[:, 2]}) >= 8


def test_a_hanging_lamp_is_passed_under_unless_it_hangs_low() -> None:
    pose = camera_pose(1.2)
    high = SceneBox((2.0, -0.15, 1.7), (2.3, 0.15, 2.0), "lamp")
    low = SceneBox((2.0, -0.15, 1.2), (2.3, 0.15, 1.45), "lamp")
    assert len(obstacles_of([floor(), BACK_WALL, high], pose)) == 0
    found = obstacles_of([floor(), BACK_WALL, low], pose)
    assert len(found) > 20
    assert within(found.xyz, low).all()


def test_a_ceiling_that_is_seen_too_low_is_no_obstacle() -> None:
    pose = camera_pose(1.0, -20.0)
    for label, count in (("ceiling", 0), ("wall", 1)):
        slab = SceneBox((0.5, -3.0, 1.4), (4.0, 3.0, 1.5), label)
        assert (len(obstacles_of([floor(), BACK_WALL, slab], pose)) > 0) == count


def test_a_person_is_dynamic_and_the_wall_is_not() -> None:
    person = SceneBox((2.0, -0.25, 0.0), (2.3, 0.25, 1.75), "person")
    found = obstacles_of([floor(), SceneBox((3.0, -6.0, 0.0), (3.2, 6.0, 3.0), "wall"), person])
    moving, standing = found.dynamic_part(), found.static_part()
    assert len(moving) + len(standing) == len(found)
    assert within(moving.xyz, person).all()
    assert {(40, y) for y in range(-5, 5)} <= cells_of(moving.xyz)
    assert set(standing.labels.tolist()) == set(NYU40.ids(["wall"]))


def test_smooth_edges_of_a_network_leave_nothing_in_free_space() -> None:
    person = SceneBox((1.5, -0.25, 0.0), (1.8, 0.25, 1.75), "person")
    wall = SceneBox((3.5, -6.0, 0.0), (3.7, 6.0, 3.0), "wall")
    sharp = render([floor(), wall, person], LOW)
    small = cv2.resize(sharp.depth, (160, 120), interpolation=cv2.INTER_AREA)
    depth = cv2.resize(small, (640, 480), interpolation=cv2.INTER_LINEAR)
    frame = DepthFrame(depth, sharp.labels, sharp.intrinsics, LOW)

    def between(edge_jump: float) -> int:
        settings = ObstacleSettings(edge_jump=edge_jump)
        points = obstacle_points(segment(frame, NYU40, settings)).xyz
        return int(((points[:, 0] > 1.9) & (points[:, 0] < 3.3) & (points[:, 2] > 0.15)).sum())

    assert between(0.0) > 40
    assert between(0.04) <= 2


def test_speckles_in_the_air_are_removed() -> None:
    frame = render([floor(), SceneBox((3.5, -6.0, 0.0), (3.7, 6.0, 3.0), "wall")], LOW)
    rows, columns = np.meshgrid(np.arange(40, 240, 20), np.arange(40, 600, 20), indexing="ij")
    frame.depth[rows, columns] = 1.0
    segmented = segment(frame, NYU40)
    points = obstacle_points(segmented).xyz
    assert points[:, 0].min() > 3.4
    assert (segmented.kinds == FLYING).sum() >= rows.size


def test_each_cell_keeps_its_nearest_point() -> None:
    person = SceneBox((2.0, -0.25, 0.0), (2.3, 0.25, 1.75), "person")
    segmented = segment(render([floor(), BACK_WALL, person, *CHAIR], camera_pose(0.9, 15.0)), NYU40)
    settings, grid = segmented.settings, segmented.grid
    pixels = segmented.pixels(STANDING)
    every = grid.points(pixels)
    near = np.hypot(every[:, 0], every[:, 1]) <= settings.max_range
    every, depth = every[near], grid.depth.ravel()[pixels][near]
    # The documented grid: cells count from the middle of the numbered ones.
    offset = np.array(settings.grid_shape, np.float32) / 2

    def keys(points: npt.NDArray[np.float32]) -> list[tuple[int, ...]]:
        return [tuple(key) for key in (points * np.float32(1 / settings.cell) + offset).astype(np.int32)]

    nearest: dict[tuple[int, ...], float] = {}
    for key, z in zip(keys(every), depth.tolist(), strict=True):
        nearest[key] = min(z, nearest.get(key, np.inf))
    kept = obstacle_points(segmented).xyz
    assert sorted(keys(kept)) == sorted(nearest), "one point a cell, and every cell has one"
    kept_depth = (kept - grid.origin) @ grid.rotation[:, 2]
    assert np.allclose(kept_depth, [nearest[key] for key in keys(kept)], atol=2e-3)


def test_a_frame_is_small_on_the_wire() -> None:
    room = [floor(), SceneBox((3.0, -6.0, 0.0), (3.2, 6.0, 3.0), "wall"), *CHAIR]
    found = obstacles_of(room, camera_pose(0.8, 10.0))
    assert 500 < len(found) * (3 * 4 + 1 + 4) < 100_000


def test_the_half_grid_takes_the_nearest_of_four_with_its_label() -> None:
    rng = np.random.default_rng(0)
    depth = rng.uniform(0.5, 5.0, (9, 11)).astype(np.float32)
    depth[rng.random(depth.shape) < 0.3] = np.nan
    labels = rng.integers(0, 40, depth.shape, dtype=np.uint8)
    confidence = rng.integers(0, 256, depth.shape, dtype=np.uint8)
    uncertainty = rng.random(depth.shape).astype(np.float32)
    camera = Intrinsics(10.0, 12.0, 5.0, 4.0, 11, 9)
    grid = pixel_grid(DepthFrame(depth, labels, camera, LOW, confidence, uncertainty), ObstacleSettings())
    assert grid.depth.shape == (4, 5)
    sure = grid.confidence_of(np.arange(20))
    assert sure is not None
    for row in range(4):
        for column in range(5):
            block = np.s_[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            four = np.where(np.isnan(depth[block]), np.inf, depth[block]).ravel()
            assert grid.depth[row, column] == four.min()
            if four.min() < np.inf:
                place = int(four.argmin())
                assert grid.labels[row, column] == labels[block].ravel()[place]
                assert grid.uncertainty is not None
                assert sure[5 * row + column] == confidence[block].ravel()[place]
                assert grid.uncertainty[row, column] == uncertainty[block].ravel()[place]
    # The ray through the middle of pixels 2 and 3 of the image.
    assert grid.columns[1] == pytest.approx((2.5 - 5.0) / 10.0)
    assert grid.rows[1] == pytest.approx((2.5 - 4.0) / 12.0)


def test_labels_below_the_confidence_are_unlabelled_and_stay_obstacles() -> None:
    frame = render([floor(), SceneBox((2.0, -0.5, 0.0), (2.3, 0.5, 1.0), "person")], LOW)
    unsure = DepthFrame(
        frame.depth, frame.labels, frame.intrinsics, LOW, confidence=np.full(frame.labels.shape, 100, np.uint8)
    )
    kept = obstacle_points(segment(unsure, NYU40))
    assert kept.confidence == pytest.approx(100 / 255)
    dropped = obstacle_points(segment(unsure, NYU40, ObstacleSettings(min_confidence=0.5)))
    assert len(dropped) == len(kept)
    assert set(dropped.labels.tolist()) == {255}
    assert not dropped.confidence.any()
    assert not dropped.dynamic.any()


@pytest.mark.parametrize("policy", ["frame", "measured", "drop"])
def test_a_window_stands_in_its_frame_or_is_seen_through_or_left_out(policy: str) -> None:
    behind = SceneBox((3.8, -6.0, 0.0), (4.0, 6.0, 3.0), "wall")
    around = [
        SceneBox((2.0, -6.0, 0.0), (2.1, -0.5, 3.0), "wall"),
        SceneBox((2.0, 0.5, 0.0), (2.1, 6.0, 3.0), "wall"),
        SceneBox((2.0, -0.5, 0.0), (2.1, 0.5, 0.2), "wall"),
        SceneBox((2.0, -0.5, 1.0), (2.1, 0.5, 3.0), "wall"),
    ]
    pane = SceneBox((2.0, -0.5, 0.2), (2.1, 0.5, 1.0), "window")
    labels = render([floor(), *around, pane, behind], LOW).labels
    through = render([floor(), *around, behind], LOW)
    frame = DepthFrame(through.depth, labels, through.intrinsics, LOW)
    found = obstacle_points(segment(frame, NYU40, ObstacleSettings(glass=policy)))
    glass = found.xyz[found.labels == NYU40.ids(["window"])[0]]
    if policy == "frame":
        assert np.abs(glass[:, 0] - 2.0).max() < 0.03
        assert {(40, y) for y in range(-9, 9)} <= cells_of(glass)
    elif policy == "measured":
        assert np.median(glass[:, 0]) > 3.5
    else:
        assert len(glass) == 0


def test_without_a_floor_label_what_lies_lowest_is_floor() -> None:
    box = SceneBox((1.5, -0.1, 0.0), (1.7, 0.1, 0.06), "box")
    unnamed = SceneBox((-1.0, -6.0, -0.1), (12.0, 6.0, 0.0), "otherprop")
    segmented = segment(render([unnamed, BACK_WALL, box], LOW), NYU40)
    assert segmented.ground.source == "geometry"
    assert within(obstacle_points(segmented).xyz, box).all()
    assert len(obstacle_points(segmented)) > 5


def test_a_table_that_is_labelled_as_floor_stays_a_table() -> None:
    table = SceneBox((1.5, -6.0, 0.7), (3.0, 6.0, 0.74), "floor")
    segmented = segment(render([table, BACK_WALL], camera_pose(1.2, 20.0)), NYU40)
    assert segmented.ground.source == "pose"
    points = obstacle_points(segmented).xyz
    assert len(points) > 500
    assert within(points, table).all()


def test_names_of_classes_and_groups_make_tables_for_each_label_set() -> None:
    assert np.flatnonzero(named_classes(NYU40, ["floor"])).tolist() == NYU40.ids(["floor", "floor mat"])
    assert np.flatnonzero(named_classes(NYU13, ["person", "window", "mirror"])).tolist() == NYU13.ids(["window"])
    assert not named_classes(NYU40, ["", ""]).any()
    with pytest.raises(ValueError, match=r"'persons' is neither a class of label set 'nyu40'.*name one of these"):
        named_classes(NYU40, ["persons"])
    frame = render([floor(), SceneBox((2.0, -0.5, 0.0), (2.3, 0.5, 1.0), "wall")], LOW)
    lookup = NYU40.groupings["nyu13"].lookup
    other = DepthFrame(frame.depth, lookup[frame.labels], frame.intrinsics, LOW)
    names = NYU40.groupings["nyu13"].names
    found = obstacle_points(segment(other, NYU13))
    assert NYU13.classes == names
    assert {NYU13.classes[label] for label in found.labels.tolist()} == {"wall"}
