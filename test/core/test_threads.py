"""The number of threads of a process: the parameter's, or the user's environment, or the node's own default."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cinet_core import threads

# In a process of its own: the libraries read the environment when they are loaded.
PROGRAM = """
import ctypes, json, os, sys, threading
import cv2, numpy, torch
from cinet_core.threads import threads, use_threads
count, default = (int(value) for value in sys.argv[1:])
used = use_threads(count, default)
there = []
worker = threading.Thread(target=lambda: there.append(torch.get_num_threads()))
worker.start()
worker.join()
print(json.dumps([used, threads(), cv2.getNumThreads(), torch.get_num_threads(), *there]))
for path in {line.split()[-1] for line in open("/proc/self/maps") if "openblas" in line}:
    library = ctypes.CDLL(path)
    asked = lambda what: [
        getattr(library, name)() for a in ("", "scipy_") for b in ("", "64_")
        if hasattr(library, name := f"{a}openblas_get_{what}{b}")
    ]
    if any(asked("parallel")):  # OpenCV 4.11 brings one that was built without threads
        print(asked("num_threads"))
"""


@pytest.mark.parametrize(
    ("count", "default", "variable", "expected"),
    [
        (0, 1, None, 1),
        (3, 1, None, 3),
        (0, 1, "2", 2),
        (0, 0, "2,1", 2),
        (3, 1, "2", 3),  # the parameter is the nearer one
        (0, 1, "many", 1),
        (0, 0, None, len(os.sched_getaffinity(0))),
    ],
)
def test_every_library_has_the_number_in_every_thread(
    count: int, default: int, variable: str | None, expected: int
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != threads.VARIABLE}
    if variable is not None:
        environment[threads.VARIABLE] = variable
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(count), str(default)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    libraries, *openblas = done.stdout.splitlines()
    assert libraries == str([expected] * 5)
    # It has no more threads than there are cores, or than it was made for.
    assert all(line in (str([expected]), str([min(expected, threads.cores())])) for line in openblas)


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
