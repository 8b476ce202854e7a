"""How the losses of several tasks share one network: fixed weights, or weights that follow the training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import torch
from torch import Tensor, nn

from cinet_core.losses.recipe import Balance
from cinet_core.losses.reduction import global_sum

__all__ = ["REBALANCE_EVERY", "TaskBalance"]

REBALANCE_EVERY = 10
"""Steps between two measurements of "gradients": each costs a backward pass through the decoders for every task."""

_KEPT = 0.9
_LIMIT = 10.0


class TaskBalance(nn.Module):
    """Multiplies the weighted loss of each task by a factor.

    - "fixed" leaves the weights as they are: the paper's way.
    - "uncertainty" learns s_t = ln sigma_t^2 of each task with the network (Kendall, Gal and Cipolla, CVPR 2018): the
      total is the sum of exp(-s_t) L_t + s_t, which is lowest where exp(s_t) is the task's mean loss.
    - "gradients" makes the gradients of all tasks on the shared features equally long (GradNorm with alpha = 0; Chen et
      al., ICML 2018): the factors are a moving average of mean norm / own norm, their mean is 1, and none is beyond
      1/10 .. 10.

    Args:
        tasks: their names.
        kind: one of `Balance`.

    Attributes:
        log_variance: (T,) the learned s_t, a parameter without weight decay; only of "uncertainty".
        factors: (T,) of "gradients"; ones otherwise.

    Raises:
        ValueError: there is no such kind.
    """

    factors: Tensor

    def __init__(self, tasks: Sequence[str], kind: Balance = "fixed") -> None:
        super().__init__()
        if kind not in get_args(Balance):
            raise ValueError(f"balance is {kind!r}: choose one of {', '.join(get_args(Balance))}")
        self.tasks, self.kind = tuple(tasks), kind
        if kind == "uncertainty":
            self.log_variance = nn.Parameter(torch.zeros(len(tasks)))
        self.register_buffer("factors", torch.ones(len(tasks)))

    def forward(self, losses: Sequence[Tensor]) -> list[Tensor]:
        """The parts of the total, one a task, of the tasks' weighted losses."""
        if self.kind == "fixed":
            return list(losses)
        if self.kind == "gradients":
            # A copy: `measure` writes into the factors before the backward pass of this step.
            return [factor * loss for factor, loss in zip(self.factors.clone(), losses, strict=True)]
        pairs = zip(self.log_variance, losses, strict=True)
        return [torch.exp(-log_variance) * loss + log_variance for log_variance, loss in pairs]

    def monitored(self) -> dict[str, Tensor]:
        """The factors by task, to be logged; {} where they are fixed."""
        if self.kind == "fixed":
            return {}
        factors = torch.exp(-self.log_variance.detach()) if self.kind == "uncertainty" else self.factors
        return {f"factor_{task}": factor for task, factor in zip(self.tasks, factors, strict=True)}

    def measure(self, losses: Sequence[Tensor], shared: Tensor) -> None:
        """Let the factors of "gradients" follow the tasks' gradients; other kinds do nothing.

        Every process must call it at the same time. The graph of the losses is kept. The norms are those of the
        gradients that all processes arrive at together: norms of each one's own share would be longer where the shares
        point elsewhere, and N processes would weigh the tasks otherwise than one with the whole batch.

        Args:
            losses: weighted, one a task, before their factors; a task without any supervision is passed over.
            shared: a parameter that all tasks depend on.
        """
        if self.kind != "gradients":
            return
        gradients = [
            torch.autograd.grad(loss, shared, retain_graph=True, allow_unused=True)[0] if loss.requires_grad else None
            for loss in losses
        ]
        whole = [global_sum(shared.new_zeros(shared.shape) if own is None else own) for own in gradients]
        norms = torch.stack([own.norm() for own in whole]).to(self.factors)
        known = torch.isfinite(norms) & (norms > 0)
        mean = torch.where(known, norms, norms.new_zeros(())).sum() / known.sum().clamp(min=1)
        wanted = torch.where(known, mean / norms, self.factors).clamp(1 / _LIMIT, _LIMIT)
        # In the logarithm: a task that is ten times too strong and one ten times too weak are as far off.
        factors = torch.exp(_KEPT * self.factors.log() + (1 - _KEPT) * wanted.log())
        self.factors.copy_(factors / factors.mean())
