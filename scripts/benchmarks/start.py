"""From the start of a process to its first output: the imports, and what comes after them, cold and warm.

On a CPU with PyTorch and without it (docs/light_runtime.md), by turns, so that other load meets both. Cold: nothing is
cached; the backends are built and measured. Warm: the next start, which loads what that one kept.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.benchmarks.rows import Row, milliseconds
from scripts.benchmarks.run import BenchmarkRun

PREDICTOR = "cinet_core.inference.predictor"
LIGHT = "light"  # as in `first_output`, which is never imported: it measures from its first line on
WITHOUT = "predictor, no PyTorch"
LARGEST_IMPORTS = 12
TIMEOUT = 900.0
CHECKOUT = Path(__file__).resolve().parents[2]
"""Where the module of the process is found."""
# import time:   self [us] | cumulative | name, indented by its depth
_IMPORT = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", re.MULTILINE)


def measure(run: BenchmarkRun) -> Iterator[Row]:
    """Rows of a cold and of warm starts of the predictor, and of what its imports take."""
    size = run.budget.image_size
    cache = run.scratch / "start"  # of this group alone, and so empty, whatever was measured before
    ways = {"predictor": False, WITHOUT: True} if run.device.type == "cpu" else {"predictor": False}
    for name, light in ways.items():
        run.say(f"cold start of the {name}: backends are built and measured")
        cold = first_output(run, size, cache, light)
        columns = {"backend": cold["backend"]}
        yield Row.of("cold start, imports to first output", name, "s", [cold["first_output"]], size, columns)
    warm: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    for _ in range(run.budget.processes):
        for name, light in ways.items():
            run.say(f"warm start of the {name}")
            warm[name].append(first_output(run, size, cache, light))
    for name, starts in warm.items():
        columns = {"backend": starts[-1]["backend"]}
        first = [one["first_output"] for one in starts]
        yield Row.of("warm start, imports to first output", name, "s", first, size, columns)
        yield Row.of("imports", name, "s", [one["imports"] for one in starts])
        both = [one["imports"] + one["first_output"] for one in starts]
        yield Row.of("warm start, from the process to its first output", name, "s", both, size, columns)
        yield Row.of("memory after the first output", name, "MB", [one["resident"] for one in starts], size, columns)
    yield from import_rows(run, PREDICTOR)


def first_output(run: BenchmarkRun, size: tuple[int, int], cache: Path, light: bool = False) -> dict[str, Any]:
    """What a process of `first_output` says; it leaves the cache warm.

    Args:
        run: gives device and precision.
        size: (height, width) of the image.
        cache: `$XDG_CACHE_HOME` of the process.
        light: without PyTorch.

    Raises:
        RuntimeError: it failed; the text is what it said.
    """
    arguments = [*map(str, size), str(run.device), run.precision, *([LIGHT] if light else [])]
    done = _python(cache, "-m", "scripts.benchmarks.first_output", *arguments)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def import_rows(run: BenchmarkRun, module: str) -> Iterator[Row]:
    """What takes longest when a module is imported, by package, each without what it imports itself; and all of it."""
    run.say(f"imports of {module}")
    samples = [
        by_package(_python(run.cache, "-X", "importtime", "-c", f"import {module}").stderr)
        for _ in range(run.budget.processes)
    ]
    names = sorted(samples[0], key=lambda name: samples[0][name], reverse=True)[:LARGEST_IMPORTS]
    for name in names:
        yield Row.of(f"import of {module}", name, "ms", milliseconds([sample.get(name, 0.0) for sample in samples]))
    yield Row.of(f"import of {module}", "everything", "ms", milliseconds([sum(sample.values()) for sample in samples]))


def by_package(text: str) -> dict[str, float]:
    """Seconds that each package takes itself, of what `python -X importtime` writes; `a.b.c` belongs to `a.b`."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for microseconds, name in _IMPORT.findall(text):
        seconds[".".join(name.split(".")[:2])] += int(microseconds) / 1e6
    return dict(seconds)


def _python(cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        cwd=CHECKOUT,
        env=os.environ | {"XDG_CACHE_HOME": str(cache)},
    )
    if done.returncode != 0:
        raise RuntimeError(f"python {' '.join(arguments)} ended with status {done.returncode}: {done.stderr.strip()}")
    return done
