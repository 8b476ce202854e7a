"""Synthetic rooms as a data set: repeatable, independent of batches, varied, and what Sample promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cinet_core.label_sets import NYU40
from cinet_core.rooms.raycast import PLAIN_SENSOR, CameraRange, Sensor, SyntheticBatches, SyntheticRooms
from cinet_core.rooms.raycast.__main__ import contact_sheet
from cinet_core.rooms.raycast.layout import furnished_room
from cinet_core.rooms.raycast.materials import PATTERNS
from cinet_core.rooms.raycast.primitives import MAX_LIGHTS, Pattern
from cinet_core.rooms.raycast.sensor import develop


def small(length: int = 6, seed: int = 0, **options) -> SyntheticRooms:
    return SyntheticRooms(length, seed, 96, 72, **options)


def test_a_sample_is_what_the_pipeline_expects() -> None:
    sample = small()[2]  # Sample itself checks types and shapes
    assert sample.size == (96, 72)
    assert sample.name == "synthetic-0-000002"
    assert sample.intrinsics is not None
    assert sample.intrinsics.fx > 0
    assert int(sample.labels[sample.labels != 255].max()) < 40
    assert bool(torch.isfinite(sample.depth).all())
    assert 0.7 < float(sample.depth.median()) < 5.0


def test_equal_seeds_give_equal_samples_whatever_was_asked_for_before() -> None:
    first, second = small(), small(length=50)
    second[7]
    for index in (4, 1):
        a, b = first[index], second[index]
        assert torch.equal(a.image, b.image)
        assert torch.equal(a.depth, b.depth)
        assert torch.equal(a.labels, b.labels)
        assert a.intrinsics == b.intrinsics
    assert not torch.equal(first[0].depth, small(seed=1)[0].depth)
    assert not torch.equal(first[0].depth, first[1].depth)


def test_batches_equal_single_samples() -> None:
    rooms = small(length=5)
    batches = list(SyntheticBatches(rooms, 3))
    assert len(SyntheticBatches(rooms, 3)) == len(batches) == 2
    assert [batch.indices for batch in batches] == [(0, 1, 2), (3, 4)]
    for batch in batches:
        for number, index in enumerate(batch.indices):
            sample = rooms[index]
            assert torch.equal(batch.rendering.depth[number], sample.depth)
            assert torch.equal(batch.rendering.labels[number], sample.labels)
            difference = (batch.rendering.images[number].int() - sample.image.int()).abs()
            assert int(difference.max()) <= 1  # vectorised and scalar sines may round differently
            assert float((difference > 0).float().mean()) < 0.01


def test_global_random_state_is_neither_used_nor_changed() -> None:
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    small()[0]
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def test_rooms_hold_most_classes() -> None:
    classes, kinds = set(), []
    for index in range(150):
        scene = furnished_room(np.random.default_rng([5, index]))
        classes |= {solid.label for solid in scene.primitives}
        kinds.append(len(scene.primitives))
        assert 1 <= len(scene.lights) <= MAX_LIGHTS
        assert all((solid.half > 0).all() for solid in scene.primitives)
    missing = {name for number, name in enumerate(NYU40.classes) if number not in classes}
    assert not missing
    assert max(kinds) > 2 * min(kinds)


def test_furniture_stays_in_its_room() -> None:
    """What is not part of the shell reaches through no wall: doors, windows and the second room are the shell's."""
    outside = set(NYU40.ids(["wall", "floor", "ceiling", "door", "window", "blinds", "picture", "cabinet"]))
    for index in range(40):
        scene = furnished_room(np.random.default_rng([6, index]))
        for solid in scene.primitives:
            if solid.label not in outside:
                low, high = solid.center - solid.extent(), solid.center + solid.extent()
                assert (low > -0.05).all(), (index, solid)
                assert (high < np.array(scene.size) + 0.05).all(), (index, solid)


def test_images_are_exposed_and_have_detail() -> None:
    rendering = small(length=8).render(range(8))
    images = rendering.images.float()
    means = images.flatten(1).mean(1)
    assert bool(((means > 60) & (means < 215)).all())
    assert bool((images.flatten(1).std(1) > 15).all())


def test_every_pattern_is_drawn() -> None:
    assert set(PATTERNS) == set(Pattern)


def test_sensor_effects_can_be_switched_off_one_by_one() -> None:
    light = torch.full((1, 3, 48, 64), 0.5)
    assert develop(light, PLAIN_SENSOR, [3]).unique().numel() == 1
    assert develop(light, Sensor(0, 0, 0, 0, 0.1), [3]).unique().numel() > 5
    corner = develop(light, Sensor(0, 0, 0, 0.5, 0), [3]).int()
    assert int(corner[0, 0, 0, 0]) < int(corner[0, 0, 24, 32])
    tinted = develop(light, Sensor(0, 0.2, 0, 0, 0), [3])[0, :, 0, 0]
    assert tinted.unique().numel() > 1
    assert torch.equal(develop(light, Sensor(), [3]), develop(light, Sensor(), [3]))
    assert not torch.equal(develop(light, Sensor(), [3]), develop(light, Sensor(), [4]))


def test_a_blur_keeps_the_mean_and_softens_an_edge() -> None:
    light = torch.zeros(1, 3, 40, 40)
    light[..., 20:] = 1.0
    blurred = develop(light, Sensor(0, 0, 1.0, 0, 0), [0])[0, 0, 20].int()
    assert int(blurred[0]) < int(blurred[19]) < int(blurred[20]) < int(blurred[39])


def test_camera_limits_are_kept_or_said_to_be_impossible() -> None:
    rooms = small(length=4, cameras=CameraRange(height=(0.3, 0.4), horizontal_fov=(60.0, 60.0), center=0.0))
    for index in range(4):
        camera = rooms.view(index).camera
        assert 0.3 <= camera.camera_to_world[2, 3] <= 0.4
        assert camera.intrinsics.fx == pytest.approx(96 / 2 / np.tan(np.radians(30)))
    with pytest.raises(RuntimeError, match="widen its limits"):
        small(cameras=CameraRange(median_depth=(40.0, 50.0)))[0]


@pytest.mark.parametrize(("arguments", "text"), [((0,), "at least 1"), ((1, -1), "seed -1")])
def test_bad_settings_are_refused(arguments: tuple[int, ...], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        SyntheticRooms(*arguments)
    with pytest.raises(IndexError, match="has 6"):
        small()[6]
    with pytest.raises(ValueError, match="batch size is 0"):
        SyntheticBatches(small(), 0)


def test_contact_sheet_shows_image_depth_and_labels() -> None:
    sheet = contact_sheet(small(length=3), columns=2)
    assert sheet.shape == (2 * 3 * 72, 2 * 96, 3)
    assert np.array_equal(sheet[144:216, :96], NYU40.palette[small()[0].labels.numpy()])


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu() -> None:
    here, there = (
        small(sensor=PLAIN_SENSOR).render(range(4)),
        small(sensor=PLAIN_SENSOR, device="cuda").render(range(4)),
    )
    assert float((here.depth - there.depth.cpu()).abs().gt(1e-3).float().mean()) < 1e-3
    assert float((here.labels != there.labels.cpu()).float().mean()) < 1e-3
    assert float((here.images.float() - there.images.cpu().float()).abs().mean()) < 1.0
