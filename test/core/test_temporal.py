"""Fusion over time: right frames stay as they are, flicker is averaged out, what moves or changes leaves no trail."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import cinet_core
from cinet_core.data.rgbd_sequence import RgbdSequence
from cinet_core.evaluation.stability import PosedPrediction, unexplained_change
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import UNLABELLED
from cinet_core.rooms.demo.room import SyntheticFrame, SyntheticRoom
from cinet_core.temporal import FusedFrame, FusionSettings, TemporalFusion, carry, fuse

CAMERA = Intrinsics(160.0, 158.0, 80.0, 58.0, 160, 120)
STILL = np.eye(4)
PERSON = 30
FLOOR, WALL = 1, 0
BOX = 33
"""A class that the synthetic room lacks."""
SURE = 200
"""Confidence of a label, of 255."""

TRAIL_FRAMES = 3
"""The most frames for which a step or a moving thing may be seen in the fused depth and labels."""

LEFT_OVER = 0.02
"""Share of the depth that a step may be off after that: as much as raw depth flickers."""


def pose(x: float = 0.0, y: float = 0.0, z: float = 0.0, degrees: float = 0.0) -> np.ndarray:
    """A camera at a place, turned to the right."""
    angle = math.radians(degrees)
    turned = np.eye(4)
    turned[:3, :3] = [
        [math.cos(angle), 0.0, math.sin(angle)],
        [0.0, 1.0, 0.0],
        [-math.sin(angle), 0.0, math.cos(angle)],
    ]
    turned[:3, 3] = x, y, z
    return turned


def wall(where: np.ndarray, slope: float = 0.3, camera: Intrinsics = CAMERA) -> np.ndarray:
    """(H, W) float32 depth of the wall z = 2 + slope x, seen from there."""
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)], axis=-1)
    directions = rays @ where[:3, :3].T
    x, _, z = where[:3, 3]
    return ((2.0 + slope * x - z) / (directions[..., 2] - slope * directions[..., 0])).astype(np.float32)


def plain(value: int) -> np.ndarray:
    return np.full((CAMERA.height, CAMERA.width), value, np.uint8)


def fused(
    last: FusedFrame | None,
    depth: np.ndarray,
    motion: np.ndarray | None = STILL,
    *,
    labels: np.ndarray | None = None,
    confidence: np.ndarray | None = None,
    **options: object,
) -> FusedFrame:
    labels = plain(WALL) if labels is None else labels
    confidence = plain(SURE) if confidence is None else confidence
    return fuse(last, depth, labels, confidence, CAMERA, motion, **options)  # type: ignore[arg-type]


def inner(image: np.ndarray, margin: int = 30) -> np.ndarray:
    return image[margin:-margin, margin:-margin]


MOTIONS = {
    "still": STILL,
    "aside": pose(x=0.05),
    "up": pose(y=-0.05),
    "on": pose(z=0.2),
    "turned": pose(degrees=3.0),
    "all": pose(-0.03, 0.02, 0.1, -2.0),
}


@pytest.mark.parametrize("motion", MOTIONS)
def test_a_surface_is_found_again(motion: str) -> None:
    where = MOTIONS[motion]
    carried = carry(wall(where), wall(STILL), CAMERA, np.linalg.inv(where))
    assert inner(carried.known).all()
    # Bilinear reading of a slanted wall's depth; within half a pixel of the border it is the border's.
    assert np.abs(inner(carried.difference)).max() < 1e-4
    assert np.abs(carried.difference).max() < 2e-3
    # The motion is what finds it, in this direction.
    if motion in ("on", "all"):
        assert np.median(np.abs(carry(wall(where), wall(STILL), CAMERA, where).difference)) > 0.05


def test_what_the_last_frame_did_not_see_is_unknown() -> None:
    carried = carry(wall(pose(degrees=20.0)), wall(STILL), CAMERA, np.linalg.inv(pose(degrees=20.0)))
    assert carried.known[:, :40].all(axis=0).any()
    assert not carried.known[:, -30:].any()
    assert not carry(wall(STILL), wall(STILL), CAMERA, pose(degrees=180.0)).known.any()
    assert not carry(wall(STILL), wall(STILL), CAMERA, pose(z=5.0)).known.all()


def test_invalid_depth_is_unknown_on_both_sides() -> None:
    before, now = wall(STILL), wall(STILL)
    before[10:20], now[30:40], before[50], now[51] = np.nan, np.nan, 0.0, np.inf
    carried = carry(now, before, CAMERA, STILL)
    unknown = np.zeros(120, bool)
    unknown[10:20] = unknown[30:40] = unknown[50:52] = True
    assert not carried.known[unknown].any()
    beside = unknown | np.roll(unknown, 1) | np.roll(unknown, -1)  # may be read between two pixels
    assert carried.known[~beside].all()
    assert (carried.difference[~carried.known] == 0).all()


def test_a_right_prediction_stays_right_along_a_way() -> None:
    last, before = None, STILL
    for number in range(12):
        where = pose(x=0.03 * number, z=0.04 * number, degrees=0.7 * number)
        last = fused(last, wall(where), np.linalg.inv(where) @ before)
        before = where
        assert np.abs(inner(last.depth / wall(where)) - 1).max() < 2e-4
        assert np.abs(last.depth / wall(where) - 1).max() < 5e-3
    assert last is not None
    assert last.agreement == 1.0
    assert np.median(last.keep) > 0.65


def test_flicker_is_averaged_by_variance() -> None:
    """White noise of each pixel: the variance of a Kalman filter, K R, against what is measured."""
    random, settings = np.random.default_rng(1), FusionSettings(gate=0.5)
    truth, last, before, changes, raw_changes = wall(STILL), None, None, [], []
    for number in range(40):
        noisy = truth * np.exp(0.03 * random.standard_normal(truth.shape)).astype(np.float32)
        last = fused(last, noisy, settings=settings)
        if before is not None and number > 20:
            changes.append(np.std(np.log(last.depth / before[0])))
            raw_changes.append(np.std(np.log(noisy / before[1])))
        before = last.depth, noisy
    assert last is not None
    error = np.log(last.depth / truth)
    assert abs(error.mean()) < 1e-3
    # Q is no part of this truth, so that the filter claims a little more than it leaves.
    assert 0.5 * last.variance.mean() < error.var() < last.variance.mean()
    assert np.median(changes) < 0.35 * np.median(raw_changes)


def test_a_frame_of_less_variance_counts_more() -> None:
    before, now = wall(STILL), wall(STILL) * np.float32(1.04)
    variance = np.full(now.shape, 0.03**2, np.float32)
    variance[:, :80] = 0.1**2
    last = fused(None, before)
    result = fused(last, now, variance=variance)
    moved = np.log(result.depth / before) / np.log(1.04)
    prior = 0.03**2 + 0.01**2
    assert np.median(moved[:, :75]) == pytest.approx(prior / (prior + 0.1**2), abs=0.01)
    assert np.median(moved[:, 85:]) == pytest.approx(prior / (prior + 0.03**2), abs=0.01)


@pytest.mark.parametrize("step", [0.02, 0.04, 0.06, 0.09, 0.11, 0.2, 0.5, 1.0, -0.05, -0.1, -0.3])
@pytest.mark.parametrize("part", ["all of it", "a third of it"])
def test_a_step_is_followed_within_three_frames(step: float, part: str) -> None:
    where = slice(None) if part == "all of it" else slice(0, 50)
    last = None
    for _ in range(15):
        last = fused(last, wall(STILL))
    stepped = wall(STILL)
    stepped[:, where] *= np.float32(1 + step)
    for _ in range(TRAIL_FRAMES):
        last = fused(last, stepped)
    assert last is not None
    assert np.abs(last.depth / stepped - 1).max() < LEFT_OVER


@pytest.fixture(scope="module")
def walk() -> tuple[Intrinsics, list[SyntheticFrame]]:
    room = SyntheticRoom(2, 160, 120)
    frames = [room.render(number, 200) for number in range(14)]
    assert not any((frame.labels == BOX).any() for frame in frames)
    return room.intrinsics, frames


def with_box(frame: SyntheticFrame, number: int, part: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth and labels of a view with a box that crosses it, nearer by a part of the depth, and where it is."""
    depth, labels = frame.depth.copy(), frame.labels.copy()
    box = np.zeros(depth.shape, bool)
    box[40:90, 8 + 8 * number : 40 + 8 * number] = True
    depth[box] *= np.float32(1 - part)
    labels[box] = BOX
    return depth, labels, box


