"""The multi-scale gradient loss of log depth: what costs something, what does not, and against loops."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from cinet_core.losses.gradients import gradient_loss


def test_one_scale_against_loops() -> None:
    generator = torch.Generator().manual_seed(0)
    prediction, target = (torch.rand(2, 5, 6, generator=generator, dtype=torch.float64) + 0.5 for _ in range(2))
    target[0, 1, 2] = 0.0
    target[1, 4, 5] = math.nan
    total, count = 0.0, 0
    for image, row, column in itertools.product(range(2), range(5), range(6)):
        for down, right in ((0, 1), (1, 0)):
            if row + down > 4 or column + right > 5:
                continue
            here, there = (image, row, column), (image, row + down, column + right)
            if all(float(target[place]) > 0 for place in (here, there)):
                errors = [math.log(prediction[place] / target[place]) for place in (here, there)]
                total += abs(errors[1] - errors[0])
                count += 1
    term = gradient_loss(prediction, target, scales=1)
    assert term.count.item() == count
    assert term.sum.item() == pytest.approx(total, rel=1e-9)


def test_a_factor_costs_nothing_and_a_misplaced_edge_does() -> None:
    truth = torch.full((1, 16, 16), 2.0)
    truth[..., 8:] = 4.0
    late = torch.full((1, 16, 16), 2.0)
    late[..., 11:] = 4.0
    assert gradient_loss(1.7 * truth, truth).sum.item() == pytest.approx(0.0, abs=1e-4)
    assert gradient_loss(late, truth).sum > 10 * gradient_loss(1.7 * truth, truth).sum + 1


def test_coarse_scales_see_a_slow_wave_that_the_finest_hardly_does() -> None:
    columns = torch.arange(64.0)
    truth = torch.full((1, 32, 64), 3.0)
    wave = truth * (1 + 0.1 * torch.sin(2 * math.pi * columns / 64))
    fine, all_scales = (gradient_loss(wave, truth, scales=scales) for scales in (1, 4))
    assert all_scales.sum / all_scales.count > 1.2 * fine.sum / fine.count


def test_without_a_truth_it_is_zero_with_a_gradient() -> None:
    prediction = torch.ones(1, 8, 8, requires_grad=True)
    term = gradient_loss(prediction, torch.zeros(1, 8, 8))
    term.sum.backward()
    assert (term.sum.item(), term.count.item()) == (0.0, 0)
    assert prediction.grad is not None
    assert not prediction.grad.any()
    with pytest.raises(ValueError, match=r"\(1, 8, 7\)"):
        gradient_loss(prediction, torch.zeros(1, 8, 7))
