"""Rooms as they are planned, from a catalogue of boxes: no Blender, no real models."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cinet_core.data.rendered_rooms.artwork import Artwork, draw
from cinet_core.data.rendered_rooms.catalogue import PLUGIN, Catalogue, CatalogueError
from cinet_core.data.rendered_rooms.chairs import Chairs, dining_chair
from cinet_core.data.rendered_rooms.furnish import Furnishing, furnished_room
from cinet_core.data.rendered_rooms.group import Group
from cinet_core.data.rendered_rooms.installation import Installation
from cinet_core.data.rendered_rooms.kitchen import kitchen_run
from cinet_core.data.rendered_rooms.looks import Looks
from cinet_core.data.rendered_rooms.meshes import mesh_of
from cinet_core.data.rendered_rooms.plan import Finish, RoomPlan
from cinet_core.data.rendered_rooms.program import KINDS, RoomKind, Wish
from cinet_core.data.rendered_rooms.roles import ROLES
from cinet_core.data.rendered_rooms.run import RenderSettings, Worker, WorkerError, render_rooms
from cinet_core.data.rendered_rooms.shell import wall_block
from cinet_core.data.rendered_rooms.supports import ModelError, board_heights
from cinet_core.data.synthetic_rooms.shell import Shell
from cinet_core.data.synthetic_rooms.style import LABEL

# fmt: off
MODELS = (
    ("Bed", "Bedroom", 141, 208, 96), ("Bunk bed", "Bedroom", 113, 205, 160),
    ("Bedside table", "Bedroom", 49, 48, 45), ("Chest", "Bedroom", 144, 54, 82),
    ("Cupboard", "Bedroom", 100, 39, 150), ("Couch", "Living room", 207, 88, 86),
    ("Corner sofa", "Living room", 234, 144, 80), ("Armchair", "Living room", 95, 83, 78),
    ("Chair", "Living room", 50, 63, 98), ("Armchair", "Office", 59, 63, 105),
    ("Piano bench", "Living room", 62, 36, 52), ("Oak table", "Living room", 124, 124, 74),
    ("Coffee table", "Living room", 120, 70, 45), ("Desk", "Office", 139, 54, 105),
    ("Bookcase", "Living room", 92, 36, 147), ("Shelves", "Living room", 79, 39, 79), ("Safe", "Office", 50, 55, 50),
    ("Television cabinet", "Living room", 135, 69, 160), ("TV stand", "Living room", 135, 46, 53),
    ("TV", "Living room", 78, 14, 51), ("Laptop", "Office", 34, 25, 27), ("Desk lamp", "Lights", 24, 24, 40),
    ("Lamp", "Lights", 40, 58, 143), ("Hanging light", "Lights", 44, 44, 86),
    ("Decorative plant", "Living room", 56, 60, 103), ("Cactus", "Living room", 15, 13, 22),
    ("Upright piano", "Living room", 141, 54, 138), ("Fireplace", "Living room", 115, 35, 105),
    ("Large fridge", "Kitchen", 92, 81, 184), ("Washing machine", "Kitchen", 60, 62, 74),
    ("Large stove", "Kitchen", 104, 72, 85), ("Range hood", "Kitchen", 60, 32, 43),
    ("Microwave", "Kitchen", 40, 36, 25), ("Bidet", "Bathroom", 40, 54, 51), ("Washbasin", "Bathroom", 56, 46, 93),
    ("Bath", "Bathroom", 180, 70, 65), ("Shower stall", "Bathroom", 93, 112, 200),
    ("Towel rack", "Bathroom", 60, 8, 48), ("Radiator", "Miscellaneous", 140, 25, 73),
    ("Female", "Characters", 48, 37, 170), ("Briefcase", "Bedroom", 40, 10, 33),
    ("Box", "Miscellaneous", 90, 66, 31), ("Slippers", "Bedroom", 24, 28, 6),
    ("Hanging clothes", "Bedroom", 32, 59, 142), ("Dustbin", "Office", 23, 23, 35),
    ("Basketball", "Miscellaneous", 24, 24, 24), ("Beer glass", "Kitchen", 15, 10, 16),
    ("Coffee cup", "Kitchen", 10, 10, 4), ("Comb", "Bathroom", 12, 4, 1),
    ("Cuckoo clock", "Miscellaneous", 27, 18, 74), ("Frame Chambord", "Miscellaneous", 14, 14, 20),
)
# fmt: on
"""Name, category, width, depth and height in centimetres of models that together can be everything in ROLES."""

BOX = "\n".join(
    [
        *(f"v {x} {y} {z}" for x in (-1, 1) for y in (0, 2) for z in (-1, 1)),
        *("f 1 2 4 3", "f 5 7 8 6", "f 1 5 6 2", "f 3 4 8 7", "f 1 3 7 5", "f -7 -5 -1 -3"),
        # a board half way up
        *(f"v {x} 1 {z}" for x in (-1, 1) for z in (-1, 1)),
        "f 9/1/1 10/1/1 12/1/1 11/1/1",
    ]
)
"""What every model looks like; y is up."""

ROOMS = range(16)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    root = tmp_path_factory.mktemp("models")
    folder = root / "Library"
    textures = root / "textures" / "com/eteks/sweethome3d/io"
    folder.mkdir()
    textures.mkdir(parents=True)
    (folder / "thing.obj").write_text(BOX)
    lines = ["license=Creative Commons Attribution 3.0"]
    for number, (name, category, *size) in enumerate(MODELS, 1):
        lines += [f"id#{number}=Test#{number}", f"name#{number}={name}", f"category#{number}={category}"]
        lines += [f"model#{number}=/thing.obj", f"creator#{number}=Scopia"]
        lines += [f"{key}#{number}={value}" for key, value in zip(("width", "depth", "height"), size, strict=True)]
    (folder / PLUGIN).write_text("\n".join(lines), "latin-1")
    images = (
        "woodenFloor oldWoodenFloor stoneTiles greyTile beigeTile redTiles roughcast smallWhiteBricks smallRedBricks "
        "marbleWall stone3Wall"
    )
    lines = [f"image#{n}=/{name}.jpg\nwidth#{n}=40" for n, name in enumerate(images.split())]
    (textures / "DefaultTexturesCatalog.properties").write_text("\n".join(lines))
    return Catalogue(root)


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


def test_what_is_placed_does_not_meet(catalogue: Catalogue, artwork: Artwork) -> None:
    """A room filled with cubes: they lie within it, and apart from each other."""

    def cube(looks: Looks) -> Group:
        group = Group()
        group.box((-0.3, 0.0, 0.0), (0.3, 0.6, 0.6), 38, Finish("paint"))
        return group

    wishes = tuple(Wish(cube, 1.0, where) for where in ("wall", "corner", "free", "hung:1.0") for _ in range(12))
    looks = Looks(np.random.default_rng(1), catalogue, artwork)
    size = (3.0, 3.0, 2.5)
    filled = Furnishing(Shell(looks.style, size, False, windows=1), looks, size)
    filled.complete(RoomKind(1.0, (3.0, 3.0), (3.0, 3.0), wishes))
    boxes = [item for item in filled.group.items if item.label == 38]
    assert 6 <= len(boxes) < 48
    for number, a in enumerate(boxes):
        low, high = a.center - a.half, a.center + a.half
        assert (low > -0.15).all()  # a turned cube's box is larger than it is
        assert (high < np.array(size) + 0.15).all()
        for b in boxes[:number]:
            apart = np.linalg.norm((a.center - b.center)[:2])
            assert apart > 0.55 or abs(a.center[2] - b.center[2]) > 0.55


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


RENDERER = """#!{python}
import json, os, sys
import numpy as np
folder = sys.argv[5]
for line in sys.stdin:
    plan = json.loads(line)
    if plan["room"] == 1 and os.path.exists({broken!r}):
        print('{{"room": 1, "vi', end="", flush=True)
        sys.exit(9)
    file = os.path.join(folder, "view.npz")
    height, width = plan["height"], plan["width"]
    flat = np.ones((height, width))
    np.savez(file, light=np.ones((height, width, 3), np.float32), depth=flat, labels=flat.astype(np.uint8))
    print(json.dumps({{"room": plan["room"], "views": [{{"view": 0, "file": file}}]}}), flush=True)
