"""Eq. 4 against float64 loops over all pairs, and the promise that no N x N map exists while it is computed."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cinet_core.losses import LossTerm, attention_loss

CLASSES = 4
VOID = 255
SIZES = [(1, 1), (3, 4), (5, 7)]


def make_inputs(height: int, width: int, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(height * width)
    query, key = torch.randn(2, batch, height * width, 3, dtype=torch.float64, generator=generator)
    labels = torch.randint(0, CLASSES, (batch, height, width), generator=generator)
    labels[0, :, 0] = VOID
    labels[-1, 0, -1] = CLASSES  # no class of the set: as good as void
    return query.requires_grad_(), key.requires_grad_(), labels


def reference(query: torch.Tensor, key: torch.Tensor, labels: torch.Tensor) -> tuple[float, int]:
    total, count = 0.0, 0
    for q, k, classes in zip(query.detach().numpy(), key.detach().numpy(), labels.flatten(1).numpy(), strict=True):
        for i, j in np.ndindex(len(q), len(k)):
            if classes[i] >= CLASSES or classes[j] >= CLASSES:
                continue
            probability = 1 / (1 + np.exp(-(q[i] @ k[j])))
            total -= np.log(probability) if classes[i] == classes[j] else np.log(1 - probability)
            count += 1
    return total, count


@pytest.mark.parametrize("block_pairs", [1, 3 * 2 * 35, 2**20])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_it_is_the_cross_entropy_of_all_valid_pairs(height: int, width: int, block_pairs: int) -> None:
    query, key, labels = make_inputs(height, width)
    term = attention_loss(query, key, labels, CLASSES, block_pairs)
    total, count = reference(query, key, labels)
    assert term.sum.item() == pytest.approx(total, rel=1e-12, abs=1e-12)
    assert term.count.item() == count


@pytest.mark.parametrize("block_pairs", [5 * 2 * 12, 2**20])
def test_gradients(block_pairs: int) -> None:
    query, key, labels = make_inputs(3, 4)
    assert torch.autograd.gradcheck(
        lambda q, k: 3 * attention_loss(q, k, labels, CLASSES, block_pairs).sum, (query, key)
    )


def test_only_what_needs_a_gradient_gets_one() -> None:
    query, key, labels = make_inputs(3, 4)
    attention_loss(query.detach(), key, labels, CLASSES).sum.backward()
    both = attention_loss(query, key.detach().requires_grad_(), labels, CLASSES).sum
    assert not attention_loss(query.detach(), key.detach(), labels, CLASSES).sum.requires_grad
    assert key.grad is not None
    assert both.requires_grad


def test_none_valid_gives_zero_and_zero_gradients() -> None:
    query, key, labels = make_inputs(3, 4)
    term = attention_loss(query, key, torch.full_like(labels, VOID), CLASSES)
    term.sum.backward()
    assert (term.sum.item(), term.count.item()) == (0, 0)
    for leaf in (query, key):
        assert leaf.grad is not None
        assert (leaf.grad == 0).all()


def test_parts_of_a_batch_add_up() -> None:
    query, key, labels = make_inputs(5, 7, batch=4)
    whole = attention_loss(query, key, labels, CLASSES)
    parts = [attention_loss(query[s], key[s], labels[s], CLASSES) for s in (slice(0, 1), slice(1, 4))]
    assert sum(part.sum.item() for part in parts) == pytest.approx(whole.sum.item(), rel=1e-12)
    assert sum(part.count.item() for part in parts) == whole.count.item()


def test_extreme_logits_stay_finite_and_exact() -> None:
    query = torch.tensor([[[1e3], [-1e3]]], requires_grad=True)
    key = torch.ones(1, 2, 1, requires_grad=True)
    term = attention_loss(query, key, torch.tensor([[[0, 1]]]), 2)
    term.sum.backward()
    # (0, 0): right by 1e3, (0, 1): wrong, (1, 0): right, (1, 1): wrong.
    assert term.sum.item() == pytest.approx(2e3)
    assert query.grad is not None
    assert torch.allclose(query.grad, torch.tensor([[[1.0], [-1.0]]]))


def test_half_precision_under_autocast_is_computed_in_float32() -> None:
    query, key, labels = make_inputs(5, 7)
    half_query, half_key = query.detach().bfloat16().requires_grad_(), key.detach().bfloat16().requires_grad_()
    expected = reference(half_query.double(), half_key.double(), labels)[0]
    with torch.autocast("cpu", torch.bfloat16):
        term = attention_loss(half_query, half_key, labels, CLASSES)
    term.sum.backward()
    assert term.sum.dtype == torch.float32
    assert term.sum.item() == pytest.approx(expected, rel=1e-6)
    assert half_query.grad is not None
    assert half_query.grad.dtype == torch.bfloat16


class LargestTensor(TorchDispatchMode):
    """Records how many elements the largest tensor has that any operation returns, in both passes."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in _tensors(result):
            self.elements = max(self.elements, tensor.numel())
        return result


def _tensors(result: object) -> Iterator[torch.Tensor]:
    if isinstance(result, torch.Tensor):
        yield result
    elif isinstance(result, (tuple, list)):
        for item in result:
            yield from _tensors(item)


def test_no_map_of_all_pairs_ever_exists() -> None:
    query, key, labels = make_inputs(20, 20, batch=1)
    with LargestTensor() as largest:
        attention_loss(query, key, labels, CLASSES, block_pairs=16 * 400).sum.backward()
    assert largest.elements == 16 * 400  # and not 400 * 400


def test_a_constant_map_costs_what_its_prior_says() -> None:
    """The logits start at -1.1, a 25 % prior: 0.287 nats for a pair of two classes, 1.387 for one of the same."""
    query, key = torch.full((1, 2, 1), -1.1), torch.ones(1, 2, 1)
    term = attention_loss(query, key, torch.tensor([[[0, 1]]]), 2)
    assert term.sum.item() == pytest.approx(2 * 0.2873 + 2 * 1.3873, abs=1e-3)


def test_labels_of_another_size_are_refused() -> None:
    query, key, labels = make_inputs(3, 4)
    with pytest.raises(ValueError, match=r"\(2, 12, 3\).*\(2, 6\).*ideal_attention_labels"):
        attention_loss(query, key, labels[..., ::2], CLASSES)
    assert isinstance(attention_loss(query, key, labels.flatten(1), CLASSES), LossTerm)
