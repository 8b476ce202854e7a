"""Renew what documents show and code decides: the parameter tables, the diagrams, the image of the outputs.

The image is of the synthetic room's exact depth and labels, so it shows what the outputs are, not how good a network
is. Run it with `make docs`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from cinet_core.inference.prediction import Prediction
from cinet_core.label_sets import NYU40
from cinet_core.obstacles.settings import ObstacleSettings
from cinet_core.parameters import markdown_table
from cinet_core.rooms.demo.room import SyntheticRoom
from cinet_core.tasks.panel import panel
from cinet_ros.mapping.parameters import MappingSettings
from cinet_ros.parameters import Settings
from cinet_ros.player.parameters import PlayerSettings
from scripts import architecture

ROOT = Path(__file__).resolve().parent.parent
OUTPUTS_IMAGE = ROOT / "docs" / "outputs.png"
VIEW = 21  # shows the table in front, the door behind and the television


def tables() -> dict[Path, dict[str, str]]:
    """The tables of each document by name; that of the perception node has the order of its parameter file."""
    file = ROOT / "config" / "perception.yaml"
    order = list(yaml.safe_load(file.read_text(encoding="utf-8"))["/**"]["ros__parameters"])
    return {
        ROOT / "README.md": {
            "perception parameters": markdown_table(Settings, order),
            "player parameters": markdown_table(PlayerSettings),
        },
        ROOT / "docs" / "mapping_node.md": {"mapping parameters": markdown_table(MappingSettings)},
        ROOT / "docs" / "navigation.md": {"obstacle parameters": markdown_table(ObstacleSettings)},
    }


def with_tables(text: str, tables: dict[str, str]) -> str:
    """A document with every table between its markers renewed.

    Raises:
        ValueError: a marker is missing.
    """
    for name, table in tables.items():
        begin, end = f"<!-- begin {name}: `make docs` -->", f"<!-- end {name} -->"
        before, found_begin, rest = text.partition(begin)
        _, found_end, after = rest.partition(end)
        if not (found_begin and found_end):
            raise ValueError(f"there is no `{begin}` ... `{end}`")
        text = f"{before}{begin}\n{table}\n{end}{after}"
    return text


def main() -> int:
    """Rewrite the tables, the diagrams and docs/outputs.png."""
    architecture.write()
    for path, renewed in tables().items():
        path.write_text(with_tables(path.read_text(encoding="utf-8"), renewed), encoding="utf-8")
    room = SyntheticRoom()
    frame = room.render(VIEW)
    truth = Prediction(
        {"depth": frame.depth, "labels": frame.labels, "confidence": np.full_like(frame.labels, 255)},
        room.intrinsics,
        {},
    )
    caption = "synthetic room with its exact depth and labels: what the outputs are, not what a network reaches"
    image = panel(frame.image, truth, NYU40, caption=caption)
    OUTPUTS_IMAGE.parent.mkdir(exist_ok=True)
    Image.fromarray(image).quantize(256).save(OUTPUTS_IMAGE, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
