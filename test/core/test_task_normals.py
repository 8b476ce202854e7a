"""The task of surface normals: loss and metrics against float64 references, targets under every variation, drawing."""

import math

import numpy as np
import pytest
import torch

from cinet_core.data.augmentation import NO_AUGMENTATION, Augmentation, Variation, draw
from cinet_core.data.sample import Sample
from cinet_core.data.transforms import TrainingTransform
from cinet_core.geometry import Intrinsics
from cinet_core.metrics import NormalMetrics
from cinet_core.tasks.learning.normals import (
    NormalsLearning,
    normals_loss,
    to_canonical_normals,
    to_metric_normals,
)
from cinet_core.tasks.learning.surfaces import surface_normals
from cinet_core.tasks.normals import INVALID_COLOR, NORMALS, colorize_normals

CAMERA = Intrinsics(70.0, 70.0, 40.0, 28.0, 80, 60)


def random_normals(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(shape, dtype=torch.float64, generator=generator)
    return vectors / vectors.norm(dim=1, keepdim=True)


def plane_depth(normal: np.ndarray, distance: float, camera: Intrinsics = CAMERA) -> torch.Tensor:
    """(H, W) float32 depth of the plane normal . X = -distance; 0 where it is not seen."""
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    facing = normal[0] * (u - camera.cx) / camera.fx + normal[1] * (v - camera.cy) / camera.fy + normal[2]
    with np.errstate(divide="ignore"):
        return torch.from_numpy(np.where(facing < -1e-3, -distance / facing, 0.0).astype(np.float32))


def sample_of(depth: torch.Tensor, camera: Intrinsics | None = CAMERA) -> Sample:
    height, width = depth.shape
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    return Sample("sample", image, depth, torch.full((height, width), 255, dtype=torch.uint8), camera)


def corner() -> torch.Tensor:
    """A room's corner: floor, wall to the right, wall ahead; the nearest of the three is seen."""
    planes = [(np.array([0.0, -1.0, 0.0]), 1.0), (np.array([-1.0, 0.0, 0.0]), 0.9), (np.array([0.0, 0.0, -1.0]), 3.0)]
    depths = [plane_depth(*plane) for plane in planes]
    return torch.stack([torch.where(depth > 0, depth, torch.inf) for depth in depths]).amin(dim=0)


def degrees(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Between (3, ...) vectors."""
    cosine = (first.double() * second.double()).sum(0) / first.double().norm(dim=0) / second.double().norm(dim=0)
    return torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))


def test_loss_against_the_formula() -> None:
    target = random_normals(2, 3, 4, 5)
    target[0, :, 1, 2] = target[1, :, 0, 0] = 0
    prediction = (3 * random_normals(2, 3, 4, 5, seed=1)).requires_grad_()
    total, count = 0.0, 0
    for p, t in zip(
        prediction.detach().movedim(1, -1).reshape(-1, 3), target.movedim(1, -1).reshape(-1, 3), strict=True
    ):
        if t.any():
            total += 1 - float(p @ t) / float(p.norm())
            count += 1
    term = normals_loss(prediction, target)
    assert term.count.item() == count == 38
    assert term.sum.item() == pytest.approx(total, rel=1e-9)
    assert torch.autograd.gradcheck(lambda x: normals_loss(x, target).sum, (prediction,))


def test_loss_of_nothing_known_and_of_vectors_without_direction() -> None:
    prediction = torch.zeros(1, 3, 2, 2, requires_grad=True)
    term = normals_loss(prediction, torch.zeros(1, 3, 2, 2))
    term.sum.backward()
    assert (term.sum.item(), term.count.item()) == (0, 0)
    assert prediction.grad is not None
    assert not prediction.grad.any()
    towards = torch.tensor([0.0, 0.0, -1.0]).reshape(1, 3, 1, 1).expand(1, 3, 2, 2)
    term = normals_loss(prediction, towards)
    assert term.sum.item() == 4
    gradient = torch.autograd.grad(term.sum, prediction)[0]
    assert torch.isfinite(gradient).all()
    with pytest.raises(ValueError, match="must both be"):
        normals_loss(torch.zeros(1, 3, 2, 2), torch.zeros(1, 2, 2, 2))


def test_metrics_against_the_definition() -> None:
    truth, prediction = random_normals(2, 3, 20, 30), random_normals(2, 3, 20, 30, seed=1)
    prediction = 2 * (truth + 0.6 * prediction)  # of any length
    truth[0, :, :5] = 0
    metric = NormalMetrics()
    assert metric.is_empty
    assert all(math.isnan(value) for value in metric.compute().values())
    for image in range(2):
        metric.update(prediction[image, None].float(), truth[image, None].float())
    known = truth.movedim(1, -1).any(dim=-1)
    angles = degrees(prediction.movedim(1, 0)[:, known], truth.movedim(1, 0)[:, known]).numpy()
    found = metric.compute()
    assert found.keys() == {spec.name for spec in NORMALS.metrics}
    assert found["angle_mean"] == pytest.approx(angles.mean(), abs=1e-4)
    assert found["angle_median"] == pytest.approx(np.median(angles), abs=0.06)
    for limit in (11.25, 22.5, 30):
        assert found[f"within_{limit:g}"] == pytest.approx((angles < limit).mean())
    assert 0 < found["within_11.25"] < found["within_30"] < 1


@pytest.mark.parametrize("angle", [0.0, 0.01, 11.2, 11.3, 90.0, 180.0])
def test_metrics_of_one_known_angle(angle: float) -> None:
    truth = torch.tensor([0.0, 0.0, -1.0]).reshape(1, 3, 1, 1).repeat(1, 1, 2, 3)
    turned = [math.sin(math.radians(angle)), 0.0, -math.cos(math.radians(angle))]
    metric = NormalMetrics()
    metric.update(torch.tensor(turned).reshape(1, 3, 1, 1).expand_as(truth), truth)
    found = metric.compute()
    assert found["angle_mean"] == pytest.approx(angle, abs=1e-4)
    assert found["angle_median"] == pytest.approx(angle, abs=0.05)
    assert found["within_11.25"] == float(angle < 11.25)


def test_a_pixel_without_prediction_is_wrong_by_a_right_angle() -> None:
    truth = random_normals(1, 3, 1, 2)
    metric = NormalMetrics()
    metric.update(torch.full_like(truth, math.nan), truth)
    assert metric.compute()["angle_mean"] == 90
    with pytest.raises(ValueError, match="must agree"):
        metric.update(truth, truth[:, :, :, :1])


def test_the_canonical_camera_of_normals() -> None:
    """They are the normals of canonical depth, as the camera of f_c sees it."""
    normal = np.array([0.5, -0.6, -0.7])
    normal /= np.linalg.norm(normal)
    depth = plane_depth(normal, 1.5)
    f_c = 50.0
    scale = CAMERA.fx / f_c
    canonical = surface_normals(depth / scale, torch.tensor([f_c, f_c, CAMERA.cx, CAMERA.cy]))
    metric = surface_normals(depth, torch.tensor([CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy]))
    known = metric.abs().sum(0) > 0
    assert degrees(canonical, metric)[known].min() > 5
    assert degrees(to_canonical_normals(metric, scale), canonical)[known].max() < 0.1
    assert degrees(to_metric_normals(5 * canonical, scale), metric)[known].max() < 0.1
    assert not to_canonical_normals(metric, scale)[:, ~known].any()


@pytest.mark.parametrize("seed", range(6))
def test_targets_of_a_plane_under_every_variation(seed: int) -> None:
    """The canonical normal of a plane is one vector all over the image, however it is turned, cut, zoomed and
    mirrored."""
    normal = np.array([0.5, -0.45, -0.74])
    normal /= np.linalg.norm(normal)
    transform = TrainingTransform(64, 48, 55.0, Augmentation(rotation=20.0, scale=(1.0, 1.6)))
    variation = draw(transform.augmentation, seed, 0, 0)
    sample = sample_of(plane_depth(normal, 1.5))
    target = NormalsLearning().target(sample, variation, transform)
    assert target.shape == (3, 48, 64)
    assert target.dtype == torch.float32
    angle = math.radians(variation.angle)
    x, y, z = normal
    turned = np.array([math.cos(angle) * x + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * x, z])
    turned[0] *= -1 if variation.flip else 1
    scale = transform.camera(CAMERA, variation).focal / 55.0
    expected = to_canonical_normals(torch.tensor(turned)[:, None, None], scale)
    known = target.abs().sum(dim=0) > 0
    assert known.float().mean() > 0.5
    assert degrees(target[:, known], expected[:, 0].expand(3, int(known.sum()))).max() < 0.2


def test_a_flip_negates_x_and_a_crop_changes_nothing() -> None:
    transform = TrainingTransform(80, 60, CAMERA.fx, NO_AUGMENTATION)
    sample = sample_of(corner())
    plain = Variation(0.0, 1.0, 0.5, 0.5, False, (), 0)
    whole = NormalsLearning().target(sample, plain, transform)
    mirrored = NormalsLearning().target(sample, Variation(0.0, 1.0, 0.5, 0.5, True, (), 0), transform)
    assert torch.equal(mirrored, whole.flip(-1) * torch.tensor([-1.0, 1.0, 1.0])[:, None, None])
    assert degrees(mirrored[:, 30, 0], torch.tensor([1.0, 0.0, 0.0])) < 0.1  # the wall to the right is to the left now
    k = torch.tensor([CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy])
    assert torch.allclose(whole, surface_normals(sample.depth, k), atol=1e-6)
    # At zoom 2 the middle quarter fills the image, at twice the focal length.
    zoomed = NormalsLearning().target(sample, Variation(0.0, 2.0, 0.5, 0.5, False, (), 0), transform)
    metric = to_metric_normals(zoomed, 2.0)
    assert torch.allclose(metric[:, ::2, ::2], whole[:, 15:45, 20:60], atol=1e-5)


def test_without_a_camera_nothing_is_known() -> None:
    transform = TrainingTransform(64, 48, 55.0, NO_AUGMENTATION)
    target = NormalsLearning().target(sample_of(corner(), None), draw(NO_AUGMENTATION, 0, 0, 0), transform)
    assert target.shape == (3, 48, 64)
    assert not target.any()
    metric = NormalMetrics()
    outputs = {"normals": torch.zeros(1, 30, 40, 3)}
    NormalsLearning().update_on_frame(metric, outputs, sample_of(corner(), None))
    assert metric.is_empty


def test_a_frame_is_scored_at_the_size_of_its_truth() -> None:
    sample = sample_of(plane_depth(np.array([0.0, 0.0, -1.0]), 2.0))
    metric = NormalMetrics()
    turned = torch.tensor([math.sin(0.1), 0.0, -math.cos(0.1)]).expand(1, 30, 40, 3)
    NormalsLearning().update_on_frame(metric, {"normals": turned}, sample)
    assert metric.compute()["angle_mean"] == pytest.approx(math.degrees(0.1), abs=0.05)


def test_colors() -> None:
    normals = np.array([[[0, 0, -1], [0, -1, 0], [1, 0, 0], [-1, 0, 0], [np.nan] * 3]], dtype=np.float32)
    assert colorize_normals(normals)[0].tolist() == [
        [128, 128, 255],
        [128, 255, 128],
        [255, 128, 128],
        [0, 128, 128],
        list(INVALID_COLOR),
    ]


def test_the_file_holds_the_vectors() -> None:
    normals = random_normals(1, 3, 4, 5)[0].movedim(0, -1).float().numpy()
    normals[1, 2] = np.nan
    stored = NORMALS.files[0].image({"normals": normals})
    assert stored.dtype == np.uint16
    assert (stored[1, 2] == 0).all()
    normals[1, 2] = -1
    assert np.abs(stored / 32767.5 - 1 - normals).max() < 2e-5
