"""Planes: a known tilt, a known wave, a corner of two walls."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from cinet_core.data.sample import Sample
from cinet_core.evaluation.geometry_study import UNLABELLED_PLANES, GeometryStudy
from cinet_core.evaluation.plane_regions import plane_regions
from cinet_core.evaluation.predicted_frames import PredictedFrame
from cinet_core.geometry import Intrinsics, unproject
from cinet_core.metrics.planarity import PlanarityMetrics, angle_between, best_plane

HEIGHT, WIDTH = 120, 160
CAMERA = Intrinsics(130.0, 130.0, 79.5, 59.5, WIDTH, HEIGHT)
U, V = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
RAYS = np.stack([(U - CAMERA.cx) / CAMERA.fx, (V - CAMERA.cy) / CAMERA.fy, np.ones(U.shape)], axis=-1)
ALL = np.ones((HEIGHT, WIDTH), dtype=bool)


def plane(degrees: float, distance: float = 2.0) -> np.ndarray:
    """(H, W) depth of a wall at this distance from the camera, turned to the side by so much."""
    normal = np.array([math.sin(math.radians(degrees)), 0.0, math.cos(math.radians(degrees))])
    return (distance / (RAYS @ normal)).astype(np.float32)


def measured(predicted: np.ndarray, true: np.ndarray) -> dict[str, float]:
    metrics = PlanarityMetrics()
    metrics.update(unproject(predicted, CAMERA)[ALL], unproject(true, CAMERA)[ALL])
    return metrics.compute()


@pytest.mark.parametrize("tilt", [0.0, 3.0, 12.5])
def test_a_known_tilt(tilt: float) -> None:
    found = measured(plane(tilt), plane(0.0))
    assert found["angle"] == pytest.approx(tilt, abs=1e-3)
    assert found["rms"] == pytest.approx(0.0, abs=1e-6)


def test_a_known_wave() -> None:
    """Waves of 2 cm on a wall at 2 m, as the crow flies 2.3 m on average."""
    waves = 0.02 * np.sin(2 * np.pi * U / 40)
    found = measured((plane(0.0) + waves).astype(np.float32), plane(0.0))
    distance = np.linalg.norm(RAYS, axis=-1).mean() * 2.0
    assert found["rms"] == pytest.approx(0.02 / math.sqrt(2) / distance, rel=0.02)
    assert found["true_rms"] < 1e-6
    assert found["angle"] < 0.3


def test_a_factor_bends_nothing() -> None:
    found = measured(1.7 * plane(20.0), plane(20.0))
    assert found["rms"] == pytest.approx(0.0, abs=1e-6)
    assert found["angle"] == pytest.approx(0.0, abs=1e-3)


def test_means_and_medians_are_over_regions() -> None:
    metrics = PlanarityMetrics()
    for tilt in (1.0, 2.0, 9.0):
        metrics.update(unproject(plane(tilt), CAMERA)[ALL], unproject(plane(0.0), CAMERA)[ALL])
    assert metrics.regions == 3
    assert metrics.compute()["angle"] == pytest.approx(4.0, abs=1e-3)
    assert metrics.compute()["angle_median"] == pytest.approx(2.0, abs=1e-3)
    assert all(math.isnan(value) for value in PlanarityMetrics().compute().values())


def test_normals_are_towards_the_camera_and_angles_exact() -> None:
    found = best_plane(unproject(plane(30.0), CAMERA)[ALL])
    np.testing.assert_allclose(found.normal, [-0.5, 0.0, -math.cos(math.radians(30))], atol=1e-6)
    tiny = np.array([math.sin(1e-7), 0.0, math.cos(1e-7)])
    assert angle_between(np.array([0.0, 0.0, 1.0]), tiny) == pytest.approx(math.degrees(1e-7))
    assert angle_between(found.normal, -found.normal) == pytest.approx(0.0, abs=1e-9)  # of planes, not of directions
    with pytest.raises(ValueError, match="at least 3"):
        best_plane(np.zeros((2, 3)))


def test_a_corner_is_two_regions() -> None:
    left, right = plane(50.0), plane(-50.0)
    depth = np.minimum(left, right)  # an edge that juts out: both walls are whole
    regions = list(plane_regions(ALL, depth, CAMERA))
    assert len(regions) == 2
    assert not (regions[0] & regions[1]).any()
    for region, wall in zip(sorted(regions, key=lambda mask: U[mask].mean()), (right, left), strict=True):
        assert region.sum() > 0.4 * region.size
        # of the other wall no more than the tolerance puts into this one
        assert (depth == wall)[region].mean() > 0.9


def test_what_parts_a_plane_parts_its_regions() -> None:
    mask = ALL.copy()
    mask[:, 70:80] = False
    regions = list(plane_regions(mask, plane(10.0), CAMERA))
    assert len(regions) == 2
    assert min(region.sum() for region in regions) > 0.3 * mask.size
    assert not any(region[:, 67:83].any() for region in regions)  # three pixels within its border
    stepped = plane(10.0)
    stepped[:, 75:] *= 1.5
    assert len(list(plane_regions(ALL, stepped, CAMERA))) == 2


def test_what_is_small_or_rough_or_unknown_is_no_region() -> None:
    small = np.zeros_like(ALL)
    small[:16, :16] = True
    assert list(plane_regions(small, plane(0.0), CAMERA)) == []
    rough = 2.0 + np.random.default_rng(0).normal(0.0, 0.2, ALL.shape)
    assert list(plane_regions(ALL, rough.astype(np.float32), CAMERA)) == []
    assert list(plane_regions(ALL, np.zeros((HEIGHT, WIDTH), np.float32), CAMERA)) == []


def test_noise_of_a_sensor_does_not_part_a_plane() -> None:
    noise = np.random.default_rng(1).normal(0.0, 0.008, ALL.shape)
    (region,) = plane_regions(ALL, (plane(15.0) + noise).astype(np.float32), CAMERA)
    assert region.mean() > 0.95
    again = next(plane_regions(ALL, (plane(15.0) + noise).astype(np.float32), CAMERA))
    np.testing.assert_array_equal(region, again)


def study_of(labels: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> GeometryStudy:
    study = GeometryStudy(("wall", "floor", "bed"))
    image = torch.zeros(3, HEIGHT, WIDTH, dtype=torch.uint8)
    sample = Sample("one", image, torch.from_numpy(true), torch.from_numpy(labels), CAMERA)
    study.add(PredictedFrame(0, sample, predicted, CAMERA))
    return study


def test_a_study_goes_by_labels() -> None:
    labels = np.full((HEIGHT, WIDTH), 2, np.uint8)  # a bed, flat or not
    labels[:50] = 0
    labels[90:] = 1
    found = {score.name: score for score in study_of(labels, plane(5.0), plane(0.0)).plane_scores()}
    assert {name: score.regions for name, score in found.items()} == {"floor": 1, "wall": 1}
    assert found["floor"].metrics["angle"] == pytest.approx(5.0, abs=1e-3)


def test_without_labels_any_plane_counts() -> None:
    (found,) = study_of(np.full((HEIGHT, WIDTH), 255, np.uint8), plane(5.0), plane(0.0)).plane_scores()
    assert (found.name, found.regions) == (UNLABELLED_PLANES, 1)
