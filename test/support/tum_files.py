"""Small sequences in the layout of the TUM RGB-D benchmark."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

HEADER = "# color images\n# file: 'rgbd_dataset_freiburg1_desk.bag'\n# timestamp filename\n"
START = 1305031102.0


def write(root: Path, image: np.ndarray | None = None, depth: np.ndarray | None = None, count: int = 3) -> Path:
    """Colour at 30 Hz from START, depth 10 ms later; the camera moves along x by 1 m/s, a second before and after."""
    image = np.full((480, 640, 3), 90, np.uint8) if image is None else image
    depth = np.full((480, 640), 10000, np.uint16) if depth is None else depth
    lists: dict[str, list[str]] = {"rgb": [], "depth": []}
    for number in range(count):
        for folder, pixels, shift in (("rgb", image, 0.0), ("depth", depth, 0.01)):
            name = f"{START + number / 30 + shift:.6f}"
            (root / folder).mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(root / folder / f"{name}.png"), pixels)
            lists[folder].append(f"{name} {folder}/{name}.png\n")
    for folder, lines in lists.items():
        (root / f"{folder}.txt").write_text(HEADER + "".join(lines))
    poses = "".join(f"{START + t:.4f} {t:.4f} 0.5 1.0 0.0 0.0 0.0 1.0\n" for t in np.arange(-1.0, 1.0, 0.01))
    (root / "groundtruth.txt").write_text("# ground truth trajectory\n" + poses)
    return root
