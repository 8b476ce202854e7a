"""Contact sheet of synthetic rooms: ``python -m cinet_core.rooms.raycast --output sheet.png --count 24``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

import cv2
import numpy as np

from cinet_core.label_sets import NYU40
from cinet_core.rooms.raycast.dataset import SyntheticBatches, SyntheticRooms, Views
from cinet_core.visualize.depth import colorize_depth


def contact_sheet(rooms: SyntheticRooms, columns: int = 6, farthest: float = 6.0) -> np.ndarray:
    """(H, W, 3) uint8 RGB: image, depth from 0.3 m to the farthest, and labels of every sample, one below the other."""
    cells = []
    for batch in SyntheticBatches(rooms, 8):
        rendering = batch.rendering
        for number in range(len(batch.indices)):
            image = rendering.images[number].permute(1, 2, 0).cpu().numpy()
            depth = colorize_depth(rendering.depth[number].cpu().numpy(), 0.3, farthest)
            labels = NYU40.palette[rendering.labels[number].cpu().numpy()]
            cells.append(np.concatenate([image, depth, labels]))
    cells += [np.zeros_like(cells[0])] * (-len(cells) % columns)
    return np.concatenate([np.concatenate(cells[i : i + columns], 1) for i in range(0, len(cells), columns)])


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(prog="python -m cinet_core.rooms.raycast", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="PNG file to write")
    parser.add_argument("--count", type=int, default=24, help="rooms on the sheet")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, nargs=2, default=(320, 240), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--views", default="furnished", choices=get_args(Views))
    parser.add_argument("--path", type=int, default=1, metavar="FRAMES", help="of each camera path (1: none)")
    options = parser.parse_args()
    rooms = SyntheticRooms(
        options.count,
        options.seed,
        options.size[0],
        options.size[1],
        device=options.device,
        views=options.views,
        path=options.path,
    )
    sheet = contact_sheet(rooms, farthest=12.0 if options.views == "wide" else 6.0)
    if not cv2.imwrite(str(options.output), sheet[..., ::-1]):
        parser.error(f"cannot write {options.output}: does the folder exist?")


if __name__ == "__main__":
    main()
