from __future__ import annotations

import itertools
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from cinet_core.data.augmentation import NO_AUGMENTATION, Augmentation, Variation, draw
from cinet_core.data.sample import Sample, TrainingSample, collate
from cinet_core.data.transforms import TrainingTransform, TransformedDataset
from cinet_core.geometry import Intrinsics, project
from cinet_core.rooms.demo.room import SyntheticRoom

STILL = Variation(0.0, 1.0, 0.5, 0.5, False, (), 7)
WIDTH, HEIGHT = 160, 120


@pytest.fixture(scope="module")
def sample() -> Sample:
    room = SyntheticRoom(seed=3, width=WIDTH, height=HEIGHT)
    frame = room.render(5)
    depth = frame.depth.copy()
    depth[40:50, 30:60] = 0  # a hole
    return Sample(
        "room",
        torch.from_numpy(frame.image).permute(2, 0, 1).contiguous(),
        torch.from_numpy(depth),
        torch.from_numpy(frame.labels),
        room.intrinsics,
    )


def transform(width: int = 80, height: int = 60, **options: float) -> TrainingTransform:
    return TrainingTransform(width, height, 65.625, **options)  # type: ignore[arg-type]


def metric(result: TrainingSample, f_c: float = 65.625) -> torch.Tensor:
    return result.depth * result.focal / f_c


def test_unchanged_but_for_size(sample: Sample) -> None:
    result = TrainingTransform(WIDTH, HEIGHT, 131.25, NO_AUGMENTATION)(sample)
    assert sample.intrinsics is not None
    assert torch.equal(result.image, sample.image)
    assert torch.equal(result.labels, sample.labels)
    assert result.focal == sample.intrinsics.focal
    torch.testing.assert_close(result.depth, sample.depth * 131.25 / sample.intrinsics.focal)


@pytest.mark.parametrize("zoom", [1.0, 1.25, 1.6])
def test_zoom_changes_the_focal_length_and_leaves_metric_depth(sample: Sample, zoom: float) -> None:
    t = transform()
    result = t.apply(sample, replace(STILL, zoom=zoom))
    assert sample.intrinsics is not None
    assert result.focal == pytest.approx(sample.intrinsics.focal * 0.5 * zoom, rel=0.01)
    stored = sample.depth.unique()
    for value in metric(result).unique():  # no value that was not there before, but for float32 rounding
        assert (stored - value).abs().min() < 1e-5
    # canonical: what the canonical camera sees at this size
    torch.testing.assert_close(result.depth, metric(result) * 65.625 / result.focal)


@pytest.mark.parametrize("zoom", [1.0, 1.25, 1.6])
def test_without_a_camera_depth_is_divided_by_the_zoom(sample: Sample, zoom: float) -> None:
    unknown = replace(sample, intrinsics=None)
    result = transform().apply(unknown, replace(STILL, zoom=zoom))
    assert result.focal == 65.625  # f_net = f_c: the zoom counts once
    known = transform().apply(sample, replace(STILL, zoom=zoom))
    torch.testing.assert_close(result.depth * zoom, metric(known), rtol=0.01, atol=1e-6)


def test_both_ways_agree_where_the_camera_is_the_canonical_one(sample: Sample) -> None:
    """A camera whose f at zoom 1 is f_c: then dividing depth by the zoom is the same as changing f."""
    canonical = replace(sample, intrinsics=Intrinsics(131.25, 131.25, 79.5, 59.5, WIDTH, HEIGHT))
    for zoom in (1.0, 1.3, 1.6):
        change = replace(STILL, zoom=zoom)
        with_camera = transform().apply(canonical, change)
        without = transform().apply(replace(canonical, intrinsics=None), change)
        torch.testing.assert_close(with_camera.depth, without.depth)


@pytest.mark.parametrize(
    ("angle", "zoom", "left", "top", "flip"),
    [(0.0, 1.0, 0.5, 0.5, True), (0.0, 1.5, 0.0, 1.0, False), (5.0, 1.3, 1.0, 0.2, False), (-4.0, 1.6, 0.3, 0.9, True)],
)
def test_camera_and_depth_describe_the_same_points(
    sample: Sample, angle: float, zoom: float, left: float, top: float, flip: bool
) -> None:
    """A surface point, unprojected from the original, must be found by the new camera where its depth now is.

    Ramps make depth pixels identifiable: each holds a unique value.
    """
    ramp = torch.arange(1.0, WIDTH * HEIGHT + 1).reshape(HEIGHT, WIDTH) / 10_000 + 1
    k = Intrinsics(130.0, 130.0, 40.0, 90.0, WIDTH, HEIGHT)  # far off the middle, as in a crop
    t = TrainingTransform(128, 96, 100.0)
    change = Variation(angle, zoom, left, top, flip, (), 0)
    result = t.apply(replace(sample, depth=ramp, intrinsics=k), change)
    camera = t.camera(k, change)
    assert camera.focal == pytest.approx(result.focal)
    turned = metric(result, 100.0)
    for row, column in itertools.product(range(10, 90, 16), range(10, 120, 16)):
        value = float(turned[row, column])
        if value == 0:
            continue
        place = round((value - 1) * 10_000) - 1
        v, u = divmod(place, WIDTH)
        ray = np.array([(u - k.cx) / k.fx, (v - k.cy) / k.fy, 1.0]) * value
        # Turning the image counter-clockwise is rolling the camera; mirroring it is mirroring x.
        cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        x, y, z = cos * ray[0] + sin * ray[1], -sin * ray[0] + cos * ray[1], ray[2]
        found = project(np.array([-x if flip else x, y, z]), camera)
        # nearest sampling, half a source pixel of it at most, and the half-pixel convention of resized()
        assert np.abs(found - (column, row)).max() < 1.7, (row, column, found)