@pytest.mark.parametrize("part", [0.04, 0.08, 0.15, 0.4])
def test_a_moving_box_leaves_no_trail(walk: tuple[Intrinsics, list[SyntheticFrame]], part: float) -> None:
    camera, frames = walk
    last, before, left = None, None, np.zeros((120, 160), int)
    for number, frame in enumerate(frames):
        depth, labels, box = with_box(frame, number, part)
        motion = None if before is None else np.linalg.inv(frame.camera_to_world) @ before
        last = fuse(last, depth, labels, plain(SURE), camera, motion)
        before = frame.camera_to_world
        left = np.where(box, 0, left + 1)  # frames since the box was there
        if number > TRAIL_FRAMES:
            steady = (left > TRAIL_FRAMES) & (left <= number)
            assert steady.any()
            surfaces = steady & (cv2.morphologyEx(depth, cv2.MORPH_GRADIENT, np.ones((5, 5))) < 0.1)
            assert np.quantile(np.abs(last.depth / depth - 1)[surfaces], 0.999) < LEFT_OVER
            # The camera moves, so that a pixel of the box's past lies a few pixels aside.
            since = cv2.erode(left.astype(np.float32), np.ones((5, 21), np.uint8)) > TRAIL_FRAMES
            assert (last.labels == BOX)[since].mean() < 5e-4
            # And the box itself is there, as deep as it is, where it has been for as long.
            arrived = box & np.roll(box, -8 * TRAIL_FRAMES, axis=1)
            assert (last.labels[arrived] == BOX).mean() > 0.95
            assert np.quantile(np.abs(last.depth / depth - 1)[arrived], 0.9) < 1.5 * LEFT_OVER


