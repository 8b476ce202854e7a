"""Activations that are computed again in the backward pass, so that a larger batch fits a device's memory."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from cinet_core.model.cinet import CINet

__all__ = ["recompute_activations"]


def recompute_activations(model: CINet) -> list[str]:
    """Keep of each stage of the encoder and of the decoders only what goes in; the rest is computed a second time.

    Gradients and BatchNorm statistics are those without it; a step takes about a third longer. What the scene
    understanding keeps is blocked already (`attend`).

    Args:
        model: changed in place; its parameters, buffers and their names stay. A copy made before is not concerned.

    Returns:
        The names of the stages.
    """
    encoder = [f"encoder.{name}" for name in _stages(model.encoder)]
    names = [*encoder, *(f"decoders.stages.{index}" for index in range(len(model.decoders.stages)))]
    for name in names:
        stage = model.get_submodule(name)
        stage.forward = functools.partial(_recomputed, stage, stage.forward)
    return names


def _stages(module: nn.Module, prefix: str = "") -> Iterator[str]:
    """The outermost sequences that hold something other than sequences: timm's stages of blocks."""
    for name, child in module.named_children():
        if isinstance(child, nn.Sequential) and not any(isinstance(part, nn.Sequential) for part in child):
            if any(True for _ in child.parameters()):
                yield prefix + name
        else:
            yield from _stages(child, f"{prefix}{name}.")


def _recomputed(stage: nn.Module, forward: Callable[..., Any], *arguments: Any) -> Any:
    return checkpoint(
        forward, *arguments, use_reentrant=False,
        context_fn=lambda: (contextlib.nullcontext(), _statistics_kept(stage)),
    )  # fmt: skip


@contextlib.contextmanager
def _statistics_kept(stage: nn.Module) -> Iterator[None]:
    """Within, BatchNorm normalises as before and takes no batch into its running statistics a second time."""
    norms = [module for module in stage.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    before = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        # Not taken away, as what is computed again has to keep just as many tensors.
        norm.momentum = 0.0
        norm.num_batches_tracked = None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone()
    try:
        yield
    finally:
        for norm, momentum, batches in before:
            norm.momentum, norm.num_batches_tracked = momentum, batches
