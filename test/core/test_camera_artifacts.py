"""Artefacts of cheap cameras: each does what it says, measured in its own units."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from cinet_core.data.augmentation import NO_AUGMENTATION, Augmentation, Variation, draw
from cinet_core.data.camera_artifacts import (
    FAULTLESS,
    ArtifactProbabilities,
    CameraArtifacts,
    DrawnArtifacts,
    draw_artifacts,
)
from cinet_core.data.camera_pipeline import apply_artifacts, linear_light, motion_kernel
from cinet_core.data.sample import Sample
from cinet_core.data.transforms import TrainingTransform
from cinet_core.rooms.demo.room import SyntheticRoom

HEIGHT, WIDTH = 120, 160
ALWAYS = ArtifactProbabilities(*[1.0] * 10)
EVERYTHING = CameraArtifacts(
    0.5, 1.0, 0.5, 9.0, 1.0, 0.05, 0.005, 0.05, 0.7, 0.4, 0.7, 1.5, 1.0, 70.0, 0.05, probabilities=ALWAYS
)
BEFORE = Variation(
    angle=2.213857060665587,
    zoom=1.5496325628748358,
    left=0.06712797059429076,
    top=0.2867473074701473,
    flip=True,
    jitter=(
        ("contrast", 0.8414778281174773),
        ("hue", -0.0032364253043404402),
        ("brightness", 1.062166421245896),
        ("saturation", 1.048434272288827),
    ),
    random_seed=4005735941505294512,
)
ONE_EACH = {
    "gains": (1.3, 1.0, 0.8),
    "vignetting": 0.4,
    "motion_blur": 5.0,
    "defocus": 1.0,
    "noise": 0.03,
    "read_noise": 0.01,
    "chroma_noise": 0.05,
    "gamma": 1.3,
    "contrast": 0.5,
    "sharpening": 1.0,
    "downsampling": 2.0,
    "quality": 40,
    "grayscale": True,
}


def grey(value: int) -> torch.Tensor:
    return torch.full((3, HEIGHT, WIDTH), value, dtype=torch.uint8)


def edge(low: int = 60, high: int = 180) -> torch.Tensor:
    image = grey(low)
    image[:, :, WIDTH // 2 :] = high
    return image


def light(image: torch.Tensor) -> np.ndarray:
    """(H, W, 3) linear light, float64 for statistics."""
    return linear_light(np.ascontiguousarray(image.permute(1, 2, 0).numpy())).astype(np.float64)


def high_frequencies(image: torch.Tensor) -> float:
    spectrum = torch.fft.fft2(image.float().mean(0)).abs() ** 2
    rows, columns = torch.fft.fftfreq(HEIGHT).abs()[:, None], torch.fft.fftfreq(WIDTH).abs()
    return float(spectrum[torch.maximum(rows, columns) > 0.25].sum())


@pytest.fixture(scope="module")
def room() -> Sample:
    room = SyntheticRoom(seed=3, width=WIDTH, height=HEIGHT)
    frame = room.render(5)
    return Sample(
        "room",
        torch.from_numpy(frame.image).permute(2, 0, 1).contiguous(),
        torch.from_numpy(frame.depth),
        torch.from_numpy(frame.labels),
        room.intrinsics,
    )


def test_off_draws_nothing_and_returns_the_very_image(room: Sample) -> None:
    for index in range(20):
        drawn = draw_artifacts(CameraArtifacts(), 0, 0, index)
        assert not drawn.in_linear_light
        assert replace(drawn, noise_seed=0, motion_angle=0.0) == FAULTLESS
        assert apply_artifacts(room.image, drawn) is room.image
    assert NO_AUGMENTATION.artifacts == Augmentation().artifacts == CameraArtifacts()


def test_the_other_random_numbers_are_those_of_old() -> None:
    """Figures of ``draw(Augmentation(), 3, 1, 4)`` from before there were artefacts, and whatever their limits."""
    for limits in (CameraArtifacts(), EVERYTHING):
        drawn = draw(Augmentation(artifacts=limits), 3, 1, 4)
        assert drawn == replace(BEFORE, artifacts=drawn.artifacts)


def test_artefacts_are_a_function_of_seed_epoch_and_sample(room: Sample) -> None:
    keys = list(itertools.product((0, 1), (0, 1), (0, 1)))
    drawn = [draw_artifacts(EVERYTHING, *key) for key in keys]
    assert len({entry.noise_seed for entry in drawn}) == len({entry.gains for entry in drawn}) == 8
    np.random.seed(5)  # noqa: NPY002  (the global generators must not matter)
    torch.manual_seed(5)
    assert drawn == [draw_artifacts(EVERYTHING, *key) for key in keys]
    first = [apply_artifacts(room.image, entry) for entry in drawn]
    again = [apply_artifacts(room.image, entry) for entry in reversed(drawn)]
    assert all(torch.equal(one, other) for one, other in zip(first, reversed(again), strict=True))


def test_one_limit_leaves_the_other_artefacts_as_they_were() -> None:
    for index in range(20):
        one, other = (draw_artifacts(replace(EVERYTHING, jpeg=jpeg), 0, 0, index) for jpeg in (0.0, 70.0))
        assert replace(other, quality=100) == one


def test_draws_are_mostly_mild_and_fill_their_limits() -> None:
    drawn = [draw_artifacts(EVERYTHING, 0, 0, index) for index in range(3000)]
    for values, limit in (
        ([entry.vignetting for entry in drawn], 0.5),
        ([entry.motion_blur for entry in drawn], 9.0),
        ([entry.noise for entry in drawn], 0.05),
        ([entry.sharpening for entry in drawn], 1.5),
        ([np.log2(entry.downsampling) for entry in drawn], 1.0),
        ([100 - entry.quality for entry in drawn], 70),
        ([abs(np.log2(entry.gains[0] / entry.gains[2])) / 2 for entry in drawn], 0.5),
        ([abs(np.log2(entry.gamma)) for entry in drawn], 0.4),
    ):
        assert min(values) < 0.01 * limit
        assert 0.97 * limit < max(values) <= limit * (1 + 1e-9)
        assert np.median(values) == pytest.approx(limit / 4, rel=0.15)
    assert np.mean([entry.grayscale for entry in drawn]) == pytest.approx(0.05, abs=0.015)
    assert np.mean([entry.gamma > 1 for entry in drawn]) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize(
    ("effect", "name", "off"),
    [
        ("vignetting", "vignetting", 0.0),
        ("motion_blur", "motion_blur", 0.0),
        ("defocus", "defocus", 0.0),
        ("noise", "noise", 0.0),
        ("noise", "chroma_noise", 0.0),
        ("tone", "gamma", 1.0),
        ("tone", "contrast", 0.0),
        ("sharpening", "sharpening", 0.0),
        ("downsampling", "downsampling", 1.0),
        ("jpeg", "quality", 100),
    ],
)
def test_probabilities(effect: str, name: str, off: float) -> None:
    limits = replace(EVERYTHING, probabilities=replace(ALWAYS, **{effect: 0.25}))
    present = [getattr(draw_artifacts(limits, 1, 0, index), name) != off for index in range(1500)]
    rounded_away = 0.02 if name == "quality" else 0.0
    assert np.mean(present) == pytest.approx(0.25 - rounded_away, abs=0.04)


@pytest.mark.parametrize("name", ONE_EACH)
def test_each_alone_changes_the_image_and_keeps_its_shape_and_type(room: Sample, name: str) -> None:
    result = apply_artifacts(room.image, DrawnArtifacts(**{name: ONE_EACH[name]}))
    assert (result.shape, result.dtype) == (room.image.shape, torch.uint8)
    assert result.is_contiguous()
    assert not torch.equal(result, room.image)
    difference = (result.float() - room.image.float()).abs().mean()
    assert 0.05 < difference < 60, "another image altogether"


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (61, 33)])
def test_any_size(size: tuple[int, int]) -> None:
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert apply_artifacts(image, DrawnArtifacts(**ONE_EACH)).shape == image.shape  # type: ignore[arg-type]


def test_linear_light_and_back_is_lossless() -> None:
    every_value = torch.arange(256, dtype=torch.uint8).repeat(3, 2, 1)
    result = apply_artifacts(every_value, DrawnArtifacts(vignetting=1e-9))  # through linear light, to no effect
    assert torch.equal(result, every_value)


def test_white_balance_scales_the_channels_of_linear_light() -> None:
    gains = (1.4, 1.0, 0.7)
    result = light(apply_artifacts(grey(150), DrawnArtifacts(gains=gains)))[0, 0]
    assert result / light(grey(150))[0, 0] == pytest.approx(gains, rel=0.01)


def test_white_balance_stays_within_its_stops() -> None:
    limits = CameraArtifacts(white_balance=0.5, probabilities=ALWAYS)
    stops = np.log2([draw_artifacts(limits, 0, 0, index).gains for index in range(500)])
    assert stops[:, 0] == pytest.approx(-stops[:, 2])  # red gains what blue loses
    assert (np.abs(stops[:, 1]) <= np.abs(stops[:, 0]) / 3 + 1e-12).all()
    assert np.abs(stops).max() <= 0.5
    assert stops[:, 0].min() < -0.4 < 0.4 < stops[:, 0].max()


def test_exposure_clips_highlights() -> None:
    ramp = torch.arange(256, dtype=torch.uint8).repeat(3, 4, 1)
    result = apply_artifacts(ramp, DrawnArtifacts(gains=(2.0, 2.0, 2.0)))
    half = int((light(ramp)[0, :, 0] < 0.5).sum())
    assert (result[0, 0, half:] == 255).all()
    assert (result[0, 0, : half - 3] < 254).all()
    assert (result[0, 0].int().diff() >= 0).all(), "overflow"


def test_vignetting_takes_the_stated_share_from_the_corners() -> None:
    factors = light(apply_artifacts(grey(200), DrawnArtifacts(vignetting=0.4)))[..., 0] / light(grey(200))[0, 0, 0]
    for corner in (factors[0, 0], factors[0, -1], factors[-1, 0], factors[-1, -1]):
        assert corner == pytest.approx(0.6, abs=0.01)
    assert factors[HEIGHT // 2, WIDTH // 2] == pytest.approx(1.0, abs=0.01)
    # half as far out, a quarter of the loss
    assert factors[HEIGHT // 4, WIDTH // 4] == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize("drawn", [DrawnArtifacts(motion_blur=7.0, motion_angle=30.0), DrawnArtifacts(defocus=1.5)])
def test_blur_takes_high_frequencies_and_keeps_the_light(room: Sample, drawn: DrawnArtifacts) -> None:
    result = apply_artifacts(room.image, drawn)
    assert high_frequencies(result) < 0.3 * high_frequencies(room.image)
    assert light(result).mean() == pytest.approx(light(room.image).mean(), rel=0.02)


@pytest.mark.parametrize(("length", "angle"), [(0.3, 10.0), (4.0, 0.0), (7.5, 90.0), (9.0, 33.0), (6.0, 170.0)])
def test_the_path_of_motion_has_its_length_and_direction(length: float, angle: float) -> None:
    kernel = motion_kernel(length, angle).astype(np.float64)
    assert kernel.sum() == pytest.approx(1.0)
    assert kernel == pytest.approx(kernel[::-1, ::-1]), "it would shift the image against depth and labels"
    reach = kernel.shape[0] // 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along = x * np.cos(np.radians(angle)) + y * np.sin(np.radians(angle))
    across = -x * np.sin(np.radians(angle)) + y * np.cos(np.radians(angle))
    # a uniform path has variance length^2 / 12; sharing between pixels adds at most 1/4 either way
    assert (kernel * along**2).sum() == pytest.approx(length**2 / 12, abs=0.25 + 0.2 * length)
    assert (kernel * across**2).sum() < 0.26


def test_blown_lights_bleed() -> None:
    """Blur before clipping: an overexposed edge moves into the dark side, which blur of the clipped image would not."""
    image = edge(20, 230)
    exposed = DrawnArtifacts(gains=(4.0, 4.0, 4.0))
    together = apply_artifacts(image, replace(exposed, defocus=2.0))
    clipped_first = apply_artifacts(apply_artifacts(image, exposed), DrawnArtifacts(defocus=2.0))
    assert (together == 255).sum() > (clipped_first == 255).sum() + HEIGHT


def test_shot_noise_grows_with_the_light_and_read_noise_does_not() -> None:
    for value in (100, 150, 200):
        level = light(grey(value))[0, 0, 0]
        shot = light(apply_artifacts(grey(value), DrawnArtifacts(noise=0.04, noise_seed=1)))
        read = light(apply_artifacts(grey(value), DrawnArtifacts(read_noise=0.02, noise_seed=1)))
        both = light(apply_artifacts(grey(value), DrawnArtifacts(noise=0.04, read_noise=0.02, noise_seed=1)))
        assert shot.var() == pytest.approx(0.04**2 * level, rel=0.06)
        assert read.var() == pytest.approx(0.02**2, rel=0.06)
        assert both.var() == pytest.approx(0.04**2 * level + 0.02**2, rel=0.06)
        assert both.mean() == pytest.approx(level, rel=0.01)


def test_noise_of_a_demosaiced_image_is_correlated_and_as_strong() -> None:
    def neighbours(size: float) -> tuple[float, float]:
        noise = light(apply_artifacts(grey(150), DrawnArtifacts(noise=0.04, noise_size=size, noise_seed=2)))
        noise = noise - noise.mean()
        return float((noise[:, 1:] * noise[:, :-1]).mean() / noise.var()), float(noise.std())

    (plain, strength), (correlated, same_strength) = neighbours(0.0), neighbours(0.7)
    assert abs(plain) < 0.03
    assert correlated == pytest.approx(np.exp(-1 / (4 * 0.7**2)), abs=0.05)  # of white noise after a Gaussian
    assert same_strength == pytest.approx(strength, rel=0.03)


def test_chroma_noise_is_of_colour_not_of_luminance() -> None:
    noise = light(apply_artifacts(grey(150), DrawnArtifacts(chroma_noise=0.08, noise_seed=2)))
    noise = noise - noise.mean((0, 1))
    luminance = noise @ (0.2126, 0.7152, 0.0722)
    assert noise[..., 0].std() > 8 * luminance.std()
    assert (noise[:, 1:, 0] * noise[:, :-1, 0]).mean() > 0.8 * noise[..., 0].var(), "no blotches"


def test_other_seeds_other_noise() -> None:
    one, other = (apply_artifacts(grey(150), DrawnArtifacts(noise=0.04, noise_seed=seed)) for seed in (0, 1))
    assert not torch.equal(one, other)


def test_curves() -> None:
    ramp = torch.arange(256, dtype=torch.uint8).repeat(3, 4, 1)
    v = np.arange(256) / 255
    gamma = apply_artifacts(ramp, DrawnArtifacts(gamma=1.3))[0, 0].numpy()
    assert np.abs(gamma - 255 * v**1.3).max() < 1
    for contrast in (-1.0, -0.4, 0.4, 1.0):
        curve = apply_artifacts(ramp, DrawnArtifacts(contrast=contrast))[0, 0].numpy().astype(int)
        assert (curve[0], curve[255]) == (0, 255)
        assert (np.diff(curve) >= 0).all()
        slope = (curve[134] - curve[121]) / 13
        assert slope == pytest.approx(1 + contrast / 2, abs=0.1)


def test_sharpening_overshoots_at_edges_alone() -> None:
    result = apply_artifacts(edge(), DrawnArtifacts(sharpening=1.0))[0, 0].int()
    assert result.max() > 190
    assert result.min() < 50
    assert set(result[: WIDTH // 2 - 6].tolist()) == {60}
    extreme = apply_artifacts(edge(5, 250), DrawnArtifacts(sharpening=3.0))[0, 0]
    assert (extreme[WIDTH // 2 - 1], extreme[WIDTH // 2]) == (0, 255), "halos saturate"


def test_downsampling_leaves_what_a_smaller_sensor_resolves(room: Sample) -> None:
    result = apply_artifacts(room.image, DrawnArtifacts(downsampling=2.0))
    assert high_frequencies(result) < 0.25 * high_frequencies(room.image)
    assert result.float().mean() == pytest.approx(float(room.image.float().mean()), abs=0.5)


def test_jpeg_is_worse_at_lower_quality(room: Sample) -> None:
    errors = []
    for quality in (95, 60, 20):
        result = apply_artifacts(room.image, DrawnArtifacts(quality=quality))
        errors.append(float((result.float() - room.image.float()).square().mean()))
    assert 0 < errors[0] < errors[1] < errors[2]


def test_colours_survive_the_encoder() -> None:
    """Red stays red: OpenCV's order of channels is another than ours."""
    red = torch.zeros(3, 16, 16, dtype=torch.uint8)
    red[0] = 200
    result = apply_artifacts(red, DrawnArtifacts(quality=80)).float().mean((1, 2))
    assert result.tolist() == pytest.approx([200, 0, 0], abs=6)


