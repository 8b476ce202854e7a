"""The range of predicted depth: slopes and ratios of predictions whose error is known."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from cinet_core.metrics.depth_range import RANGE_EDGES, RangeMetrics

DEPTHS = torch.exp(torch.linspace(math.log(0.31), math.log(11.9), 60 * 80)).reshape(1, 60, 80)


def measured(prediction: torch.Tensor, truth: torch.Tensor) -> RangeMetrics:
    metrics = RangeMetrics()
    metrics.update(prediction, truth)
    return metrics


@pytest.mark.parametrize("power", [1.0, 0.5, 0.0, 1.3])
def test_the_slope_is_the_power_that_the_range_was_compressed_by(power: float) -> None:
    found = measured(1.2 * DEPTHS**power, DEPTHS).compute()
    assert found["slope"] == pytest.approx(power, abs=1e-6)
    assert found["within_slope"] == pytest.approx(power, abs=1e-6)
    assert found["ln_deviation"] == pytest.approx(power * found["true_ln_deviation"], abs=1e-6)
    assert found["correlation"] == pytest.approx(1.0) or power == 0.0


def test_the_scale_of_whole_images_is_left_out_within() -> None:
    truth = torch.cat([DEPTHS, 2 * DEPTHS])
    found = measured(torch.cat([DEPTHS, DEPTHS]), truth).compute()  # the farther image is put as near as the other
    assert found["within_slope"] == pytest.approx(1.0, abs=1e-6)
    assert found["slope"] < 0.95


def test_a_factor_is_found_in_every_bin() -> None:
    metrics = measured(0.8 * DEPTHS, DEPTHS)
    assert [(low, high) for low, high, _, _ in metrics.by_true()] == list(itertools.pairwise(RANGE_EDGES))
    assert [found.ratio for found in metrics.by_true()] == pytest.approx([0.8] * 10, rel=1e-3)
    assert [found.ratio for found in metrics.by_predicted()] == pytest.approx([0.8] * 10, rel=1e-3)
    assert sum(found.share for found in metrics.by_true()) == pytest.approx(1.0)


def test_bins_are_of_true_or_of_predicted_depth() -> None:
    truth = torch.full((1, 4, 4), 7.0)
    truth[0, 0] = 1.2
    metrics = measured(torch.full((1, 4, 4), 3.5), truth)  # a network that knows one depth
    by_true = {found.low: found for found in metrics.by_true()}
    assert by_true[6.0].ratio == pytest.approx(0.5, rel=1e-3)
    assert by_true[1.0].ratio == pytest.approx(3.5 / 1.2, rel=1e-3)
    assert (by_true[6.0].share, by_true[1.0].share) == (0.75, 0.25)
    assert math.isnan(by_true[3.0].ratio)
    by_predicted = {found.low: found for found in metrics.by_predicted()}
    assert by_predicted[3.0].share == 1.0
    assert by_predicted[3.0].ratio == pytest.approx(0.5, rel=1e-3)
    assert math.isnan(by_predicted[6.0].ratio)


def test_stretching_shows_by_predicted_depth() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = 0.5 * torch.randn(DEPTHS.shape, generator=generator).double()
    honest = torch.exp(0.5 * DEPTHS.double().log() + 0.3)  # the best answer where half of the range cannot be seen
    truth = torch.exp(honest.log() + noise)
    stretched = honest**2 / math.exp(0.6)
    plain, spoilt = measured(honest, truth), measured(stretched, truth)
    for low in (1.0, 1.5, 2.0, 3.0):
        (right,) = (found.ratio for found in plain.by_predicted() if found.low == low)
        assert right == pytest.approx(1.0, abs=0.08)
    far = next(found.ratio for found in spoilt.by_predicted() if found.low == 6.0)
    assert far > 1.5


def test_only_known_pixels_count() -> None:
    truth, prediction = DEPTHS.clone(), DEPTHS.clone()
    truth[0, :10] = 0.0
    truth[0, 10:20] = math.nan
    prediction[0, 20:30] = math.nan
    prediction[0, :20] = 9.0
    metrics = measured(prediction, truth)
    assert metrics.sums[0] == 30 * 80
    assert metrics.compute()["slope"] == pytest.approx(1.0)
    assert not metrics.is_empty


def test_images_add_up() -> None:
    together, apart = measured(torch.cat([DEPTHS, 2 * DEPTHS]), torch.cat([DEPTHS, DEPTHS])), RangeMetrics()
    for factor in (1, 2):
        apart.update(factor * DEPTHS, DEPTHS)
    assert torch.equal(together.sums, apart.sums)


def test_an_empty_set_has_none() -> None:
    metrics = measured(DEPTHS, torch.zeros_like(DEPTHS))
    assert metrics.is_empty
    assert all(math.isnan(value) for value in metrics.compute().values())
    assert all(math.isnan(found.ratio) for found in metrics.by_true())


def test_one_depth_has_no_slope() -> None:
    found = measured(DEPTHS, torch.full_like(DEPTHS, 2.0)).compute()
    assert math.isnan(found["slope"])
    assert found["true_ln_deviation"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("edges", [(1.0,), (0.0, 1.0), (2.0, 1.0), (1.0, math.inf)])
def test_edges_that_do_not_rise(edges: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="edges are"):
        RangeMetrics(edges)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"must both be \(B, H, W\)"):
        RangeMetrics().update(DEPTHS, DEPTHS[:, :-1])
