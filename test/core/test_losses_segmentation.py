"""Eq. 12 against float64 loops."""

import itertools

import numpy as np
import pytest
import torch

from cinet_core.losses import class_weights, segmentation_loss

CLASSES = 4
VOID = 255


def make_inputs(height: int, width: int, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(height * 100 + width)
    logits = torch.randn(batch, CLASSES, height, width, dtype=torch.float64, generator=generator)
    labels = torch.randint(0, CLASSES, (batch, height, width), generator=generator)
    labels[0, 0, 0] = VOID
    labels[-1, -1, -1] = CLASSES
    labels[-1, -1, 0] = -1
    return logits.requires_grad_(), labels, class_weights(torch.tensor([10, 30, 0, 60]))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 4), (5, 7)])
def test_it_is_the_weighted_cross_entropy(height: int, width: int) -> None:
    logits, labels, weights = make_inputs(height, width)
    values = logits.detach().numpy()
    total, count = 0.0, 0
    for b, y, x in np.ndindex(*labels.shape):
        label = int(labels[b, y, x])
        if not 0 <= label < CLASSES:
            continue
        scores = values[b, :, y, x]
        total -= [0.9, 0.7, 1.0, 0.4][label] * np.log(np.exp(scores[label]) / np.exp(scores).sum())
        count += 1
    term = segmentation_loss(logits, labels, weights)
    assert term.count.item() == count
    assert term.sum.item() == pytest.approx(total, rel=1e-7)  # the weights are float32


def test_inverse_log_weights_favour_rare_classes_up_to_a_limit() -> None:
    counts = np.array([600, 300, 99, 1, 0])
    shares = counts / counts.sum()
    raw = 1 / np.log(1.02 + shares)
    expected = np.minimum(raw / (raw * shares).sum(), 5.0)
    weights = class_weights(torch.tensor(counts), "inverse_log")
    assert weights.dtype == torch.float32
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    assert weights[3:].tolist() == [5.0, 5.0]
    assert class_weights(torch.zeros(3), "inverse_log").tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_a_power_below_one_favours_rare_classes_less(power: float) -> None:
    counts = np.array([700, 200, 100])
    shares = counts / counts.sum()
    raw = (1 / np.log(1.02 + shares)) ** power
    weights = class_weights(torch.tensor(counts), "inverse_log", power)
    np.testing.assert_allclose(weights, raw / (raw * shares).sum(), rtol=1e-6)
    np.testing.assert_allclose(class_weights(torch.tensor(counts), "linear", power), (1 - shares) ** power, rtol=1e-6)


@pytest.mark.parametrize("power", [-0.1, 1.5, float("nan")])
def test_a_power_that_is_no_share_is_named(power: float) -> None:
    with pytest.raises(ValueError, match=f"power of class weights is {power}.*from 0 to 1"):
        class_weights(torch.tensor([1, 2]), "inverse_log", power)


def test_gradients() -> None:
    logits, labels, weights = make_inputs(3, 4)
    assert torch.autograd.gradcheck(lambda x: segmentation_loss(x, labels, weights).sum, (logits,))


@pytest.mark.parametrize("void", [VOID, CLASSES, -1])
def test_none_valid_gives_zero_and_zero_gradients(void: int) -> None:
    logits, labels, weights = make_inputs(3, 4)
    term = segmentation_loss(logits, torch.full_like(labels, void), weights)
    term.sum.backward()
    assert (term.sum.item(), term.count.item()) == (0, 0)
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_parts_of_a_batch_add_up() -> None:
    logits, labels, weights = make_inputs(5, 7, batch=4)
    whole = segmentation_loss(logits, labels, weights)
    parts = [segmentation_loss(logits[s], labels[s], weights) for s in (slice(0, 1), slice(1, 4))]
    assert sum(part.sum.item() for part in parts) == pytest.approx(whole.sum.item(), rel=1e-12)
    assert sum(part.count.item() for part in parts) == whole.count.item()


def test_labels_may_be_bytes_and_logits_half_precision() -> None:
    logits, labels, weights = make_inputs(5, 7)
    half = logits.detach().bfloat16()
    expected = segmentation_loss(half.double(), labels, weights).sum.item()
    with torch.autocast("cpu", torch.bfloat16):
        term = segmentation_loss(half, labels.clamp(min=0).where(labels >= 0, VOID).to(torch.uint8), weights)
    assert term.sum.dtype == torch.float32
    assert term.sum.item() == pytest.approx(expected, rel=1e-6)


def test_frequent_classes_weigh_less_and_absent_ones_one() -> None:
    assert class_weights(torch.tensor([10, 30, 0, 60])).tolist() == pytest.approx([0.9, 0.7, 1.0, 0.4])
    assert class_weights(torch.zeros(3)).tolist() == [1, 1, 1]
    # More pixels than float32 can count.
    assert class_weights(torch.tensor([2**30 + 1, 2**30 - 1])).tolist() == pytest.approx([0.5, 0.5])


def test_what_cannot_be_is_refused() -> None:
    logits, labels, weights = make_inputs(3, 4)
    with pytest.raises(ValueError, match=r"\(2, 3, 3\)"):
        segmentation_loss(logits, labels[..., :3], weights)
    with pytest.raises(ValueError, match=r"\(3,\)"):
        segmentation_loss(logits, labels, weights[:3])
    with pytest.raises(ValueError, match="-1"):
        class_weights(torch.tensor([3, -1]))


@pytest.mark.parametrize(("stride", "size"), [(2, (7, 10)), (4, (8, 9)), (8, (17, 8))])
def test_coarse_logits_learn_shares_by_area(stride: int, size: tuple[int, int]) -> None:
    """Cross entropy with soft targets, written out in float64; what lies outside and what is void has no part."""
    _, labels, weights = make_inputs(*size)
    coarse = tuple(-(-length // stride) for length in size)
    logits = torch.randn(len(labels), len(weights), *coarse, dtype=torch.float64, requires_grad=True)
    expected = torch.zeros((), dtype=torch.float64)
    likelihoods = logits.log_softmax(dim=1)
    for image, row, column in itertools.product(range(len(labels)), *map(range, size)):
        label = int(labels[image, row, column])
        if 0 <= label < len(weights):
            expected = expected - weights[label] * likelihoods[image, label, row // stride, column // stride]
    term = segmentation_loss(logits, labels, weights)
    known = ((labels >= 0) & (labels < len(weights))).sum()
    torch.testing.assert_close(term.sum, expected)
    assert term.count == known
    (gradient,) = torch.autograd.grad(term.sum, logits)
    (wanted,) = torch.autograd.grad(expected, logits)
    torch.testing.assert_close(gradient, wanted)


def test_coarse_logits_that_upsample_to_the_labels_cost_less_than_the_opposite() -> None:
    labels = torch.tensor([[[0, 0, 1, 1], [0, 0, 1, 1]]])
    right = torch.tensor([[[[5.0, -5.0]], [[-5.0, 5.0]]]])
    assert segmentation_loss(right, labels, torch.ones(2)).sum < segmentation_loss(-right, labels, torch.ones(2)).sum
