"""Half precision is advised against where the CPU has no instructions for it, and only there."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_network import TINY

pytest.importorskip("lightning", reason="training is an extra: pip install 'cinet[train]'")

from cinet_core.training.preparation import prepare
from cinet_core.training.settings import DataSettings, ModelSettings, Recipe, RunSettings


def warnings_of(folder: Path, **run: Any) -> list[str]:
    rooms = {"length": 2, "validation_length": 1, "width": 48, "height": 36}
    data = DataSettings(
        "synthetic", options=rooms, label_set="nyu13", width=32, height=24, workers=0, statistics_samples=2
    )
    model = ModelSettings(overrides=TINY, pretrained_encoder=False)
    found = prepare(Recipe("precision", data=data, model=model, run=RunSettings(str(folder), **run))).warnings
    return [warning for warning in found if "run.precision" in warning]


@pytest.mark.parametrize(
    ("machine", "capability", "precision", "warned"),
    [
        ("x86_64", "AVX2", "bf16-mixed", True),
        ("x86_64", "DEFAULT", "16-mixed", True),
        ("x86_64", "AVX2", "32-true", False),
        ("x86_64", "AVX512", "bf16-mixed", False),
        ("aarch64", "DEFAULT", "bf16-mixed", False),
        ("aarch64", "SVE256", "bf16-mixed", False),
    ],
)
def test_half_precision_on_a_cpu_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: str, capability: str, precision: str, warned: bool
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    found = warnings_of(tmp_path, accelerator="cpu", precision=precision)
    assert len(found) == warned
    if warned:
        assert precision in found[0]
        assert capability in found[0]
        assert "run.precision=32-true" in found[0]


def test_a_gpu_is_not_judged_by_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert not warnings_of(tmp_path, accelerator="auto", precision="bf16-mixed")