def test_image_depth_and_labels_stay_aligned() -> None:
    """A bright square on dark ground, with a depth and a class of its own, at the same place in all three."""
    inside = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    inside[40:80, 50:110] = True
    block = Sample(
        "block",
        inside.to(torch.uint8).mul(255).repeat(3, 1, 1),
        torch.where(inside, 2.0, 4.0),
        torch.where(inside, 3, 1).to(torch.uint8),
        Intrinsics(130.0, 130.0, 79.5, 59.5, WIDTH, HEIGHT),
    )
    for flip, angle, zoom in itertools.product((False, True), (0.0, 4.0), (1.0, 1.37)):
        result = transform(200, 150).apply(block, Variation(angle, zoom, 0.4, 0.6, flip, (), 0))
        bright, near, third = result.image[0] > 127, metric(result).round() == 2, result.labels == 3
        assert torch.equal(near, third)
        assert (bright ^ third).float().mean() < 0.004  # half a pixel along the border, no more
        assert third.float().mean() > 0.1


def test_rotation_fills_with_unknown(sample: Sample) -> None:
    everywhere = torch.ones(HEIGHT, WIDTH)
    whole = replace(sample, depth=3.0 * everywhere, labels=torch.zeros_like(everywhere, dtype=torch.uint8))
    result = TrainingTransform(WIDTH, HEIGHT).apply(whole, replace(STILL, angle=5.0))
    corner = (result.labels[0, 0], result.depth[0, 0], result.labels[-1, -1], result.depth[-1, -1])
    assert tuple(map(float, corner)) == (255, 0, 255, 0)
    assert set(result.labels.unique().tolist()) == {0, 255}
    assert len(result.depth.unique()) == 2
    assert torch.equal(result.depth > 0, result.labels == 0)
    assert 0.01 < (result.labels == 255).float().mean() < 0.1


def test_holes_do_not_bleed(sample: Sample) -> None:
    """No depth between 0 and the nearest surface arises at a hole's border, and no class between two classes."""
    for seed in range(5):
        result = transform(seed=seed)(sample)
        values = metric(result)
        assert values[values > 0].min() >= sample.depth[sample.depth > 0].min() * 0.999
        assert set(result.labels.unique().tolist()) <= {*sample.labels.unique().tolist(), 255}


@pytest.mark.parametrize("size", [(80, 60), (64, 64), (121, 75), (320, 240)])
def test_any_size_and_aspect(sample: Sample, size: tuple[int, int]) -> None:
    for index in range(3):
        result = TrainingTransform(*size)(sample, 0, index)
        assert (result.image.shape, result.image.dtype) == ((3, size[1], size[0]), torch.uint8)
        assert result.depth.shape == result.labels.shape == (size[1], size[0])
        assert (result.depth.dtype, result.labels.dtype) == (torch.float32, torch.uint8)


def test_aspect_is_preserved(sample: Sample) -> None:
    assert sample.intrinsics is not None
    for zoom in (1.0, 1.2, 1.6):
        camera = TrainingTransform(64, 64).camera(sample.intrinsics, replace(STILL, zoom=zoom))
        assert camera.fx / camera.fy == pytest.approx(1.0, rel=0.01)


def test_missing_parts_stay_missing(sample: Sample) -> None:
    nothing = replace(
        sample,
        depth=torch.zeros(HEIGHT, WIDTH),
        labels=torch.full((HEIGHT, WIDTH), 255, dtype=torch.uint8),
        has_depth=False,
        has_labels=False,
    )
    result = transform()(nothing)
    assert (result.has_depth, result.has_labels) == (False, False)
    assert (result.depth == 0).all()
    assert (result.labels == 255).all()


def test_random_numbers_are_a_function_of_seed_epoch_and_sample(sample: Sample) -> None:
    keys = list(itertools.product((0, 1), (0, 1), (0, 1)))
    drawn = [draw(Augmentation(), *key) for key in keys]
    assert len({variation.zoom for variation in drawn}) == len({v.random_seed for v in drawn}) == 8
    torch.manual_seed(123)
    np.random.seed(5)  # noqa: NPY002  (the global generators must not matter)
    assert drawn == [draw(Augmentation(), *key) for key in keys]
    first, again = transform(seed=4)(sample, 2, 9), transform(seed=4)(sample, 2, 9)
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.depth, again.depth)
    assert not torch.equal(first.image, transform(seed=4)(sample, 3, 9).image)