def test_movers_are_never_carried() -> None:
    labels = plain(WALL)
    labels[:, :60] = PERSON
    last = fused(None, wall(STILL), labels=labels)
    gone = wall(STILL) * np.float32(1.05)  # within every gate
    result = fused(last, gone, movers={PERSON})
    assert (result.labels == WALL).all()
    assert (result.depth[:, :60] == gone[:, :60]).all()
    assert (result.depth[:, 61:] < gone[:, 61:]).all()
    come = fused(fused(None, wall(STILL)), gone, labels=labels, movers={PERSON})
    assert (come.labels[:, :60] == PERSON).all()
    assert (come.keep[:, :60] == 0).all()


def test_labels_do_not_flicker_but_change() -> None:
    last = None
    for number in range(12):
        labels, confidence = plain(WALL), plain(180)
        if number % 3 == 2:
            labels[:, :80], confidence[:, :80] = FLOOR, 120
        last = fused(last, wall(STILL), labels=labels, confidence=confidence)
        assert (last.labels == WALL).all()
    for _ in range(4):
        last = fused(last, wall(STILL), confidence=plain(180))
    for number in range(1, TRAIL_FRAMES + 1):
        last = fused(last, wall(STILL), labels=plain(FLOOR), confidence=plain(180))
        assert (last.labels == (FLOOR if number == TRAIL_FRAMES else WALL)).all()
    # One that is not sure of itself takes longer.
    for _ in range(4):
        last = fused(last, wall(STILL), labels=plain(FLOOR), confidence=plain(180))
    for _ in range(TRAIL_FRAMES):
        last = fused(last, wall(STILL), labels=plain(WALL), confidence=plain(60))
    assert (last.labels == FLOOR).all()


def test_unlabelled_pixels_have_no_vote() -> None:
    last = fused(None, wall(STILL), labels=plain(UNLABELLED))
    assert (fused(last, wall(STILL), labels=plain(FLOOR), confidence=plain(1)).labels == FLOOR).all()
    last = fused(None, wall(STILL), labels=plain(FLOOR))
    assert (fused(last, wall(STILL), labels=plain(UNLABELLED)).labels == FLOOR).all()


