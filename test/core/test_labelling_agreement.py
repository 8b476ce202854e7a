"""What other views say of depth and labels, and how anchors make relative depth metric."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from cinet_core.data.recording import RecordedAnchors
from cinet_core.data.trust import SOURCES
from cinet_core.geometry import Intrinsics, unproject
from cinet_core.label_sets import NYU40, UNLABELLED
from cinet_core.labelling.agreement import View, agree, chosen_views
from cinet_core.labelling.anchoring import AnchoredFrame, Anchoring
from cinet_core.labelling.photometric import appearance_errors, textured
from cinet_core.labelling.score import added, figures, frame_score, markdown
from cinet_core.labelling.settings import AgreementSettings, LabelSettings
from cinet_core.labelling.trusted import labelled_frame
from cinet_core.rooms.demo.room import SyntheticRoom

SETTINGS = AgreementSettings(views=4, reach=4)
FRAMES = 9
MIDDLE = 4
BATHTUB, CHAIR = NYU40.ids(["bathtub", "chair"])


@pytest.fixture(scope="module")
def room() -> SyntheticRoom:
    return SyntheticRoom(seed=2, width=160, height=120)


@pytest.fixture(scope="module")
def views(room: SyntheticRoom) -> list[View]:
    """A walk as it is."""
    found = []
    for number in range(FRAMES):
        frame = room.render(2 * number, 60)
        sure = np.full(frame.depth.shape, 0.8, np.float32)
        found.append(View(frame.depth.copy(), frame.labels.copy(), sure, room.intrinsics, frame.camera_to_world))
    return found


def others(views: list[View]) -> list[View]:
    chosen = chosen_views(MIDDLE, [view.pose for view in views], SETTINGS)
    assert len(chosen) == SETTINGS.views
    return [views[number] for number in chosen]


def test_views_of_the_truth_agree(views: list[View]) -> None:
    """What stands before something else contradicts nobody: hidden points are not checked."""
    found = agree(views[MIDDLE], others(views), SETTINGS)
    checked = found.depth_checked > 0
    assert found.views == 4
    assert checked.mean() > 0.9
    assert (found.depth_share[checked] > 0.5).mean() > 0.985
    labelled = found.labels_checked > 0
    assert (found.labels_share[labelled] > 0.75).mean() > 0.94  # all but borders, where the nearest pixel decides


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_a_wrong_depth_is_contradicted(views: list[View], factor: float) -> None:
    """Too near is seen through by others; too far lies behind what they see, where this view has nothing."""
    wrong = views[MIDDLE].depth.copy()
    wrong[40:80, 60:100] *= factor
    found = agree(replace(views[MIDDLE], depth=wrong), others(views), SETTINGS)
    patch = np.zeros(wrong.shape, bool)
    patch[45:75, 65:95] = True
    assert (found.depth_share[patch] < 0.5).mean() > 0.9
    checked = ~patch & (found.depth_checked > 0)
    checked[36:84, 56:104] = False
    assert (found.depth_share[checked] > 0.5).mean() > 0.97


def test_a_wrong_label_is_outvoted(views: list[View]) -> None:
    wrong = views[MIDDLE].labels.copy()
    wrong[40:80, 60:100] = BATHTUB  # which the room has not
    found = agree(replace(views[MIDDLE], labels=wrong), others(views), SETTINGS)
    assert (found.labels_share[45:75, 65:95][found.labels_checked[45:75, 65:95] > 0] < 0.1).mean() > 0.9


def test_what_is_contradicted_is_void_and_the_rest_trusted_as_it_should_be(views: list[View]) -> None:
    view = views[MIDDLE]
    wrong, labels = view.depth.copy(), view.labels.copy()
    wrong[40:80, 60:100] *= 0.8
    labels[90:110, 20:60] = BATHTUB
    found = agree(replace(view, depth=wrong, labels=labels), others(views), SETTINGS)
    settings = LabelSettings(agreement=SETTINGS)
    sigma = np.full(wrong.shape, 0.05, np.float32)
    truth = labelled_frame(wrong, sigma, labels, view.confidence, found, settings)
    assert truth.labels is not None
    depth_trust, label_trust = truth.trusted.trust
    assert (truth.depth[45:75, 65:95] == 0).mean() > 0.9
    assert (truth.labels[93:107, 23:57] == UNLABELLED).mean() > 0.9
    np.testing.assert_array_equal(truth.depth == 0, depth_trust == 0)
    np.testing.assert_array_equal(truth.labels == UNLABELLED, label_trust == 0)
    agreed = truth.trusted.sources[0] == SOURCES.index("agreed")
    assert np.median(depth_trust[agreed]) == pytest.approx(255 * 0.9, abs=2)  # 1 / (1 + (0.05 / 0.15)^2)
    assert np.median(label_trust[truth.trusted.sources[1] == SOURCES.index("agreed")]) == pytest.approx(204, abs=2)
    unchecked = truth.trusted.sources[0] == SOURCES.index("teacher")
    assert np.all(np.abs(depth_trust[unchecked].astype(int) - 115) < 3)
    # A sensor wins where it is valid, and labels that were given.
    sensor, given = np.zeros_like(wrong), np.full(labels.shape, UNLABELLED, np.uint8)
    sensor[50:60], given[100:] = 3.0, CHAIR
    truth = labelled_frame(wrong, sigma, labels, view.confidence, found, settings, sensor, given)
    assert (truth.depth[50:60] == 3.0).all()
    assert (truth.trusted.trust[0, 50:60] == 255).all()
    assert (truth.trusted.sources[0, 50:60] == SOURCES.index("sensor")).all()
    assert truth.labels is not None
    assert (truth.labels[100:] == CHAIR).all()
    assert (truth.trusted.sources[1, 100:] == SOURCES.index("given")).all()
    summary = truth.summary()
    assert summary["depth"]["sensor"] == pytest.approx(10 / 120, abs=1e-3)


def test_without_other_views_all_is_half_trusted(views: list[View]) -> None:
    view = views[0]
    truth = labelled_frame(view.depth, np.zeros_like(view.depth), view.labels, view.confidence, None, LabelSettings())
    assert set(np.unique(truth.trusted.trust[0])) == {128}
    assert set(np.unique(truth.trusted.trust[1])) == {102}


def test_halves_by_trust() -> None:
    """A quarter is trusted more: its depth errs by 10 % and not by 30 %, and its labels are right and not wrong."""
    sigma, depth = np.full((8, 8), 0.3, np.float32), np.full((8, 8), 2.6, np.float32)
    labels, sure = np.full((8, 8), CHAIR, np.uint8), np.full((8, 8), 0.4, np.float32)
    sigma[:, :2], depth[:, :2], labels[:, :2], sure[:, :2] = 0.075, 2.2, BATHTUB, 0.9
    depth[0, 0] = np.nan
    truth = labelled_frame(depth, sigma, labels, sure, None, LabelSettings())
    true_depth, true_labels = np.full((8, 8), 2.0, np.float32), np.full((8, 8), BATHTUB, np.uint8)
    true_labels[1, 1] = UNLABELLED
    score = frame_score({"teacher": depth, "anchored": depth}, labels, truth, true_depth, true_labels)
    found = figures(added([score, score]))
    # Of 63 depths 15 have the large trust, of 63 labels likewise 15; the halves have 31.5 of each.
    assert found["trusted most"]["abs_rel"] == pytest.approx((15 * 0.1 + 16.5 * 0.3) / 31.5, abs=1e-4)
    assert found["trusted least"]["abs_rel"] == pytest.approx(0.3, abs=1e-4)
    assert found["trusted most"]["label_precision"] == pytest.approx(15 / 31.5)
    assert found["trusted least"]["label_precision"] == 0
    assert markdown(found).splitlines()[-1].startswith("| trusted least | 0.0 % | - | 0.0 % | - | 0.300")
    nothing = labelled_frame(np.full((8, 8), np.nan, np.float32), sigma, None, None, None, LabelSettings())
    empty = figures(frame_score({"teacher": None, "anchored": None}, None, nothing, true_depth, true_labels))
    assert empty["trusted most"] == {"label_precision": None, "depth_precision": None, "abs_rel": None}


def test_views_are_those_that_differ(views: list[View]) -> None:
    poses: list = [view.pose for view in views]
    standing = [poses[0]] * FRAMES
    assert chosen_views(MIDDLE, standing, SETTINGS) == []
    lost = [*poses[:MIDDLE], None, *poses[MIDDLE + 1 :]]
    assert chosen_views(MIDDLE, lost, SETTINGS) == []
    assert MIDDLE not in chosen_views(MIDDLE - 1, lost, SETTINGS)
    found = chosen_views(MIDDLE, poses, AgreementSettings(views=8, reach=4))
    assert found
    assert all(abs(number - MIDDLE) <= 4 for number in found)
    # Another size, as of a second camera, cannot be compared.
    half = Intrinsics(*(np.array([80, 80, 40, 30]) / 1.0), width=80, height=60)
    small = View(
        np.ones((60, 80), np.float32), np.zeros((60, 80), np.uint8), np.ones((60, 80), np.float32), half, poses[3]
    )
    assert agree(views[MIDDLE], [small], SETTINGS).views == 0


def relative_frames(room: SyntheticRoom, frames: int = 8, **extra: object) -> list[tuple[AnchoredFrame, np.ndarray]]:
    """Relative depth of other factor and offset in each frame, with what the robot knew."""
    found = []
    random = np.random.default_rng(0)
    for number in range(frames):
        frame = room.render(2 * number, 60)
        q = random.uniform(3, 9) / frame.depth + random.uniform(-2, 2)
        given: dict = {"pose": None, "labels": None, "reference": None, "sensor": None, "measured": None}
        for name, value in extra.items():
            given[name] = value(frame) if callable(value) else value
        found.append(
            (
                AnchoredFrame(
                    frame.image, room.intrinsics, number / 10, depth=q.astype(np.float32), relative=True, **given
                ),
                frame.depth,
            )
        )
    return found


def error(depth: np.ndarray, truth: np.ndarray) -> float:
    return float(np.nanmean(np.abs(depth / truth - 1)))


def scan_of(frame: object) -> RecordedAnchors:
    points = unproject(frame.depth, SyntheticRoom(seed=2, width=160, height=120).intrinsics)  # type: ignore[attr-defined]
    return RecordedAnchors(scan=points[[40, 60, 100]].reshape(-1, 3))


ANCHORS = {
    "scan": {"measured": scan_of},
    "sensor": {"sensor": lambda frame: np.where(np.indices(frame.depth.shape).sum(0) % 7 == 0, frame.depth, 0)},
    "odometry": {"pose": lambda frame: frame.camera_to_world},
    "floor": {
        "labels": lambda frame: frame.labels,
        "pose": lambda frame: frame.camera_to_world,
    },
    "reference": {"reference": lambda frame: frame.depth * 1.05},
}


@pytest.mark.parametrize("kind", ANCHORS)
def test_relative_depth_becomes_metric(room: SyntheticRoom, kind: str) -> None:
    anchoring = Anchoring(NYU40, floor_height=0.0 if kind == "floor" else None)
    results = [(anchoring.add(frame), truth) for frame, truth in relative_frames(room, **ANCHORS[kind])]
    later = results[4:]
    assert all(np.isfinite(found.depth).mean() > 0.95 for found, _ in later)
    assert np.median([error(found.depth, truth) for found, truth in later]) < 0.08
    if kind in ("scan", "odometry"):
        assert all(kind in found.anchors for found, _ in later)
    if kind == "sensor":
        assert all("depth" in found.anchors for found, _ in later)
    if kind != "reference":
        assert later[-1][0].sigma.mean() < 0.15


def test_without_metres_relative_depth_is_void(room: SyntheticRoom) -> None:
    found = [Anchoring(NYU40).add(frame) for frame, _ in relative_frames(room, 2)]
    assert all(np.isnan(one.depth).all() for one in found)
    assert "relative depth has no metres" in str(found[0].reason)
    # Points at one depth leave factor and offset open.
    wall = RecordedAnchors(points=np.column_stack([np.linspace(-1, 1, 50), np.zeros(50), np.full(50, 2.0)]))
    flat = Anchoring(NYU40).add(relative_frames(room, 1, measured=wall)[0][0])
    assert np.isnan(flat.depth).all()


def test_metric_depth_of_a_wrong_scale_is_put_right(room: SyntheticRoom) -> None:
    anchoring = Anchoring(NYU40)
    for frame, truth in relative_frames(room, measured=scan_of):
        metric = replace(frame, depth=(1.3 * truth).astype(np.float32), relative=False)
        found = anchoring.add(metric)
    assert found.scale == pytest.approx(1 / 1.3, rel=0.05)
    assert error(found.depth, truth) < 0.05
    off = Anchoring(NYU40, active=False).add(metric)
    assert off.scale is None
    np.testing.assert_array_equal(off.depth, metric.depth)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"views": -1}, "views is -1"),
        ({"reach": 0}, "reach 0"),
        ({"depth": 0.0}, "depth is 0.0"),
        ({"least_labels": 1.5}, "least_labels is 1.5"),
    ],
)
def test_settings_that_cannot_be(settings: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        AgreementSettings(**settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"scales": ()}, "scales are"),
        ({"scales": (9.0,)}, "from 0.25 to 4"),
        ({"sensor": "maybe"}, "choose one of use"),
        ({"score": True}, "must not use them"),
        ({"least_trust": 1.0}, "least_trust is 1.0"),
        ({"floor_height": float("nan")}, "floor_height"),
    ],
)
def test_label_settings_that_cannot_be(settings: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LabelSettings(**settings)


def test_images_tell_a_wrong_scale(room: SyntheticRoom) -> None:
    """Two views that look alike by the right depth do not by a wrong one, whatever the light of each."""
    frames = [room.render(number, 60) for number in (4, 8)]
    greys = [cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY) for frame in frames]
    brighter = np.clip(greys[1].astype(int) + 30, 0, 255).astype(np.uint8)
    motion = np.linalg.inv(frames[0].camera_to_world) @ frames[1].camera_to_world
    depths = [factor * frames[0].depth for factor in (1.0, 0.7, 1.4)]
    errors = appearance_errors(depths, textured(greys[0]), room.intrinsics, [(textured(brighter), motion)])
    assert errors[0] < 0.8 * errors[1:].min()
    # Where no view shows anything of this one, nothing is said.
    away = motion @ np.diag([-1.0, 1.0, -1.0, 1.0])
    assert np.isnan(appearance_errors(depths, textured(greys[0]), room.intrinsics, [(textured(brighter), away)])).all()
