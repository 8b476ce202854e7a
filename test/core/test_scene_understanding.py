"""SUM against float64 references written from Eq. 1 - 3, with the N x N map explicit and position by position."""

import itertools

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cinet_core.model.scene_understanding import (
    SceneUnderstanding,
    attend,
    ideal_attention,
    ideal_attention_labels,
)

SCALES = ("sqrt", "none")
DIVISORS = ("row", "area", "none")
VOID = 255
CLASSES = 5


def make_module(scale: str = "sqrt", divisor: str = "row") -> SceneUnderstanding:
    torch.manual_seed(0)
    module = SceneUnderstanding(6, 4, CLASSES, scale, divisor).double()
    for projection in (module.query, module.key):
        torch.nn.init.normal_(projection.weight, std=0.7)  # so that the map is far from constant
    return module


def make_input(height: int = 5, width: int = 7) -> torch.Tensor:
    return torch.randn(2, 6, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def make_labels(height: int, width: int) -> torch.Tensor:
    labels = torch.randint(0, CLASSES, (2, height, width), generator=torch.Generator().manual_seed(2))
    labels[0, : height // 3] = VOID
    labels[1, :, 0] = CLASSES  # outside of the label set: as good as void
    return labels


def apply_projection(x: NDArray[np.float64], projection: torch.nn.Conv2d) -> NDArray[np.float64]:
    """A 1x1 convolution, written as a matrix product over the channels of (N, C)."""
    assert projection.bias is not None
    weight = projection.weight.detach().numpy()[:, :, 0, 0]
    return x @ weight.T + projection.bias.detach().numpy()


def reference_sum(
    module: SceneUnderstanding, features: torch.Tensor, scale: str, divisor: str, labels: NDArray[np.int64] | None
) -> NDArray[np.float64]:
    """Y = (A V) / d + X for every image and every position i, from the equations."""
    output = np.empty(features.shape)
    for image, x_image in enumerate(features.numpy()):
        channels, height, width = x_image.shape
        x = x_image.reshape(channels, -1).T
        q, k, v = (apply_projection(x, p) for p in (module.query, module.key, module.value))
        positions = len(x)
        y = np.empty_like(x)
        for i in range(positions):
            row = np.empty(positions)
            for j in range(positions):
                if labels is None:
                    logit = q[i] @ k[j] / (np.sqrt(q.shape[1]) if scale == "sqrt" else 1)
                    row[j] = 1 / (1 + np.exp(-logit))
                else:
                    a, b = labels[image].reshape(-1)[[i, j]]
                    row[j] = a == b and 0 <= a < CLASSES
            d = {"row": max(row.sum(), 1.0), "area": positions, "none": 1.0}[divisor]
            y[i] = row @ v / d + x[i]
        output[image] = y.T.reshape(channels, height, width)
    return output


@pytest.mark.parametrize(("scale", "divisor"), list(itertools.product(SCALES, DIVISORS)))
@pytest.mark.parametrize("keep_attention", [False, True])
def test_predicted_attention_equals_the_equations(scale: str, divisor: str, keep_attention: bool) -> None:
    module, features = make_module(scale, divisor), make_input()
    with torch.no_grad():
        result = module(features, keep_attention=keep_attention)
    expected = reference_sum(module, features, scale, divisor, None)
    np.testing.assert_allclose(result.features.numpy(), expected, rtol=1e-10, atol=1e-12)
    assert (result.attention is not None) == keep_attention
    if keep_attention:
        np.testing.assert_allclose(result.attention, torch.sigmoid(result.query @ result.key.mT))


@pytest.mark.parametrize("divisor", DIVISORS)
def test_taught_attention_equals_the_equations(divisor: str) -> None:
    module, features, labels = make_module("sqrt", divisor), make_input(), make_labels(5, 7)
    with torch.no_grad():
        result = module(features, labels)
    expected = reference_sum(module, features, "sqrt", divisor, labels.numpy())
    # Class sums are taken in float32.
    np.testing.assert_allclose(result.features.numpy(), expected, rtol=1e-5, atol=1e-5)


def test_class_sums_equal_the_explicit_map_times_v() -> None:
    module, features, labels = make_module(divisor="none"), make_input(), make_labels(5, 7)
    with torch.no_grad():
        result = module(features, labels, keep_attention=True)
        value = module.value(features).flatten(2).mT
    context = (result.features - features).flatten(2).mT
    torch.testing.assert_close(context, result.attention.double() @ value, rtol=1e-5, atol=1e-5)


def test_void_positions_get_no_context_and_give_none() -> None:
    module, features = make_module(), make_input()
    everywhere_void = torch.full((2, 5, 7), VOID)
    with torch.no_grad():
        torch.testing.assert_close(module(features, everywhere_void).features, features)
        labels = make_labels(5, 7)
        before = module(features, labels).features
        changed = features.clone()
        changed[0, :, 0, 0] += 100.0  # labels[0, 0, 0] is void
        after = module(changed, labels).features
    difference = (after - before).abs().amax(dim=(0, 1))
    assert difference[0, 0] > 1
    difference[0, 0] = 0
    assert difference.max() == 0


def test_ideal_map_marks_equal_classes_and_no_void() -> None:
    labels = torch.tensor([[[0, 1, VOID], [0, VOID, 1]]])
    expected = [
        [1, 0, 0, 1, 0, 0],
        [0, 1, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0],
        [1, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 1],
    ]
    np.testing.assert_array_equal(ideal_attention(labels, 2)[0], expected)
    np.testing.assert_array_equal(ideal_attention(labels)[0], expected)


@pytest.mark.parametrize(("image", "grid"), [((480, 640), (60, 80)), ((37, 51), (5, 7)), ((5, 7), (5, 7))])
def test_labels_are_resized_to_the_position_nearest_to_each_centre(
    image: tuple[int, int], grid: tuple[int, int]
) -> None:
    labels = torch.randint(0, 256, (2, *image), generator=torch.Generator().manual_seed(3))
    resized = ideal_attention_labels(labels, *grid)
    rows, columns = (np.floor((np.arange(n) + 0.5) * m / n).astype(int) for n, m in zip(grid, image, strict=True))
    np.testing.assert_array_equal(resized, labels.numpy()[:, rows][:, :, columns])
    assert resized.dtype == labels.dtype


@pytest.mark.parametrize("divisor", DIVISORS)
@pytest.mark.parametrize("block_rows", [1, 4, 16, 34, 35, 1000])
def test_result_does_not_depend_on_the_row_blocks(divisor: str, block_rows: int) -> None:
    generator = torch.Generator().manual_seed(4)
    query, key = (torch.randn(2, 35, 4, dtype=torch.float64, generator=generator) for _ in range(2))
    value = torch.randn(2, 35, 6, dtype=torch.float64, generator=generator)
    whole = torch.sigmoid(query @ key.mT)
    divide_by = {"row": whole.sum(-1, keepdim=True).clamp(min=1), "area": 35, "none": 1}[divisor]
    torch.testing.assert_close(attend(query, key, value, divisor, block_rows), whole @ value / divide_by)


def test_gradients_in_row_blocks_equal_those_of_the_whole_map() -> None:
    def gradients(block_rows: int) -> list[torch.Tensor]:
        module, features = make_module(), make_input()
        query, key, value = (p(features).flatten(2).mT for p in (module.query, module.key, module.value))
        attend(query, key, value, "row", block_rows).square().sum().backward()
        return [parameter.grad for parameter in module.parameters()]

    for whole, blocked in zip(gradients(35), gradients(8), strict=True):
        torch.testing.assert_close(whole, blocked)


@pytest.mark.parametrize("trained", [0, 1, 2])
def test_blocks_are_recomputed_whichever_input_is_trained(trained: int) -> None:
    """In the backward pass each block is made anew: nothing of the map's size is kept from the forward one."""
    inputs = [torch.randn(1, 35, 4, requires_grad=number == trained) for number in range(3)]
    kept: list[tuple[int, ...]] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tuple(tensor.shape)), lambda _: None):
        attend(*inputs, "row", block_rows=8)
    assert not [shape for shape in kept if shape[-1] == 35]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("logit_init", [-1.1, 0.5, 0.0])
def test_attention_logits_start_at_their_initial_value(scale: str, logit_init: float) -> None:
    torch.manual_seed(0)
    module = SceneUnderstanding(128, 32, CLASSES, scale, "row", logit_init)
    with torch.no_grad():
        result = module(torch.randn(1, 128, 9, 11))
    logits = result.query @ result.key.mT
    assert logits.mean() == pytest.approx(logit_init, abs=0.1)
    assert logits.std() < 0.3


def test_context_of_a_uniform_image_is_the_value_itself_under_the_row_divisor() -> None:
    """With d = row sum the context is a mean of V: N positions of value v give v, not N v."""
    module = make_module()
    features = torch.ones(1, 6, 30, 40, dtype=torch.float64)
    with torch.no_grad():
        context = module(features).features - features
        torch.testing.assert_close(context, module.value(features))
