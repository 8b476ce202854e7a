"""Eq. 8 - 10 against float64 NumPy written from the equations, with every kind of invalid depth."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cinet_core.losses import (
    LossTerm,
    berhu_loss,
    berhu_threshold,
    log_depth,
    normal_loss,
    pair_loss,
    sample_valid_pixels,
    scale_invariant_loss,
)

INVALID = (0.0, float("nan"), float("inf"), -1.0, float("-inf"))
SIZES = [(1, 1), (2, 5), (3, 3), (7, 9)]
SEEDS = [11, 12]
Array = NDArray[np.float64]


def make_depth(height: int, width: int, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(height * 100 + width)
    prediction, target = 0.5 + 5 * torch.rand(2, batch, height, width, dtype=torch.float64, generator=generator)
    flat = target.view(batch, -1)
    for place, value in enumerate(INVALID):
        if flat.shape[1] > 3 * place + 1:
            flat[place % batch, 3 * place + 1] = value
    return prediction.requires_grad_(), target


def berhu(prediction: torch.Tensor, target: torch.Tensor) -> LossTerm:
    return berhu_loss(prediction, target, berhu_threshold(prediction, target))


def valid_pixels(prediction: torch.Tensor, target: torch.Tensor) -> tuple[Array, Array]:
    d_hat, d = prediction.detach().numpy(), target.numpy()
    valid = np.isfinite(d) & (d > 0)
    return d_hat[valid], d[valid]


def reference_normals(depth: Array) -> Array:
    """(-dx, -dy, 1) of every inner pixel, by the 3x3 Sobel kernels."""
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    height, width = depth.shape
    normals = np.full((height, width, 3), np.nan)
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            window = depth[y - 1 : y + 2, x - 1 : x + 2]
            normals[y, x] = -(window * kernel).sum(), -(window * kernel.T).sum(), 1
    return normals


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_scale_invariant(height: int, width: int) -> None:
    prediction, target = make_depth(height, width)
    total, count = 0.0, 0
    for d_hat, d in zip(prediction.detach().numpy(), target.numpy(), strict=True):
        valid = np.isfinite(d) & (d > 0)
        if not valid.any():
            continue
        e = np.log(d_hat[valid]) - np.log(d[valid])
        total += valid.sum() * np.sqrt(max((e**2).mean() - 0.85 * e.mean() ** 2, 1e-8))
        count += valid.sum()
    term = scale_invariant_loss(prediction, target)
    assert term.count.item() == count
    assert term.sum.item() == pytest.approx(total, rel=1e-9)
    assert torch.autograd.gradcheck(lambda x: scale_invariant_loss(x, target).sum, (prediction,))


def test_a_wrong_scale_costs_less_than_a_wrong_shape() -> None:
    target = torch.rand(1, 8, 8, dtype=torch.float64) + 1
    scaled = target * 1.2
    bent = target * torch.where(torch.arange(8) < 4, 1.2, 1 / 1.2)
    costs = [scale_invariant_loss(prediction, target).sum.item() / 64 for prediction in (scaled, bent)]
    assert costs == pytest.approx([np.log(1.2) * np.sqrt(0.15), np.log(1.2)])


def test_log_depth_keeps_ratios_and_what_is_invalid() -> None:
    near, far = torch.tensor([0.5, 1.0, *INVALID]), torch.tensor([0.55, 1.1, *INVALID])
    difference = log_depth(far) - log_depth(near)
    np.testing.assert_allclose(difference[:2], np.log(1.1), rtol=1e-5)
    assert log_depth(near)[2:].tolist() == [0.0] * len(INVALID)
    assert (log_depth(near)[:2] > 0).all()
    half = torch.tensor([2.0], dtype=torch.bfloat16)
    assert log_depth(half).dtype == torch.float32


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_berhu(height: int, width: int) -> None:
    prediction, target = make_depth(height, width)
    d_hat, d = valid_pixels(prediction, target)
    error = np.abs(d - d_hat)
    c = error.max() / 5
    expected = np.where(error <= c, error, (error**2 + c**2) / (2 * c)).sum()
    term = berhu(prediction, target)
    assert term.sum.item() == pytest.approx(expected, rel=1e-12)
    assert term.count.item() == d.size


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_pairs(height: int, width: int) -> None:
    """With as many pixels as there are, every valid one is drawn: the result is that of all pairs."""
    prediction, target = make_depth(height, width)
    total, count = 0.0, 0
    for d_hat, d in (valid_pixels(*image) for image in zip(prediction, target, strict=True)):
        for p in range(d.size):
            for q in range(p + 1, d.size):
                total += abs((d[p] - d[q]) - (d_hat[p] - d_hat[q]))
                count += 1
    term = pair_loss(prediction, target, SEEDS, pixels=500)
    assert term.sum.item() == pytest.approx(total, rel=1e-12, abs=1e-15)
    assert term.count.item() == count


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_normals(height: int, width: int) -> None:
    prediction, target = make_depth(height, width)
    total, count = 0.0, 0
    for d_hat, d in zip(prediction.detach().numpy(), target.numpy(), strict=True):
        known = np.where(np.isfinite(d) & (d > 0), d, np.nan)
        pairs = zip(reference_normals(known).reshape(-1, 3), reference_normals(d_hat).reshape(-1, 3), strict=True)
        for n, n_hat in pairs:
            # NaN marks windows over the edge of the image and, for the truth, any that touch an invalid pixel.
            window_valid = np.isfinite(n).all()
            if window_valid:
                total += 1 - n @ n_hat / (np.linalg.norm(n) * np.linalg.norm(n_hat))
                count += 1
    term = normal_loss(prediction, target)
    assert term.count.item() == count
    assert term.sum.item() == pytest.approx(total, rel=1e-10, abs=1e-12)


def test_sobel_touches_all_neighbours_but_the_centre() -> None:
    """A window is dropped for any of its nine pixels, those with weight 0 in both kernels included."""
    prediction, target = torch.rand(2, 1, 3, 3, generator=torch.Generator().manual_seed(0)) + 1
    for pixel in range(9):
        broken = target.clone()
        broken.view(-1)[pixel] = 0
        assert normal_loss(prediction, broken).count.item() == 0
    assert normal_loss(prediction, target).count.item() == 1


def all_losses(prediction: torch.Tensor, target: torch.Tensor) -> dict[str, LossTerm]:
    return {
        "berhu": berhu(prediction, target),
        "pair": pair_loss(prediction, target, range(len(target)), pixels=20),
        "normal": normal_loss(prediction, target),
    }


@pytest.mark.parametrize("name", ["berhu", "pair", "normal"])
def test_gradients(name: str) -> None:
    prediction, target = make_depth(5, 6)
    # c is detached: for the numerical derivative it must not move either.
    threshold = berhu_threshold(prediction, target)

    def loss(prediction: torch.Tensor) -> torch.Tensor:
        if name == "berhu":
            return berhu_loss(prediction, target, threshold).sum
        return all_losses(prediction, target)[name].sum

    assert torch.autograd.gradcheck(loss, (prediction,))


@pytest.mark.parametrize("invalid", INVALID)
def test_none_valid_gives_zero_and_zero_gradients(invalid: float) -> None:
    for name in ("berhu", "pair", "normal"):
        prediction, target = make_depth(5, 6)
        term = all_losses(prediction, torch.full_like(target, invalid))[name]
        term.sum.backward()
        assert (term.sum.item(), term.count.item()) == (0, 0)
        assert prediction.grad is not None
        assert (prediction.grad == 0).all()


def test_invalid_pixels_get_no_gradient_and_no_nan() -> None:
    prediction, target = make_depth(7, 9)
    invalid = ~(torch.isfinite(target) & (target > 0))
    berhu(prediction, target).sum.backward()
    assert prediction.grad is not None
    assert torch.isfinite(prediction.grad).all()
    assert (prediction.grad[invalid] == 0).all()
    assert (prediction.grad[~invalid] != 0).all()


def test_parts_of_a_batch_add_up_with_the_threshold_of_the_whole() -> None:
    prediction, target = make_depth(7, 9, batch=4)
    threshold = berhu_threshold(prediction, target)
    parts = slice(0, 1), slice(1, 4)
    assert max(berhu_threshold(prediction[s], target[s]) for s in parts) == threshold
    for whole, split in (
        (berhu_loss(prediction, target, threshold), [berhu_loss(prediction[s], target[s], threshold) for s in parts]),
        (
            pair_loss(prediction, target, range(4), 20),
            [pair_loss(prediction[s], target[s], range(4)[s], 20) for s in parts],
        ),
        (normal_loss(prediction, target), [normal_loss(prediction[s], target[s]) for s in parts]),
    ):
        assert sum(part.sum.item() for part in split) == pytest.approx(whole.sum.item(), rel=1e-12)
        assert sum(part.count.item() for part in split) == whole.count.item()


def test_a_perfect_prediction_costs_nothing_and_moves_nothing() -> None:
    target = make_depth(7, 9)[1].float()
    prediction = torch.where(torch.isfinite(target) & (target > 0), target, 1.0).requires_grad_()
    terms = all_losses(prediction, target)
    torch.stack([term.sum for term in terms.values()]).sum().backward()
    for name, term in terms.items():
        assert abs(term.sum.item()) < 1e-5, name
    assert prediction.grad is not None
    assert prediction.grad.abs().max() < 1e-5
    assert berhu_threshold(prediction.detach(), target) == pytest.approx(1e-6)


def test_the_threshold_carries_no_gradient() -> None:
    assert not berhu_threshold(*make_depth(5, 6)).requires_grad


def test_pixels_depend_on_the_seed_of_the_image_alone() -> None:
    valid = torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(0)) > 0.3
    together = sample_valid_pixels(valid, [5, 6, 7], 50)
    alone = sample_valid_pixels(valid[1:2], [6], 50)
    assert torch.equal(together[1:2], alone)
    assert torch.equal(together, sample_valid_pixels(valid, torch.tensor([5, 6, 7]), 50))
    assert not torch.equal(together, sample_valid_pixels(valid, [8, 9, 10], 50))


def test_pixels_are_valid_distinct_and_uniform() -> None:
    valid = torch.zeros(1, 10, 20, dtype=torch.bool)
    valid[:, 2:7] = True  # 100 pixels
    drawn = torch.zeros(200)
    for seed in range(400):
        indices = sample_valid_pixels(valid, [seed], 20)[0]
        assert len(indices.unique()) == 20
        drawn[indices] += 1
    hits = drawn[valid.flatten()]
    assert hits.sum() == drawn.sum() == 400 * 20
    # 400 draws of 20 from 100: 80 each with a standard deviation of 8; chi square of 99 degrees of freedom.
    assert ((hits - 80).square() / 64).sum() < 99 + 5 * (2 * 99) ** 0.5


def test_images_with_fewer_valid_pixels_use_all_of_them() -> None:
    prediction, target = make_depth(7, 9)
    target[0] = 0
    target[0, 3, 3:7] = 2.0
    term = pair_loss(prediction[:1], target[:1], [0], pixels=30)
    assert term.count.item() == 4 * 3 // 2


def test_a_slope_error_is_felt_at_full_size() -> None:
    """A floor from 4.5 to 1.5 m over 480 rows, its slope 30 % wrong: plain metres per pixel would give 2e-6."""
    rows = torch.arange(480.0)[:, None].expand(480, 64)[None]
    target, prediction = 4.5 - rows * 3 / 480, 4.5 - rows * 0.7 * 3 / 480
    term = normal_loss(prediction, target)
    loss = term.sum.item() / term.count.item()
    by_metres_per_pixel = 0.5 * (0.3 * 3 / 480) ** 2
    assert by_metres_per_pixel < 2e-6
    assert loss > 50 * by_metres_per_pixel


def test_half_precision_is_computed_in_float32() -> None:
    prediction, target = make_depth(7, 9)
    half = prediction.detach().bfloat16()
    expected = all_losses(half.double(), target.float().double())
    with torch.autocast("cpu", torch.bfloat16):
        terms = all_losses(half, target.float())
    for name, term in terms.items():
        assert term.sum.dtype == torch.float32
        assert term.sum.item() == pytest.approx(expected[name].sum.item(), rel=2e-6), name


def test_shapes_and_seeds_that_do_not_fit_are_refused() -> None:
    prediction, target = make_depth(5, 6)
    for loss in (berhu, normal_loss, lambda p, t: pair_loss(p, t, SEEDS)):
        with pytest.raises(ValueError, match=r"\(2, 1, 5, 6\)"):
            loss(prediction.unsqueeze(1), target)
        with pytest.raises(ValueError, match="without a channel axis"):
            loss(prediction.unsqueeze(1), target.unsqueeze(1))
    with pytest.raises(ValueError, match="1 seeds for 2 images"):
        pair_loss(prediction, target, [1])
