"""How times are taken: in turns, so that whatever else the machine does meets all that are compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

from scripts.benchmarks.run import BenchmarkBudget

Key = TypeVar("Key", bound=Hashable)
Work = Callable[[], object]


def take_turns(works: Mapping[Key, Work], budget: BenchmarkBudget) -> dict[Key, list[float]]:
    """Seconds of each run of each work, equally many; the i-th runs of all were taken one after another.

    Args:
        works: by name; each must wait until what it began is done.
        budget: bounds the number of runs, and the seconds that each work gets.
    """
    for work in works.values():
        _warm_up(work, budget)
    seconds: dict[Key, list[float]] = {name: [] for name in works}
    runs, taken = 0, 0.0
    while runs < budget.least or (runs < budget.most and taken < budget.seconds * len(works)):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
            taken += seconds[name][-1]
        runs += 1
    return seconds


def time_runs(work: Work, budget: BenchmarkBudget) -> list[float]:
    """`take_turns` of one."""
    return take_turns({"": work}, budget)[""]


def _warm_up(work: Work, budget: BenchmarkBudget) -> None:
    """The first runs allocate, and are slower; of a work that takes seconds one will do."""
    start = time.perf_counter()
    for _ in range(budget.warm_up):
        work()
        if time.perf_counter() - start > budget.seconds / 4:
            return
