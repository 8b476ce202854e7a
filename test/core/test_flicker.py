"""Flicker and smooth errors: predictions with a known wave, tilt or flicker give just that."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from cinet_core.geometry import Intrinsics
from cinet_core.metrics.flicker import IMAGE_CHANGES, MARGIN, FlickerMetrics, ImageChange, ScaleSteps
from cinet_core.metrics.smooth_field import DEVIATION, SmoothErrorMetrics, smooth_field

HEIGHT, WIDTH = 240, 320
U, V = np.meshgrid(np.arange(WIDTH, dtype=float), np.arange(HEIGHT, dtype=float))
ALL = np.ones((HEIGHT, WIDTH), dtype=bool)
DEPTH = 2.0 + 0.003 * U + 0.002 * V
CAMERA = Intrinsics(262.5, 262.5, 170.0, 110.0, WIDTH, HEIGHT)


def wave(length: float, amplitude: float = 0.1) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * U / length)


def passed(length: float, deviation: float = DEVIATION) -> float:
    """The part of a wave's amplitude that is smooth."""
    return math.exp(-2 * (math.pi * deviation / length) ** 2)


@pytest.mark.parametrize("length", [240.0, 120.0, 60.0, 30.0])
def test_waves_pass_by_their_length(length: float) -> None:
    middle = np.s_[80:160, 80:240]  # away from the borders, where half of the Gaussian is missing
    found = smooth_field(wave(length), ALL, 15.0)[middle]
    np.testing.assert_allclose(found, passed(length, 15.0) * wave(length)[middle], atol=4e-4)


def test_what_is_not_known_has_no_say() -> None:
    known = ALL.copy()
    known[:, 100:130] = False
    values = np.where(known, 0.25, 1e6)
    found = smooth_field(values, known)
    np.testing.assert_allclose(found[known], 0.25, rtol=1e-5)
    assert np.isnan(found[~known]).all()


def test_a_wave_is_a_smooth_error_and_noise_a_rough_one() -> None:
    metrics = SmoothErrorMetrics(15.0)
    metrics.update(1.3 * DEPTH * np.exp(wave(320.0)), DEPTH)  # the factor is no error of shape
    found = metrics.compute()
    assert found["smooth_error"] == pytest.approx(0.1 / math.sqrt(2) * passed(320.0, 15.0), rel=0.03)
    assert found["rough_error"] < 0.01
    noisy = SmoothErrorMetrics()
    noise = np.random.default_rng(0).normal(0.0, 0.1, DEPTH.shape)
    noisy.update(DEPTH * np.exp(noise), DEPTH)
    found = noisy.compute()
    assert found["rough_error"] == pytest.approx(0.1, rel=0.02)
    assert found["smooth_error"] < 0.005


def test_frames_are_averaged_as_squares_and_holes_are_left_out() -> None:
    metrics = SmoothErrorMetrics()
    holes = DEPTH.copy()
    holes[:, :40] = 0.0
    metrics.update(np.where(holes > 0, DEPTH, 99.0), holes)  # right where it counts
    assert metrics.compute()["smooth_error"] == pytest.approx(0.0, abs=1e-12)
    metrics.update(DEPTH * np.exp(wave(320.0)), DEPTH)
    one = SmoothErrorMetrics()
    one.update(DEPTH * np.exp(wave(320.0)), DEPTH)
    assert metrics.compute()["smooth_error"] == pytest.approx(one.compute()["smooth_error"] / math.sqrt(2))
    metrics.update(DEPTH, np.zeros_like(DEPTH))  # nothing known: no frame
    assert metrics.compute()["smooth_error"] == pytest.approx(one.compute()["smooth_error"] / math.sqrt(2))
    assert math.isnan(SmoothErrorMetrics().compute()["smooth_error"])


def test_wrong_arguments_of_a_smooth_field() -> None:
    with pytest.raises(ValueError, match="deviation is 0"):
        smooth_field(DEPTH, ALL, 0.0)
    with pytest.raises(ValueError, match=r"must both be \(H, W\)"):
        smooth_field(DEPTH, ALL[1:])


@pytest.mark.parametrize("change", [*IMAGE_CHANGES, ImageChange(), ImageChange(shift=-3, roll=-2.0, blur=3)])
def test_what_is_changed_and_taken_back_is_the_same(change: ImageChange) -> None:
    """An image of a ramp survives every change, so that a network that answers with it has no flicker."""
    ramp = np.repeat((0.6 * U + 20)[..., None], 3, axis=2)
    changed = change.apply(np.rint(ramp).astype(np.uint8), CAMERA)[..., 0]
    returned = change.back(changed, CAMERA)
    inside = np.s_[MARGIN:-MARGIN, MARGIN:-MARGIN]
    assert np.isfinite(returned[inside]).all()
    np.testing.assert_allclose(returned[inside], ramp[..., 0][inside], atol=1.6)  # whole numbers, rounded twice


