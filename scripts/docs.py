"""Renew what documents show and code decides: the parameter tables, and the picture of the outputs.

The picture is of the synthetic room's exact depth and labels, so it shows what the outputs are, not how good a network
is. Run it with `make docs`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from cinet_core.inference.prediction import Prediction
from cinet_core.label_sets import NYU40
from cinet_core.rooms.demo.room import SyntheticRoom
from cinet_core.visualize.panel import panel
from cinet_ros.mapping.parameters import MappingSettings
from cinet_ros.parameter_fields import markdown_table
from cinet_ros.parameters import Settings
from cinet_ros.player.parameters import PlayerSettings

ROOT = Path(__file__).resolve().parent.parent
TABLES: dict[Path, dict[str, type]] = {
    ROOT / "README.md": {"perception parameters": Settings, "player parameters": PlayerSettings},
    ROOT / "docs" / "mapping_node.md": {"mapping parameters": MappingSettings},
}
PICTURE = ROOT / "docs" / "outputs.png"
VIEW = 21  # shows the table in front, the door behind and the television


def with_tables(text: str, tables: dict[str, type]) -> str:
    """A document with every table between its markers renewed.

    Raises:
        ValueError: a marker is missing.
    """
    for name, kind in tables.items():
        begin, end = f"<!-- begin {name}: `make docs` -->", f"<!-- end {name} -->"
        before, found_begin, rest = text.partition(begin)
        _, found_end, after = rest.partition(end)
        if not (found_begin and found_end):
            raise ValueError(f"there is no `{begin}` ... `{end}`")
        text = f"{before}{begin}\n{markdown_table(kind)}\n{end}{after}"
    return text


def main() -> int:
    """Rewrite the tables and docs/outputs.png."""
    for path, tables in TABLES.items():
        path.write_text(with_tables(path.read_text(encoding="utf-8"), tables), encoding="utf-8")
    room = SyntheticRoom()
    frame = room.render(VIEW)
    truth = Prediction(
        {"depth": frame.depth, "labels": frame.labels, "confidence": np.full_like(frame.labels, 255)},
        room.intrinsics,
        {},
    )
    caption = "synthetic room with its exact depth and labels: what the outputs are, not what a network reaches"
    picture = panel(frame.image, truth, NYU40, caption=caption)
    PICTURE.parent.mkdir(exist_ok=True)
    Image.fromarray(picture).quantize(256).save(PICTURE, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
