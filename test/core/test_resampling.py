"""Resampling without the operations that not every runtime has: the same as PyTorch's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from cinet_core.inference.resampling import AntialiasedResize, NearestResize

SIZES = [
    ((48, 64), (24, 32)),  # half
    ((48, 60), (16, 20)),  # a third: an odd factor has an odd filter
    ((48, 64), (12, 64)),  # one side alone
    ((64, 96), (8, 32)),  # a factor of its own for each side
    ((37, 51), (25, 33)),
    ((72, 128), (20, 37)),
    ((30, 40), (45, 61)),  # larger
    ((30, 40), (60, 20)),
    ((16, 16), (16, 16)),
]


@pytest.mark.parametrize(("size", "target"), SIZES)
def test_antialiased_is_that_of_pytorch_up_to_the_border(size: tuple[int, int], target: tuple[int, int]) -> None:
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0)) * 255
    expected = F.interpolate(images, size=target, mode="bilinear", align_corners=False, antialias=True)
    torch.testing.assert_close(AntialiasedResize(size, target)(images), expected, atol=1e-3, rtol=1e-5)


@pytest.mark.parametrize(("size", "target"), SIZES)
def test_nearest_is_that_of_pytorch(size: tuple[int, int], target: tuple[int, int]) -> None:
    labels = torch.randint(0, 256, (2, *size), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    expected = F.interpolate(labels.unsqueeze(1), size=target, mode="nearest-exact").squeeze(1)
    resized = NearestResize(size, target)(labels)
    assert resized.dtype == torch.uint8
    assert torch.equal(resized, expected)
