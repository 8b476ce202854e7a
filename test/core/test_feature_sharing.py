"""FSM and LSU against float64 references written from Eq. 5 and 6: NumPy loops over the modules' weights."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cinet_core.model.feature_sharing import FeatureSharing, LateralSharing, NoSharing, make_sharing

Array = NDArray[np.float64]
CHANNELS = 3
SIZES = [(1, 1), (2, 3), (5, 7), (8, 8), (9, 4)]


def make_features(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(height * 100 + width)
    shape = (2, CHANNELS, height, width)
    return (
        torch.randn(shape, dtype=torch.float64, generator=generator),
        torch.randn(shape, dtype=torch.float64, generator=generator),
    )


def pointwise(x: Array, conv: torch.nn.Conv2d) -> Array:
    """1x1 convolution of (B, C, h, w)."""
    y = np.einsum("oc,bchw->bohw", conv.weight.detach().numpy()[:, :, 0, 0], x)
    return y if conv.bias is None else y + conv.bias.detach().numpy()[None, :, None, None]


def depthwise(x: Array, weight: Array, stride: int) -> Array:
    """3x3 convolution of every channel by itself, zeros around."""
    batch, channels, height, width = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    y = np.zeros((batch, channels, -(-height // stride), -(-width // stride)))
    for c in range(channels):
        for i in range(y.shape[2]):
            for j in range(y.shape[3]):
                window = padded[:, c, i * stride : i * stride + 3, j * stride : j * stride + 3]
                y[:, c, i, j] = (window * weight[c, 0]).sum(axis=(1, 2))
    return y


def separable(x: Array, block: torch.nn.Module, stride: int) -> Array:
    """Depthwise, pointwise, BatchNorm with its running statistics, ReLU."""
    x = pointwise(depthwise(x, block.conv_dw.weight.detach().numpy(), stride), block.conv_pw)
    norm = block.bn
    mean, variance, gain, shift = (
        tensor.detach().numpy()[None, :, None, None]
        for tensor in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return np.maximum((x - mean) / np.sqrt(variance + norm.eps) * gain + shift, 0)


def bilinear(x: Array, height: int, width: int) -> Array:
    """Upsampling with align_corners = False: pixel centres are aligned, the border is repeated."""
    for axis, size in ((2, height), (3, width)):
        source = np.clip((np.arange(size) + 0.5) * x.shape[axis] / size - 0.5, 0, None)
        low = np.floor(source).astype(int)
        high = np.minimum(low + 1, x.shape[axis] - 1)
        fraction = (source - low).reshape([-1 if a == axis else 1 for a in range(4)])
        x = np.take(x, low, axis) * (1 - fraction) + np.take(x, high, axis) * fraction
    return x


def reference_fsm(module: FeatureSharing, depth: Array, semantic: Array) -> tuple[Array, Array]:
    """Eq. 5 with C(.) = two separable convolutions of stride 2, then twice upsample and convolve."""
    full = np.concatenate([depth, semantic], axis=1)
    half = separable(full, module.down[0], 2)
    quarter = separable(half, module.down[1], 2)
    up_half = separable(bilinear(quarter, *half.shape[2:]), module.up[0], 1)
    shared = separable(bilinear(up_half, *full.shape[2:]), module.up[1], 1)
    return depth + pointwise(shared, module.to_depth), semantic + pointwise(shared, module.to_semantic)


@pytest.mark.parametrize("size", SIZES)
def test_fsm_equals_equation_5(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    module = FeatureSharing(CHANNELS).double().eval()
    for norm in (block.bn for block in (*module.down, *module.up)):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.bias)
    for projection in (module.to_depth, module.to_semantic):
        torch.nn.init.normal_(projection.weight)
        torch.nn.init.normal_(projection.bias)
    depth, semantic = make_features(*size)
    with torch.no_grad():
        result = module(depth, semantic)
    for ours, expected in zip(result, reference_fsm(module, depth.numpy(), semantic.numpy()), strict=True):
        np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("part", [0.0, 0.1, 1.0])
def test_part_of_the_gradient_through_fsm_changes_nothing_but_that(part: float) -> None:
    torch.manual_seed(0)
    module = FeatureSharing(CHANNELS).double().eval()
    depth, semantic = (values.double().requires_grad_() for values in make_features(12, 14))

    def passed(gradient: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        module.gradient = gradient
        module.zero_grad()
        to_depth, _ = module(depth, semantic)
        own, others = torch.autograd.grad(to_depth.sin().sum(), (depth, semantic), retain_graph=True)
        to_depth.sin().sum().backward()
        return to_depth.detach(), own, others, module.to_depth.weight.grad.clone()

    answer, own, others, weights = passed(part)
    whole_answer, whole_own, whole_others, whole_weights = passed(1.0)
    straight = answer.cos()  # what flows through the sum alone
    assert torch.equal(answer, whole_answer)
    assert torch.equal(weights, whole_weights)
    torch.testing.assert_close(others, part * whole_others, rtol=1e-9, atol=1e-15)
    torch.testing.assert_close(own - straight, part * (whole_own - straight), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_lsu_equals_equation_6(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    module = LateralSharing(CHANNELS).double()
    for projection in module.children():
        torch.nn.init.normal_(projection.weight)
        torch.nn.init.normal_(projection.bias)
    depth, semantic = make_features(*size)
    with torch.no_grad():
        to_depth, to_semantic = module(depth, semantic)
    d, s = depth.numpy(), semantic.numpy()
    expected_depth = d + pointwise(d, module.depth_to_depth) + pointwise(s, module.semantic_to_depth)
    expected_semantic = s + pointwise(d, module.depth_to_semantic) + pointwise(s, module.semantic_to_semantic)
    np.testing.assert_allclose(to_depth.numpy(), expected_depth, rtol=1e-12)
    np.testing.assert_allclose(to_semantic.numpy(), expected_semantic, rtol=1e-12)


def test_fsm_sees_beyond_the_position_and_lsu_does_not() -> None:
    """What the paper holds against LSU: it is local. A change at one position must show where FSM samples it."""
    reach = {}
    for kind in ("fsm", "lsu"):
        torch.manual_seed(0)
        module = make_sharing(kind, CHANNELS).double().eval()
        depth, semantic = make_features(16, 16)
        changed = semantic.clone()
        changed[:, :, 8, 8] += 1
        with torch.no_grad():
            difference = (module(depth, changed)[0] - module(depth, semantic)[0]).abs().amax(dim=(0, 1))
        reach[kind] = int((difference > 0).sum())
    assert reach["lsu"] == 1
    assert reach["fsm"] > 25


@pytest.mark.parametrize("kind", ["fsm", "lsu"])
def test_a_fresh_module_hardly_changes_the_features_but_learns(kind: str) -> None:
    torch.manual_seed(0)
    module = make_sharing(kind, 96)
    depth, semantic = torch.randn(2, 2, 96, 16, 16).relu()
    results = module(depth, semantic)
    for before, after in zip((depth, semantic), results, strict=True):
        added = (after - before).std() / before.std()
        assert 1e-4 < added < 0.05
    sum(result.square().sum() for result in results).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in module.parameters())


def test_no_sharing_leaves_the_features_alone() -> None:
    depth, semantic = make_features(4, 5)
    module = make_sharing("none", CHANNELS)
    assert isinstance(module, NoSharing)
    assert module(depth, semantic) == (depth, semantic)
