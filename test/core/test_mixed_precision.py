"""Mixed precision on a CPU: the same function as plain autocast, with better gradients."""

from __future__ import annotations

import contextlib

import pytest
import torch
from torch import Tensor, nn

from cinet_core.training.mixed_precision import fast_half_precision


def _network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 32, 1, bias=False),
        nn.Conv2d(32, 32, 5, padding=4, dilation=2, groups=32, bias=False),
        nn.Conv2d(32, 64, 3, padding=1, groups=32, bias=False),
        nn.Conv2d(64, 64, 3, stride=2, padding=1, groups=64, bias=False),
        nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding="same", groups=64),
        nn.Conv2d(64, 8, 3, padding=1),
    )


def _pass(network: nn.Module, half: bool, fast: bool) -> tuple[Tensor, list[Tensor]]:
    """Output, and gradients of the images and all parameters, in float32."""
    images = torch.randn(2, 3, 32, 40, generator=torch.Generator().manual_seed(1)).requires_grad_()
    precision = fast_half_precision("cpu") if fast else contextlib.nullcontext()
    # fast_half_precision looks for autocast when it is entered: the order counts.
    with torch.autocast("cpu", torch.bfloat16, enabled=half), precision:
        output = network(images)
    gradients = torch.autograd.grad(output.float().square().mean(), [images, *network.parameters()])
    return output.detach(), [gradient.float() for gradient in gradients]


def _distance(one: list[Tensor], other: list[Tensor]) -> list[float]:
    return [float((a - b).norm() / b.norm()) for a, b in zip(one, other, strict=True)]


def test_the_output_is_that_of_autocast() -> None:
    network = _network()
    output, _ = _pass(network, half=True, fast=True)
    plain, _ = _pass(network, half=True, fast=False)
    assert output.dtype is plain.dtype is torch.bfloat16
    # One rounding of bfloat16: the order of the sums differs between memory formats.
    torch.testing.assert_close(output, plain, rtol=2**-7, atol=2**-9)


def test_gradients_are_as_near_to_those_of_float32_as_with_autocast() -> None:
    network = _network()
    _, exact = _pass(network, half=False, fast=False)
    ours = _distance(_pass(network, half=True, fast=True)[1], exact)
    plain = _distance(_pass(network, half=True, fast=False)[1], exact)
    assert max(ours) < 0.1  # of the images', behind a ReLU
    assert all(a < 1.3 * b + 1e-4 for a, b in zip(ours, plain, strict=True))


def test_depthwise_gradients_are_computed_in_float32() -> None:
    layer = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False)
    images = torch.randn(4, 16, 20, 20).bfloat16()
    with torch.autocast("cpu", torch.bfloat16), fast_half_precision("cpu"):
        output = layer(images)
    weights = torch.randn_like(output)
    (gradient,) = torch.autograd.grad((output.float() * weights.float()).sum(), [layer.weight])
    exact = nn.functional.conv2d
    kernel = layer.weight.detach().requires_grad_()
    (expected,) = torch.autograd.grad(
        (exact(images.float(), kernel, padding=1, groups=16) * weights.float()).sum(), [kernel]
    )
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_without_autocast_on_a_cpu_nothing_changes(device: str) -> None:
    network = _network()
    expected, gradients = _pass(network, half=False, fast=False)
    with fast_half_precision(device):
        output, same = _pass(network, half=False, fast=False)
    assert torch.equal(output, expected)
    assert all(torch.equal(a, b) for a, b in zip(same, gradients, strict=True))
