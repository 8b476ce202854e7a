"""What is said about the mapper's parameters is what it has: the shipped file, and the table in the documentation."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import yaml

from cinet_core.parameters import markdown_table
from cinet_ros.mapping.parameters import MappingSettings

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_shipped_file_has_every_parameter_at_its_default() -> None:
    shipped = yaml.safe_load((REPOSITORY / "config" / "mapping.yaml").read_text(encoding="utf-8"))
    values = shipped["/**"]["ros__parameters"]
    defaults = dataclasses.asdict(MappingSettings())
    assert values.keys() == defaults.keys()
    assert {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()} == defaults


def test_the_documentation_has_the_table() -> None:
    text = (REPOSITORY / "docs" / "mapping_node.md").read_text(encoding="utf-8")
    assert markdown_table(MappingSettings) in text, "run `make docs` to bring the table up to date"
