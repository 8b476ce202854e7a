"""Resampling in operations that every runtime has: convolution, matrix product, gather.

ONNX knows the antialiased resize of PyTorch, but neither OpenVINO nor TensorRT computes it, and without antialiasing a
downsampled image has other details than those that the network was trained on.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["AntialiasedResize", "NearestResize"]


class AntialiasedResize(nn.Module):
    """`F.interpolate(mode="bilinear", antialias=True, align_corners=False)` from one size to another.

    Where both sides shrink by a whole factor, a strided convolution with the triangle filter, which costs next to
    nothing; else one matrix product a side.

    Args:
        size: (H, W) that comes in.
        target: (h, w) that goes out.
    """

    def __init__(self, size: tuple[int, int], target: tuple[int, int]) -> None:
        super().__init__()
        factors = [before // after for before, after in zip(size, target, strict=True)]
        self._stride = tuple(factors)
        self._whole = all(after * factor == before for before, after, factor in zip(size, target, factors, strict=True))
        if self._whole:
            taps = [_triangle(factor) for factor in factors]
            self._padding = tuple((len(tap) - factor + 1) // 2 for tap, factor in zip(taps, factors, strict=True))
            self.register_buffer("_kernel", torch.outer(*taps)[None, None], persistent=False)
            # At the borders a part of the filter is outside: what is inside is weighed up, as PyTorch does.
            inside = F.conv2d(torch.ones(1, 1, *size), self._kernel, stride=self._stride, padding=self._padding)
            self.register_buffer("_border", inside.reciprocal(), persistent=False)
        else:
            self.register_buffer("_rows", _weights(size[0], target[0]), persistent=False)
            self.register_buffer("_columns", _weights(size[1], target[1]).T.contiguous(), persistent=False)

    _kernel: Tensor
    _border: Tensor
    _rows: Tensor
    _columns: Tensor

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) float32 -> (B, C, h, w) float32."""
        if not self._whole:
            return self._rows @ (image @ self._columns)
        channels = image.shape[1]
        kernel = self._kernel.expand(channels, -1, -1, -1)
        summed = F.conv2d(image, kernel, stride=self._stride, padding=self._padding, groups=channels)
        return summed * self._border


class NearestResize(nn.Module):
    """`F.interpolate(mode="nearest-exact")` of (B, H, W) from one size to another, for integers as well."""

    def __init__(self, size: tuple[int, int], target: tuple[int, int]) -> None:
        super().__init__()
        for name, before, after in zip(("_rows", "_columns"), size, target, strict=True):
            numbers = torch.arange(before, dtype=torch.float32).reshape(1, 1, -1)
            self.register_buffer(
                name, F.interpolate(numbers, size=after, mode="nearest-exact").flatten().long(), persistent=False
            )

    _rows: Tensor
    _columns: Tensor

    def forward(self, image: Tensor) -> Tensor:
        """(B, H, W) -> (B, h, w)."""
        return image.index_select(1, self._rows).index_select(2, self._columns)


def _triangle(factor: int) -> Tensor:
    """Weights of the pixels that a pixel of the smaller image is the mean of, in one direction."""
    centre = (factor - 1) / 2
    reach = factor // 2 if factor % 2 == 0 else (factor - 1) // 2
    taps = torch.arange(-reach, factor + reach, dtype=torch.float64)
    weights = 1 - (taps - centre).abs() / factor
    return (weights / weights.sum()).float()


def _weights(before: int, after: int) -> Tensor:
    """(after, before): what each pixel that goes out takes of those that come in, in one direction."""
    unit = torch.eye(before)[None, None]
    return F.interpolate(unit, size=(after, before), mode="bilinear", align_corners=False, antialias=True)[0, 0]