def test_what_is_unknown_starts_anew() -> None:
    last = fused(None, wall(STILL))
    assert last.restarted
    assert fused(last, wall(STILL), None).restarted
    zoomed = replace(CAMERA, fx=170.0)
    assert fuse(last, wall(STILL), plain(WALL), plain(SURE), zoomed, STILL).restarted
    jumped = fused(last, wall(STILL) * np.float32(2))
    assert jumped.restarted
    assert jumped.agreement == 0.0
    assert (jumped.depth == wall(STILL) * np.float32(2)).all()
    away = fused(last, wall(STILL), pose(degrees=180.0))
    assert away.restarted
    assert math.isnan(away.agreement)
    assert not fused(last, wall(STILL)).restarted


def test_invalid_depth_stays_invalid() -> None:
    holes = wall(STILL)
    holes[20:30] = np.nan
    last = fused(None, holes)
    filled = fused(last, wall(STILL))
    assert np.isfinite(filled.depth).all()
    again = fused(filled, holes)
    assert np.isnan(again.depth[20:30]).all()
    assert np.isfinite(np.delete(again.depth, np.arange(20, 30), axis=0)).all()
    nothing = fused(filled, np.full_like(holes, np.nan))
    assert np.isnan(nothing.depth).all()


@pytest.mark.parametrize(
    ("motion", "text"),
    [
        (np.full((4, 4), np.nan), "finite"),
        (np.eye(3), r"\(4, 4\)"),
        (np.diag([2.0, 1, 1, 1]), "no rigid motion"),
    ],
)
def test_what_is_no_motion_is_refused(motion: np.ndarray, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        fused(None, wall(STILL), motion)
    fusion = TemporalFusion()
    fusion.update(wall(STILL), plain(WALL), plain(SURE), CAMERA, None)
    with pytest.raises(ValueError, match=text):
        fusion.update(wall(STILL), plain(WALL), plain(SURE), CAMERA, motion)
    assert fusion.last is None


def test_sizes_must_be_one() -> None:
    with pytest.raises(ValueError, match=r"confidence is \(3, 4\), but the intrinsics are for \(120, 160\)"):
        fused(None, wall(STILL), confidence=np.zeros((3, 4), np.uint8))
    with pytest.raises(ValueError, match=r"variance is \(3, 4\)"):
        fused(None, wall(STILL), variance=np.zeros((3, 4), np.float32))
    with pytest.raises(ValueError, match="one size"):
        carry(wall(STILL), np.zeros((3, 4), np.float32), CAMERA, STILL)


@pytest.mark.parametrize("change", [{"gate": 0.0}, {"label_decay": 1.1}, {"process_noise": math.nan}, {"gate": 3.0}])
def test_settings_are_checked(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(change))} is .*: it must be above 0 and at most"):
        FusionSettings(**change)


def test_large_images_are_fused_at_working_size() -> None:
    camera = CAMERA.resized(640, 480)
    large = Intrinsics(camera.fx, camera.fy, (CAMERA.cx + 0.5) * 4 - 0.5, (CAMERA.cy + 0.5) * 4 - 0.5, 640, 480)
    random = np.random.default_rng(4)
    noise = np.exp(0.03 * random.standard_normal((2, 30, 40))).astype(np.float32)
    sheets = [cv2.resize(sheet, (640, 480)) * wall(STILL, camera=large) for sheet in noise]
    labels, confidence = np.full((480, 640), WALL, np.uint8), np.full((480, 640), 150, np.uint8)
    other = labels.copy()
    other[100:200, 100:200] = FLOOR
    fusion = TemporalFusion()
    first = fusion.update(sheets[0], labels, confidence, large, None)
    assert first[0] is sheets[0]
    fusion.update(sheets[0], labels, confidence, large, STILL)  # a label must be seen twice to outweigh another
    assert fusion.last is not None
    assert fusion.last.depth.shape == (240, 320)
    depth, voted, sure = fusion.update(sheets[1], other, confidence, large, STILL)
    assert depth.dtype == np.float32
    assert depth.shape == voted.shape == sure.shape == (480, 640)
    assert (voted == WALL).all()
    assert set(np.unique(sure[101:199, 101:199])) <= {104, 105}  # what 150 of 255 leave to it
    assert (sure[:99] == 150).all()
    kept = np.log(depth / sheets[1]) / np.log(sheets[0] / sheets[1])
    telling = np.abs(np.log(sheets[0] / sheets[1])) > 0.02
    telling &= np.abs(np.log(sheets[0] / sheets[1])) < 0.045
    prior = 0.03**2 * (0.03**2 + 0.01**2) / (2 * 0.03**2 + 0.01**2) + 0.01**2  # after two frames
    assert np.median(kept[telling]) == pytest.approx(0.03**2 / (prior + 0.03**2), abs=0.02)
    fusion.restart()
    assert fusion.update(sheets[1], other, confidence, large, STILL)[1] is other


