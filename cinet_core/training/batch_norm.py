"""BatchNorm in training: statistics that stay as they are, and statistics over the batches of all processes."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from timm.layers import BatchNormAct2d, convert_sync_batchnorm
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


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


def has_frozen_statistics(layer: nn.Module) -> bool:
    """Whether `freeze_statistics` was called for this layer."""
    return _use_running_statistics in layer._forward_pre_hooks.values()


def _use_running_statistics(layer: nn.Module, _: Any) -> None:
    layer.training = False


def synchronise(model: nn.Module, device: torch.device | str | None = None) -> nn.Module:
    """Make every BatchNorm layer take its statistics over all processes: N of them equal one with N times the batch.

    On CUDA by torch's SyncBatchNorm, which takes no tensors of the CPU; there, by `GlobalBatchNorm2d`. With one process
    both are plain BatchNorm. Parameters and buffers are taken over as they are, under the same names. torch's own
    `convert_sync_batchnorm` (and with it `sync_batchnorm=True` of Lightning's Trainer) must not be used instead: it
    takes timm's layers of norm and activation for plain norms and silently drops their ReLU.

    Args:
        model: changed in place; layers with frozen statistics are left alone.
        device: where the model will train; None: where it is now.

    Returns:
        The model, or what replaces it where it is itself a BatchNorm layer.

    Raises:
        ValueError: one of its BatchNorm layers is not for images (B, C, H, W), and the device is the CPU.
    """
    if device is None:
        device = next(model.parameters()).device
    if isinstance(model, _BatchNorm):
        return model if has_frozen_statistics(model) else _synchronised(model, torch.device(device))
    for name, child in model.named_children():
        setattr(model, name, synchronise(child, device))
    return model


def _synchronised(layer: _BatchNorm, device: torch.device) -> nn.Module:
    if device.type != "cpu":
        return convert_sync_batchnorm(layer)
    if isinstance(layer, (GlobalBatchNorm2d, nn.SyncBatchNorm)):
        return layer
    if not isinstance(layer, nn.BatchNorm2d):
        raise ValueError(f"{type(layer).__name__} cannot be synchronised on the CPU: only BatchNorm2d can")
    return GlobalBatchNorm2d.of(layer)


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm2d over the batches of all processes, on any device and over any backend of torch.distributed.

    The output, the gradients and the running statistics (with the unbiased variance of the whole batch) are those of
    one process with the batches of all; they may differ in size. Each process must call it at the same time. In
    evaluation mode, and with one process, it is BatchNorm2d.

    timm's layers carry a dropout and an activation behind the norm: they stay there.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.drop: nn.Module = nn.Identity()
        self.act: nn.Module = nn.Identity()

    @classmethod
    def of(cls, layer: nn.BatchNorm2d) -> GlobalBatchNorm2d:
        """A layer with the settings, the parameters and the buffers (shared, not copied) of another."""
        made = cls(layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats)
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            setattr(made, name, getattr(layer, name))
        if isinstance(layer, BatchNormAct2d):
            made.drop, made.act = layer.drop, layer.act
        return made.train(layer.training)

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W), same dtype."""
        distributed = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
        output = self._normalise_globally(input) if self.training and distributed else super().forward(input)
        return self.act(self.drop(output))

    def _normalise_globally(self, images: Tensor) -> Tensor:
        self._check_input_dim(images)
        # Sums over a batch leave the range of half precision.
        values = images.float() if images.dtype in (torch.float16, torch.bfloat16) else images
        normalised, mean, variance, count = _NormaliseGlobally.apply(values, self.eps)
        if self.track_running_stats:
            self._update_running_statistics(mean, variance * count / (count - 1).clamp(min=1))
        if self.affine:
            normalised = normalised * self.weight[:, None, None] + self.bias[:, None, None]
        return normalised.to(images.dtype)

    @torch.no_grad()
    def _update_running_statistics(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)


class _NormaliseGlobally(torch.autograd.Function):
    """(x - mean) / sqrt(variance + eps) with the statistics of all processes.

    The gradient of a mean over all processes has a part from each: the backward pass sums them up. It takes the sum of
    the processes' losses as the quantity that is differentiated, as DistributedDataParallel does up to its factor.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        elements = images.new_tensor([images.numel() // images.shape[1]])
        sums = torch.cat((images.sum(dim=(0, 2, 3)), elements))
        dist.all_reduce(sums)
        mean, count = sums[:-1] / sums[-1], sums[-1]
        centred = images - mean[:, None, None]
        # A second round, because E[x^2] - E[x]^2 cancels out for channels whose mean is large beside their spread.
        squares = centred.square().sum(dim=(0, 2, 3))
        dist.all_reduce(squares)
        variance = squares / count
        scale = (variance + eps).rsqrt()
        normalised = centred * scale[:, None, None]
        ctx.save_for_backward(normalised, scale, count)
        ctx.mark_non_differentiable(mean, variance, count)
        return normalised, mean, variance, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        gradient = gradients[0]
        normalised, scale, count = ctx.saved_tensors
        sums = torch.stack((gradient.sum(dim=(0, 2, 3)), (gradient * normalised).sum(dim=(0, 2, 3))))
        dist.all_reduce(sums)
        along_mean, along_scale = (sums / count)[:, :, None, None]
        return (gradient - along_mean - normalised * along_scale) * scale[:, None, None], None