def test_draws_fill_their_limits() -> None:
    limits = Augmentation()
    drawn = [draw(limits, 0, 0, index) for index in range(2000)]
    for values, low, high in (
        ([v.angle for v in drawn], -5, 5),
        ([v.zoom for v in drawn], 1.0, 1.6),
        ([v.left for v in drawn], 0, 1),
        ([dict(v.jitter)["brightness"] for v in drawn], 0.7, 1.3),
        ([dict(v.jitter)["hue"] for v in drawn], -0.05, 0.05),
    ):
        span = high - low
        assert low <= min(values) < low + 0.02 * span
        assert high - 0.02 * span < max(values) <= high
        assert np.mean(values) == pytest.approx((low + high) / 2, abs=0.03 * span)
    assert np.mean([v.flip for v in drawn]) == pytest.approx(0.5, abs=0.04)
    assert len({tuple(name for name, _ in v.jitter) for v in drawn}) == 24  # every order


def test_colour_changes_touch_the_image_alone(sample: Sample) -> None:
    coloured = replace(STILL, jitter=(("brightness", 1.3), ("contrast", 0.8), ("saturation", 0.7), ("hue", 0.04)))
    plain, changed = transform().apply(sample, STILL), transform().apply(sample, coloured)
    assert not torch.equal(plain.image, changed.image)
    assert torch.equal(plain.depth, changed.depth)
    assert torch.equal(plain.labels, changed.labels)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rotation", -1.0),
        ("scale", (0.5, 1)),
        ("scale", (1.5, 1.2)),
        ("flip", 1.5),
        ("hue", 0.6),
        ("contrast", np.nan),
    ],
)
def test_limits_out_of_range(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"augmentation {name} is "):
        Augmentation(**{name: value})


def test_negative_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="none may be negative"):
        draw(Augmentation(), 0, -1, 0)


class Rooms(Dataset[Sample]):
    def __init__(self, sample: Sample) -> None:
        self.sample = sample

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Sample:
        return replace(self.sample, name=f"room_{index}")


def test_workers_that_live_on_repeat_what_one_process_does(sample: Sample) -> None:
    """The epoch comes with the key, so that persistent workers need not be told of it."""
    dataset = TransformedDataset(Rooms(sample), transform())
    keys = [[(epoch, index) for index in range(4)] for epoch in (0, 1)]
    batches = []
    for workers in (0, 2):
        loader = DataLoader(
            dataset,
            sampler=list(itertools.chain(*keys)),
            batch_size=4,
            collate_fn=collate,
            num_workers=workers,
            persistent_workers=workers > 0,
            multiprocessing_context="fork" if workers else None,
        )
        batches.append(list(loader))
    assert len(dataset) == 4
    for alone, by_workers in zip(*batches, strict=True):
        assert alone.names == by_workers.names == ("room_0", "room_1", "room_2", "room_3")
        assert torch.equal(alone.images, by_workers.images)
        assert torch.equal(alone.depth, by_workers.depth)
        assert torch.equal(alone.random_seeds, by_workers.random_seeds)
    assert not torch.equal(batches[0][0].images, batches[0][1].images)


def test_batch(sample: Sample) -> None:
    one = transform()(sample, 0, 0)
    batch = collate([one, replace(one, has_labels=False)])
    assert len(batch) == 2
    assert batch.images.shape == (2, 3, 60, 80)
    assert batch.depth.shape == batch.labels.shape == (2, 60, 80)
    assert batch.focal.tolist() == pytest.approx([one.focal] * 2)
    assert (batch.has_depth.tolist(), batch.has_labels.tolist()) == ([True, True], [True, False])
    assert batch.random_seeds.tolist() == [one.random_seed] * 2
    moved = batch.to("meta")
    assert {moved.images.device.type, moved.focal.device.type, moved.has_depth.device.type} == {"meta"}
    assert moved.names == batch.names
    assert torch.equal(pickle.loads(pickle.dumps(batch)).depth, batch.depth)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("depth", torch.zeros(HEIGHT, WIDTH, dtype=torch.float64)),
        ("labels", torch.zeros(HEIGHT, WIDTH - 1, dtype=torch.uint8)),
        ("image", torch.zeros(HEIGHT, WIDTH, 3, dtype=torch.uint8)),
    ],
)
def test_samples_of_the_wrong_kind_are_refused(sample: Sample, part: str, value: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="room: "):
        replace(sample, **{part: value})


def test_intrinsics_for_another_size_are_refused(sample: Sample) -> None:
    with pytest.raises(ValueError, match="intrinsics are for 80x60"):
        replace(sample, intrinsics=Intrinsics(50.0, 50.0, 40.0, 30.0, 80, 60))
