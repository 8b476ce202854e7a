"""Eq. 7 against float64 loops over all eight comparisons, and a sigma that keeps its gradient alive."""

import math

import numpy as np
import pytest
import torch

from cinet_core.losses import FeatureVariance, consistency_loss
from cinet_core.losses.consistency import GROWTH, MEASURED_BATCHES, SHRINKAGE, border_distances, dissimilarity
from cinet_core.training.settings_losses import LossSettings

CLASSES = 3
CHANNELS = 4
VOID = 255
SIZES = [(1, 1), (1, 6), (2, 2), (5, 7)]


def make_inputs(
    height: int, width: int, batch: int = 2
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(height + 10 * width)
    depth, semantic = torch.randn(2, batch, CHANNELS, height, width, dtype=torch.float64, generator=generator)
    labels = torch.randint(0, CLASSES, (batch, height, width), generator=generator)
    labels[0, -1, -1] = VOID
    labels[-1, 0, 0] = CLASSES
    variances = torch.tensor([3.0, 5.0], dtype=torch.float64)
    return depth.requires_grad_(), semantic.requires_grad_(), labels, variances.requires_grad_()


def reference(
    depth: torch.Tensor, semantic: torch.Tensor, labels: torch.Tensor, variances: torch.Tensor
) -> tuple[float, int]:
    """Sum and number of the comparisons as printed: every position with 8 others, so each pair twice."""
    d, s, v = depth.detach().numpy(), semantic.detach().numpy(), variances.detach().numpy()
    total, count = 0.0, 0
    for b, (height, width) in [(b, labels.shape[1:]) for b in range(len(labels))]:
        for y, x in np.ndindex(height, width):
            for dy, dx in [(0, 1), (0, -1), (1, 0), (-1, 0), (0, 2), (0, -2), (2, 0), (-2, 0)]:
                if not (0 <= y + dy < height and 0 <= x + dx < width):
                    continue
                here, there = int(labels[b, y, x]), int(labels[b, y + dy, x + dx])
                if here == there or here >= CLASSES or there >= CLASSES:
                    continue
                similarity = [
                    np.exp(-0.5 * np.sum((f[b, :, y, x] - f[b, :, y + dy, x + dx]) ** 2) / variance)
                    for f, variance in zip((d, s), v, strict=True)
                ]
                total += abs(similarity[0] - similarity[1])
                count += 1
    return total, count


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_it_is_the_mean_over_the_paper_s_eight_comparisons(height: int, width: int) -> None:
    inputs = make_inputs(height, width)
    term = consistency_loss(*inputs, CLASSES)
    total, count = reference(*inputs)
    assert 2 * term.count.item() == count
    assert 2 * term.sum.item() == pytest.approx(total, rel=1e-12, abs=1e-15)


def test_labels_are_brought_to_the_features_by_nearest_exact() -> None:
    depth, semantic, labels, variances = make_inputs(5, 7)
    large = labels.repeat_interleave(3, dim=1).repeat_interleave(3, dim=2)  # nearest-exact takes the centre of each 3x3
    term = consistency_loss(depth, semantic, large, variances, CLASSES)
    assert 2 * term.sum.item() == pytest.approx(reference(depth, semantic, labels, variances)[0], rel=1e-12)


def test_gradients() -> None:
    depth, semantic, labels, variances = make_inputs(3, 4)
    assert torch.autograd.gradcheck(
        lambda d, s, v: consistency_loss(d, s, labels, v, CLASSES).sum, (depth, semantic, variances)
    )


@pytest.mark.parametrize("label", [VOID, 1])
def test_no_border_gives_zero_and_zero_gradients(label: int) -> None:
    """Void everywhere, and one class everywhere: psi is 0 for every pair."""
    depth, semantic, labels, variances = make_inputs(5, 7)
    term = consistency_loss(depth, semantic, torch.full_like(labels, label), variances, CLASSES)
    term.sum.backward()
    assert (term.sum.item(), term.count.item()) == (0, 0)
    for leaf in (depth, semantic, variances):
        assert leaf.grad is not None
        assert (leaf.grad == 0).all()


def test_parts_of_a_batch_add_up() -> None:
    depth, semantic, labels, variances = make_inputs(5, 7, batch=4)
    whole = consistency_loss(depth, semantic, labels, variances, CLASSES)
    parts = [consistency_loss(depth[s], semantic[s], labels[s], variances, CLASSES) for s in (slice(0, 3), slice(3, 4))]
    assert sum(part.sum.item() for part in parts) == pytest.approx(whole.sum.item(), rel=1e-12)
    assert sum(part.count.item() for part in parts) == whole.count.item()


def test_half_precision_features_are_compared_in_float32() -> None:
    depth, semantic, labels, variances = make_inputs(5, 7)
    depth, semantic = depth.detach().bfloat16(), semantic.detach().bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        term = consistency_loss(depth, semantic, labels, variances.float(), CLASSES)
    expected = reference(depth.double(), semantic.double(), labels, variances)[0]
    assert term.sum.dtype == torch.float32
    assert 2 * term.sum.item() == pytest.approx(expected, rel=1e-6)


def test_features_of_different_shapes_are_refused() -> None:
    depth, semantic, labels, variances = make_inputs(5, 7)
    with pytest.raises(ValueError, match="semantic_features"):
        consistency_loss(depth, semantic[:, :2], labels, variances, CLASSES)


@pytest.mark.parametrize("channels", [1, 32, 64])
def test_sigma_of_channels_starts_at_their_count_and_stays_within_its_range(channels: int) -> None:
    variance = FeatureVariance(channels, "channels")
    variance.observe(torch.ones(2, 100))
    assert variance().tolist() == pytest.approx([channels, channels])
    with torch.no_grad():
        variance.log_sigma.copy_(torch.tensor([-9.0, 9.0]))
    assert variance().tolist() == pytest.approx([channels / SHRINKAGE, channels * GROWTH])


def test_sigma_starts_at_the_median_distance_of_the_first_batches() -> None:
    generator = torch.Generator().manual_seed(1)
    batches = [torch.rand(2, 500 + 100 * n, generator=generator) * torch.tensor([[0.2], [3.0]]) for n in range(9)]
    variance = FeatureVariance(32, "median")
    for batch in batches:
        variance.observe(batch)
    expected = torch.cat(batches[:MEASURED_BATCHES], dim=1).median(dim=1).values
    assert variance().tolist() == pytest.approx(expected.tolist(), rel=0.02)
    with torch.no_grad():
        variance.log_sigma.fill_(9.0)
    assert variance().tolist() == pytest.approx((GROWTH * expected).tolist(), rel=0.02)


def test_only_training_measures_and_no_border_moves_nothing() -> None:
    variance = FeatureVariance(32, "median")
    variance.eval()
    variance.observe(torch.ones(2, 10))
    variance.train()
    variance.observe(torch.ones(2, 0))
    assert variance().tolist() == pytest.approx([32, 32])
    variance.observe(torch.zeros(2, 10))  # equal features: the lowest there is, and still no division by 0
    assert 0 < variance().max().item() < 1e-6


def test_a_measurement_goes_on_after_a_checkpoint() -> None:
    generator = torch.Generator().manual_seed(2)
    batches = [torch.rand(2, 200, generator=generator) for _ in range(MEASURED_BATCHES + 3)]
    whole, first, second = (FeatureVariance(8, "median") for _ in range(3))
    for batch in batches:
        whole.observe(batch)
    for batch in batches[:3]:
        first.observe(batch)
    second.load_state_dict(first.state_dict())
    for batch in batches[3:]:
        second.observe(batch)
    assert torch.equal(whole(), second())


def test_the_default_is_that_of_the_settings() -> None:
    settings = LossSettings().consistency_start
    default, named = FeatureVariance(8), FeatureVariance(8, settings)
    for variance in (default, named):
        variance.observe(torch.full((2, 50), 0.1))
    assert torch.equal(default(), named())


def test_an_unknown_start_is_refused() -> None:
    with pytest.raises(ValueError, match="start is 'mean': choose one of median, channels"):
        FeatureVariance(8, "mean")  # type: ignore[arg-type]


def test_sigma_comes_back_from_the_edge_of_its_range() -> None:
    variance = FeatureVariance(8, "channels")
    with torch.no_grad():
        variance.log_sigma.fill_(9.0)  # stepped far over the edge
    optimiser = torch.optim.SGD(variance.parameters(), lr=1e-3)
    for _ in range(2):
        optimiser.zero_grad()
        variance().sum().backward()
        optimiser.step()
    assert (variance().detach() < 0.99 * 8 * GROWTH).all()


def test_the_loss_is_alive_on_features_as_a_decoder_makes_them() -> None:
    """Bilinearly upsampled, neighbours are alike: sigma^2 = C sees no difference between them, the median does."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(2, 1, 32, 6, 8, generator=generator)
    depth, semantic = torch.nn.functional.interpolate(coarse.flatten(0, 1), scale_factor=8, mode="bilinear")[:, None]
    labels = torch.randint(0, CLASSES, (1, 48, 64), generator=generator)
    depth.requires_grad_()
    found = {}
    for start in ("channels", "median"):
        variance = FeatureVariance(32, start)  # type: ignore[arg-type]
        distances = border_distances(depth, semantic, labels, CLASSES)
        variance.observe(distances)
        term = dissimilarity(distances, variance().detach())
        (gradient,) = torch.autograd.grad(term.sum / term.count, depth)
        found[start] = (term.sum / term.count).item(), gradient.norm().item()
    assert found["channels"][0] < 0.03
    assert found["median"][0] > 5 * found["channels"][0]
    assert found["median"][1] > 5 * found["channels"][1]


def test_the_gradient_is_alive_at_the_start_as_it_is_not_with_sigma_one() -> None:
    """64 channels of unit variance: D is about e^-1 with sigma^2 = C, and e^-64 with sigma^2 = 1."""
    generator = torch.Generator().manual_seed(0)
    depth, semantic = torch.randn(2, 1, 64, 24, 32, generator=generator)
    labels = torch.randint(0, CLASSES, (1, 24, 32), generator=generator)
    depth.requires_grad_()

    def gradient(variances: torch.Tensor) -> float:
        term = consistency_loss(depth, semantic, labels, variances, CLASSES)
        (result,) = torch.autograd.grad(term.sum, depth)
        # Per pair that is compared and channel, in units of what a change of one sigma does at most.
        return result.abs().sum().item() / term.count.item() / 64

    alive = gradient(FeatureVariance(64, "channels")().detach())
    dead = gradient(torch.ones(2))
    assert 1e-3 < alive < 1e-1
    assert dead < 1e-9
    assert math.isfinite(alive)
