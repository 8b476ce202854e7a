"""Several data sets as one to train on: how often each is drawn from, in what order, and who gets which batch.

Everything is a pure function of (lengths, shares, samples an epoch, seed, epoch): which process or worker asks, how
many there are and whether the run was interrupted makes no difference.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from torch.utils.data import ConcatDataset, Sampler

from cinet_core.data.sample import Sample
from cinet_core.data.scene_dataset import SceneDataset
from cinet_core.label_sets import LabelSet

__all__ = ["Key", "MixtureBatches", "MixtureOrder", "SceneMixture"]

Key: TypeAlias = tuple[int, int]
"""Of a TransformedDataset over a SceneMixture: (pass through its set, number in the mixture).

Within a pass each sample occurs once, and numbers run on from set to set, so that a key occurs once in a whole run:
what is drawn twice, even in one epoch, is varied anew, and no two sets share variations. Where one set makes up all of
an epoch, pass and epoch are the same.
"""

_ORDER, _PASS = 1, 2
"""Of the random numbers: the order of an epoch's sets, and the order within a pass."""

_DENOMINATOR = 10**9
"""Shares are taken as the fractions that they stand for, 0.1 as 1/10, so that no rounding error moves a sample."""


class SceneMixture(ConcatDataset[Sample]):
    """Sets of one label set, numbered one after another.

    Args:
        sets: the main one first.

    Attributes:
        sets: these.
        label_set: of all labels.

    Raises:
        ValueError: there is no set, one is empty, or their label sets differ.
    """

    def __init__(self, sets: Sequence[SceneDataset]) -> None:
        if not sets:
            raise ValueError("a mixture of no data sets: give at least one")
        self.sets = tuple(sets)
        self.label_set: LabelSet = sets[0].label_set
        for other in sets[1:]:
            if other.label_set != self.label_set:
                raise ValueError(
                    f"{other.meta.name!r} serves labels of {other.label_set.name!r}, {sets[0].meta.name!r} of "
                    f"{self.label_set.name!r}: open all sets of a mixture with one label_set"
                )
        super().__init__(sets)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Number of samples in each set."""
        return tuple(len(part) for part in self.sets)


class MixtureOrder:
    """What is drawn in an epoch, and in what order.

    A set gets its share of the samples, at random places: of an epoch to within two samples, of all epochs so far to
    within one, since what an epoch leaves over is made up for in later ones. Each set is gone through in a random
    order, without repetition, and that goes on from epoch to epoch until the set is used up; then it is shuffled anew.
    A single set with as many samples an epoch as it has is thus permuted anew in each epoch.

    Args:
        lengths: samples of each set.
        shares: of each set in the samples of an epoch; they add up to 1. None for a single set.
        samples: an epoch; None for as many as make one pass of the first set.
        seed: of the order, 0 or more.

    Raises:
        ValueError: a number is out of range, or an epoch too short for its shares.
    """

    def __init__(
        self, lengths: Sequence[int], shares: Sequence[float] | None = None, samples: int | None = None, seed: int = 0
    ) -> None:
        shares = (1.0,) if shares is None else tuple(shares)
        if not lengths or min(lengths) < 1 or len(shares) != len(lengths):
            raise ValueError(f"lengths {tuple(lengths)} and shares {shares}: each set needs a sample and a share")
        if min(shares) <= 0.0 or not math.isclose(sum(shares), 1.0, abs_tol=1e-6):
            raise ValueError(f"shares of the sets are {shares}: they must be above 0 and add up to 1")
        if seed < 0:
            raise ValueError(f"seed of the order is {seed}: it must be 0 or more")
        self.lengths, self.shares, self.seed = tuple(lengths), shares, seed
        self.samples = round(lengths[0] / shares[0]) if samples is None else samples
        parts = [Fraction(share).limit_denominator(_DENOMINATOR) for share in shares]
        self._bounds = tuple(bound / sum(parts) for bound in accumulate(parts, initial=Fraction()))
        if self.samples * min(parts) < sum(parts):
            raise ValueError(
                f"an epoch of {self.samples} samples has none for a share of {min(shares):g}: raise the share, or "
                f"samples_per_epoch to {math.ceil(1.0 / min(shares))} or more"
            )
        self._starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])

    def keys(self, epoch: int) -> list[Key]:
        """What an epoch draws, in order.

        Raises:
            ValueError: the epoch is negative.
        """
        if epoch < 0:
            raise ValueError(f"epoch is {epoch}: it must be 0 or more")
        before, after = self._drawn(epoch), self._drawn(epoch + 1)
        sets = np.repeat(np.arange(len(self.lengths)), np.subtract(after, before))
        sets = self._random(_ORDER, epoch).permutation(sets)
        passes, numbers = np.empty_like(sets), np.empty_like(sets)
        for place, (first, last) in enumerate(zip(before, after, strict=True)):
            passes[sets == place], own = self._stretch(place, first, last)
            numbers[sets == place] = own + self._starts[place]
        return list(zip(passes.tolist(), numbers.tolist(), strict=True))

    def _drawn(self, epochs: int) -> list[int]:
        """Samples drawn from each set in the first epochs.

        Sums of shares are rounded, not shares: a set's samples lie between two rounded bounds, and so are less than 1
        off its share. An epoch is the difference of two of these, less than 2 off a share of at least 1 sample: whole
        numbers above -1, of which none is negative.
        """
        bounds = [math.floor(bound * self.samples * epochs + Fraction(1, 2)) for bound in self._bounds]
        return [last - first for first, last in pairwise(bounds)]

    def _stretch(self, place: int, first: int, last: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Passes and indices of draws number ``first`` to before ``last`` from a set."""
        length = self.lengths[place]
        rounds = range(first // length, -(-last // length))
        order = [self._random(_PASS, place, number).permutation(length) for number in rounds]
        draws = np.arange(first, last)
        if not order:
            return draws, draws
        indices = np.concatenate(order)[first - rounds.start * length :][: last - first]
        return draws // length, indices

    def _random(self, *key: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, *key])))


