"""Samples kept in memory: exact, read once, shared with workers, and never more than the limit."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from cinet_core.data.cached import FORK, CachedSamples, CacheLimitError
from cinet_core.data.sample import Sample
from cinet_core.geometry import Intrinsics


class Counted(Dataset[Sample]):
    """Samples of two sizes, with and without camera and depth; counts reads, in all processes."""

    def __init__(self, length: int = 6, same_size: bool = False) -> None:
        self.length, self.same_size = length, same_size
        self.reads = torch.zeros(length, dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        self.reads[index] += 1
        generator = torch.Generator().manual_seed(index)
        height, width = (6, 8) if self.same_size or index % 2 else (5, 7)
        return Sample(
            name=f"frame_{index}_ä",
            image=torch.randint(256, (3, height, width), generator=generator).to(torch.uint8),
            depth=torch.rand(height, width, generator=generator),
            labels=torch.randint(256, (height, width), generator=generator).to(torch.uint8),
            intrinsics=Intrinsics(7.1, 1 / 3, 3.0, 2.5, width, height) if index % 3 else None,
            has_depth=index != 1,
            has_labels=index != 2,
        )


def assert_equal(first: Sample, second: Sample) -> None:
    for part in ("image", "depth", "labels"):
        assert torch.equal(getattr(first, part), getattr(second, part))
    for value in ("name", "intrinsics", "has_depth", "has_labels"):
        assert getattr(first, value) == getattr(second, value)


def test_samples_are_exact_and_read_once() -> None:
    source, plain = Counted(20), Counted(20)
    cached = CachedSamples(source, 10_000)
    assert len(cached) == 20
    for _ in range(3):
        for index in (5, *range(20)):
            assert_equal(cached[index], plain[index])
    assert source.reads.tolist() == [1] * 20
    with pytest.raises(IndexError, match="has 20"):
        cached[20]


def test_a_sample_that_is_changed_does_not_change_the_store() -> None:
    cached = CachedSamples(Counted(), 10_000)
    for _ in range(3):
        sample = cached[3]
        sample.image.zero_()
        sample.depth.zero_()
    assert_equal(cached[3], Counted()[3])


def test_memory_is_told_beforehand() -> None:
    cached = CachedSamples(Counted(10, same_size=True), 100_000)
    sample = 6 * 8 * 8 + len("frame_0_ä".encode())
    assert cached.bytes_needed() == 10 * sample
    for index in range(10):
        cached[index]
    assert cached.bytes_used == 10 * sample


def test_too_little_memory_is_an_error_that_names_what_is_needed() -> None:
    source = Counted(2000, same_size=True)
    with pytest.raises(CacheLimitError, match=r"2000 samples need 0.00 GiB .* raise data.cache_limit"):
        CachedSamples(source, 700_000)
    assert int(source.reads.sum()) <= 8  # told before much was read
    with pytest.raises(CacheLimitError, match="no memory is left"):
        CachedSamples(source, 0)
    with pytest.raises(CacheLimitError, match="cannot reserve"):
        CachedSamples(source, 2**60)


def test_a_store_that_runs_full_says_so() -> None:
    class Growing(Counted):
        def __getitem__(self, index: int) -> Sample:
            sample = super().__getitem__(index)
            return (
                sample
                if index != 7
                else Sample(
                    "large", torch.zeros(3, 90, 90, dtype=torch.uint8), torch.zeros(90, 90), torch.zeros(90, 90).byte()
                )
            )

    source = Growing(100, same_size=True)
    cached = CachedSamples(source, 60_000)
    with pytest.raises(CacheLimitError, match=r"8 of 100 samples fill"):
        cached[7]


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_fill_one_store(workers: int) -> None:
    source = Counted(40, same_size=True)
    cached = CachedSamples(source, 100_000)
    loader = DataLoader(cached, batch_size=None, num_workers=workers, multiprocessing_context=FORK if workers else None)
    for _ in range(2):  # new workers in each epoch
        for index, sample in enumerate(loader):
            assert_equal(sample, Counted(40, same_size=True)[index])
    assert source.reads.tolist() == [1] * 40
    assert_equal(cached[33], Counted(40, same_size=True)[33])
    assert int(source.reads.sum()) == 40


def test_it_cannot_be_copied_to_other_processes_by_accident() -> None:
    with pytest.raises((TypeError, RuntimeError)):
        pickle.dumps(CachedSamples(Counted(), 10_000))
