"""Mixed precision on a CPU: half precision where its matrix units are fast, and nowhere else.

With ``bf16-mixed`` PyTorch runs every convolution in bfloat16. In 1x1 convolutions a CPU with AMX is two to three times
as fast at it, but for the gradients of depthwise ones there is no kernel to speak of: they take several times as long
as in float32, which eats what the others gain (docs/benchmarks.md). So these gradients are computed in float32 here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d
from torch.overrides import TorchFunctionMode

__all__ = ["fast_half_precision"]


@contextlib.contextmanager
def fast_half_precision(device: str) -> Iterator[None]:
    """Within, on a CPU under autocast, depthwise convolutions have their gradients in float32; else nothing changes.

    The results are those of plain autocast, but for the gradients' rounding.

    Args:
        device: type of the device that the network runs on.
    """
    if device == "cpu" and torch.is_autocast_enabled("cpu"):
        with _FasterConvolutions():
            yield
    else:
        yield


class _FasterConvolutions(TorchFunctionMode):
    """All in channels_last, and the depthwise ones by _DepthwiseConvolution, whatever module calls them."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Called by PyTorch for every function of its own."""
        if func is conv2d:
            return _convolution(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _convolution(
    images: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    images = images.contiguous(memory_format=torch.channels_last)
    if 1 < groups == images.shape[1] and bias is None and not isinstance(padding, str):
        return _DepthwiseConvolution.apply(images, weight, _pair(stride), _pair(padding), _pair(dilation))
    return conv2d(images, weight, bias, stride, padding, dilation, groups)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


class _DepthwiseConvolution(torch.autograd.Function):
    """Forward in autocast's type, backward in float32."""

    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        weight: Tensor,
        stride: tuple[int, int],
        padding: tuple[int, int],
        dilation: tuple[int, int],
    ) -> Tensor:
        """(B, C, H, W) images, (C, 1, h, w) weight."""
        half = torch.get_autocast_dtype("cpu")
        ctx.of_images, images = images.dtype, images.to(half)
        ctx.save_for_backward(images, weight)
        ctx.geometry = stride, padding, dilation
        with torch.autocast("cpu", enabled=False):
            return conv2d(images, weight.to(half), None, stride, padding, dilation, images.shape[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        """Gradients of images and weight."""
        images, weight = ctx.saved_tensors
        stride, padding, dilation = ctx.geometry
        of_images, of_weight, _ = torch.ops.aten.convolution_backward(
            gradient.float(), images.float(), weight.float(), None, stride, padding, dilation, False, (0, 0),
            images.shape[1], (*ctx.needs_input_grad[:2], False),
        )  # fmt: skip
        of_images = None if of_images is None else of_images.to(ctx.of_images)
        return of_images, of_weight, None, None, None