def test_grayscale_keeps_the_luminance() -> None:
    green = torch.zeros(3, 16, 16, dtype=torch.uint8)
    green[1] = 200
    result = apply_artifacts(green, DrawnArtifacts(grayscale=True))
    assert result.unique().tolist() == [round(200 * 0.587)]


def test_training_samples_have_artefacts_in_their_image_alone(room: Sample) -> None:
    clean = TrainingTransform(80, 60, augmentation=Augmentation(), seed=2)
    dirty = TrainingTransform(80, 60, augmentation=Augmentation(artifacts=EVERYTHING), seed=2)
    for index in range(4):
        one, other = clean(room, 1, index), dirty(room, 1, index)
        assert not torch.equal(one.image, other.image)
        assert torch.equal(other.image, apply_artifacts(one.image, draw_artifacts(EVERYTHING, 2, 1, index)))
        assert torch.equal(one.depth, other.depth)
        assert torch.equal(one.labels, other.labels)
        assert (one.focal, one.random_seed) == (other.focal, other.random_seed)


@pytest.mark.parametrize("value", [-0.01, 1000.0, float("nan")])
@pytest.mark.parametrize("name", [entry.name for entry in fields(CameraArtifacts) if entry.name != "probabilities"])
def test_limits_out_of_range(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"artifacts {name} is {value}: it must be from 0 to "):
        CameraArtifacts(**{name: value})