@pytest.mark.parametrize("seed", range(8))
def test_nothing_breaks_on_garbage(seed: int) -> None:
    random = np.random.default_rng(seed)
    fusion = TemporalFusion(movers={PERSON, 255})
    for _ in range(6):
        depth = random.choice([np.nan, np.inf, -1.0, 0.0, 1e-30, 1.0, 3e38], (120, 160)).astype(np.float32)
        labels, confidence = random.integers(0, 256, (2, 120, 160), np.uint8)
        motion = pose(*random.choice([0.0, 1e-9, 1.0, 1e6, -1e30], 3), degrees=random.uniform(-180, 180))
        with np.errstate(all="ignore"):
            out = fusion.update(depth, labels, confidence, CAMERA, motion)
        assert out[0].shape == out[1].shape == out[2].shape == depth.shape


def test_static_points_of_a_kitchen_stop_flickering(shared_data: Path) -> None:
    kitchen = shared_data / "kitchen_sequence"
    if not kitchen.is_dir():
        pytest.skip(f"no real frames: {kitchen} is absent")
    dataset = RgbdSequence(kitchen, color_focal=525.0, baseline=0.025)
    fusion = TemporalFusion()
    ways: dict[str, list[tuple[PosedPrediction, np.ndarray]]] = {"raw": [], "fused": []}
    with cinet_core.load("default", device="cpu") as predictor:
        for number in range(10):
            sample, where = dataset[number], dataset.pose(number)
            assert sample.intrinsics is not None
            assert where is not None
            raw = predictor(sample.image.permute(1, 2, 0).numpy(), camera=sample.intrinsics)
            motion = None
            if ways["raw"]:
                motion = np.linalg.inv(where) @ ways["raw"][-1][0].pose
            depth, labels, _ = fusion.update(raw.depth, raw.labels, raw.confidence, sample.intrinsics, motion)
            for way, seen, classes in (("raw", raw.depth, raw.labels), ("fused", depth, labels)):
                frame = PosedPrediction(number, _tensor(seen), sample.depth, sample.intrinsics, where)
                ways[way].append((frame, classes))
    change = {way: _changes([frame for frame, _ in frames]) for way, frames in ways.items()}
    flicker = {way: _flicker(frames) for way, frames in ways.items()}
    assert change["fused"] < min(0.010, 0.6 * change["raw"])
    assert flicker["fused"] < 0.5 * flicker["raw"]


def _tensor(depth: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(depth))


def _changes(frames: list[PosedPrediction]) -> float:
    pairs = itertools.pairwise(frames[3:])
    return float(np.median([np.median(np.abs(unexplained_change(first, second))) for first, second in pairs]))


def _flicker(frames: list[tuple[PosedPrediction, np.ndarray]]) -> float:
    """Share of the points that two frames see, by the sensor's depth, whose label changes."""
    shares = []
    for (first, before), (second, after) in itertools.pairwise(frames[3:]):
        k = first.intrinsics
        half = k.resized(320, 240)
        truths = [_half(frame.truth.numpy()) for frame in (first, second)]
        carried = carry(truths[1], truths[0], half, np.linalg.inv(second.pose) @ first.pose)
        same = carried.known & (np.abs(carried.difference) < 0.03)
        small = [_half(labels) for labels in (before, after)]
        shares.append((carried.nearest(small[0]) != small[1])[same].mean())
    return float(np.mean(shares))


def _half(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, (320, 240), interpolation=cv2.INTER_NEAREST)
