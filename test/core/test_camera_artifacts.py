"""Artefacts of cheap cameras: which are drawn, how strong, and where they are applied."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from artifact_images import rendered_room

from cinet_core.data.augmentation import NO_AUGMENTATION, Augmentation, Variation, draw
from cinet_core.data.camera_artifacts import (
    FAULTLESS,
    ArtifactProbabilities,
    CameraArtifacts,
    DrawnArtifacts,
    draw_artifacts,
)
from cinet_core.data.camera_pipeline import apply_artifacts
from cinet_core.data.sample import Sample
from cinet_core.data.transforms import TrainingTransform

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


@pytest.fixture(scope="module")
def room() -> Sample:
    return rendered_room()


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


def test_white_balance_stays_within_its_stops() -> None:
    limits = CameraArtifacts(white_balance=0.5, probabilities=ALWAYS)
    stops = np.log2([draw_artifacts(limits, 0, 0, index).gains for index in range(500)])
    assert stops[:, 0] == pytest.approx(-stops[:, 2])  # red gains what blue loses
    assert (np.abs(stops[:, 1]) <= np.abs(stops[:, 0]) / 3 + 1e-12).all()
    assert np.abs(stops).max() <= 0.5
    assert stops[:, 0].min() < -0.4 < 0.4 < stops[:, 0].max()


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
