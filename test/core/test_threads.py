"""The number of threads of a process: the parameter's, or the user's environment, or the node's own default."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from cinet_core import threads

CASES = [
    # count, default, the variable, what is expected
    (0, 1, None, 1),
    (3, 1, None, 3),
    (0, 1, "2", 2),
    (0, 0, "2,1", 2),
    (3, 1, "2", 3),  # the parameter is the nearer one
    (0, 1, "many", 1),
    (0, 0, None, len(os.sched_getaffinity(0))),
]

# The libraries read the environment when they are loaded, which takes seconds: a process for each of its values, and in
# it a fork for each case.
PROGRAM = """
import ctypes, json, os, sys, threading
import cv2, numpy, torch
from cinet_core.threads import threads, use_threads

def answer(count, default):
    used = use_threads(count, default)
    there = []
    worker = threading.Thread(target=lambda: there.append(torch.get_num_threads()))
    worker.start()
    worker.join()
    libraries, openblas = [used, threads(), cv2.getNumThreads(), torch.get_num_threads(), *there], []
    for path in {line.split()[-1] for line in open("/proc/self/maps") if "openblas" in line}:
        library = ctypes.CDLL(path)
        asked = lambda what: [
            getattr(library, name)() for a in ("", "scipy_") for b in ("", "64_")
            if hasattr(library, name := f"{a}openblas_get_{what}{b}")
        ]
        if any(asked("parallel")):  # OpenCV 4.11 brings one that was built without threads
            openblas.append(asked("num_threads"))
    return libraries, openblas

for case in json.loads(sys.argv[1]):
    child = os.fork()
    if child == 0:
        print(json.dumps(answer(*case)), flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


@functools.cache
def answers(variable: str | None) -> dict[tuple[int, int], Any]:
    """Numbers of threads of libraries that were loaded with this value of the variable, by count and default."""
    environment = {name: value for name, value in os.environ.items() if name != threads.VARIABLE}
    if variable is not None:
        environment[threads.VARIABLE] = variable
    cases = [(count, default) for count, default, value, _ in CASES if value == variable]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(cases)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return dict(zip(cases, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize(("count", "default", "variable", "expected"), CASES)
def test_every_library_has_the_number_in_every_thread(
    count: int, default: int, variable: str | None, expected: int
) -> None:
    libraries, openblas = answers(variable)[count, default]
    assert libraries == [expected] * 5
    # It has no more threads than there are cores, or than it was made for.
    assert all(numbers in ([expected], [min(expected, threads.cores())]) for numbers in openblas)


@pytest.mark.parametrize(("version", "expected"), [("0.18.0", "2"), ("0.19.0+1", "2"), ("0.20.0", None), ("1.0", None)])
def test_open3d_with_openmp_is_told_by_the_environment(
    version: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(threads.VARIABLE, "to be restored")
    monkeypatch.delenv(threads.VARIABLE)
    monkeypatch.setattr(threads, "_in_use", None)
    monkeypatch.setattr(threads.importlib.metadata, "version", lambda package: version)
    monkeypatch.delitem(sys.modules, "torch", raising=False)  # that of the other tests keeps its number
    threads.use_threads(2)
    assert os.environ.get(threads.VARIABLE) == expected
