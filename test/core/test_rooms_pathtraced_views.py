"""Which views of a room are rendered."""

from __future__ import annotations

import numpy as np

from cinet_core.rooms.medians import MEDIANS
from cinet_core.rooms.pathtraced.views import ViewPreview, choose_views, choose_wide_views


def preview(depth: float, place: float, classes: int = 4, rays: int = 200) -> ViewPreview:
    """A view from ``place`` metres along x at things ``depth`` metres off."""
    rng = np.random.default_rng(0)
    points = np.stack([np.full(rays, place), rng.uniform(0, 2, rays), rng.uniform(0, 2, rays)], axis=1)
    return ViewPreview(np.full(rays, depth), points, np.arange(rays) % classes + 3, np.arange(rays) % classes)


def test_worth_grows_with_what_there_is_to_see() -> None:
    assert preview(1.5, 0.0, classes=8).score() > preview(1.5, 0.0, classes=3).score() > 0


def test_bare_walls_close_things_and_the_open_are_not_taken() -> None:
    good = preview(1.5, 0.0)
    outside = ViewPreview(np.where(np.arange(200) < 20, 0.0, 1.5), good.points, good.labels, good.things)
    close = ViewPreview(np.where(np.arange(200) < 1, 0.05, 1.5), good.points, good.labels, good.things)
    views = [preview(1.5, 0.0, classes=1), preview(0.3, 0.0), preview(9.0, 0.0), outside, close]
    assert [view.score() < 0 for view in views] == [True] * 5
    assert choose_views([*views, good], 4) == [5]


def test_a_view_of_other_things_beats_a_better_one_of_the_same() -> None:
    views = [preview(1.5, 0.0, classes=8), preview(3.0, 0.0, classes=7), preview(3.0, 5.0, classes=4)]
    assert choose_views(views, 2) == [0, 2]


def test_half_of_the_views_are_near() -> None:
    far = [preview(3.0, float(place), classes=9) for place in range(6)]
    near = [preview(1.2, 20.0 + place, classes=7) for place in range(6)]
    chosen = choose_views([*far, *near], 4)
    assert sum(number >= 6 for number in chosen) == 2


def test_fewer_than_wanted_where_there_are_fewer() -> None:
    assert choose_views([preview(1.5, 0.0), preview(0.2, 0.0)], 4) == [0]
    assert choose_views([], 4) == []


def test_wide_views_have_even_logarithms_of_their_median() -> None:
    depths = np.geomspace(0.42, 8.8, 40)
    previews = [preview(float(depth), 10.0 * place) for place, depth in enumerate(depths)]
    octaves = [
        float(np.log2(previews[number].median / MEDIANS[0]))
        for room in range(40)
        for number in choose_wide_views(previews, 3, room)
    ]
    assert len(octaves) == 120
    counts, _ = np.histogram(octaves, 4, (0, 4))
    assert abs(counts - 30).max() <= 4


def test_wide_views_of_a_room_that_has_none_such_are_the_nearest_there_are() -> None:
    previews = [preview(1.5, 0.0), preview(1.2, 30.0), preview(0.2, 60.0, classes=1)]
    for room in range(6):
        assert sorted(choose_wide_views(previews, 4, room)) == [0, 1]
    assert choose_wide_views([], 4, 0) == []


def test_a_wide_view_may_be_near_or_far_and_of_much_wall() -> None:
    far, near = preview(7.5, 0.0), preview(0.45, 9.0)
    assert choose_views([far, near], 2) == []
    assert sorted(choose_wide_views([far, near], 2, 0)) == [0, 1]
    touching = ViewPreview(np.where(np.arange(200) < 1, 0.15, 0.6), near.points, near.labels, near.things)
    assert touching.score() > 0
    assert choose_wide_views([touching], 1, 0) == []
    labels = np.where(np.arange(200) < 140, 1, np.arange(200) % 4 + 3)
    corridor = ViewPreview(far.depth, far.points, labels, far.things)
    assert choose_wide_views([corridor], 1, 0) == [0]


def test_views_overlap_no_more_than_they_must() -> None:
    same = [preview(2.0, 0.0) for _ in range(3)]
    other = preview(2.4, 30.0)
    for room in range(4):
        assert 3 in choose_wide_views([*same, other], 2, room)