class MixtureBatches(Sampler[list[tuple[int, ...]]]):
    """Batches of keys for one of several processes: the ``batch_sampler`` of a DataLoader.

    Global batch g of an epoch is samples g B W to (g + 1) B W, of which process r takes B from g B W + r B on: W
    processes with batch B see what one with batch B W sees. An incomplete last batch is left out.

    Args:
        order: of the samples.
        batch_size: B, of one process.
        rank: r, of this process.
        world_size: W, number of processes.
        sizes: of the network's input, how many there are: batches take them in turn, and keys have their number as a
            third part where there are several.

    Attributes:
        epoch: that the next iteration goes through.
        first_batch: at which the next iteration starts; the one after it starts at 0.

    Raises:
        ValueError: a number is out of range, or an epoch holds no whole batch.
    """

    def __init__(
        self, order: MixtureOrder, batch_size: int, rank: int = 0, world_size: int = 1, sizes: int = 1
    ) -> None:
        if batch_size < 1 or not 0 <= rank < world_size:
            raise ValueError(f"batch size {batch_size}, process {rank} of {world_size}: these cannot be")
        self.order, self.batch_size, self.rank, self.world_size = order, batch_size, rank, world_size
        self.sizes = sizes
        self.epoch = self.first_batch = 0
        if not len(self):
            processes = f" on each of {world_size} processes" if world_size > 1 else ""
            raise ValueError(
                f"an epoch of {order.samples} samples (of {sum(order.lengths)} in the training set) holds no batch of "
                f"{batch_size}{processes}: lower batch_size, or raise samples_per_epoch, which may repeat samples"
            )

    @property
    def sampler(self) -> MixtureBatches:
        """Itself: Lightning looks for ``set_epoch`` in the sampler of a batch sampler."""
        return self

    def __len__(self) -> int:
        """Batches in a whole epoch, wherever an iteration starts."""
        return self.order.samples // (self.batch_size * self.world_size)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; another one than before starts at its beginning. No iteration under way is changed."""
        if epoch != self.epoch:
            self.start_at(epoch)

    def start_at(self, epoch: int, first_batch: int = 0) -> None:
        """Let the next iteration start within an epoch; one that is through is the beginning of the next.

        Raises:
            ValueError: there is no such batch.
        """
        if epoch < 0 or not 0 <= first_batch <= len(self):
            raise ValueError(f"epoch {epoch}, batch {first_batch}: epochs start at 0 and have {len(self)} batches")
        through = first_batch == len(self)
        self.epoch, self.first_batch = epoch + through, 0 if through else first_batch

    def __iter__(self) -> Iterator[list[tuple[int, ...]]]:
        """Batches of this process from ``first_batch`` on.

        Position is looked up when the first batch is asked for: a DataLoader with workers makes one iterator more than
        it uses.
        """
        first, self.first_batch = self.first_batch, 0
        keys = self.order.keys(self.epoch)
        for number in range(first, len(self)):
            start = (number * self.world_size + self.rank) * self.batch_size
            drawn: list[tuple[int, ...]] = [*keys[start : start + self.batch_size]]
            if self.sizes > 1:
                # On from epoch to epoch, so that the first batch is not always of the first size.
                size = (self.epoch * len(self) + number) % self.sizes
                drawn = [(*key[:2], size) for key in drawn]
            yield drawn
