"""nyu_depth_v2_labeled.mat in exactly the official layout, with as few bytes as HDF5 allows. Needs h5py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

ROOMS = 200


def write_nyu(
    path: Path,
    change: Callable[[dict[str, Any]], None] | None = None,
    unwritten: Mapping[str, float] | None = None,
) -> Path:
    """The official layout: MATLAB's user block, axes reversed, one chunk an image; the unwritten takes no space.

    Args:
        path: of the file.
        change: is given the shapes and types by name, to spoil them.
        unwritten: values of the pixels that nobody writes, by the name of the array; 0 without.
    """
    values = unwritten or {}
    shapes: dict[str, Any] = {
        "images": ((1449, 3, 640, 480), "u1"),
        "labels": ((1449, 640, 480), "u2"),
        "depths": ((1449, 640, 480), "f4"),
        "rawDepths": ((1449, 640, 480), "f4"),
    }
    if change is not None:
        change(shapes)
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, (shape, dtype) in shapes.items():
            chunks = (1, *shape[1:])
            file.create_dataset(
                name, shape, dtype, chunks=chunks, compression="gzip", compression_opts=1, fillvalue=values.get(name)
            )
        names = [
            file.create_dataset(f"#refs#/{room}", data=np.array([[ord(c)] for c in f"room_{room:04d}"], "u2")).ref
            for room in range(ROOMS)
        ]
        file["scenes"] = np.array([[names[image * ROOMS // 1449] for image in range(1449)]], dtype=h5py.ref_dtype)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    return path
