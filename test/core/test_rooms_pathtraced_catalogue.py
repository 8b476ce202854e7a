"""Catalogues and models that are damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from cinet_core.rooms.pathtraced.catalogue import PLUGIN, Catalogue, CatalogueError, Model
from cinet_core.rooms.pathtraced.plan import UPRIGHT
from cinet_core.rooms.pathtraced.supports import ModelError, board_heights


@pytest.mark.parametrize("text", ["", "v 0 0\nf 1 1 1", "v 0 0 0\nf 1 2 9", "v 0 0 x"])
def test_a_damaged_model_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "shelf.obj"
    path.write_text(text)
    with pytest.raises(ModelError, match=r"shelf\.obj is damaged"):
        board_heights(Model("a#1", "Shelf", "Office", path, (1, 1, 1), UPRIGHT, 0.0, None, "Ann", "CC-BY 3.0"))


@pytest.mark.parametrize(
    ("line", "fault"),
    [("width#1=wide", "could not convert"), ("height#1=1", "no 'width'"), ("name#2=Bed", "no 'model'")],
)
def test_a_damaged_entry_is_named(tmp_path: Path, line: str, fault: str) -> None:
    folder = tmp_path / "Library"
    folder.mkdir()
    (folder / "thing.obj").write_text("")
    whole = "width#1=1\ndepth#1=1\nheight#1=1\nid#1=a\nname#1=a\ncategory#1=a\ncreator#1=a\n"
    (folder / PLUGIN).write_text(f"model#1=/thing.obj\n{line if '#1' in line else whole + line}")
    with pytest.raises(CatalogueError, match=rf"Library/{PLUGIN}.*{fault}.*: delete {tmp_path} and run .*--setup"):
        Catalogue(tmp_path)
