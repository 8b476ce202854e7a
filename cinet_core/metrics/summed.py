"""What the metrics have in common: each is a function of sums over the set."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = ["SummedMetric"]

_Metric = TypeVar("_Metric", bound="SummedMetric")


class SummedMetric:
    """Base class of metrics that are functions of sums over a set.

    Attributes:
        sums: float64 or int64, on the CPU; those of two parts of a set add up.
    """

    sums: Tensor

    @property
    def is_empty(self) -> bool:
        """Nothing was seen that counts."""
        return not bool(self.sums.any())

    def compute(self) -> dict[str, float]:
        """The values by name; NaN where `is_empty`."""
        raise NotImplementedError

    def reset(self) -> None:
        """Reset the accumulated sums."""
        self.sums.zero_()

    def all_reduced(self: _Metric, device: torch.device | str = "cpu") -> _Metric:
        """Return a copy that is summed over all processes of the group, or a plain copy without a process group.

        Each process calls it once, after its last image. An image that two processes saw counts twice: samplers that
        pad the set to a multiple of the processes spoil the metrics.

        Args:
            device: where the group's backend can reduce: "cpu" for gloo, this process's GPU for nccl.
        """
        reduced = copy.copy(self)
        reduced.sums = self.sums.clone()
        if dist.is_available() and dist.is_initialized():
            sums = self.sums.to(device, copy=True)
            dist.all_reduce(sums)
            reduced.sums = sums.cpu()
        return reduced
