"""What balances the tasks: where each way comes to rest, on losses whose answer is known."""

from __future__ import annotations

import pytest
import torch

from cinet_core.losses.balance import TaskBalance


def shared_losses(shared: torch.Tensor) -> list[torch.Tensor]:
    """Two tasks whose gradients on what they share are 12 and 1 long."""
    return [12.0 * shared[0], -shared[1] + 0.0 * shared[0]]


def test_fixed_weights_change_nothing() -> None:
    balance = TaskBalance(["depth", "segmentation"])
    shared = torch.ones(2, requires_grad=True)
    losses = shared_losses(shared)
    balance.measure(losses, shared)
    assert [part.item() for part in balance(losses)] == [12.0, -1.0]
    assert balance.monitored() == {}
    assert list(balance.parameters()) == []


def test_gradients_become_equally_long_and_keep_their_mean_factor() -> None:
    balance = TaskBalance(["depth", "segmentation"], "gradients")
    shared = torch.ones(2, requires_grad=True)
    for _ in range(100):
        balance.measure(shared_losses(shared), shared)
    lengths = [
        torch.autograd.grad(part, shared, retain_graph=True)[0].norm() for part in balance(shared_losses(shared))
    ]
    assert lengths[0] == pytest.approx(lengths[1].item(), rel=1e-3)
    assert balance.factors.mean().item() == pytest.approx(1.0)
    assert set(balance.monitored()) == {"factor_depth", "factor_segmentation"}


def test_one_measurement_moves_a_tenth_of_the_way() -> None:
    """A batch that is unlike the others must not turn the training over."""
    balance = TaskBalance(["depth", "segmentation"], "gradients")
    shared = torch.ones(2, requires_grad=True)
    balance.measure(shared_losses(shared), shared)
    assert 1.1 < (balance.factors[1] / balance.factors[0]).item() < 1.5  # 12^0.1 = 1.28


def test_a_task_without_supervision_or_with_a_broken_gradient_keeps_its_factor() -> None:
    balance = TaskBalance(["depth", "segmentation", "normals"], "gradients")
    shared = torch.ones(2, requires_grad=True)
    for none in (torch.tensor(0.0), 0.0 * shared.sum(), float("nan") * shared[0]):
        balance.measure([*shared_losses(shared), none], shared)
    assert torch.isfinite(balance.factors).all()
    assert balance.factors[0] < balance.factors[2] < balance.factors[1]


def test_uncertainty_comes_to_rest_at_the_logarithm_of_the_losses() -> None:
    balance = TaskBalance(["depth", "segmentation"], "uncertainty")
    optimizer = torch.optim.SGD(balance.parameters(), lr=0.5)
    for _ in range(200):
        optimizer.zero_grad()
        sum(balance([torch.tensor(2.0), torch.tensor(0.1)])).backward()  # type: ignore[union-attr]
        optimizer.step()
    assert balance.log_variance.detach().exp().tolist() == pytest.approx([2.0, 0.1], rel=1e-3)
    assert balance.monitored()["factor_segmentation"].item() == pytest.approx(10.0, rel=1e-3)


def test_the_factors_go_on_after_a_checkpoint() -> None:
    first, second = (TaskBalance(["depth", "segmentation"], "gradients") for _ in range(2))
    shared = torch.ones(2, requires_grad=True)
    first.measure(shared_losses(shared), shared)
    second.load_state_dict(first.state_dict())
    for balance in (first, second):
        balance.measure(shared_losses(shared), shared)
    assert torch.equal(first.factors, second.factors)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="balance is 'dwa': choose one of fixed, uncertainty, gradients"):
        TaskBalance(["depth"], "dwa")  # type: ignore[arg-type]
