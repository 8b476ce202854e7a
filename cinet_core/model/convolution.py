"""The one convolution block that everything behind the encoder is made of."""

from __future__ import annotations

from timm.layers import ConvNormAct, SeparableConvNormAct
from torch import nn

__all__ = ["conv_block"]


def conv_block(
    in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1, separable: bool = False
) -> nn.Module:
    """Convolution, BatchNorm, ReLU: (B, in, H, W) -> (B, out, ceil(H / stride), ceil(W / stride)).

    `separable` factors the convolution into a depthwise and a pointwise one, with nothing in between. Weights start
    with He's variance, so that activations keep their size before BatchNorm has seen data.
    """
    make = SeparableConvNormAct if separable else ConvNormAct
    block: nn.Module = make(in_channels, out_channels, kernel_size=kernel_size, stride=stride)
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            # The depthwise half is followed by the pointwise one, not by a ReLU that would halve the variance.
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear" if module.groups > 1 else "relu")
    return block
