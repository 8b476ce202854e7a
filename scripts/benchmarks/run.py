"""What a group of measurements is given: how much effort, on which device, and where its files go."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from cinet_core.inference.choices import AUTO
from scripts.benchmarks.rows import Row


@dataclass(frozen=True)
class BenchmarkBudget:
    """How long a measurement may take.

    Attributes:
        seconds: of one row; it ends there once it has its least runs.
        least, most: runs of a row.
        warm_up: runs before that do not count.
        processes: fresh processes for what can be measured only once in each, such as peak memory.
        network_sizes: (height, width) of the network's input.
        image_size: (height, width) of images that come in and predictions that go out.
        scaled_sizes: (height, width) of images, for the cost as it grows.
        cameras: images a tick, for the same.
        batch: images of a training step.
        matrix: rows and columns of the matrices whose product shows what the machine can do, on a CPU.
        phase: seconds that the node is watched with one set of subscribers.
        together: seconds that mapper, perception node and player are watched.
    """

    seconds: float = 4.0
    least: int = 4
    most: int = 40
    warm_up: int = 2
    processes: int = 3
    network_sizes: tuple[tuple[int, int], ...] = ((240, 320), (480, 640))
    image_size: tuple[int, int] = (480, 640)
    scaled_sizes: tuple[tuple[int, int], ...] = ((120, 160), (240, 320), (360, 480), (480, 640), (720, 960))
    cameras: tuple[int, ...] = (1, 2, 4, 8)
    batch: int = 4
    matrix: int = 2048
    phase: float = 8.0
    together: float = 120.0


QUICK = BenchmarkBudget(
    seconds=0.0,
    least=2,
    most=2,
    warm_up=1,
    processes=1,
    network_sizes=((48, 64),),
    image_size=(96, 128),
    scaled_sizes=((48, 64), (96, 128)),
    cameras=(1, 2),
    batch=2,
    matrix=256,
    phase=2.0,
    together=6.0,
)
"""Shows that every row comes out; its numbers mean nothing."""


@dataclass
class BenchmarkRun:
    """One run of the harness.

    Attributes:
        budget: see `BenchmarkBudget`.
        device: that the networks run on.
        scratch: folder for what is not kept.
        output: folder for what is kept beside the report, such as plots; None: nothing is.
        configs: names of configurations.
        precision: of the groups `start` and `node`, one of `choices.PRECISIONS`; `network` and `peers` have all.
        against: another checkout of this repository, set up, whose nodes `mapping` compares; None: none.
        peers: folder with checkouts of other projects; None: those are left out.
        say: called with what is being measured now.
        notes: what was left out, and why; groups add to it.
        image: file of the image that `traffic` is of; None: the synthetic room.
    """

    budget: BenchmarkBudget
    device: torch.device
    scratch: Path
    output: Path | None = None
    configs: tuple[str, ...] = ("lite",)
    peers: Path | None = None
    against: Path | None = None
    precision: str = AUTO
    say: Callable[[str], None] = print
    notes: list[str] = field(default_factory=list)
    image: Path | None = None

    @property
    def cache(self) -> Path:
        """`$XDG_CACHE_HOME` of the processes that are started: what this machine had before plays no part."""
        return self.scratch / "cache"

    def synchronise(self) -> None:
        """Wait until the device has done all that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


Group = Callable[[BenchmarkRun], Iterable[Row]]


class LeftOutError(RuntimeError):
    """A group cannot be measured here; the text says why, and what to do."""
