"""A loss as (sum, count): what makes the means of N processes equal those of one process with the whole batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = ["LossTerm", "global_maximum", "global_means", "global_sum"]


@dataclasses.dataclass(frozen=True)
class LossTerm:
    """A loss before it is averaged.

    Attributes:
        sum: scalar float, the sum over the valid elements; 0 without any, but still connected to its inputs, so that
            every parameter gets a (zero) gradient.
        count: scalar int64, how many valid elements there are.
    """

    sum: Tensor
    count: Tensor


def global_means(terms: Mapping[str, LossTerm]) -> dict[str, Tensor]:
    """The mean of every term over the valid elements of all processes; 0 where there are none.

    Without an initialised process group: sum / max(count, 1). With one, sums and counts are summed over the processes
    first (two collectives for all terms together). The value is then the same on every process; its gradient is that
    of this process's own sum times the number of processes, because DistributedDataParallel averages the gradients:
    what it arrives at is the gradient of the mean over the whole batch.

    >>> depth = LossTerm(sum=torch.tensor(6.0), count=torch.tensor(3))
    >>> {name: mean.item() for name, mean in global_means({"depth": depth}).items()}
    {'depth': 2.0}

    Args:
        terms: by name. Under DDP every process must pass the same names in the same order.
    """
    sums = torch.stack([term.sum for term in terms.values()])
    counts = torch.stack([term.count for term in terms.values()])
    if _distributed():
        own = sums
        sums = own.detach().clone()
        dist.all_reduce(sums)
        dist.all_reduce(counts)
        sums = sums + dist.get_world_size() * (own - own.detach())
    return dict(zip(terms, (sums / counts.clamp(min=1)).unbind(), strict=True))


def global_maximum(value: Tensor) -> Tensor:
    """The largest `value` (any shape, element by element) of all processes, detached."""
    value = value.detach().clone()
    if _distributed():
        dist.all_reduce(value, op=dist.ReduceOp.MAX)
    return value


def global_sum(values: Tensor) -> Tensor:
    """The sum of `values` (any shape, element by element) over all processes, detached."""
    values = values.detach().clone()
    if _distributed():
        dist.all_reduce(values)
    return values


def _distributed() -> bool:
    return dist.is_available() and dist.is_initialized()
