"""The shared inputs from the field (../shared/cases beside the checkout), written once for a test session."""

from __future__ import annotations

import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

MAKER = Path(__file__).resolve().parents[3] / "shared" / "cases" / "make_cases.py"
MOST_SECONDS = 120


@lru_cache(maxsize=1)
def _made(folder: Path) -> Path:
    target = folder / "cases"
    subprocess.run([sys.executable, str(MAKER), str(target)], check=True, capture_output=True, timeout=MOST_SECONDS)
    return target


def field_cases(factory: pytest.TempPathFactory) -> Path:
    """The folder of cases; skips the test where nothing can make them."""
    if not MAKER.is_file():
        pytest.skip("../shared/cases/make_cases.py is absent: tried only on inputs made here")
    return _made(factory.getbasetemp())
