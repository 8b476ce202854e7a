"""BatchNorm in training: statistics that stay as they are, and statistics over the batches of all GPUs."""

from __future__ import annotations

from typing import Any

import torch
from timm.layers import convert_sync_batchnorm
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from cinet_core.model.cinet import CINet
from cinet_core.training.settings_optimizer import OptimizerSettings

__all__ = ["freeze_as_set", "freeze_statistics", "has_frozen_statistics", "normalised_together", "synchronise"]


def freeze_statistics(module: nn.Module) -> int:
    """Make every BatchNorm layer of `module` use its running statistics for good, whatever `train()` says.

    For a pretrained encoder below 16 images a step: statistics of so few images are noisier than ImageNet's. Its scale
    and shift remain trainable, as in DeepLab (`fine_tune_batch_norm=False`) and OpenMMLab (`norm_eval=True`): they are
    two parameters a channel with gradients as reliable as any convolution's, and they are what adapts the features to
    another domain while the statistics stand still.

    Names, parameters and buffers stay as they are, and copies of the module are frozen too.

    Returns:
        How many layers were frozen (those frozen before included).
    """
    layers = [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]
    for layer in layers:
        if not has_frozen_statistics(layer):
            # Not layer.eval(): the next model.train() of a training loop would undo it.
            layer.register_forward_pre_hook(_use_running_statistics)
        layer.eval()
    return len(layers)


def freeze_as_set(model: CINet, settings: OptimizerSettings, processes: int, device: torch.device) -> None:
    """Freeze the statistics of the part that `settings` names, where too few images are normalised together.

    Args:
        model: changed in place.
        settings: `frozen_statistics`, `frozen_statistics_below` and `batch_size` of it.
        processes: that train.
        device: of each.
    """
    if normalised_together(settings.batch_size, processes, device) < settings.frozen_statistics_below:
        freeze_statistics(model if settings.frozen_statistics == "network" else model.encoder)


def has_frozen_statistics(layer: nn.Module) -> bool:
    """Whether `freeze_statistics` was called for this layer."""
    return _use_running_statistics in layer._forward_pre_hooks.values()


def _use_running_statistics(layer: nn.Module, _: Any) -> None:
    layer.training = False


def normalised_together(batch_size: int, processes: int, device: torch.device) -> int:
    """How many images BatchNorm's statistics are taken over in a step.

    On GPUs those of all processes, by `synchronise`; elsewhere those of one process, as of PyTorch's
    DistributedDataParallel: torch's SyncBatchNorm takes tensors of a GPU only.
    """
    return batch_size * processes if device.type == "cuda" else batch_size


def synchronise(model: nn.Module, device: torch.device) -> None:
    """Make BatchNorm take its statistics over all processes, so that N GPUs equal one with N times the batch.

    By torch's SyncBatchNorm, converted by timm: torch's own conversion, and with it ``sync_batchnorm=True`` of
    Lightning's Trainer, takes timm's layers of norm and activation for plain norms and silently drops their ReLU.
    Parameters and buffers are taken over under the same names. Call it once, before `freeze_statistics`, which a
    conversion would undo.

    Args:
        model: changed in place.
        device: where it will train; nothing is done for one that is no GPU.
    """
    if device.type == "cuda":
        convert_sync_batchnorm(model)