def test_probabilities_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"artifact probability jpeg is 1\.5: it must be from 0 to 1"):
        ArtifactProbabilities(jpeg=1.5)


@pytest.mark.parametrize("image", [torch.zeros(3, 4, 4), torch.zeros(4, 4, 3, dtype=torch.uint8)])
def test_images_of_the_wrong_kind_are_refused(image: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"uint8 \(3, H, W\)"):
        apply_artifacts(image, FAULTLESS)


def test_limits_come_from_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("jsonargparse", reason="training is an extra: pip install 'cinet[train]'")
    from cinet_core.cli.train import parser

    def augmentation(*arguments: str) -> dict[str, Any]:
        recipe = parser("cinet train").parse_args(["name=test", "data.root=synthetic", *arguments]).recipe
        return dataclasses.asdict(recipe.data.augmentation)

    assert augmentation() == dataclasses.asdict(Augmentation())
    read = augmentation("data.augmentation.artifacts={noise: 0.05, jpeg: 60, probabilities: {noise: 0.4}}")
    expected = CameraArtifacts(noise=0.05, jpeg=60, probabilities=ArtifactProbabilities(noise=0.4))
    assert read == dataclasses.asdict(Augmentation(artifacts=expected))
    with pytest.raises(SystemExit) as ended:
        augmentation("data.augmentation.artifacts.jpeg=99")
    assert ended.value.code == 2
    assert "artifacts jpeg is 99" in capsys.readouterr().err