"""
"""Stands for Blender: dies in the middle of its answer on room 1 while a file is there."""


@pytest.fixture
def renderer(catalogue: Catalogue, tmp_path: Path) -> Installation:
    found = Installation(tmp_path / "cache")
    found.python.parent.mkdir(parents=True)
    found.python.write_text(RENDERER.format(python=sys.executable, broken=str(tmp_path / "broken")))
    found.python.chmod(0o755)
    found.ready.touch()
    found.models.symlink_to(catalogue.root)
    return found


def test_rooms_lost_to_a_dead_renderer_are_tried_again(
    renderer: Installation, artwork: Artwork, tmp_path: Path
) -> None:
    (renderer.root / "artwork1").symlink_to(artwork.folder)
    settings, reports, output = RenderSettings(5, 1, 16, 12, 1), [], tmp_path / "frames"

    def run() -> int:
        return render_rooms(output, range(3), settings, renderer, 1, lambda *counts: reports.append(counts))

    (tmp_path / "broken").touch()
    assert run() == 1
    assert run() == 1
    (tmp_path / "broken").unlink()
    assert run() == 0
    assert reports == [(1, 1), (0, 1), (1, 2), (0, 2), (0, 2), (0, 2), (0, 2), (1, 3), (0, 3)]
    rooms = [json.loads(line) for line in (output / "rooms.jsonl").read_text().splitlines()]
    assert [(room["room"], room.get("error")) for room in rooms] == [(0, None), (2, None), (1, None)]
    for key in {key for room in rooms for key in room["models"]}:
        assert f"| {key} |" in (output / "ATTRIBUTION.md").read_text()


def test_an_answer_that_breaks_off_is_a_death(renderer: Installation, plans: list[RoomPlan], tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    with Worker(renderer, 1, tmp_path / "log", tmp_path) as worker:
        assert worker.ask(plans[1]) == {"error": "Blender died with status 9"}
        assert worker.ask(plans[0])["room"] == 0
        for _ in range(2):
            worker.ask(plans[1])
        with pytest.raises(WorkerError, match="3 times in a row"):
            worker.ask(plans[1])


def test_a_room_with_a_damaged_model_fails_alone(
    renderer: Installation, artwork: Artwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (renderer.root / "artwork1").symlink_to(artwork.folder)

    def broken(room: int, *arguments: object) -> RoomPlan:
        if room == 0:
            raise ModelError("bookcase.obj is damaged")
        return furnished_room(room, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("cinet_core.data.rendered_rooms.run.furnished_room", broken)
    output = tmp_path / "frames"
    assert render_rooms(output, range(2), RenderSettings(5, 1, 16, 12, 1), renderer, 1, lambda *_: None) == 1
    rooms = [json.loads(line) for line in (output / "rooms.jsonl").read_text().splitlines()]
    assert rooms[0]["error"] == "bookcase.obj is damaged"
    assert rooms[1]["frames"] == 1


def test_a_terminated_run_leaves_nothing_behind(renderer: Installation, artwork: Artwork, tmp_path: Path) -> None:
    (renderer.root / "artwork1").symlink_to(artwork.folder)
    scratch, output = tmp_path / "scratch", tmp_path / "frames"
    scratch.mkdir()
    command = [sys.executable, "-m", "cinet_core.cli", "data", "render", str(output), "--cache", str(renderer.root)]
    options = ["--rooms", "100000", "--views", "1", "--size", "16", "12"]
    with subprocess.Popen([*command, *options], env={**os.environ, "TMPDIR": str(scratch)}) as process:
        deadline = time.monotonic() + 60
        while not any(output.glob("*.jpg")):
            assert process.poll() is None
            assert time.monotonic() < deadline, "no frame was rendered"
            time.sleep(0.05)
        assert any(scratch.iterdir())
        process.terminate()
        assert process.wait(20) == 128 + signal.SIGTERM
    assert not any(scratch.iterdir())
