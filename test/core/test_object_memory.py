"""Objects keep their ids: in exact scenes of boxes, whose depth and poses are then made as wrong as a robot's are."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from object_walk import STEP, Walk, around, chair, frame_of, ids, looking, person

from cinet_core.label_sets import NYU13, NYU40
from cinet_core.mapping import object_memory, object_track
from cinet_core.mapping.object_memory import ObjectMemory
from cinet_core.mapping.object_settings import ObjectSettings
from cinet_core.obstacles.depth_frame import DepthFrame
from scripts.robot.box_scene import SceneBox

# --- furniture ---


def test_boxes_are_those_of_the_things_once_they_were_seen_from_all_around() -> None:
    things = [chair(2.5, 0.0), SceneBox((0.0, 0.0, 0.0), (1.2, 0.6, 0.7), "table", pivot=(2.6, 1.0, 0.0), yaw=20.0)]
    found = Walk().see(things, *around(2.6, 0.5, 2.2, range(-180, 180, 9)))
    seat, table = sorted(found, key=lambda thing: thing.instance.name)
    assert seat.instance.centre == pytest.approx([2.5, 0.0, 0.45], abs=0.05)
    assert seat.instance.size == pytest.approx([0.45, 0.45, 0.9], abs=0.1)
    middle = things[1].axes() @ np.array([0.6, 0.3, 0.35]) + things[1].pivot
    assert table.instance.centre == pytest.approx(middle, abs=0.06)
    assert table.instance.size == pytest.approx([1.2, 0.6, 0.7], abs=0.12)
    assert math.degrees(table.instance.yaw) == pytest.approx(20.0, abs=6.0)
    assert table.instance.confidence == 1.0
    assert not table.instance.dynamic


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("gap", [0.15, 0.25])
def test_two_chairs_side_by_side_keep_their_ids_in_noise(seed: int, gap: float) -> None:
    left, right = chair(2.7, (0.45 + gap) / 2), chair(2.7, -(0.45 + gap) / 2)
    walk = Walk(scale=0.05, shift=0.02, turn=0.5, seed=seed)
    poses = around(2.7, 0.0, 2.5, range(-60, 61, 3))
    first = ids(walk.see([left, right], *poses[:8]))
    assert len(first) == 2
    for pose in poses[8:]:
        found = walk.see([left, right], pose)
        assert ids(found) == first
    places = sorted(float(thing.instance.centre[1]) for thing in found)
    assert places == pytest.approx([-(0.45 + gap) / 2, (0.45 + gap) / 2], abs=0.12)
    assert walk.memory.next_id == 3, "no other object was ever begun"


def test_an_object_is_given_once_it_was_seen_often_enough() -> None:
    walk = Walk(confirm_after=4)
    assert ids(walk.see([chair(2.5, 0.0)], *[looking()] * 3)) == []
    (thing,) = walk.see([chair(2.5, 0.0)], looking())
    assert (thing.id, thing.seen, thing.stamp_ns) == (1, 4, 3 * STEP)


def test_what_is_hidden_is_remembered() -> None:
    walk = Walk(scale=0.05, shift=0.02)
    things = [chair(2.5, 0.0)]
    before = ids(walk.see(things, *[looking()] * 5))
    found = walk.see([*things, SceneBox((1.2, -0.6, 0.0), (1.3, 0.6, 1.7), "wall")], *[looking()] * 60)
    assert ids(found) == before, "for 6 s"
    assert ids(walk.see(things, *[looking()] * 5)) == before


def test_what_is_out_of_view_is_remembered_and_known_again_in_spite_of_drift() -> None:
    walk = Walk(scale=0.03, shift=0.01)
    things = [chair(2.5, 0.4), chair(2.5, -0.4)]
    before = ids(walk.see(things, *[looking()] * 5))
    assert ids(walk.see(things, *[looking(degrees=150.0)] * 60)) == before
    assert ids(walk.see(things, *[looking()] * 20, drift=0.15)) == before
    assert walk.memory.next_id == 3


def test_what_leaves_is_forgotten_when_its_place_was_in_view_for_long_enough() -> None:
    walk = Walk(scale=0.05, shift=0.02, forget_after=2.0)
    (before,) = walk.see([chair(2.5, 0.0)], *[looking()] * 5)
    assert ids(walk.see([], *[looking()] * 15)) == [before.id]
    assert ids(walk.see([], *[looking(degrees=150.0)] * 40)) == [before.id], "not in view"
    assert ids(walk.see([], *[looking()] * 8)) == []
    (after,) = walk.see([chair(2.5, 0.0)], *[looking()] * 3)
    assert after.id > before.id


def test_what_is_too_far_away_to_be_seen_is_not_missed() -> None:
    for settings, nearer, farther in (({}, 0.0, -2.5), ({"min_pixels": 250}, 0.5, -1.2)):
        walk = Walk(**settings)
        before = ids(walk.see([chair(2.5, 0.0)], *[looking(nearer)] * 5))
        assert len(before) == 1
        found = walk.see([chair(2.5, 0.0)], *[looking(farther)] * 40)
        assert (ids(found), found[0].seen) == (before, 5), "by depth, or by its number of pixels"


def test_what_is_called_something_else_for_a_moment_stays_and_for_good_is_another() -> None:
    walk = Walk()
    (before,) = walk.see([chair(2.5, 0.0)], *[looking()] * 5)
    sofa = dataclasses.replace(chair(2.5, 0.0), label="sofa")
    assert ids(walk.see([sofa], *[looking()] * 2)) == [before.id]
    assert ids(walk.see([chair(2.5, 0.0)], *[looking()] * 2)) == [before.id]
    (other,) = walk.see([sofa], *[looking()] * 45)
    assert other.instance.name == "sofa"
    assert other.id > before.id


def test_a_chair_that_is_moved_within_the_gate_is_the_same_and_beyond_it_another() -> None:
    for distance, same in ((0.3, True), (0.45, True), (0.9, False)):
        walk = Walk(gate=0.6)
        (before,) = walk.see([chair(2.5, 0.0)], *[looking()] * 5)
        (after,) = walk.see([chair(2.5, distance)], *[looking()] * 30)
        assert (after.id == before.id) is same, distance
        assert after.instance.centre[1] == pytest.approx(distance, abs=0.06)
        assert max(after.instance.size[:2]) < 0.6, "its old place is no part of it"


def test_a_neighbour_does_not_take_the_id_of_what_is_out_of_view() -> None:
    walk = Walk(scale=0.03, gate=1.0)
    (before,) = walk.see([chair(2.5, 0.6)], *[looking(degrees=30.0)] * 5)
    # 0.6 m beside it another, while the first is beyond the image's border.
    found = walk.see([chair(2.5, 0.6), chair(2.5, 0.0)], *[looking(degrees=-38.0)] * 5)
    assert len(found) == 2
    found = walk.see([chair(2.5, 0.6), chair(2.5, 0.0)], *[looking()] * 5)
    assert {thing.id for thing in found if thing.instance.centre[1] > 0.3} == {before.id}


def test_a_sofa_that_was_divided_by_a_post_becomes_one_and_keeps_the_older_id() -> None:
    sofa, post = (
        SceneBox((3.0, -1.0, 0.0), (3.8, 1.0, 0.8), "sofa"),
        SceneBox((1.5, -0.25, 0.0), (1.6, 0.25, 2), "wall"),
    )
    walk = Walk(scale=0.05, shift=0.02)
    assert ids(walk.see([sofa, post], *[looking()] * 10)) == [1, 2]
    sideways = [looking(0.0, 0.1 * step, -1.5 * step) for step in range(16)]
    (whole,) = walk.see([sofa, post], *sideways, *[sideways[-1]] * 25)
    assert whole.id == 1
    assert whole.instance.size[0] == pytest.approx(2.0, abs=0.25)


def test_two_chairs_that_were_seen_as_one_become_two_and_one_keeps_the_id() -> None:
    pair = [chair(2.7, -0.35), chair(2.7, 0.35)]
    walk = Walk(scale=0.03, gap=0.5)
    poses = around(2.7, 0.0, 2.2, range(-60, 61, 6))
    (one,) = walk.see(pair, *poses)
    assert one.instance.size[0] == pytest.approx(1.15, abs=0.15)
    walk.memory.settings = ObjectSettings(gap=0.1)
    assert ids(walk.see(pair, *poses[:9])) == [one.id], "not sure yet"
    found = walk.see(pair, *poses[9:])
    assert len(found) == 2
    assert one.id in ids(found)
    assert sorted(float(thing.instance.centre[1]) for thing in found) == pytest.approx([-0.35, 0.35], abs=0.1)
    assert ids(walk.see(pair, *poses)) == ids(found)


# --- people ---


def test_people_keep_their_ids_when_they_cross_and_hide_each_other() -> None:
    walk = Walk(scale=0.03, shift=0.01)
    seen: dict[int, list[tuple[float, float]]] = {}
    for step in range(50):
        y = -1.4 + 0.06 * step
        for thing in walk.see([person(2.0, y), person(3.0, -y)], looking()):
            seen.setdefault(thing.id, []).append((float(thing.instance.centre[0]), y))
            assert thing.instance.dynamic
    assert seen.keys() == {1, 2}
    near, far = sorted(seen.values(), key=lambda places: places[0][0])
    assert max(x for x, _ in near) < 2.5 < min(x for x, _ in far), "they never changed"


def test_people_who_pass_each_other_between_two_frames_are_told_by_where_they_were_going() -> None:
    walk, sides = Walk(confirm_after=1), []
    for step in range(6):
        y = -1.25 + 0.5 * step  # half a metre in half a second
        found = walk.see([person(2.0, y), person(2.4, -y)], looking())
        walk.frames += 4
        sides.append({thing.id: float(thing.instance.centre[0]) < 2.15 for thing in found})
    assert len(sides[0]) == 2
    assert sides == [sides[0]] * 6


def test_a_person_is_given_only_while_seen_and_keeps_the_id_for_a_while() -> None:
    walk = Walk(mover_memory=1.0)
    (before,) = walk.see([person(2.0, 0.0)], *[looking()] * 5)
    assert walk.see([], looking()) == []
    (after,) = walk.see([person(2.0, 0.1)], looking())
    assert after.id == before.id
    walk.see([], *[looking(degrees=150.0)] * 12)
    (other,) = walk.see([person(2.0, 0.1)], *[looking()] * 3)
    assert other.id > before.id


def test_nobody_is_faster_than_the_limit() -> None:
    walk = Walk(mover_speed=1.0, gate=0.3)
    (before,) = walk.see([person(2.0, -0.6)], *[looking()] * 5)
    (after,) = walk.see([person(2.0, 0.6)], *[looking()] * 3)
    assert after.id > before.id


def test_who_moves_by_itself_is_decided_by_class_group() -> None:
    walk = Walk(dynamic_classes=("furniture",))
    assert [thing.instance.dynamic for thing in walk.see([chair(2.5, 0), person(2, 0.9)], *[looking()] * 3)] == [
        thing.instance.name == "chair" for thing in walk.memory.objects()
    ]
    assert [thing.instance.name for thing in walk.see([], looking())] == ["person"], "a mover is given while it is seen"


# --- limits, settings and what is no frame ---


def test_no_id_comes_twice_and_a_clock_that_goes_back_forgets_only_people() -> None:
    walk = Walk()
    seat, somebody = walk.see([chair(2.5, 0.0), person(2.0, 0.9)], *[looking()] * 3)
    walk.frames = 0
    (kept,) = walk.see([chair(2.5, 0.0)], looking())
    assert kept.id == seat.id
    walk.memory.clear()
    assert walk.memory.objects() == []
    found = walk.see([chair(2.5, 0.0), person(2.0, 0.9)], *[looking()] * 3)
    assert min(ids(found)) > max(seat.id, somebody.id)


def test_settings_change_while_it_runs() -> None:
    walk = Walk()
    things = [chair(2.5, 0.5), SceneBox((2.0, -1.0, 0.0), (2.5, -0.4, 0.7), "table")]
    seat, table = sorted(walk.see(things, *[looking()] * 4), key=lambda thing: thing.instance.name)
    walk.memory.settings = ObjectSettings(classes=("table",))
    assert ids(walk.see(things, looking())) == [table.id]
    walk.memory.settings = ObjectSettings()
    assert ids(walk.see(things, looking())) == sorted([seat.id, table.id])
    with pytest.raises(ValueError, match="'tables'"):
        walk.memory.settings = ObjectSettings(classes=("tables",))
    assert walk.memory.settings == ObjectSettings(), "what was there stays"
    assert ObjectMemory(NYU13, ObjectSettings(classes=("desk", "table"))).objects() == []
    with pytest.raises(ValueError, match="max_depth is 0"):
        ObjectMemory(NYU40, max_depth=0)


def test_memory_and_time_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_memory, "MAX_OBJECTS", 3)
    monkeypatch.setattr(object_track, "MAX_CELLS", 40)
    walk = Walk()
    for place in range(5):  # a chair each, none of which is in view of the others
        found = walk.see([chair(10.0 * place + 2.0, 0.0)], *[looking(10.0 * place)] * 3)
    assert ids(found) == [3, 4, 5], "those seen last"
    assert all(len(track.keys) <= 40 for track in walk.memory._tracks)


def broken(frame: DepthFrame, kind: str, rng: np.random.Generator) -> DepthFrame:
    """What a network or a sensor may send."""
    depth, labels = frame.depth.copy(), frame.labels.copy()
    if kind == "no depth":
        depth[:] = np.nan
    elif kind == "wild depth":
        depth[:] = rng.choice(np.array([np.nan, np.inf, -np.inf, -1.0, 0.0, 1e-30, 1e30, 2.0], np.float32), depth.shape)
    elif kind == "wild labels":
        labels[:] = rng.integers(0, 256, labels.shape)
    elif kind == "all one thing":
        labels[:] = NYU40.ids(["sofa"])[0]
    elif kind == "noise":
        depth[:] = rng.uniform(0.2, 5.0, depth.shape)
        labels[:] = rng.choice(NYU40.ids(["chair", "table", "person", "floor"]), depth.shape)
    return dataclasses.replace(frame, depth=depth, labels=labels)


@pytest.mark.parametrize("kind", ["no depth", "wild depth", "wild labels", "all one thing", "noise"])
def test_whatever_comes_boxes_are_finite_and_ids_unique(kind: str) -> None:
    walk, rng = Walk(min_pixels=3), np.random.default_rng(1)
    before = ids(walk.see([chair(2.5, 0.0)], *[looking()] * 4))
    for step in range(6):
        pose = looking(degrees=float(rng.uniform(-180, 180)))
        frame = broken(frame_of([chair(2.5, 0.0)], pose), kind, rng)
        for thing in (found := walk.memory.update(frame, (walk.frames + step) * STEP)):
            assert np.isfinite([*thing.instance.centre, *thing.instance.size, thing.instance.yaw]).all()
            assert (thing.instance.size >= 0).all()
            assert 0.0 <= thing.instance.confidence <= 1.0
        assert ids(found) == sorted(set(ids(found)))
    walk.frames += 6
    assert set(before) <= set(ids(walk.see([chair(2.5, 0.0)], *[looking()] * 4))), "half a second destroys nothing"
