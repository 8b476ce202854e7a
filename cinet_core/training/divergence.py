"""Sees that the loss stays finite, without making a GPU wait."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cinet_core.training.errors import TrainingDivergedError

__all__ = ["DIVERGED_REMEDY", "DivergenceWatch"]

DIVERGED_REMEDY = (
    "start anew in another run.output, from best.safetensors if there is one (model.checkpoint), with a lower learning "
    "rate, with optimizer.gradient_clip, or in 32-true or bf16-mixed precision"
)


class DivergenceWatch:
    """Looks at the losses of every step; on a GPU at those of the step before.

    To ask a GPU whether a loss is finite is to wait until it has done all that it was given, at every step. Its losses
    are copied to page-locked memory instead, beside the work, and looked at when the next step's are there: the host
    stays a step ahead, and a run that diverged ends one step later.
    """

    def __init__(self) -> None:
        self._waiting: tuple[tuple[str, ...], Tensor, torch.cuda.Event, str] | None = None

    def look_at(self, losses: Mapping[str, Tensor], where: str) -> None:
        """Take the losses of a step.

        Args:
            losses: scalars by name, with "total".
            where: which step this is, for the message.

        Raises:
            TrainingDivergedError: the total is NaN or infinite: this step's, or on a GPU that of the step before.
        """
        values = torch.stack([value.detach() for value in losses.values()])
        if values.device.type != "cuda":
            _check(tuple(losses), values, where)
            return
        before = self._waiting
        copied = torch.empty(values.shape, dtype=values.dtype, pin_memory=True).copy_(values, non_blocking=True)
        done = torch.cuda.Event()
        done.record(torch.cuda.current_stream(values.device))
        self._waiting = tuple(losses), copied, done, where
        if before is not None:
            names, earlier, finished, step = before
            finished.synchronize()
            _check(names, earlier, step)


def _check(names: tuple[str, ...], values: Tensor, where: str) -> None:
    found = dict(zip(names, values.tolist(), strict=True))
    if not torch.isfinite(values[names.index("total")]):
        terms = ", ".join(f"{name} {value:.3g}" for name, value in found.items())
        raise TrainingDivergedError(f"the loss is not finite at {where}: {terms}; {DIVERGED_REMEDY}")
