"""Memory of this process: what is held now, and what was at most."""

from pathlib import Path

import numpy as np
import psutil
import pytest

from cinet_core import process_memory
from cinet_core.process_memory import forget_peak, peak_memory, resident_memory

MEBIBYTE = 2**20
SLACK = 16 * MEBIBYTE


def test_resident_memory_is_what_the_system_counts() -> None:
    resident = resident_memory()
    assert resident is not None
    assert resident == pytest.approx(psutil.Process().memory_info().rss, abs=SLACK)


def test_the_peak_stays_when_the_memory_is_given_back_until_it_is_forgotten() -> None:
    forget_peak()
    before = peak_memory()
    held = np.ones(128 * MEBIBYTE, dtype=np.uint8)
    del held
    assert peak_memory() - before == pytest.approx(128 * MEBIBYTE, abs=SLACK)
    forget_peak()
    assert peak_memory() - before < SLACK


def test_without_proc_nothing_is_made_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(process_memory, "_STATUS", tmp_path / "absent")
    assert resident_memory() is None
    assert peak_memory() > 10 * MEBIBYTE
