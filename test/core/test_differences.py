"""docs/differences_from_the_paper.md: every setting that it names exists, and has the default that it states."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from cinet_core.model.config import ModelConfig
from cinet_core.training.settings import Recipe
from cinet_core.training.settings_data import DataSettings

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "differences_from_the_paper.md"
MODEL = "model.overrides."


def rows() -> Iterator[tuple[str, str]]:
    """Setting and default of each row; "" where the page gives none."""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[0] != "decision":
            assert len(cells) == 5, line
            yield cells[2].strip("`"), cells[3].strip("`")


def value_of(setting: str) -> Any:
    """The default of a setting by its name, or the object of a module.

    Raises:
        AttributeError: there is none.
    """
    if setting.startswith("cinet_core."):
        module, _, name = setting.rpartition(".")
        return getattr(import_module(module), name)
    if setting.startswith(MODEL):
        return getattr(ModelConfig("name", "encoder"), setting.removeprefix(MODEL))
    value: Any = Recipe("name", DataSettings("somewhere"))
    for part in setting.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize(("setting", "default"), list(rows()))
def test_a_setting_exists_and_has_this_default(setting: str, default: str) -> None:
    value = value_of(setting)
    if default:
        assert str(value) == default
    else:
        assert setting.startswith("cinet_core."), f"{setting} has a default: state it"


def test_what_is_not_there_is_found_out() -> None:
    for setting in ("losses.nothing", "model.overrides.nothing", "cinet_core.losses.depth.nothing"):
        with pytest.raises(AttributeError):
            value_of(setting)


def test_decisions_of_the_network_are_all_there() -> None:
    """A new field of the network's configuration that the paper does not decide has its row."""
    named = {setting.removeprefix(MODEL) for setting, _ in rows() if setting.startswith(MODEL)}
    elsewhere = {"name", "encoder", "num_classes", "separable", "channels_last", "tasks"}
    assert named == {field.name for field in dataclasses.fields(ModelConfig)} - elsewhere
    assert len(list(rows())) > 40


def test_the_page_is_linked() -> None:
    assert "docs/differences_from_the_paper.md" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "(differences_from_the_paper.md)" in (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    assert re.search(r"^differences_from_the_paper$", (ROOT / "docs" / "index.md").read_text(encoding="utf-8"), re.M)
