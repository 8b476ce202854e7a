"""Attention metrics against float64 NumPy written pair by pair from the definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from cinet_core.losses.attention import attention_loss
from cinet_core.metrics import AttentionMetrics

CLASSES = 4
VOID = 255


def make_maps(seed: int = 0, ties: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Three images of 5 x 6 positions; the last has only void ones. With ties, logits take few different values."""
    generator = torch.Generator().manual_seed(seed)
    query, key = (torch.randn(3, 30, 8, generator=generator) for _ in range(2))
    if ties:
        query, key = query[..., :1].round().clamp(-1, 1), key[..., :1].round().clamp(-1, 1)
    labels = torch.randint(0, CLASSES - 1, (3, 5, 6), generator=generator).to(torch.uint8)  # the last class is absent
    labels[0, 1, :3], labels[1, 0, 0], labels[2] = VOID, CLASSES, VOID
    return query, key, labels


def one_precision(scores: list[float], positive: list[bool]) -> float:
    """Mean, over the positives, of the share of positives among all that score as high or higher."""
    values = []
    for score, hit in zip(scores, positive, strict=True):
        if hit:
            above = [other for value, other in zip(scores, positive, strict=True) if value >= score]
            values.append(sum(above) / len(above))
    return float(np.mean(values))


def reference(query: Tensor, key: Tensor, labels: Tensor) -> dict[str, float]:
    precision: dict[int, list[float]] = {}
    chance: dict[int, list[float]] = {}
    entropy: list[float] = []
    targets: list[bool] = []
    for q, k, image in zip(query.double().numpy(), key.double().numpy(), labels.flatten(1).tolist(), strict=True):
        valid = [position for position, label in enumerate(image) if label < CLASSES]
        for row in valid:
            scores = [float(np.float32(q[row] @ k[column])) for column in valid]
            positive = [image[column] == image[row] for column in valid]
            precision.setdefault(image[row], []).append(one_precision(scores, positive))
            chance.setdefault(image[row], []).append(float(np.mean(positive)))
            targets += positive
            entropy += [
                -math.log(1 / (1 + math.exp(-score)) if hit else 1 / (1 + math.exp(score)))
                for score, hit in zip(scores, positive, strict=True)
            ]
    share = np.mean(targets)
    return {
        "average_precision": float(np.mean([np.mean(values) for values in precision.values()])),
        "chance_precision": float(np.mean([np.mean(values) for values in chance.values()])),
        "bce": float(np.mean(entropy)),
        "constant_bce": float(-share * np.log(share) - (1 - share) * np.log(1 - share)),
    }


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("block_pairs", [1, 70, 2**21])
def test_against_the_definitions(ties: bool, block_pairs: int) -> None:
    query, key, labels = make_maps(ties=ties)
    metrics = AttentionMetrics(CLASSES, block_pairs)
    metrics.update(query[:1], key[:1], labels[:1])
    metrics.update(query[1:], key[1:], labels[1:])
    assert metrics.compute() == pytest.approx(reference(query, key, labels), rel=1e-6)
    assert metrics.positions == 27 + 29


def test_the_entropy_is_the_losses() -> None:
    query, key, labels = make_maps()
    metrics = AttentionMetrics(CLASSES)
    metrics.update(query, key, labels)
    loss = attention_loss(query, key, labels.long(), CLASSES)
    assert metrics.compute()["bce"] == pytest.approx((loss.sum / loss.count).item(), rel=1e-6)


def test_a_constant_map_is_at_chance_and_at_the_best_constant() -> None:
    _, _, labels = make_maps()
    members = torch.nn.functional.one_hot(labels.flatten(1).long().clamp(max=CLASSES), CLASSES + 1)[..., :CLASSES]
    counts = members.sum(dim=1)
    share = float((counts**2).sum() / (counts.sum(dim=1) ** 2).sum())
    # Seven products that add up to the same logit everywhere.
    query = torch.full((3, 30, 7), 0.1)
    key = torch.full((3, 30, 7), math.log(share / (1 - share)) / 0.7)
    metrics = AttentionMetrics(CLASSES)
    metrics.update(query, key, labels)
    computed = metrics.compute()
    assert computed["average_precision"] == pytest.approx(computed["chance_precision"], rel=1e-12)
    assert computed["bce"] == pytest.approx(computed["constant_bce"], rel=1e-6)


def test_the_ideal_map_is_perfect_and_its_opposite_is_not() -> None:
    _, _, labels = make_maps()
    members = torch.nn.functional.one_hot(labels.flatten(1).long().clamp(max=CLASSES), CLASSES + 1)[..., :CLASSES]
    ideal, opposite = AttentionMetrics(CLASSES), AttentionMetrics(CLASSES)
    offset = torch.ones(3, 30, 1)
    query, key = (torch.cat((60.0 * members, -30 * offset), 2), torch.cat((members, offset), 2))
    ideal.update(query, key, labels)
    opposite.update(-query, key, labels)
    assert ideal.compute()["average_precision"] == 1
    assert ideal.compute()["bce"] < 1e-9
    # All positives come last, together: their share there is their share of all.
    assert opposite.compute()["average_precision"] == pytest.approx(opposite.compute()["chance_precision"])
    assert opposite.compute()["bce"] == pytest.approx(30)


def test_rare_classes_count_as_much_as_common_ones() -> None:
    labels = torch.zeros(1, 1, 20, dtype=torch.long)
    labels[0, 0, :2] = 1
    # Class 1 ranks itself last, class 0 itself first.
    query, key = torch.ones(1, 20, 1), torch.ones(1, 20, 1)
    key[0, :2] = 0
    metrics = AttentionMetrics(2)
    metrics.update(query, key, labels)
    assert metrics.compute()["average_precision"] == pytest.approx((1 + 2 / 20) / 2)
    assert metrics.compute()["chance_precision"] == pytest.approx((18 / 20 + 2 / 20) / 2)


def test_parts_of_a_set_add_up() -> None:
    query, key, labels = make_maps()
    whole, first, second = (AttentionMetrics(CLASSES) for _ in range(3))
    whole.update(query, key, labels)
    first.update(query[:1], key[:1], labels[:1])
    second.update(query[1:], key[1:], labels[1:])
    first.sums += second.sums
    assert first.compute() == pytest.approx(whole.compute(), rel=1e-12)
    assert first.all_reduced().compute() == first.compute()


def test_half_precision_as_autocast_gives_it() -> None:
    query, key, labels = make_maps()
    query, key = query.bfloat16(), key.bfloat16()
    metrics = AttentionMetrics(CLASSES)
    metrics.update(query, key, labels)
    assert metrics.compute() == pytest.approx(reference(query.float(), key.float(), labels), rel=1e-6)


def test_nothing_labelled() -> None:
    query, key, labels = make_maps()
    metrics = AttentionMetrics(CLASSES)
    metrics.update(query[2:], key[2:], labels[2:])
    assert metrics.positions == 0
    assert all(map(math.isnan, metrics.compute().values()))
    single = AttentionMetrics(CLASSES)
    single.update(query[:1], key[:1], torch.zeros(1, 30, dtype=torch.long))
    assert single.compute()["constant_bce"] == 0


def test_wrong_arguments() -> None:
    query, key, labels = make_maps()
    with pytest.raises(ValueError, match="resize the labels with ideal_attention_labels"):
        AttentionMetrics(CLASSES).update(query, key, labels[:, :4])
    with pytest.raises(ValueError, match="logit is not finite"):
        AttentionMetrics(CLASSES).update(query * torch.nan, key, labels)
    with pytest.raises(ValueError, match="num_classes is 0"):
        AttentionMetrics(0)