def test_a_shift_is_to_the_right_and_exact() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    change = ImageChange(shift=4)
    changed = change.apply(image)
    np.testing.assert_array_equal(changed[:, 4:], image[:, :-4])
    np.testing.assert_array_equal(change.back(changed[..., 0])[:, :-4], image[:, :-4, 0])
    assert np.isnan(change.back(changed[..., 0])[:, -4:]).all()


def test_a_roll_is_about_the_principal_point() -> None:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[110, 170] = 255
    changed = ImageChange(roll=30.0).apply(image, CAMERA)[..., 0]
    assert np.unravel_index(changed.argmax(), changed.shape) == (110, 170)
    image[110, 230] = 255  # 60 to the right: by 30 degrees clockwise 52 right and 30 down
    changed = ImageChange(roll=30.0).apply(image, CAMERA)[..., 0].copy()
    changed[105:115, 165:175] = 0
    assert np.unravel_index(changed.argmax(), changed.shape) == (140, 222)


def test_a_known_flicker_of_scale() -> None:
    metrics = FlickerMetrics()
    for factor in (1.1, 1 / 1.1, 1.1, 1 / 1.1):
        metrics.update(DEPTH, DEPTH * factor)
    found = metrics.compute()
    assert metrics.frames == 4
    assert found["scale_deviation"] == pytest.approx(math.log(1.1))
    assert found["scale_mean"] == pytest.approx(0.0, abs=1e-12)
    assert found["smooth_field"] == pytest.approx(0.0, abs=1e-9)


def test_what_is_always_nearer_is_a_mean_and_no_deviation() -> None:
    metrics = FlickerMetrics()
    for _ in range(3):
        metrics.update(DEPTH, DEPTH * 0.94)
    found = metrics.compute()
    assert found["scale_mean"] == pytest.approx(math.log(0.94))
    assert found["scale_deviation"] == pytest.approx(0.0, abs=1e-12)


def test_a_known_wave_is_a_smooth_field_within_the_margin() -> None:
    metrics = FlickerMetrics(deviation=10.0)
    wild = DEPTH * np.exp(wave(136.0, 0.05))  # two whole waves in the interior: no change of scale
    wild[:MARGIN] = wild[-MARGIN:] = 50.0
    wild[:, :MARGIN] = wild[:, -MARGIN:] = np.nan
    metrics.update(DEPTH, wild)
    found = metrics.compute()
    assert found["scale_mean"] == pytest.approx(0.0, abs=1e-9)
    assert found["smooth_field"] == pytest.approx(0.05 / math.sqrt(2) * passed(136.0, 10.0), rel=0.05)
    assert found["rough_field"] < 0.012


def test_without_frames_there_is_no_flicker() -> None:
    assert all(math.isnan(value) for value in FlickerMetrics().compute().values())
    assert all(math.isnan(value) for value in ScaleSteps().compute().values())


def test_images_that_are_all_margin() -> None:
    with pytest.raises(ValueError, match="above 48 pixels"):
        FlickerMetrics().update(DEPTH[:48], DEPTH[:48])
    with pytest.raises(ValueError, match="of one size"):
        FlickerMetrics().update(DEPTH, DEPTH[:-1])


@pytest.mark.parametrize(("wrong", "says"), [({"shift": 25}, "shift is 25"), ({"blur": 4}, "blur is 4")])
def test_changes_that_cannot_be_compared(wrong: dict[str, int], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ImageChange(**wrong)


def test_steps_of_scale_are_against_the_truth() -> None:
    steps = ScaleSteps()
    factors, moves = (1.0, 1.05, 1.0, 1.05), (1.0, 1.02, 1.04, 1.06)
    for number, (factor, move) in enumerate(zip(factors, moves, strict=True)):
        steps.update(number, DEPTH * move * factor, DEPTH * move)
    found = steps.compute()
    assert steps.steps == 3
    assert found["scale_step"] == pytest.approx(math.log(1.05))
    true = [math.log(second / first) for first, second in itertools.pairwise(moves)]
    assert found["true_step"] == pytest.approx(math.sqrt(sum(step**2 for step in true) / 3))
    steps.update(7, DEPTH * 9, DEPTH)  # not the next frame
    steps.update(8, DEPTH, np.zeros_like(DEPTH))  # nothing known
    steps.update(9, DEPTH, DEPTH)
    steps.update(10, 2 * DEPTH, DEPTH, "another recording")
    assert steps.steps == 3
