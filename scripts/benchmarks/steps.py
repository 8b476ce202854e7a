"""Training on a CPU before and after: the attention loss by its blocks, and whole steps against another checkout.

``git worktree add ../before COMMIT``, then ``--only steps --against ../before``: samples and steps of both, by turns.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import torch

from cinet_core.losses.attention import LOSS_BLOCK_PAIRS, attention_loss
from scripts.benchmarks.rows import Row, milliseconds, ratios
from scripts.benchmarks.run import BenchmarkRun, LeftOutError
from scripts.benchmarks.timing import take_turns

STRIDE, QUERY_CHANNELS, CLASSES = 8, 32, 40
FACTORS = (0.25, 1.0, 4.0)
HERE = Path(__file__).resolve().parents[2]


def measure(run: BenchmarkRun) -> Iterator[Row]:
    """Rows of the attention loss by block size, and of this checkout against another one where one is given.

    Raises:
        LeftOutError: the device is no CPU: `scripts.benchmarks.device` measures steps there.
    """
    if run.device.type != "cpu":
        raise LeftOutError("steps are compared on the CPU; on a GPU: python -m scripts.benchmarks.device train")
    yield from _blocks(run)
    if run.against is None:
        run.notes.append("steps: no other checkout to compare whole steps with (--against CHECKOUT)")
    else:
        yield from _compared(run, run.against.resolve())


def _blocks(run: BenchmarkRun) -> Iterator[Row]:
    """The loss, forward and backward, with blocks of a quarter and of four times the pairs."""
    height, width = run.budget.network_sizes[-1]
    run.say(f"attention loss at {width}x{height}")
    places = -(-height // STRIDE) * -(-width // STRIDE)
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, run.budget.batch, places, QUERY_CHANNELS, generator=generator)
    labels = torch.randint(0, CLASSES, (run.budget.batch, places), generator=generator)

    def work(pairs: int) -> None:
        first, second = query.clone().requires_grad_(), key.clone().requires_grad_()
        attention_loss(first, second, labels, CLASSES, pairs).sum.backward()

    sizes = [int(factor * LOSS_BLOCK_PAIRS) for factor in FACTORS]
    seconds = take_turns({pairs: lambda pairs=pairs: work(pairs) for pairs in sizes}, run.budget)  # type: ignore[misc]
    for pairs, taken in seconds.items():
        beside: dict[str, float | str] = {"images": run.budget.batch, "of the usual": f"{pairs / LOSS_BLOCK_PAIRS:g}"}
        subject, quantity = f"blocks of {pairs} pairs", "attention loss, forward and backward"
        yield Row.of(quantity, subject, "ms", milliseconds(taken), (height, width), beside)


class _Worker:
    """`step_worker.py` on one checkout."""

    def __init__(self, checkout: Path, size: tuple[int, int], batch: int, scratch: Path) -> None:
        command = [sys.executable, str(HERE / "scripts" / "benchmarks" / "step_worker.py")]
        self._log = (scratch / f"steps_{checkout.name}.log").open("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [*command, str(size[1]), str(size[0]), str(batch)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, cwd=scratch,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "HOME": str(scratch)},
        )  # fmt: skip

    def __enter__(self) -> _Worker:
        return self

    def take(self) -> dict[str, float]:
        """Seconds of a batch and of a step.

        Raises:
            RuntimeError: the process ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print("", file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._log.seek(0)
            raise RuntimeError(f"the worker ended: {self._log.read()[-500:]}")
        found: dict[str, float] = json.loads(answer)
        return found

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._log.close()


def _compared(run: BenchmarkRun, before: Path) -> Iterator[Row]:
    """Samples and steps a second of both checkouts, in one thread each, by turns."""
    size, batch = run.budget.network_sizes[0], run.budget.batch
    run.say(f"training steps against {before}")
    found: dict[str, list[dict[str, float]]] = {"before": [], "now": []}
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(_Worker(checkout, size, batch, run.scratch))
            for name, checkout in {"before": before, "now": HERE}.items()
        }
        works = {name: (lambda name=name: found[name].append(workers[name].take())) for name in found}
        counted = len(take_turns(works, run.budget)["now"])
    for what, quantity, images in (
        ("batch", "training samples of one process", batch),
        ("step", "training steps, stage 3", 1),
    ):
        seconds = {name: [entry[what] for entry in runs[-counted:]] for name, runs in found.items()}
        for name, taken in seconds.items():
            yield Row.of(quantity, name, "1/s", [images / second for second in taken], size, {"images": batch})
        yield Row.of(f"{quantity}, before / now", "seconds", "x", ratios(seconds["before"], seconds["now"]), size)
