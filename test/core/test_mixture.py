"""Mixtures of data sets: shares, passes, variations, and batches that do not depend on processes or interruptions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cinet_core.data.augmentation import Augmentation
from cinet_core.data.mixture import Key, MixtureBatches, MixtureOrder, SceneMixture
from cinet_core.data.transforms import TrainingTransform, TransformedDataset
from cinet_core.label_sets import NYU13, NYU40
from cinet_core.rooms.raycast.scenes import SyntheticScenes

LENGTHS, SHARES = (50, 7, 400), (0.5, 0.3, 0.2)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Images are tiny: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def scenes(length: int = 4, **options) -> SyntheticScenes:
    return SyntheticScenes("", length=length, width=32, height=24, shadows=False, **options)


def set_of(number: int) -> int:
    return int(np.searchsorted(np.cumsum(LENGTHS), number, side="right"))


def test_a_single_set_is_permuted_anew_in_each_epoch() -> None:
    order = MixtureOrder([31])
    epochs = [order.keys(epoch) for epoch in range(3)]
    for epoch, keys in enumerate(epochs):
        assert {number for number, _ in keys} == {epoch}  # pass and epoch are the same
        assert sorted(index for _, index in keys) == list(range(31))
        assert [index for _, index in keys] != list(range(31))
    assert [index for _, index in epochs[0]] != [index for _, index in epochs[1]]


def test_an_epoch_needs_no_epoch_before_it() -> None:
    order = MixtureOrder(LENGTHS, SHARES, 60, seed=3)
    everything = [order.keys(epoch) for epoch in range(6)]
    assert MixtureOrder(LENGTHS, SHARES, 60, seed=3).keys(5) == everything[5]
    assert MixtureOrder(LENGTHS, SHARES, 60, seed=4).keys(5) != everything[5]


def test_sets_get_their_shares_and_are_shuffled_together() -> None:
    order = MixtureOrder(LENGTHS, SHARES, 997)
    total: Counter[int] = Counter()
    for epoch in range(4):
        sets = [set_of(number) for _, number in order.keys(epoch)]
        assert len(sets) == 997
        total.update(sets)
        for place, share in enumerate(SHARES):
            assert abs(sets.count(place) - share * 997) < len(SHARES)
            half = sets[:500].count(place)  # sampling error of a random order
            assert abs(half - share * 500) < 4 * (500 * share * (1 - share)) ** 0.5
    for place, share in enumerate(SHARES):
        assert abs(total[place] - share * 4 * 997) < len(SHARES)  # what an epoch leaves over is made up for


def test_a_set_is_never_drawn_less_than_not_at_all() -> None:
    order = MixtureOrder((4, 4, 4, 4), (0.25,) * 4, 5)  # rounding each share down left the first set with -1 of epoch 3
    assert [len(order.keys(epoch)) for epoch in range(8)] == [5] * 8


@settings(max_examples=60, deadline=None)
@given(
    weights=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    more=st.integers(0, 9),
    epoch=st.integers(0, 10**4),
)
def test_every_set_is_near_its_share_at_all_times(weights: list[int], more: int, epoch: int) -> None:
    shares = [weight / sum(weights) for weight in weights]
    samples = -(-sum(weights) // min(weights)) + more  # one of the smallest share, the least that is allowed, and up
    order = MixtureOrder([3] * len(weights), shares, samples)
    counts = np.bincount([number // 3 for _, number in order.keys(epoch)], minlength=len(weights))
    so_far = np.array(order._drawn(epoch + 1))
    assert counts.sum() == samples
    assert (abs(counts - samples * np.array(shares)) < 2).all()
    assert (abs(so_far - samples * (epoch + 1) * np.array(shares)) < 1).all()
    assert (so_far - order._drawn(epoch) == counts).all()


def test_whole_shares_are_exact() -> None:
    order = MixtureOrder((9, 9, 9), (0.7, 0.2, 0.1), 10)  # 0.7 + 0.2 is below 0.9 in floating point
    for epoch in range(50):
        assert np.bincount([number // 9 for _, number in order.keys(epoch)]).tolist() == [7, 2, 1]


def test_each_set_is_used_up_before_it_repeats() -> None:
    order = MixtureOrder(LENGTHS, SHARES, 60)
    drawn: dict[int, list[Key]] = {0: [], 1: [], 2: []}
    for epoch in range(20):
        for key in order.keys(epoch):
            drawn[set_of(key[1])].append(key)
    for place, start in enumerate((0, 50, 57)):
        numbers = [number - start for _, number in drawn[place]]
        length = LENGTHS[place]
        assert len(numbers) == 20 * 60 * SHARES[place]
        for first in range(0, len(numbers) - length, length):
            assert sorted(numbers[first : first + length]) == list(range(length))
        assert [number for number, _ in drawn[place]] == [place // length for place in range(len(numbers))]


def test_no_key_occurs_twice_in_a_run() -> None:
    order = MixtureOrder((5, 3), (0.4, 0.6), 40)
    keys = [key for epoch in range(5) for key in order.keys(epoch)]
    assert len(set(keys)) == len(keys) == 200
    assert max(Counter(order.keys(0)).values()) == 1
    assert max(Counter(number for _, number in order.keys(0)).values()) > 5  # although samples do, within an epoch


def test_what_is_drawn_twice_is_varied_anew_and_sets_share_no_variation() -> None:
    mixture = SceneMixture([scenes(2), scenes(2)])
    data = TransformedDataset(mixture, TrainingTransform(32, 24, 26.0, Augmentation()))
    seeds = {}
    for key in MixtureOrder(mixture.lengths, (0.5, 0.5), 8).keys(0):
        seeds[key] = data[key].random_seed
    assert len(set(seeds.values())) == len(seeds) == 8
    assert torch.equal(mixture[0].image, mixture[2].image)  # the same sample, in both sets
    assert not torch.equal(data[0, 0].image, data[0, 2].image)
    assert not torch.equal(data[0, 0].image, data[1, 0].image)
    assert torch.equal(data[1, 0].image, data[1, 0].image)


def test_by_default_an_epoch_is_a_pass_of_the_main_set() -> None:
    assert MixtureOrder([80]).samples == 80
    order = MixtureOrder([80, 9], [0.25, 0.75])
    assert order.samples == 320
    assert sorted(number for _, number in order.keys(0) if number < 80) == list(range(80))


@settings(max_examples=40, deadline=None)
@given(
    processes=st.integers(1, 4),
    batch=st.integers(1, 5),
    samples=st.integers(20, 70),
    epoch=st.integers(0, 4),
    seed=st.integers(0, 9),
)
def test_processes_together_see_what_one_would(processes: int, batch: int, samples: int, epoch: int, seed: int) -> None:
    order = MixtureOrder(LENGTHS, SHARES, samples, seed)
    single = MixtureBatches(order, batch * processes)
    several = [MixtureBatches(order, batch, rank, processes) for rank in range(processes)]
    for sampler in (single, *several):
        sampler.set_epoch(epoch)
    expected = list(single)
    parts = list(zip(*several, strict=True))
    assert len(expected) == len(parts) == len(single) == len(several[0]) == samples // (batch * processes)
    assert [[key for keys in part for key in keys] for part in parts] == expected
    assert [key for keys in expected for key in keys] == order.keys(epoch)[: len(single) * batch * processes]


def test_an_epoch_goes_on_in_its_middle_and_the_next_one_starts_at_its_beginning() -> None:
    order = MixtureOrder([40])
    whole = MixtureBatches(order, 4)
    whole.set_epoch(2)
    expected = list(whole)
    resumed = MixtureBatches(order, 4)
    resumed.start_at(2, 7)
    iter(resumed)  # a DataLoader with workers makes one that it does not use
    resumed.set_epoch(2)  # Lightning tells the epoch after the first iterator was made
    assert len(resumed) == 10
    assert list(resumed) == expected[7:]
    assert list(resumed) == expected
    resumed.start_at(2, 7)
    resumed.set_epoch(3)
    whole.set_epoch(3)
    assert list(resumed) == list(whole) != expected
    resumed.start_at(2, 10)
    assert list(resumed) == list(whole)


def test_sets_are_numbered_one_after_another() -> None:
    first, second = scenes(3), scenes(2, seed=5)
    mixture = SceneMixture([first, second])
    assert mixture.lengths == (3, 2)
    assert len(mixture) == 5
    assert [mixture[index].name for index in (2, 3)] == [first.name(2), second.name(0)]


def test_label_sets_must_agree() -> None:
    assert SceneMixture([scenes(), scenes(label_set=NYU40)]).label_set == NYU40
    assert SceneMixture([scenes(label_set=NYU13), scenes(label_set=NYU13)]).label_set == NYU13
    with pytest.raises(ValueError, match=r"'nyu13', 'synthetic_rooms' of 'nyu40': open all sets .* one label_set"):
        SceneMixture([scenes(), scenes(label_set=NYU13)])
    with pytest.raises(ValueError, match="at least one"):
        SceneMixture([])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (([],), "each set needs"),
        (([3, 0], [0.5, 0.5]), "each set needs"),
        (([3, 4], [1.0]), "each set needs"),
        (([3, 4], [0.5, 0.6]), "add up to 1"),
        (([3, 4], [1.5, -0.5]), "above 0"),
        (([3, 4], [0.95, 0.05], 10), "20 or more"),
        (([3], None, None, -1), "seed of the order is -1"),
    ],
)
def test_orders_that_cannot_be_are_refused(arguments: tuple, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        MixtureOrder(*arguments)


def test_batches_that_cannot_be_are_refused() -> None:
    order = MixtureOrder([10])
    with pytest.raises(ValueError, match=r"10 samples .* no batch of 6 on each of 2 processes: lower batch_size"):
        MixtureBatches(order, 6, 0, 2)
    with pytest.raises(ValueError, match="process 2 of 2"):
        MixtureBatches(order, 1, 2, 2)
    with pytest.raises(ValueError, match="have 2 batches"):
        MixtureBatches(order, 5).start_at(0, 3)
    with pytest.raises(ValueError, match="epoch is -1"):
        order.keys(-1)
