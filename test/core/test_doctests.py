"""Every example in a docstring of `cinet_core` runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import cinet_core

ROOT = Path(__file__).parents[2]
PROMPT = ">>> "


def modules_with_examples() -> list[str]:
    files = sorted((ROOT / "cinet_core").rglob("*.py"))
    found = [path.relative_to(ROOT) for path in files if PROMPT in path.read_text(encoding="utf-8")]
    return [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in found]


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = doctest.testmod(importlib.import_module(name))
    assert done.attempted > 0, "there is an example that doctest does not find"
    assert done.failed == 0


def test_where_a_reader_benefits_there_is_an_example() -> None:
    names = set(modules_with_examples())
    for name in ("load", "Prediction", "Intrinsics", "get_label_set", "read_metadata", "evaluate", "fuse_map"):
        assert getattr(cinet_core, name).__module__ in names, name
    assert {"cinet_core.losses.depth", "cinet_core.losses.segmentation", "cinet_core.metrics.depth"} <= names
