"""The least that a benchmark can measure."""

from __future__ import annotations

import dataclasses

import pytest

from scripts.benchmarks import variants
from scripts.benchmarks.run import QUICK

SIZES = {"network_sizes": ((32, 48),), "image_size": (64, 96), "scaled_sizes": ((32, 32), (32, 64)), "matrix": 64}
TINY = dataclasses.replace(QUICK, least=1, most=1, warm_up=0, batch=1, **SIZES)  # type: ignore[arg-type]


def leave_others_out(patch: pytest.MonkeyPatch) -> None:
    """PyTorch alone is measured: exports to others take seconds, and are tested elsewhere."""
    patch.setattr(
        variants, "missing_requirement", lambda name, device, precision: None if name == "torch" else "left out"
    )
