"""Freed memory is kept: counted in the pages that the system lends."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

ROUNDS = 20
PAGES = 64 * 1024 * 1024 // os.sysconf("SC_PAGE_SIZE")
PROGRAM = f"""
import resource
from cinet_core.heap import keep_freed_memory
kept = KEEP and keep_freed_memory()
import threading
import numpy as np

def work():
    for turn in range({ROUNDS} + 1):
        if turn == 1:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        np.empty(64 * 1024 * 1024, np.uint8)[:: resource.getpagesize()] = 1
    print(int(kept), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

thread = threading.Thread(target=work)
THREAD
"""

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")


def _run(keep: bool, *, thread: bool = False, **variables: str) -> tuple[bool, int]:
    # numpy asks for huge pages, of which one fault brings 512.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    environment |= {"NUMPY_MADVISE_HUGEPAGE": "0", **variables}
    program = PROGRAM.replace("KEEP", str(keep)).replace("THREAD", "thread.start()" if thread else "work()")
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    kept, faults = run.stdout.split()
    return kept == "1", int(faults)


@pytest.mark.parametrize("thread", [False, True])
def test_a_block_that_comes_again_costs_no_pages(thread: bool) -> None:
    kept, faults = _run(keep=True, thread=thread)
    assert kept
    assert faults < PAGES


def test_without_every_block_costs_all_its_pages() -> None:
    """What the setting is for, and that the count above can fail."""
    _, faults = _run(keep=False)
    assert faults >= ROUNDS * PAGES


def test_settings_of_the_user_count() -> None:
    kept, faults = _run(keep=True, MALLOC_TRIM_THRESHOLD_="131072")
    assert not kept
    assert faults >= ROUNDS * PAGES
