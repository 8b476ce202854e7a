"""Rooms as they are planned, from a catalogue of boxes: no Blender, no real models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from box_catalogue import make_catalogue

from cinet_core.rooms.pathtraced.artwork import Artwork, draw
from cinet_core.rooms.pathtraced.catalogue import PLUGIN, Catalogue, CatalogueError
from cinet_core.rooms.pathtraced.chairs import Chairs, dining_chair
from cinet_core.rooms.pathtraced.furnish import Furnishing, furnished_room
from cinet_core.rooms.pathtraced.group import Group
from cinet_core.rooms.pathtraced.kitchen import kitchen_run
from cinet_core.rooms.pathtraced.looks import Looks
from cinet_core.rooms.pathtraced.meshes import mesh_of
from cinet_core.rooms.pathtraced.plan import Finish, RoomPlan
from cinet_core.rooms.pathtraced.program import KINDS, WIDE_KINDS, FurnitureOption, RoomKind
from cinet_core.rooms.pathtraced.roles import ROLES
from cinet_core.rooms.pathtraced.shell import wall_block
from cinet_core.rooms.pathtraced.supports import board_heights
from cinet_core.rooms.raycast.shell import Shell
from cinet_core.rooms.vocabulary import LABEL

ROOMS = range(16)
PINNED_PIECES = [245, 156, 258, 114]
"""Of the first rooms, from before there were wide ones."""


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return make_catalogue(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def artwork(tmp_path_factory: pytest.TempPathFactory) -> Artwork:
    return Artwork(tmp_path_factory.mktemp("artwork"))


@pytest.fixture(scope="module")
def plans(catalogue: Catalogue, artwork: Artwork) -> list[RoomPlan]:
    return [furnished_room(room, 5, catalogue, artwork, 4) for room in ROOMS]


def test_a_room_depends_on_seed_and_number_alone(plans: list[RoomPlan], catalogue: Catalogue, artwork: Artwork) -> None:
    assert furnished_room(7, 5, catalogue, artwork, 4) == plans[7]
    assert furnished_room(7, 6, catalogue, artwork, 4) != plans[7]
    assert len({plan.to_json() for plan in plans}) == len(plans)


def test_a_plan_survives_being_written(plans: list[RoomPlan]) -> None:
    for plan in plans:
        text = plan.to_json()
        assert "\n" not in text
        assert RoomPlan.from_json(text) == plan


def test_rooms_are_of_every_kind_and_furnished(plans: list[RoomPlan]) -> None:
    assert {plan.kind for plan in plans} >= set(KINDS) - {"corridor", "bath"}
    assert np.median([len({item.label for item in plan.pieces + plan.models}) for plan in plans]) >= 10
    for plan in plans:
        labels = [item.label for item in plan.pieces + plan.models]
        assert {1, 2, 22} <= set(labels)  # wall, floor, ceiling
        assert min(labels) >= 0
        assert max(labels) <= 40
        assert plan.lights
        assert max(piece.finish for piece in plan.pieces) < len(plan.finishes)


def test_models_stand_within_the_walls(plans: list[RoomPlan]) -> None:
    for plan in plans:
        # the room's own floor begins at the origin, but for the walls; a second room's behind a door does not
        floors = [(np.array(piece.center), np.array(piece.half)) for piece in plan.pieces if piece.label == 2]
        (high,) = [center + half for center, half in floors if np.abs(center - half)[:2].max() < 0.2]
        for model in plan.models:
            assert -0.3 < model.position[0] < high[0] + 0.3
            assert -0.3 < model.position[1] < high[1] + 0.3
            assert model.position[2] > -0.01
            assert min(model.size) > 0


def test_every_piece_has_a_mesh(plans: list[RoomPlan]) -> None:
    for plan in plans[:4]:
        for piece in plan.pieces:
            mesh = mesh_of(piece)
            assert np.isfinite(mesh.vertices).all()
            turn = np.array(piece.rotation)
            assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-4)
            assert np.linalg.det(turn) == pytest.approx(1.0, abs=1e-3)


def test_cameras_are_held_as_robots_and_hands_do(plans: list[RoomPlan]) -> None:
    counts = [len(plan.views) for plan in plans]
    assert np.median(counts) >= 24
    for plan in plans:
        for view in plan.views:
            pose = np.array(view.pose)
            forward, down = pose[:3, 2], pose[:3, 1]
            assert 0.25 <= pose[2, 3] <= 1.8
            assert -45.5 < np.degrees(np.arcsin(forward[2])) < 10.5
            assert down[2] < 0  # y of the image points to the floor
            assert np.allclose(pose[:3, :3].T @ pose[:3, :3], np.eye(3), atol=1e-4)
            assert 40 < np.degrees(2 * np.arctan(plan.width / 2 / view.fx)) < 80


@pytest.fixture(scope="module")
def wide_plans(catalogue: Catalogue, artwork: Artwork) -> list[RoomPlan]:
    return [furnished_room(room, 5, catalogue, artwork, 4, wide=True) for room in range(14)]


def test_wide_rooms_are_of_their_kinds_and_reach_far(wide_plans: list[RoomPlan]) -> None:
    kinds = {plan.kind for plan in wide_plans}
    assert kinds <= set(WIDE_KINDS)
    assert len(kinds & {"long corridor", "hall", "open office", "doorway"}) >= 3
    for plan in wide_plans:
        assert plan.wide
        assert RoomPlan.from_json(plan.to_json()) == plan
        floors = [np.array(piece.half)[:2] for piece in plan.pieces if piece.label == 2]
        longest = 2 * max(float(half.max()) for half in floors)
        assert longest < 12.5
        if plan.kind in ("long corridor", "hall", "open office"):
            assert longest > 6.0


def test_wide_cameras_are_low_and_high_and_before_doorways(wide_plans: list[RoomPlan]) -> None:
    heights = np.array([view.pose[2][3] for plan in wide_plans for view in plan.views])
    assert (heights < 0.5).mean() > 0.15
    assert (heights > 1.0).mean() > 0.15
    assert heights.min() >= 0.15
    outside = 0
    for plan in wide_plans:
        floors = [(np.array(piece.center), np.array(piece.half)) for piece in plan.pieces if piece.label == 2]
        (high,) = [center + half for center, half in floors if np.abs(center - half)[:2].max() < 0.2]
        places = np.array([[row[3] for row in view.pose[:2]] for view in plan.views])
        beyond = ((places < -0.1) | (places > high[:2] + 0.1)).any(axis=1)
        if plan.kind == "doorway":
            assert beyond.mean() > 0.15
            outside += 1
        assert beyond.mean() < 0.7
    assert outside


def test_rooms_of_homes_are_what_they_were(plans: list[RoomPlan]) -> None:
    assert not any(plan.wide for plan in plans)
    assert [len(plan.pieces) for plan in plans[:4]] == PINNED_PIECES


def test_what_is_placed_does_not_meet(catalogue: Catalogue, artwork: Artwork) -> None:
    """A room filled with cubes: they lie within it, and apart from each other."""

    def cube(looks: Looks) -> Group:
        group = Group()
        group.box((-0.3, 0.0, 0.0), (0.3, 0.6, 0.6), 38, Finish("paint"))
        return group

    options = tuple(
        FurnitureOption(cube, 1.0, where) for where in ("wall", "corner", "free", "hung:1.0") for _ in range(12)
    )
    looks = Looks(np.random.default_rng(1), catalogue, artwork)
    size = (3.0, 3.0, 2.5)
    filled = Furnishing(Shell(looks.style, size, False, windows=1), looks, size)
    filled.complete(RoomKind(1.0, (3.0, 3.0), (3.0, 3.0), options))
    boxes = [item for item in filled.group.items if item.label == 38]
    assert 6 <= len(boxes) < 48
    for number, a in enumerate(boxes):
        low, high = a.center - a.half, a.center + a.half
        assert (low > -0.15).all()  # a turned cube's box is larger than it is
        assert (high < np.array(size) + 0.15).all()
        for b in boxes[:number]:
            apart = np.linalg.norm((a.center - b.center)[:2])
            assert apart > 0.55 or abs(a.center[2] - b.center[2]) > 0.55


def test_furniture_does_not_meet_wall_blocks(catalogue: Catalogue, artwork: Artwork) -> None:
    def cube(looks: Looks) -> Group:
        group = Group()
        group.box((-0.3, 0.0, 0.0), (0.3, 0.6, 0.6), 38, Finish("paint"))
        return group

    size, blocks, cubes = (3.0, 3.0, 2.5), 0, 0
    kind = RoomKind(1.0, (3.0, 3.0), (3.0, 3.0), tuple(FurnitureOption(cube, 1.0, "corner") for _ in range(4)))
    for seed in range(12):
        looks = Looks(np.random.default_rng(seed), catalogue, artwork)
        filled = Furnishing(Shell(looks.style, size, False, windows=0), looks, size)
        filled.group.box((0, -0.1, 0), (3, 0, 2.5), LABEL.wall, looks.white())  # whose finish a block may take
        filled.complete(kind)
        walls = [item for item in filled.group.items[1:] if item.label == LABEL.wall]
        placed = [item for item in filled.group.items if item.label == 38]
        blocks, cubes = blocks + len(walls), cubes + len(placed)
        for wall in walls:
            for item in placed:
                apart = np.abs(wall.center - item.center) - wall.half - item.half
                assert apart[:2].max() > -0.05
    assert blocks > 4
    assert cubes > 12


def test_built_chairs_stand_hold_together_and_are_chairs(catalogue: Catalogue, artwork: Artwork) -> None:
    for seed in range(60):
        looks = Looks(np.random.default_rng(seed), catalogue, artwork)
        chair = dining_chair(looks)
        low, high = chair.bounds()
        assert {item.label for item in chair.items} == {LABEL.chair}
        assert low[2] == pytest.approx(0.0, abs=0.001)
        assert (high - low)[:2].max() < 0.75
        assert 0.7 < high[2] < 1.15
        lows, highs = chair.boxes()
        near = ((lows[:, None] < highs[None] + 0.012) & (highs[:, None] > lows[None] - 0.012)).all(2)
        reached = np.linalg.matrix_power(near.astype(float), len(near)) > 0
        assert reached.all(), f"chair {seed} has a part that floats"


def test_chairs_look_at_their_table(catalogue: Catalogue, artwork: Artwork) -> None:
    """The back of a chair, which is what stands above its seat, is on the side away from the table."""
    for seed, model in ((0, None), (1, None), (2, catalogue.role("chair")[0])):
        looks = Looks(np.random.default_rng(seed), catalogue, artwork)
        for edge, yaw in (((0.0, 0.0), 0.0), ((0.0, 1.0), np.pi), ((-1.0, 0.5), -np.pi / 2), ((1.0, 0.5), np.pi / 2)):
            group, outward = Group(), np.array([np.sin(yaw), -np.cos(yaw)])
            Chairs(looks, model).put(group, edge, yaw)
            if model is not None:
                (stand,) = group.stands
                back = stand.position[:2]
            else:
                back = max(group.items, key=lambda item: item.center[2]).center[:2]
            low, high = group.bounds()
            middle = (low + high)[:2] / 2
            assert (back - middle) @ outward > 0.1
            assert (back - edge) @ outward > 0.1


def test_drainers_lie_on_the_counter_beside_the_hob(catalogue: Catalogue, artwork: Artwork) -> None:
    drainers = beside_a_hob = 0
    for seed in range(80):
        looks = Looks(np.random.default_rng(seed), catalogue, artwork)
        items = kitchen_run(looks, length := 1.6 + 0.02 * seed, upper=False, handle=0).items
        hobs = [item for item in items if item.half[:2] == pytest.approx((0.28, 0.25)) and item.center[2] > 0.8]
        for item in items:
            if item.label == LABEL.sink and item.half[0] == pytest.approx(0.18):
                drainers += 1
                beside_a_hob += len(hobs)
                assert abs(item.center[0]) + item.half[0] < length / 2
                assert all(abs(item.center[0] - hob.center[0]) > item.half[0] + hob.half[0] for hob in hobs)
    assert drainers > 10
    assert beside_a_hob > 3


def test_pipes_are_boxed_in_where_nothing_else_stands(catalogue: Catalogue, artwork: Artwork) -> None:
    boxes = 0
    for seed in range(80):
        looks = Looks(np.random.default_rng(seed), catalogue, artwork)
        run = kitchen_run(looks, length := 1.6 + 0.02 * seed, upper=False, handle=0)
        for box in run.items:
            low, high = box.center - box.half, box.center + box.half
            if box.label != LABEL.wall or box.half[1] < 0.1:  # the tiles behind are flat
                continue
            boxes += 1
            assert low[2] == pytest.approx(0.9)
            assert abs(box.center[0]) + box.half[0] == pytest.approx(length / 2)
            for item in run.items:
                if item.label in (LABEL.sink, LABEL.otherprop, LABEL.books) and item.center[2] > 0.9:
                    apart = (item.center + item.half <= low + 0.05) | (item.center - item.half >= high - 0.05)
                    assert apart[:2].any()
    assert boxes > 10


def test_wall_blocks_stand_at_a_wall_and_reach_the_ceiling(catalogue: Catalogue, artwork: Artwork) -> None:
    size = np.array([2.4, 3.1, 2.5])
    looks = Looks(np.random.default_rng(0), catalogue, artwork)
    mid_wall = 0
    for _ in range(60):
        low, high = wall_block((2.4, 3.1, 2.5), looks)
        assert (low >= 0).all()
        assert (high <= size + 1e-9).all()
        assert (high - low)[2] == size[2]
        at_walls = np.count_nonzero([low[:2] == 0, np.isclose(high[:2], size[:2])])
        assert at_walls in (1, 2)
        mid_wall += at_walls == 1
    assert 3 < mid_wall < 30


def test_catalogue_reads_sizes_and_owners(catalogue: Catalogue) -> None:
    bed = catalogue.role("bed")[0]
    assert bed.size == (1.41, 2.08, 0.96)
    assert bed.creator.startswith("Scopia Visual")
    assert bed.licence == "Creative Commons Attribution 3.0"
    assert {name for name in ROLES if not catalogue.role(name)} == set()


def test_missing_models_are_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="cinet data render --setup"):
        Catalogue(tmp_path / "nothing")


def test_a_catalogue_without_beds_is_told(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    (tmp_path / "A" / "x.obj").write_text("")
    lines = (
        "id#1=a\nname#1=Sofa\ncategory#1=Living room\nmodel#1=x.obj\nwidth#1=200\ndepth#1=90\nheight#1=80\ncreator#1=b"
    )
    (tmp_path / "A" / PLUGIN).write_text(lines)
    with pytest.raises(CatalogueError, match="lacks models of: bed"):
        Catalogue(tmp_path)


def test_boards_are_found_in_the_mesh(catalogue: Catalogue) -> None:
    model = catalogue.role("bookcase")[0]
    assert board_heights(model) == pytest.approx((0.0, model.size[2] / 2, model.size[2]), abs=0.01)


def test_drawings_do_not_change() -> None:
    assert (draw("cover", 3) == draw("cover", 3)).all()
    assert (draw("cover", 3) != draw("cover", 4)).any()
