"""Two views of one image: the second's truth and camera follow, and what both say is compared in metric metres."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from cinet_core.data.mixture import MixtureBatches, MixtureOrder
from cinet_core.data.sample import Batch
from cinet_core.losses.view_consistency import view_consistency
from cinet_core.metrics.slope import DepthSlope
from cinet_core.training.second_view import ViewChange, draw_change, second_view, warped
from cinet_core.training.settings_losses import ViewSettings

HEIGHT, WIDTH = 48, 64


def batch_of(depth: torch.Tensor) -> Batch:
    """One sample whose image shows its depth in centimetres, and whose labels the columns."""
    columns = torch.arange(WIDTH, dtype=torch.uint8).expand(1, HEIGHT, WIDTH)
    return Batch(
        names=("ramp",),
        images=(depth * 20).to(torch.uint8)[:, None].expand(1, 3, HEIGHT, WIDTH),
        depth=depth,
        labels=columns.clone(),
        focal=torch.tensor([70.0]),
        random_seeds=torch.tensor([5]),
        has_depth=torch.tensor([True]),
        has_labels=torch.tensor([True]),
    )


def ramp() -> torch.Tensor:
    return (1 + torch.arange(WIDTH) / 16 + torch.arange(HEIGHT)[:, None] / 24).expand(1, HEIGHT, WIDTH).clone()


def test_no_change_is_the_same_view() -> None:
    batch = batch_of(ramp())
    same = second_view(batch, [ViewChange()])
    assert torch.equal(same.batch.images, batch.images)
    torch.testing.assert_close(same.batch.depth, batch.depth)
    assert torch.equal(same.batch.labels, batch.labels)
    assert same.visible.all()
    torch.testing.assert_close(warped(batch.depth, same.grid), batch.depth)


def test_a_shift_by_whole_pixels_moves_everything_and_what_comes_in_is_unknown() -> None:
    batch = batch_of(ramp())
    moved = second_view(batch, [ViewChange(right=3.0, down=-2.0)])
    assert torch.equal(moved.batch.images[..., 2:, :-3], batch.images[..., :-2, 3:])
    torch.testing.assert_close(moved.batch.depth[:, 2:, :-3], batch.depth[:, :-2, 3:])
    assert not moved.visible[:, :2].any()
    assert (moved.batch.labels[:, :2] == 255).all()
    assert (moved.batch.depth[..., -3:] == 0).all()
    assert torch.equal(moved.batch.focal, batch.focal)


@pytest.mark.parametrize("change", [ViewChange(zoom=1.3), ViewChange(angle=2.0), ViewChange(1.2, -1.5, 4.0, 2.5)])
def test_metric_depth_of_a_point_is_the_same_in_both_views(change: ViewChange) -> None:
    """A smooth ramp: what is at a pixel of the second view is, warped, what the first says of it."""
    batch = batch_of(ramp())
    second = second_view(batch, [change])
    metric = second.batch.depth * (second.batch.focal / 262.5)
    truth = warped(batch.depth * (batch.focal / 262.5), second.grid)
    shown = second.visible & (metric > 0)
    assert shown.float().mean() > 0.8
    assert ((metric - truth).abs()[shown] < 0.02).all()
    assert second.batch.focal.item() == pytest.approx(70 * change.zoom)


def test_blur_smears_along_its_direction_and_keeps_the_mean() -> None:
    depth = torch.ones(1, HEIGHT, WIDTH)
    depth[..., WIDTH // 2 :] = 5.0
    level, upright = (
        second_view(batch_of(depth), [ViewChange(blur=9.0, direction=direction)]).batch.images.float()
        for direction in (0.0, 90.0)
    )
    assert 20 < level[0, 0, 24, WIDTH // 2 - 3] < 100
    assert upright[0, 0, 24, WIDTH // 2 - 3] == 20
    assert level.mean().item() == pytest.approx(60, abs=1)


def test_changes_are_within_their_limits_and_repeat_with_the_seed() -> None:
    settings = ViewSettings(every=2, zoom=1.5, shift=0.1, roll=3.0, blur=0.1)
    drawn = [draw_change(settings, seed, 160, 120) for seed in range(300)]
    assert drawn[7] == draw_change(settings, 7, 160, 120)
    assert 1 <= min(change.zoom for change in drawn) < 1.05
    assert 1.4 < max(change.zoom for change in drawn) <= 1.5
    assert 2.5 < max(abs(change.angle) for change in drawn) <= 3
    assert max(abs(change.right) for change in drawn) <= 160 * (0.1 + (1 - 1 / 1.5) / 2)
    blurred = [change.blur for change in drawn if change.blur]
    assert 0.4 < len(blurred) / 300 < 0.6
    assert max(blurred) <= 16
    with pytest.raises(ValueError, match=r"zoom is 0\.5"):
        ViewSettings(zoom=0.5)
    with pytest.raises(ValueError, match=r"targets \['normals'\]"):
        second_view(replace(batch_of(ramp()), targets={"normals": torch.zeros(1, 3, HEIGHT, WIDTH)}), [ViewChange()])


def test_a_step_of_scale_costs_more_than_detail_and_the_teacher_gets_no_gradient() -> None:
    visible = torch.ones(1, HEIGHT, WIDTH, dtype=torch.bool)
    visible[..., :10] = False
    teacher = torch.zeros(1, HEIGHT, WIDTH, requires_grad=True)
    checked = 0.1 * (1 - 2 * ((torch.arange(WIDTH) + torch.arange(HEIGHT)[:, None]) % 2)).float()[None]
    step = torch.full((1, HEIGHT, WIDTH), 0.1, requires_grad=True)
    term = view_consistency(step, teacher, visible)
    assert term.count == 1
    assert term.sum.item() == pytest.approx(0.1 * 1.75)
    assert view_consistency(checked, teacher, visible).sum < 0.1 * term.sum
    term.sum.backward()
    assert step.grad is not None
    assert (step.grad[visible] > 0).all()
    assert not step.grad[~visible].any()
    assert teacher.grad is None
    hidden = view_consistency(step, teacher, torch.zeros_like(visible))
    assert (hidden.sum.item(), hidden.count.item()) == (0, 0)


def test_slope_and_spread_of_what_is_known() -> None:
    metric = DepthSlope()
    assert all(math.isnan(value) for value in metric.compute().values())
    truth = torch.exp(torch.randn(2, 30, 40, generator=torch.Generator().manual_seed(0)))
    truth[0, 0] = 0.0
    metric.update(1.3 * truth.clamp(min=1e-3) ** 0.8, truth)
    found = metric.compute()
    assert found["depth_slope"] == pytest.approx(0.8, rel=1e-4)
    assert found["log_depth_sd"] == pytest.approx(0.8 * found["true_log_depth_sd"], rel=1e-4)
    constant = DepthSlope()
    constant.update(torch.full_like(truth, 2.0), truth)
    assert constant.compute()["depth_slope"] == pytest.approx(0.0, abs=1e-4)
    assert constant.compute()["log_depth_sd"] == pytest.approx(0.0, abs=1e-3)


def test_batches_take_sizes_in_turn_from_epoch_to_epoch() -> None:
    batches = MixtureBatches(MixtureOrder([7], samples=6), 2, sizes=2)
    of_epochs = []
    for epoch in (0, 1):
        batches.set_epoch(epoch)
        of_epochs.append([{key[2] for key in batch} for batch in batches])
    assert of_epochs == [[{0}, {1}, {0}], [{1}, {0}, {1}]]
    batches.start_at(1, 2)
    assert [batch[0][2] for batch in batches] == [1]
