"""Artefacts of cheap cameras: each does what it says, measured in its own units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from artifact_images import HEIGHT, WIDTH, edge, grey, high_frequencies, light, rendered_room

from cinet_core.data.camera_artifacts import (
    DrawnArtifacts,
)
from cinet_core.data.camera_pipeline import apply_artifacts, motion_kernel
from cinet_core.data.sample import Sample


@pytest.fixture(scope="module")
def room() -> Sample:
    return rendered_room()


def test_linear_light_and_back_is_lossless() -> None:
    every_value = torch.arange(256, dtype=torch.uint8).repeat(3, 2, 1)
    result = apply_artifacts(every_value, DrawnArtifacts(vignetting=1e-9))  # through linear light, to no effect
    assert torch.equal(result, every_value)


def test_white_balance_scales_the_channels_of_linear_light() -> None:
    gains = (1.4, 1.0, 0.7)
    result = light(apply_artifacts(grey(150), DrawnArtifacts(gains=gains)))[0, 0]
    assert result / light(grey(150))[0, 0] == pytest.approx(gains, rel=0.01)


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
